//! One supervisor at a time on one state folder.
//!
//! The system lets go of a lock when its process ends in any way, so that nothing stays behind. Which process holds it is written
//! beside it, as Windows lets nobody read a locked file.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::Path,
};

use super::{
    OpenError,
    disk::{Disk as _, Kind, Real},
    layout::Layout,
};

/// The lock, held for as long as this lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock.
    pub(super) fn take(layout: &Layout) -> Result<Self, OpenError> {
        let unusable = |source| OpenError::Unusable {
            folder: layout.root().to_owned(),
            source,
        };
        let file = open(&layout.lock()).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(layout.holder()).ok();
                return Err(OpenError::Held {
                    folder: layout.root().to_owned(),
                    pid: pid.and_then(|pid| pid.trim().parse().ok()),
                });
            }
            Err(TryLockError::Error(why)) => return Err(unusable(why)),
        }
        write_down(&layout.holder(), std::process::id()).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

/// Always of the same length, over what is there: cutting a file off first makes some file systems write the new bytes out at once, and
/// a busy disk would keep the worker waiting for that.
fn write_down(holder: &Path, pid: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .create(true)
        .truncate(false)
        .write(true)
        .open(holder)?;
    file.write_all(format!("{pid:<10}\n").as_bytes())
}

fn open(lock: &Path) -> io::Result<File> {
    if matches!(Real.kind(lock), Ok(Kind::Folder | Kind::Other)) {
        Real.clear(lock)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).open(lock)
}
