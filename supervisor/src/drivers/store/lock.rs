//! One supervisor at a time on one state folder.
//!
//! The system lets go of a lock when its process ends in any way, so that nothing stays behind. Two things are locked: a file, which every
//! system can do, and where it can be done the folder itself, so that whoever removes the file does not let a second supervisor in.
//! Which process holds the lock is written beside it, as Windows lets nobody read a locked file.
//!
//! A lock that is held is waited for a little. A process that the supervisor before was just starting has a copy of all its handles until it
//! becomes another program, and on a busy machine may be there for a moment longer than that supervisor; and Windows itself may take a
//! moment to unlock what a process had locked that was ended (`LockFileEx` in its reference).

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
    time::Duration,
};

use super::{
    OpenError,
    disk::{Disk as _, Kind, Real, at},
    layout::Layout,
};
use crate::drivers::word;

/// No holder's word is longer, in bytes.
const LONGEST_WORD: u64 = 32;

/// How long a lock that is held is waited for, look by look; all together are two seconds.
const PAUSE: Duration = Duration::from_millis(20);
const LOOKS: u32 = 100;

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
    /// Takes the lock, as soon as whoever holds it lets go, within two seconds. What is wrong with it, and does not keep it from holding, is
    /// told in `words`.
    ///
    /// # Errors
    /// Somebody holds it all that time, or neither of the two can be locked.
    pub(super) fn take(layout: &Layout, words: &mut Vec<String>) -> Result<Self, OpenError> {
        Self::take_after(layout, words, std::thread::sleep)
    }

    fn take_after(
        layout: &Layout,
        words: &mut Vec<String>,
        mut wait: impl FnMut(Duration),
    ) -> Result<Self, OpenError> {
        for look in 0..LOOKS {
            match Self::try_take(layout, words) {
                Err(OpenError::Held { folder, pid }) => {
                    if look == 0 {
                        tracing::info!(
                            folder = %folder.display(),
                            holder = pid,
                            "the state folder is still in use; it is waited for"
                        );
                    }
                    wait(PAUSE);
                }
                tried => return tried,
            }
        }
        Self::try_take(layout, words)
    }

    /// Takes the lock, or says at once that somebody holds it.
    pub(super) fn try_take(layout: &Layout, words: &mut Vec<String>) -> Result<Self, OpenError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(folder: &tempfile::TempDir) -> Layout {
        Layout::make_on(&Real, folder.path(), &mut Vec::new()).unwrap()
    }

    #[test]
    fn a_lock_that_is_let_go_of_within_the_bound_is_taken_and_nothing_is_told_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let (layout, mut words) = (layout(&folder), Vec::new());
        let mut first = Some(Lock::take(&layout, &mut words).unwrap());
        let mut waits = 0;
        let second = Lock::take_after(&layout, &mut words, |_| {
            waits += 1;
            if waits == LOOKS {
                first = None;
            }
        });
        assert!(second.is_ok(), "{second:?}");
        assert_eq!((waits, words), (LOOKS, Vec::new()));
    }

    #[test]
    fn a_lock_that_is_held_on_to_is_waited_for_two_seconds_and_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let (layout, mut words) = (layout(&folder), Vec::new());
        let _first = Lock::take(&layout, &mut words).unwrap();
        let mut waited = Duration::ZERO;
        let second = Lock::take_after(&layout, &mut words, |pause| waited += pause);
        assert!(
            matches!(&second, Err(OpenError::Held { pid, .. }) if *pid == Some(std::process::id())),
            "{second:?}"
        );
        assert_eq!(waited, Duration::from_secs(2));
    }
}
