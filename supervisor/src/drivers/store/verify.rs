//! A slot verified again: every byte of every file the record names, before each start of a worker from it.
//!
//! A slot was verified when it was born; since then a memory cell may have lost its charge, or somebody may have written into it.
//! What is read here is read through handles that stay open, so that whoever starts the program starts what was verified, and can
//! tell afterwards whether anything was changed meanwhile ([`Verified::is_unchanged`]). Each system has its own means:
//!
//! - Windows lets nobody write, rename or remove a file while the handle is open.
//! - Unix forbids nothing, but every change of a file shows in its times, and the kernel alone sets one of them.
//!
//! This refuses to look at files the record does not name, and it cannot do three things. It is no wall against root or against
//! this system's own user, who may change the record as well, or the supervisor. It does not see what a disk reads from
//! now on: a page that is dropped from memory and comes back wrong is found at the next start. And the other files of a
//! package are opened by the worker itself, later.

#[cfg(unix)]
#[path = "verify/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "verify/windows.rs"]
mod system;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use sha2::{Digest, Sha256};
use supervisor_core::alink::hex;
use supervisor_core::record::Slot;

use self::system::Stamp;
pub(super) use self::system::is_passing;
use super::layout::Layout;

/// So much is read at once, in bytes.
const PIECE: usize = 64 * 1024;

/// What a slot must hold, by the record.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    others: Vec<Listed>,
    program: Listed,
}

/// One file of it.
#[derive(Debug, Clone)]
struct Listed {
    path: PathBuf,
    size: u64,
    /// In lower-case hex.
    sha256: String,
}

impl Manifest {
    /// A manifest of one program alone.
    pub(crate) fn of_program(path: PathBuf, size: u64, sha256: String) -> Self {
        Self {
            others: Vec::new(),
            program: Listed { path, size, sha256 },
        }
    }

    /// What this slot must hold.
    pub(crate) fn of(layout: &Layout, slot: &Slot) -> Self {
        let image = layout.image(slot);
        let Some(package) = &slot.package else {
            return Self::of_program(image, slot.size, slot.sha256.clone());
        };
        // A program that is not listed has no digest, and nothing has none.
        let mut manifest = Self::of_program(image, 0, String::new());
        let folder = layout.slot(slot);
        for file in &package.files {
            let listed = Listed {
                path: folder.join(file.name.as_str()),
                size: file.size,
                sha256: file.sha256.clone(),
            };
            if file.name == package.entry {
                manifest.program = listed;
            } else {
                manifest.others.push(listed);
            }
        }
        manifest
    }

    /// The path of the program.
    pub(crate) fn program(&self) -> &Path {
        &self.program.path
    }

    /// The paths of all files.
    #[cfg(unix)]
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let listed = self.others.iter().chain([&self.program]);
        listed.map(|it| it.path.as_path())
    }

    /// Bytes of all files together.
    pub(crate) fn size(&self) -> u64 {
        let others: u64 = self.others.iter().map(|file| file.size).sum();
        others + self.program.size
    }
}

/// Why a slot is not verified.
#[derive(Debug)]
pub(crate) enum Unverified {
    /// It is not what it was; in words, with the file's name.
    Damaged(String),
    /// The system cannot say at this moment.
    NotNow(io::Error),
    /// One of its files cannot be read, in words; a disk or a right that fails now may be well another time.
    Unreadable(String),
    /// Nobody wants to know any more.
    GivenUp,
}

/// A slot with all its files held open, each as it was verified.
#[derive(Debug)]
pub(crate) struct Verified {
    others: Vec<Held>,
    program: Held,
}

/// One of them.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    file: File,
    stamp: Stamp,
}

impl Verified {
    /// The program, to be started from the handle if the system can do that, and its path.
    pub(crate) fn program(&self) -> (&File, &Path) {
        (&self.program.file, &self.program.path)
    }

    /// Is every file still what was verified, and does its path still lead to it? Where the program was started from its handle, its
    /// path does not matter.
    pub(crate) fn is_unchanged(&self, by_handle: bool) -> bool {
        let mut others = self.others.iter();
        others.all(|held| held.is_untouched() && held.is_in_place())
            && self.program.is_untouched()
            && (by_handle || self.program.is_in_place())
    }
}

impl Held {
    fn is_untouched(&self) -> bool {
        let now = self.file.metadata();
        now.is_ok_and(|now| Stamp::of(&now) == self.stamp)
    }

    fn is_in_place(&self) -> bool {
        let there = fs::metadata(&self.path);
        there.is_ok_and(|there| Stamp::of(&there) == self.stamp)
    }
}

/// Reads and hashes everything. To be called where it may block; ends soon after `given_up` is set, unless the disk hangs.
pub(crate) fn verify(manifest: &Manifest, given_up: &AtomicBool) -> Result<Verified, Unverified> {
    let others = manifest.others.iter();
    let others = others.map(|listed| check(listed, given_up));
    Ok(Verified {
        others: others.collect::<Result<_, _>>()?,
        // Last, so that the shortest time lies between its verification and its start.
        program: check(&manifest.program, given_up)?,
    })
}

fn check(listed: &Listed, given_up: &AtomicBool) -> Result<Held, Unverified> {
    let name = listed.path.file_name().unwrap_or_default().display();
    let damaged = |what: &str| Unverified::Damaged(format!("its file `{name}` {what}"));
    let failed = |why: io::Error| match why.kind() {
        _ if system::is_passing(&why) => Unverified::NotNow(why),
        io::ErrorKind::NotFound => damaged("is missing"),
        _ => Unverified::Unreadable(format!("its file `{name}` cannot be read: {why}")),
    };
    // A pipe, say, would be waited for when it is opened.
    if !fs::metadata(&listed.path).map_err(failed)?.is_file() {
        return Err(damaged("is not a file"));
    }
    let mut file = system::open(&listed.path).map_err(failed)?;
    let before = file.metadata().map_err(failed)?;
    let has_size = |size: u64| match size == listed.size {
        true => Ok(()),
        false => Err(damaged(&format!(
            "has {size} bytes instead of {}",
            listed.size
        ))),
    };
    has_size(before.len())?;
    let mut sha256 = Sha256::new();
    let mut read = 0;
    let mut piece = vec![0; PIECE];
    while read <= listed.size {
        if given_up.load(Ordering::Relaxed) {
            return Err(Unverified::GivenUp);
        }
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => {
                sha256.update(&piece[..count]);
                read += count as u64;
            }
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(failed(why)),
        }
    }
    has_size(read)?;
    let found = hex::encode(&sha256.finalize());
    if found != listed.sha256 {
        return Err(damaged("has other bytes than it was installed with"));
    }
    Ok(Held {
        path: listed.path.clone(),
        stamp: Stamp::of(&before),
        file,
    })
}
