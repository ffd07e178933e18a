//! Room on the disk for a download: looked at before its first byte, and again when the disk failed, so that the reason is told
//! as what it is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use supervisor_core::event::FetchFault;

use super::sink::on_disk;

/// The room a download needs and may use.
#[derive(Debug, Clone)]
pub(super) struct Space {
    /// On whose file system it must be.
    pub(super) folder: PathBuf,
    /// Where each file is collected, and how long it will be.
    pub(super) files: Vec<(PathBuf, u64)>,
    /// Bytes that are to stay free.
    pub(super) keep_free: u64,
}

impl Space {
    /// Is there room for what is missing, and what must stay free besides?
    pub(super) async fn check(&self) -> Result<(), FetchFault> {
        let space = self.clone();
        on_disk(move || {
            let needed = space.missing().saturating_add(space.keep_free);
            Ok(no_room(&space.folder, needed, needed))
        })
        .await?
        .map_or(Ok(()), Err)
    }

    /// Why the disk failed: if what is missing no longer fits, then that is why.
    pub(super) async fn blame(&self, fault: FetchFault) -> FetchFault {
        if !matches!(fault, FetchFault::Disk(_)) {
            return fault;
        }
        let space = self.clone();
        let looked = on_disk(move || {
            let missing = space.missing();
            let needed = missing.saturating_add(space.keep_free);
            Ok(no_room(&space.folder, missing, needed))
        });
        looked.await.ok().flatten().unwrap_or(fault)
    }

    fn missing(&self) -> u64 {
        let missing = |(part, size): &(PathBuf, u64)| {
            let there = fs::metadata(part).map_or(0, |part| part.len());
            size.saturating_sub(there)
        };
        self.files.iter().map(missing).fold(0, u64::saturating_add)
    }
}

/// The fault, if so many bytes are not free. Where the system does not say, there is room until a write fails.
fn no_room(folder: &Path, least: u64, needed: u64) -> Option<FetchFault> {
    let free = fs4::available_space(folder).inspect_err(|why| {
        tracing::warn!("how much room the disk has is not known: {why}");
    });
    let free = free.ok()?;
    (free < least).then_some(FetchFault::NoSpace { needed, free })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(folder: &Path, keep_free: u64, sizes: &[u64]) -> Space {
        let files = sizes.iter().enumerate();
        Space {
            folder: folder.to_owned(),
            files: files
                .map(|(n, size)| (folder.join(n.to_string()), *size))
                .collect(),
            keep_free,
        }
    }

    #[tokio::test]
    async fn what_is_there_already_needs_no_room_and_all_files_count() {
        let folder = tempfile::tempdir().unwrap();
        let free = fs4::available_space(folder.path()).unwrap();
        assert!(space(folder.path(), 0, &[1, 2]).check().await.is_ok());
        fs::write(folder.path().join("0"), [0; 10]).unwrap();
        let needed = u64::MAX - 10 + 5;
        let fault = space(folder.path(), 5, &[u64::MAX]).check().await;
        let Err(FetchFault::NoSpace { needed: told, .. }) = fault else {
            panic!("{fault:?}");
        };
        assert_eq!(told, needed);
        let half = free / 2 + free / 4;
        let both = space(folder.path(), 0, &[half, half]);
        assert!(both.check().await.is_err());
        assert!(space(folder.path(), half, &[half]).check().await.is_err());
    }

    #[tokio::test]
    async fn a_disk_that_failed_without_room_failed_for_want_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let disk = FetchFault::Disk("no space left".to_owned());
        let full = space(folder.path(), 7, &[u64::MAX]);
        let blamed = full.blame(disk.clone()).await;
        assert!(matches!(blamed, FetchFault::NoSpace { .. }), "{blamed:?}");
        let other = FetchFault::Status(404);
        assert_eq!(full.blame(other.clone()).await, other);
        let roomy = space(folder.path(), u64::MAX, &[1]);
        assert_eq!(roomy.blame(disk.clone()).await, disk);
    }
}
