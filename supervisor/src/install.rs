//! `install`: a program file becomes the active worker, without a cloud and while no supervisor runs.
//!
//! The slot is born exactly as a downloaded one. What the operator installs by hand is trusted: an update that was under way is dropped,
//! and an older verdict on this very build is lifted.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use supervisor_core::{
    alink::{hex, version::Version},
    record::{Slot, SlotId},
    time::Wall,
};

use crate::{
    advice::Mistake,
    drivers::store::{Contents, OpenError, State, birth::birth_on, disk::Disk, folder::Folder},
    program,
};

/// Why a worker was not installed; the one before it, if any, is still active.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    /// The state folder cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no such file.
    #[error("`{}` cannot be installed: {}", .0.display(), Mistake::NoWorkerFile)]
    Missing(PathBuf),
    /// The file cannot be used.
    #[error("`{0}` cannot be installed")]
    File(PathBuf, #[source] io::Error),
    /// The slot or the record could not be written.
    #[error("the state folder cannot be written")]
    State(#[source] io::Error),
}

/// Installs a program file; gives the new slot and what is odd about it, or was found damaged on the way.
pub(crate) fn install(
    root: &Path,
    file: &Path,
    version: Version,
    now: Wall,
) -> Result<(Slot, Vec<String>), InstallError> {
    let (mut state, mut contents) = State::open(root)?;
    let mut words = std::mem::take(&mut contents.words);
    let unusable = |why: io::Error| match why.kind() {
        io::ErrorKind::NotFound => InstallError::Missing(file.to_owned()),
        _ => InstallError::File(file.to_owned(), why),
    };
    // A pipe, say, would be waited for when it is opened.
    if !std::fs::metadata(file).map_err(unusable)?.is_file() {
        return Err(unusable(io::Error::other("it is not a file")));
    }
    let source = File::open(file).map_err(unusable)?;
    if program::is_foreign(file).unwrap_or(false) {
        // The system has the last word; a start that fails says so.
        words.push(format!(
            "WARNING: `{}`: {}",
            file.display(),
            Mistake::OtherSystem
        ));
    }
    match install_into(state.folder(), contents, source, version, now) {
        Ok(slot) => Ok((slot, words)),
        Err(Refusal::Source(why)) => Err(unusable(why)),
        Err(Refusal::Disk(why)) => Err(InstallError::State(why)),
    }
}

/// What went wrong: reading the program, or writing it.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The program cannot be read.
    Source(io::Error),
    /// The state folder cannot be written.
    Disk(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(why: io::Error) -> Self {
        Self::Disk(why)
    }
}

/// Does that on any disk.
pub(crate) fn install_into<D: Disk>(
    folder: &mut Folder<D>,
    contents: Contents,
    source: impl Read,
    version: Version,
    now: Wall,
) -> Result<Slot, Refusal> {
    let mut record = contents.record.unwrap_or_default();
    // Without a record, numbers go on after the slots that are there.
    let numbers = contents.slots.iter().map(|slot| slot.id.0);
    let beyond = numbers.map(|number| number.saturating_add(1)).max();
    let number = record.next_slot.max(beyond.unwrap_or(0)).max(1);

    let part = folder
        .layout()
        .parts()
        .join(format!("install-{number}.part"));
    let copied = copy(source, folder.disk(), &part);
    let (sha256, size) = copied.inspect_err(|_| {
        // What stays is removed when the folder is opened the next time.
        let _ = folder.disk().remove(&part);
    })?;
    let slot = Slot {
        id: SlotId(number),
        version,
        sha256,
        size,
        package: None,
    };
    birth_on(folder.disk(), folder.layout(), &[part], &slot)?;

    record.next_slot = number.saturating_add(1);
    record.strikes.retain(|strike| strike.sha256 != slot.sha256);
    record.job = None;
    record.former = record.active.replace(slot.clone());
    record.last_update = Some(now);
    folder.save(&record)?;
    Ok(slot)
}

fn copy(mut from: impl Read, disk: &impl Disk, to: &Path) -> Result<(String, u64), Refusal> {
    let mut target = disk.create(to)?;
    let (mut sha256, mut size, mut bytes) = (Sha256::new(), 0, vec![0; 64 * 1024]);
    loop {
        let count = match from.read(&mut bytes) {
            Ok(count) => count,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) => return Err(Refusal::Source(why)),
        };
        if count == 0 {
            break;
        }
        sha256.update(&bytes[..count]);
        disk.write(&mut target, &bytes[..count])?;
        size += count as u64;
    }
    if size == 0 {
        return Err(Refusal::Source(io::Error::other("it is empty")));
    }
    disk.sync(&target)?;
    Ok((hex::encode(&sha256.finalize()), size))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn the_installed_program_is_active_and_the_one_before_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (root, file) = (folder.path().join("state"), folder.path().join("oven"));
        fs::write(&file, b"one").unwrap();
        let (first, _) = install(&root, &file, version("1.0.0"), Wall(5)).unwrap();
        fs::write(&file, b"two").unwrap();
        let (second, _) = install(&root, &file, version("1.0.1"), Wall(6)).unwrap();
        let (state, contents) = State::open(&root).unwrap();
        let record = contents.record.unwrap();
        assert_eq!(fs::read(state.layout().image(&second)).unwrap(), b"two");
        assert_eq!(record.active, Some(second));
        assert_eq!(record.former, Some(first));
        assert_eq!((record.next_slot, record.last_update), (3, Some(Wall(6))));
        assert_eq!(contents.slots.len(), 2);
    }

    #[test]
    fn a_lost_record_does_not_make_a_number_be_given_twice() {
        let folder = tempfile::tempdir().unwrap();
        let (root, file) = (folder.path().join("state"), folder.path().join("oven"));
        fs::write(&file, b"one").unwrap();
        install(&root, &file, version("1.0.0"), Wall(5)).unwrap();
        fs::write(root.join("record.a"), b"torn").unwrap();
        let (slot, words) = install(&root, &file, version("1.0.0"), Wall(6)).unwrap();
        assert_eq!(slot.id, SlotId(2));
        assert!(words[0].contains("record.a"), "{words:?}");
    }

    #[test]
    fn what_is_no_file_or_empty_or_locked_is_refused_and_nothing_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (root, file) = (folder.path().join("state"), folder.path().join("oven"));
        let refused = |file: &Path| {
            let error = install(&root, file, version("1.0.0"), Wall(5)).unwrap_err();
            crate::drivers::chain(&error)
        };
        assert!(refused(&file).contains("oven"));
        assert!(refused(folder.path()).contains("cannot be installed"));
        fs::write(&file, b"").unwrap();
        assert!(refused(&file).contains("it is empty"));
        fs::write(&file, b"one").unwrap();
        let (state, contents) = State::open(&root).unwrap();
        assert_eq!(contents, Contents::default());
        assert!(refused(&file).contains("in use by another supervisor"));
        drop(state);
    }
}
