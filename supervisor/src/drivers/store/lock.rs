//! One supervisor at a time on one state folder.
//!
//! The system lets go of a lock when its process ends in any way, so that nothing stays behind. Two things are locked: a file, which every
//! system can do, and where it can be done the folder itself, so that whoever removes the file does not let a second supervisor in.
//! Which process holds the lock is written beside it, as Windows lets nobody read a locked file.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
};

use super::{
    OpenError,
    disk::{Disk as _, Kind, Real, at},
    layout::Layout,
};
use crate::drivers::word;

/// No holder's word is longer, in bytes.
const LONGEST_WORD: u64 = 32;

/// The lock, held for as long as this lives.
#[derive(Debug)]
pub(super) struct Lock {
    _held: [Option<File>; 2],
}

/// What became of one of the two.
enum Tried {
    Taken(File),
    Held,
    Not(io::Error),
}

impl Lock {
    /// Takes the lock. What is wrong with it, and does not keep it from holding, is told in `words`.
    pub(super) fn take(layout: &Layout, words: &mut Vec<String>) -> Result<Self, OpenError> {
        let held = || OpenError::Held {
            folder: layout.root().to_owned(),
            pid: holder(layout),
        };
        let folder = match lock(File::open(layout.root())) {
            Tried::Taken(folder) => Some(folder),
            Tried::Held => return Err(held()),
            Tried::Not(_) => None,
        };
        let path = layout.lock();
        let file = match lock(open(&path)) {
            Tried::Taken(file) => Some(file),
            Tried::Held => return Err(held()),
            Tried::Not(why) => {
                let why = at(&path, &why);
                if folder.is_none() {
                    return Err(OpenError::Unusable {
                        folder: layout.root().to_owned(),
                        source: why,
                    });
                }
                words.push(format!("{why}; the state folder itself is locked instead"));
                None
            }
        };
        if let Err(why) = write_down(&layout.holder(), std::process::id()) {
            words.push(at(&layout.holder(), &why).to_string());
        }
        Ok(Self {
            _held: [folder, file],
        })
    }
}

fn lock(file: io::Result<File>) -> Tried {
    match file.map(|file| (file.try_lock(), file)) {
        Ok((Ok(()), file)) => Tried::Taken(file),
        Ok((Err(TryLockError::WouldBlock), _)) => Tried::Held,
        Ok((Err(TryLockError::Error(why)), _)) | Err(why) => Tried::Not(why),
    }
}

fn open(path: &Path) -> io::Result<File> {
    free(path)?;
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    // On a disk that takes no writes one that is there can be locked all the same.
    options
        .open(path)
        .or_else(|why| File::open(path).map_err(|_| why))
}

/// Removes what is in the way of a file; a pipe, say, would be waited for.
fn free(path: &Path) -> io::Result<()> {
    match Real.kind(path) {
        Ok(Kind::Folder | Kind::Other) => Real.clear(path),
        _ => Ok(()),
    }
}

fn write_down(holder: &Path, pid: u32) -> io::Result<()> {
    free(holder)?;
    word::leave(holder, &format!("{pid}\n"))
}

/// Who holds the lock, if that can be read.
fn holder(layout: &Layout) -> Option<u32> {
    let word = Real.read(&layout.holder(), LONGEST_WORD).ok()?;
    let word = String::from_utf8(word).ok()?;
    word.trim().parse().ok()
}
