//! The lock a worker holds while it may touch the hardware.
//!
//! Within one supervisor the next worker is told to act only after the exit of the one before has been seen. A supervisor that was killed
//! cannot see to that any more: its worker makes the device safe and goes, while the next supervisor starts one of its own. This
//! lock keeps that one waiting. The system lets go of it when the process ends, however it ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::PathBuf,
    time::Duration,
};

use crate::log;

/// How often a lock that somebody else holds is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// A lock that is to be held, or is.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    path: Option<PathBuf>,
    file: Option<File>,
}

impl Guard {
    /// Nothing is held yet.
    pub(crate) fn of(path: Option<&str>) -> Self {
        Self {
            path: path.map(PathBuf::from),
            file: None,
        }
    }

    /// Opens what will be locked. Where that cannot be done, the device runs without a lock: a device that does not run at all is worse.
    pub(crate) fn prepare(&mut self) {
        let Some(path) = &self.path else { return };
        let opened = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path);
        match opened {
            Ok(file) => self.file = Some(file),
            Err(error) => {
                let path = path.display();
                log::warn(format_args!("`{path}` cannot be opened: {error}"));
            }
        }
    }

    /// Waits until the lock, if there is one, is ours; it stays so until the process ends.
    pub(crate) async fn take(&mut self) {
        let (Some(path), Some(file)) = (&self.path, &self.file) else {
            return;
        };
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return,
                Err(TryLockError::WouldBlock) => {
                    if !told {
                        log::warn(format_args!(
                            "a worker of a former supervisor still holds the device; waiting for its end"
                        ));
                        told = true;
                    }
                    tokio::time::sleep(TRY_AGAIN).await;
                }
                Err(TryLockError::Error(error)) => {
                    let path = path.display();
                    return log::warn(format_args!("`{path}` cannot be locked: {error}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn prepared(path: &Path) -> Guard {
        let mut guard = Guard::of(path.to_str());
        guard.prepare();
        guard
    }

    #[tokio::test]
    async fn a_worker_waits_until_the_one_before_has_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("active.lock");
        let (mut before, mut after) = (prepared(&path), prepared(&path));
        before.take().await;
        let waiting = tokio::time::timeout(TRY_AGAIN * 3, after.take()).await;
        assert!(waiting.is_err(), "both hold it");
        drop(before);
        after.take().await;
        let other = File::open(&path).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
    }

    #[tokio::test]
    async fn a_device_without_a_lock_or_without_the_rights_runs_all_the_same() {
        Guard::of(None).take().await;
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("no").join("such").join("folder");
        prepared(&nowhere).take().await;
    }
}
