//! What Windows does for a file that is held: nobody may write, rename or remove it, nor any folder on the way to it.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::windows::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

/// Others may read it, and nothing else.
const FILE_SHARE_READ: u32 = 1;

/// No more open files, no memory (twice), somebody writes to it, somebody has locked it, no resources, no page file.
const PASSING: [i32; 7] = [4, 8, 14, 32, 33, 1450, 1455];

/// When it was made and last written to; with the handle held, a second look finds the same.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    size: u64,
    made: u64,
    written: u64,
}

impl Stamp {
    pub(super) fn of(file: &Metadata) -> Self {
        Self {
            size: file.file_size(),
            made: file.creation_time(),
            written: file.last_write_time(),
        }
    }
}

pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .share_mode(FILE_SHARE_READ)
        .open(path)
}

/// May it be otherwise the next time, with the file as it is?
pub(in super::super) fn is_passing(why: &io::Error) -> bool {
    why.raw_os_error().is_some_and(|it| PASSING.contains(&it))
}
