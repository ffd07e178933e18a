//! `install`: a program file becomes the active worker, without a cloud and while no supervisor runs.
//!
//! The slot is born exactly as a downloaded one. What the operator installs by hand is trusted: an update that was under way is dropped,
//! and an older verdict on this very build is lifted.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use supervisor_core::{
    alink::{hex, version::Version},
    record::{Slot, SlotId},
    time::Wall,
};

use crate::drivers::store::{Contents, OpenError, State, at, birth::birth};

/// Why a worker was not installed; the one before it, if any, is still active.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    /// The state folder cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file cannot be used.
    #[error("`{0}` cannot be installed")]
    File(PathBuf, #[source] io::Error),
    /// The slot or the record could not be written.
    #[error("the state folder cannot be written")]
    State(#[source] io::Error),
}

/// Installs a program file; gives the new slot and what was found damaged on the way.
pub(crate) fn install(
    root: &Path,
    file: &Path,
    version: Version,
    now: Wall,
) -> Result<(Slot, Vec<String>), InstallError> {
    let (mut state, contents) = State::open(root)?;
    let Contents {
        record,
        slots,
        words,
        checkpoint: _,
    } = contents;
    let mut record = record.unwrap_or_default();
    // Without a record, numbers go on after the slots that are there.
    let beyond = slots.iter().map(|slot| slot.id.0.saturating_add(1)).max();
    let number = record.next_slot.max(beyond.unwrap_or(0)).max(1);

    let layout = state.layout().clone();
    let part = layout.parts().join(format!("install-{number}.part"));
    let (sha256, size) =
        copy(file, &part).map_err(|why| InstallError::File(file.to_owned(), why))?;
    let slot = Slot {
        id: SlotId(number),
        version,
        sha256,
        size,
        package: None,
    };
    birth(&layout, &[part], &slot).map_err(InstallError::State)?;

    record.next_slot = number.saturating_add(1);
    record.strikes.retain(|strike| strike.sha256 != slot.sha256);
    record.job = None;
    record.former = record.active.replace(slot.clone());
    record.last_update = Some(now);
    state.save(&record).map_err(InstallError::State)?;
    Ok((slot, words))
}

fn copy(from: &Path, to: &Path) -> io::Result<(String, u64)> {
    let mut source = File::open(from)?;
    if !source.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut target = File::create(to).map_err(|why| at(to, &why))?;
    let mut sha256 = Sha256::new();
    let mut size = 0;
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = source.read(&mut bytes)?;
        if count == 0 {
            break;
        }
        sha256.update(&bytes[..count]);
        target
            .write_all(&bytes[..count])
            .map_err(|why| at(to, &why))?;
        size += count as u64;
    }
    if size == 0 {
        let _ = fs::remove_file(to);
        return Err(io::Error::other("it is empty"));
    }
    target.sync_all().map_err(|why| at(to, &why))?;
    Ok((hex::encode(&sha256.finalize()), size))
}

#[cfg(test)]
mod tests {
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
