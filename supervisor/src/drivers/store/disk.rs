//! What the store does to a disk, one operation each.
//!
//! Every sequence of writes in the state folder is made of these, so that tests can carry the same sequences out on a disk that loses,
//! tears and reorders whatever was not synced, or that fails. An error names the path, which the system's own does not.
//! Nothing here waits for anything but the disk: what is no file, such as a pipe, is not opened.

use super::verify::is_passing;
use crate::drivers::scanner;
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

/// No more entries of one folder are looked at; a folder of ours has a few.
const MOST_ENTRIES: usize = 10_000;

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file, of so many bytes.
    File(u64),
    /// A folder.
    Folder,
    /// Something that is neither, such as a pipe.
    Other,
}

/// A disk.
pub(crate) trait Disk {
    /// A file that was created and is being written.
    type File;

    /// Makes an empty file; one that is there is emptied.
    fn create(&self, path: &Path) -> io::Result<Self::File>;

    /// Writes further bytes. They are not durable before [`Disk::sync`].
    fn write(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;

    /// Makes a file's bytes durable. After a failure nothing is known about them, and only what is written again counts.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Makes the entries of a folder durable: names given, changed and taken.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Reads a file, at most so many bytes of it. The error is `ResourceBusy` if it may go better the next time, with the file as
    /// it is.
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>>;

    /// What lies there.
    fn kind(&self, path: &Path) -> io::Result<Kind>;

    /// The names in a folder.
    fn list(&self, path: &Path) -> io::Result<Vec<OsString>>;

    /// Makes a folder where nothing is yet, private to this user where the system has modes.
    fn make_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder private to this user where the system has modes.
    fn make_private(&self, path: &Path) -> io::Result<()>;

    /// Gives a file a second name.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file or a folder another name; a file that has it loses it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder with all it holds, in no particular order.
    fn remove_all(&self, path: &Path) -> io::Result<()>;

    /// Makes a file a program that nobody changes, durably.
    fn make_executable(&self, path: &Path) -> io::Result<()>;

    /// Makes a file one that may be written to again.
    fn make_writable(&self, path: &Path) -> io::Result<()>;

    /// Makes a file with these bytes, durable but for its name.
    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.create(path)?;
        self.write(&mut file, bytes)?;
        self.sync(&file)
    }

    /// Removes whatever is there, be it a file, a folder or something else; nothing is as good as removed.
    fn clear(&self, path: &Path) -> io::Result<()> {
        let cleared = match self.kind(path) {
            Ok(Kind::Folder) => self.remove_all(path),
            Ok(_) => self.remove(path),
            Err(why) => Err(why),
        };
        match cleared {
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
            cleared => cleared,
        }
    }
}

/// A folder that its group may pass through, without seeing what it holds.
#[cfg(unix)]
pub(crate) const THROUGH: u32 = 0o710;

/// What cannot be read is tried again this often, and after this pause each time. A record that is found unreadable at the start is given up
/// for good, and a disk that fails once may be well the next time.
const READ_TRIES: u32 = 3;
const READ_PAUSE: Duration = Duration::from_millis(10);

/// Reads until that goes well, within bounds.
fn again<T>(read: impl Fn() -> io::Result<T>) -> io::Result<T> {
    for _ in 1..READ_TRIES {
        match read() {
            Err(why) if !is_final(why.kind()) => std::thread::sleep(READ_PAUSE),
            done => return done,
        }
    }
    read()
}

/// Is it what lies there, and not how it can be read, that this says?
fn is_final(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{InvalidInput, IsADirectory, NotADirectory, NotFound};

    matches!(kind, NotFound | NotADirectory | IsADirectory | InvalidInput)
}

/// The disk the state folder lies on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Real;

/// A file on it, with its path for errors.
#[derive(Debug)]
pub(crate) struct Written {
    file: File,
    path: PathBuf,
}

impl Disk for Real {
    type File = Written;

    fn create(&self, path: &Path) -> io::Result<Written> {
        is_file_or_nothing(path)?;
        let file = scanner::past(|| create(path)).map_err(|why| at(path, &why))?;
        let path = path.to_owned();
        Ok(Written { file, path })
    }

    fn write(&self, file: &mut Written, bytes: &[u8]) -> io::Result<()> {
        let written = file.file.write_all(bytes);
        written.map_err(|why| at(&file.path, &why))
    }

    fn sync(&self, file: &Written) -> io::Result<()> {
        file.file.sync_all().map_err(|why| at(&file.path, &why))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        sync_folder(path).map_err(|why| at(path, &why))
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        is_file_or_nothing(path)?;
        let read = || {
            let mut bytes = Vec::new();
            let file = scanner::past(|| File::open(path))?;
            file.take(most).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        again(read).map_err(|why| match is_passing(&why) {
            true => at(path, &io::Error::new(io::ErrorKind::ResourceBusy, why)),
            false => at(path, &why),
        })
    }

    fn kind(&self, path: &Path) -> io::Result<Kind> {
        let look = || match fs::metadata(path) {
            // A link that leads nowhere is in the way all the same.
            Err(why) if why.kind() == io::ErrorKind::NotFound => fs::symlink_metadata(path),
            found => found,
        };
        let found = again(look).map_err(|why| at(path, &why))?;
        Ok(if found.is_file() {
            Kind::File(found.len())
        } else if found.is_dir() {
            Kind::Folder
        } else {
            Kind::Other
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let list = || {
            let entries = fs::read_dir(path)?.take(MOST_ENTRIES);
            entries.map(|entry| Ok(entry?.file_name())).collect()
        };
        again(list).map_err(|why| at(path, &why))
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        make_folder(path).map_err(|why| at(path, &why))
    }

    fn make_private(&self, path: &Path) -> io::Result<()> {
        make_private(path).map_err(|why| at(path, &why))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        scanner::past(|| fs::hard_link(from, to)).map_err(|why| at(to, &why))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        scanner::past(|| fs::rename(from, to)).map_err(|why| at(to, &why))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        scanner::past(|| fs::remove_file(path)).map_err(|why| at(path, &why))
    }

    fn remove_all(&self, path: &Path) -> io::Result<()> {
        scanner::past(|| fs::remove_dir_all(path)).map_err(|why| at(path, &why))
    }

    fn make_executable(&self, path: &Path) -> io::Result<()> {
        make_executable(path).map_err(|why| at(path, &why))
    }

    fn make_writable(&self, path: &Path) -> io::Result<()> {
        make_writable(path).map_err(|why| at(path, &why))
    }
}

/// Names the path in an error, which the system does not.
pub(crate) fn at(path: &Path, why: &io::Error) -> io::Error {
    io::Error::new(why.kind(), format!("`{}`: {why}", path.display()))
}

fn is_file_or_nothing(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            Err(at(path, &io::Error::other("something else than a file")))
        }
        _ => Ok(()),
    }
}

/// Makes a file that is this user's alone: others may have a way through the folder it lies in.
#[cfg(unix)]
fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}

#[cfg(unix)]
fn make_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;

    fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = fs::metadata(path)?.permissions().mode();
    // Whom workers run as may pass through some of them.
    if matches!(mode & 0o777, 0o700 | THROUGH) {
        return Ok(());
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(0o700)) {
        // A disk that takes no writes may still hold what can be started, if nobody else can have put it there.
        Err(_) if mode & 0o022 == 0 => Ok(()),
        set => set,
    }
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    fs::set_permissions(path, fs::Permissions::from_mode(0o500))?;
    File::open(path)?.sync_all()
}

#[cfg(unix)]
fn make_writable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

/// Makes a folder's entries durable.
#[cfg(unix)]
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(windows)]
fn create(path: &Path) -> io::Result<File> {
    File::create(path)
}

#[cfg(windows)]
fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir(path)
}

#[cfg(windows)]
fn make_private(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(windows)]
fn make_executable(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(windows)]
fn make_writable(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Windows has no such call: NTFS journals the entries, and a file's own sync takes its entry along.
#[cfg(windows)]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_disk_that_fails_once_or_twice_is_asked_again_and_one_that_says_what_is_there_is_not() {
        let failing = |times: u32, kind: io::ErrorKind| {
            let asked = Cell::new(0);
            let read = again(|| {
                asked.set(asked.get() + 1);
                match asked.get() > times {
                    true => Ok(asked.get()),
                    false => Err(kind.into()),
                }
            });
            (read.is_ok(), asked.get())
        };
        assert_eq!(failing(0, io::ErrorKind::Other), (true, 1));
        assert_eq!(failing(2, io::ErrorKind::PermissionDenied), (true, 3));
        assert_eq!(failing(9, io::ErrorKind::Other), (false, READ_TRIES));
        assert_eq!(failing(9, io::ErrorKind::NotFound), (false, 1));
    }
}
