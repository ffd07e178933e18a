//! What Unix knows of a file: who it is, and when it was changed. Nobody is kept from changing it.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

/// ENOMEM, ENFILE and EMFILE, the same numbers on Linux and macOS.
const SCARCE: [i32; 3] = [12, 23, 24];

/// Which file it is and when it was changed. The second time of the two is set by the kernel alone, at every change; one that comes
/// within the same tick of the kernel's clock (1 to 10 ms) as the last change before the verification is not seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            written: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

pub(super) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// May it be otherwise the next time, with the file as it is?
pub(in super::super) fn is_passing(why: &io::Error) -> bool {
    let scarce = why.raw_os_error().is_some_and(|it| SCARCE.contains(&it));
    scarce || matches!(why.kind(), io::ErrorKind::TimedOut)
}
