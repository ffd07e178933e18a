//! Mistakes a store could make, each of which the power cuts bring to light. A test that finds none of them would prove nothing.

use std::{ffi::OsString, io, path::Path};

use super::{
    super::{
        disk::{Disk, Kind},
        memory::{Memory, Open},
    },
    cuts::{Story, sweep},
    stories::{Birth, Checkpoints, Installation, Saves},
};

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    /// Bytes are never synced.
    NoSync,
    /// Names are never synced.
    NoFolderSync,
    /// A program's rights are not synced.
    NoProgramSync,
    /// The same file is written every time.
    OneFile,
    /// A slot is removed under its name.
    InPlace,
    /// A folder made is not synced with the one it lies in.
    NoParentSync,
}

/// A memory disk in clumsy hands.
#[derive(Debug, Clone)]
struct Clumsy {
    disk: Memory,
    mistake: Mistake,
}

impl Clumsy {
    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }
}

impl Disk for Clumsy {
    type File = Open;

    fn create(&self, path: &Path) -> io::Result<Open> {
        if self.makes(Mistake::OneFile) && path.extension().is_some_and(|it| it == "b") {
            return self.disk.create(&path.with_extension("a"));
        }
        self.disk.create(path)
    }

    fn write(&self, file: &mut Open, bytes: &[u8]) -> io::Result<()> {
        self.disk.write(file, bytes)
    }

    fn sync(&self, file: &Open) -> io::Result<()> {
        if self.makes(Mistake::NoSync) {
            return Ok(());
        }
        self.disk.sync(file)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let is_left = match self.mistake {
            Mistake::NoFolderSync => true,
            Mistake::NoParentSync => path == Path::new("/"),
            _ => false,
        };
        if is_left {
            return Ok(());
        }
        self.disk.sync_folder(path)
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        self.disk.read(path, most)
    }

    fn kind(&self, path: &Path) -> io::Result<Kind> {
        self.disk.kind(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.disk.list(path)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.make_folder(path)
    }

    fn make_private(&self, path: &Path) -> io::Result<()> {
        self.disk.make_private(path)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let name = to.file_name().unwrap_or_default().display().to_string();
        if self.makes(Mistake::InPlace) && name.starts_with(".gone-") {
            return self.disk.remove_all(from);
        }
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn remove_all(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_all(path)
    }

    fn make_executable(&self, path: &Path) -> io::Result<()> {
        if self.makes(Mistake::NoProgramSync) {
            return self.disk.make_program(path, true);
        }
        self.disk.make_executable(path)
    }

    fn make_writable(&self, path: &Path) -> io::Result<()> {
        self.disk.make_writable(path)
    }
}

/// The story in clumsy hands does not survive every power cut. Says why.
#[track_caller]
fn comes_to_light(story: &impl Story, mistake: Mistake) -> String {
    let swept = sweep(story, &Memory::new(64), |disk| Clumsy { disk, mistake });
    match swept {
        Ok(count) => panic!("{mistake:?} is not found in {count:?}"),
        Err(violation) => {
            let why = violation.0.lines().next().unwrap_or_default().to_owned();
            println!("{mistake:?}: {why}");
            why
        }
    }
}

fn image() -> Birth {
    Birth {
        files: None,
        again: false,
    }
}

#[test]
fn a_record_that_is_not_synced_is_found_out() {
    let why = comes_to_light(&Saves(3), Mistake::NoSync);
    assert!(why.contains("counts after"), "{why}");
}

#[test]
fn a_record_whose_folder_is_not_synced_is_found_out() {
    comes_to_light(&Saves(3), Mistake::NoFolderSync);
}

#[test]
fn a_state_folder_that_is_not_synced_with_its_parent_is_found_out() {
    comes_to_light(&Saves(3), Mistake::NoParentSync);
}

#[test]
fn a_record_written_over_itself_is_found_out() {
    comes_to_light(&Saves(3), Mistake::OneFile);
    comes_to_light(&Checkpoints, Mistake::OneFile);
}

#[test]
fn a_slot_named_before_its_bytes_are_synced_is_found_out() {
    comes_to_light(&image(), Mistake::NoSync);
    comes_to_light(&Installation { first: true }, Mistake::NoSync);
}

#[test]
fn a_slot_whose_names_are_not_synced_is_found_out() {
    comes_to_light(&image(), Mistake::NoFolderSync);
    comes_to_light(&Installation { first: true }, Mistake::NoFolderSync);
}

#[test]
fn a_program_whose_rights_are_not_synced_is_found_out() {
    comes_to_light(&image(), Mistake::NoProgramSync);
}

#[test]
fn a_slot_removed_under_its_name_is_found_out() {
    let over = Birth {
        files: None,
        again: true,
    };
    comes_to_light(&over, Mistake::InPlace);
}
