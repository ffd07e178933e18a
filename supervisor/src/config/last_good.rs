//! The last configuration a supervisor ran on, kept for the day on which the file itself cannot be used.
//!
//! A device whose configuration is torn, gone or wrong in a word would be out of reach, and its worker would not run. Therefore every start
//! on a configuration that can be used leaves a copy of its text, and a start on one that cannot be used takes that copy, loudly: it makes no
//! difference whether a disk or a person damaged it, because a device that runs and is connected can be mended from afar. The copy must not
//! lie where the configuration says, as that is what is damaged: it lies in the folder the system's service starter has set aside
//! (`STATE_DIRECTORY`), and without one beside the configuration.
//!
//! It refuses a copy that others may have written or can read: it may hold the device's secret, and decides whose programs run.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::{Environment, Fault, LARGEST_FILE, Loaded, last_secret, parse};
use crate::drivers::store::{at, disk::sync_folder};

/// The variable that names the folder for the state of a service.
const STATE_VARIABLE: &str = "STATE_DIRECTORY";

/// Where the copy of this configuration lies, if it has a name.
pub(crate) fn place(file: &Path, environment: Environment<'_>) -> Option<PathBuf> {
    let mut name = file.file_name()?.to_owned();
    name.push(".last-good");
    let given = environment(STATE_VARIABLE).map(PathBuf::from);
    Some(match given.filter(|folder| folder.is_absolute()) {
        Some(folder) => folder.join(name),
        None => file.with_file_name(name),
    })
}

/// The configuration to run on: the one that was read, or what was last known in the place of what is damaged, with the word why. Only the
/// secret may have to be replaced, or the whole, or both.
pub(crate) fn or_last_good(
    file: &Path,
    mut loaded: Loaded,
    environment: Environment<'_>,
) -> (Loaded, Option<String>) {
    let (Err(faults), Some(place)) = (&mut loaded.config, place(file, environment)) else {
        return (loaded, None);
    };
    let first = faults
        .first()
        .map_or_else(String::new, |fault| fault.0.clone());
    let word = |what: &str| {
        let next = "mend it, see `supervisor check-config`, and start again";
        Some(format!("runs on {what}: {first}; {next}"))
    };
    if let Some((known, what)) = last_secret::instead(file, file, &loaded.text, faults, environment)
    {
        return (known, word(&what));
    }
    let text = match read(&place) {
        Ok(text) => text,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return (loaded, None),
        Err(why) => {
            faults.push(Fault(format!("the last good copy cannot be taken: {why}")));
            return (loaded, None);
        }
    };
    let copy = format!("the last good copy `{}`", place.display());
    let mut kept = parse(file, &place, text, environment);
    let Err(more) = &mut kept.config else {
        return (kept, word(&copy));
    };
    if let Some((known, what)) = last_secret::instead(file, &place, &kept.text, more, environment) {
        return (known, word(&format!("{copy} and {what}")));
    }
    faults.append(more);
    (loaded, None)
}

/// Keeps this text as the last good one, durably, unless it is kept already.
///
/// # Errors
/// It cannot be kept; what was kept before is still there.
pub(crate) fn keep(place: &Path, text: &str) -> io::Result<()> {
    if read(place).is_ok_and(|kept| kept == text) {
        return Ok(());
    }
    let mut name = place.as_os_str().to_owned();
    name.push(".new");
    let fresh = PathBuf::from(name);
    match fs::remove_file(&fresh) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(at(&fresh, &why)),
        _ => {}
    }
    let written = create(&fresh).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|why| at(&fresh, &why))?;
    fs::rename(&fresh, place).map_err(|why| at(place, &why))?;
    match place.parent().filter(|it| !it.as_os_str().is_empty()) {
        Some(folder) => sync_folder(folder),
        None => sync_folder(Path::new(".")),
    }
}

/// Reads a copy that nobody else can have made.
pub(super) fn read(place: &Path) -> io::Result<String> {
    let told = |why: &io::Error| at(place, why);
    // Not followed, as whoever makes a link need not own what it leads to; and a pipe would be waited for.
    if !fs::symlink_metadata(place)
        .map_err(|why| told(&why))?
        .is_file()
    {
        return Err(told(&io::Error::other("it is not a file")));
    }
    let file = File::open(place).map_err(|why| told(&why))?;
    is_safe(place, &file).map_err(|why| told(&why))?;
    let mut text = String::new();
    file.take(LARGEST_FILE + 1)
        .read_to_string(&mut text)
        .map_err(|why| told(&why))?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(told(&io::Error::other("it is too long")));
    }
    Ok(text)
}

/// Makes a file that only its owner may read or write, where there is none yet.
#[cfg(unix)]
pub(crate) fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

/// Makes a file where there is none yet. Who may read it there follows from the folder, which is the installer's to set.
#[cfg(not(unix))]
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Nobody but its owner may read or write it, and nobody can have put it there who could not replace the configuration as well: it
/// belongs to the owner of its folder, or to the one we run as, or to root; and the folder is not open to all.
#[cfg(unix)]
fn is_safe(place: &Path, file: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;

    let found = file.metadata()?;
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        let why = format!("others may read or write it (mode {mode:03o})");
        return Err(io::Error::other(why));
    }
    let parent = place.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = fs::metadata(parent.unwrap_or(Path::new(".")))?;
    if folder.mode() & 0o002 != 0 {
        let why = "everybody may write to its folder";
        return Err(io::Error::other(why));
    }
    // Only root can open what is another's and closed to others. It takes that from the owner of the folder alone.
    let owner = found.uid();
    if owner != 0 && owner != folder.uid() && is_root()? {
        let why = format!("it belongs to user {owner}, and its folder does not");
        return Err(io::Error::other(why));
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn is_root() -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;

    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

/// Not known there: the stricter rule holds.
#[cfg(all(unix, not(target_os = "linux")))]
fn is_root() -> io::Result<bool> {
    Ok(true)
}

#[cfg(not(unix))]
fn is_safe(_: &Path, _: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("hotplate.toml.last-good");
        (folder, place)
    }

    #[test]
    fn it_lies_in_the_services_folder_and_without_one_beside_the_configuration() {
        let root = std::env::temp_dir();
        let file = root.join("hotplate.toml");
        let given = |folder: Option<&str>| {
            let folder = folder.map(str::to_owned);
            place(&file, &|name| {
                folder.clone().filter(|_| name == STATE_VARIABLE)
            })
            .unwrap()
        };
        let name = "hotplate.toml.last-good";
        assert_eq!(given(None), root.join(name));
        assert_eq!(given(Some("relative")), root.join(name));
        let other = root.join("other");
        assert_eq!(given(other.to_str()), other.join(name));
    }

    #[test]
    fn the_newest_is_kept_and_a_kept_one_is_not_written_again() {
        let (folder, place) = folder();
        for text in ["one", "two, longer", ""] {
            keep(&place, text).unwrap();
            assert_eq!(read(&place).unwrap(), text);
        }
        let before = fs::metadata(&place).unwrap().modified().unwrap();
        keep(&place, "").unwrap();
        assert_eq!(fs::metadata(&place).unwrap().modified().unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // What an interrupted one left is no obstacle.
        fs::write(folder.path().join("hotplate.toml.last-good.new"), "torn").unwrap();
        keep(&place, "three").unwrap();
        assert_eq!(read(&place).unwrap(), "three");
    }

    #[test]
    fn one_that_is_no_short_file_is_not_taken() {
        let (_folder, place) = folder();
        fs::create_dir(&place).unwrap();
        assert!(read(&place).unwrap_err().to_string().contains("not a file"));
        fs::remove_dir(&place).unwrap();
        keep(&place, &"#".repeat(LARGEST_FILE as usize + 1)).unwrap();
        assert!(read(&place).unwrap_err().to_string().contains("too long"));
        assert_eq!(
            read(&place.with_extension("none")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[cfg(unix)]
    #[test]
    fn one_that_others_can_read_or_can_have_made_is_not_taken_and_is_replaced() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        let (folder, place) = folder();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        keep(&place, "text").unwrap();
        let mode = fs::metadata(&place).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o620, 0o602] {
            set(&place, mode);
            assert!(
                read(&place).unwrap_err().to_string().contains("others may"),
                "{mode:o}"
            );
        }
        keep(&place, "text").unwrap();
        assert_eq!(read(&place).unwrap(), "text");
        set(folder.path(), 0o1777);
        assert!(read(&place).unwrap_err().to_string().contains("everybody"));
        set(folder.path(), 0o700);
        let real = folder.path().join("real");
        fs::rename(&place, &real).unwrap();
        symlink(&real, &place).unwrap();
        assert!(read(&place).unwrap_err().to_string().contains("not a file"));
    }
}
