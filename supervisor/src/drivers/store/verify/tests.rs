use supervisor_core::{
    event::SlotId,
    record::{Package, SlotFile},
};

use super::*;
use crate::drivers::store::{birth::birth, layout::DESCRIPTION};

/// SHA-256 of "abc" and of a million times "a": the examples of FIPS 180-2.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const MILLION: &str = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

/// A folder with a slot in it.
struct Shelf {
    _folder: tempfile::TempDir,
    layout: Layout,
    slot: Slot,
}

impl Shelf {
    fn new(files: &[(&str, &[u8])], slot: Slot) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::make(folder.path()).unwrap();
        let parts = files.iter().map(|(name, bytes)| {
            let part = layout.parts().join(name);
            fs::write(&part, bytes).unwrap();
            part
        });
        let parts: Vec<_> = parts.collect();
        birth(&layout, &parts, &slot).unwrap();
        Self {
            _folder: folder,
            layout,
            slot,
        }
    }

    /// An ordinary slot with a million times "a".
    fn ordinary() -> Self {
        let slot = Slot {
            id: SlotId(1),
            version: "1.0.0".parse().unwrap(),
            sha256: MILLION.to_owned(),
            size: 1_000_000,
            package: None,
        };
        Self::new(&[("image", &[b'a'; 1_000_000])], slot)
    }

    /// A package of three files, each of "abc".
    fn package() -> Self {
        let names = ["model.tsl", "oven", "sounds"];
        let file = |name: &str| SlotFile {
            name: name.parse().unwrap(),
            size: 3,
            sha256: ABC.to_owned(),
        };
        let package = Package {
            entry: "oven".parse().unwrap(),
            files: names.map(file).to_vec(),
        };
        let (size, sha256) = package.identity();
        let slot = Slot {
            id: SlotId(1),
            version: "1.0.0".parse().unwrap(),
            sha256,
            size,
            package: Some(package),
        };
        Self::new(&names.map(|name| (name, b"abc".as_slice())), slot)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.layout.slot(&self.slot).join(name)
    }

    fn verify(&self) -> Result<Verified, Unverified> {
        verify(
            &Manifest::of(&self.layout, &self.slot),
            &AtomicBool::new(false),
        )
    }

    #[track_caller]
    fn damage(&self) -> String {
        match self.verify() {
            Err(Unverified::Damaged(why)) => why,
            other => panic!("{other:?}"),
        }
    }
}

/// Overwrites one byte.
fn flip(path: &Path, at: u64) {
    use std::io::{Seek, SeekFrom, Write};

    make_writable(path);
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ 1]).unwrap();
}

fn make_writable(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    }
    #[cfg(not(unix))]
    let _ = path;
}

#[test]
fn a_slot_as_it_was_born_is_verified_as_often_as_one_likes() {
    for shelf in [Shelf::ordinary(), Shelf::package()] {
        for _ in 0..2 {
            let verified = shelf.verify().unwrap();
            assert_eq!(verified.program().1, shelf.layout.image(&shelf.slot));
            assert!(verified.is_unchanged(true) && verified.is_unchanged(false));
        }
    }
}

#[test]
fn one_bit_anywhere_is_found() {
    let shelf = Shelf::ordinary();
    let image = shelf.layout.image(&shelf.slot);
    for at in [0, 65_535, 65_536, 500_000, 999_999] {
        flip(&image, at);
        let why = shelf.damage();
        assert!(
            why.starts_with("its file `worker") && why.contains("other bytes"),
            "{at}: {why}"
        );
        flip(&image, at);
        shelf.verify().unwrap();
    }
}

#[test]
fn one_bit_in_any_file_of_a_package_is_found_and_named() {
    let shelf = Shelf::package();
    for name in ["model.tsl", "oven", "sounds"] {
        flip(&shelf.path(name), 1);
        let why = shelf.damage();
        assert!(why.starts_with(&format!("its file `{name}`")), "{why}");
        flip(&shelf.path(name), 1);
    }
    shelf.verify().unwrap();
}

#[test]
fn a_file_that_is_shorter_longer_missing_or_no_file_is_damage() {
    let shelf = Shelf::ordinary();
    let image = shelf.layout.image(&shelf.slot);
    make_writable(&image);
    for size in [0, 999_999, 1_000_001] {
        let file = fs::OpenOptions::new().write(true).open(&image).unwrap();
        file.set_len(size).unwrap();
        drop(file);
        let why = shelf.damage();
        assert!(
            why.ends_with(&format!("has {size} bytes instead of 1000000")),
            "{why}"
        );
    }
    fs::remove_file(&image).unwrap();
    assert!(shelf.damage().ends_with("is missing"));
    fs::create_dir(&image).unwrap();
    assert!(shelf.damage().ends_with("is not a file"));
    fs::remove_dir_all(shelf.path("")).unwrap();
    assert!(shelf.damage().ends_with("is missing"));
}

#[test]
fn a_package_whose_program_is_not_listed_is_damage() {
    let mut shelf = Shelf::package();
    fs::write(shelf.path("other"), b"abc").unwrap();
    if let Some(package) = &mut shelf.slot.package {
        package.entry = "other".parse().unwrap();
    }
    assert!(shelf.damage().contains("`other`"));
}

#[test]
fn what_the_record_does_not_name_is_not_looked_at() {
    let shelf = Shelf::ordinary();
    fs::write(shelf.path("core"), b"dumped").unwrap();
    fs::write(shelf.path(DESCRIPTION), b"").unwrap();
    shelf.verify().unwrap();
}

#[test]
fn a_verification_that_nobody_waits_for_ends() {
    let shelf = Shelf::ordinary();
    let manifest = Manifest::of(&shelf.layout, &shelf.slot);
    let ended = verify(&manifest, &AtomicBool::new(true));
    assert!(matches!(ended, Err(Unverified::GivenUp)), "{ended:?}");
}

/// Waits until the kernel's clock for the times of files has gone on since this file was changed.
#[cfg(unix)]
fn tick_after(path: &Path) {
    use std::os::unix::fs::MetadataExt;

    let changed = |path: &Path| {
        let file = fs::metadata(path).unwrap();
        (file.ctime(), file.ctime_nsec())
    };
    let clock = path.with_extension("clock");
    while {
        fs::write(&clock, b"now").unwrap();
        changed(&clock) <= changed(path)
    } {}
    fs::remove_file(clock).unwrap();
}

/// What is done to a path, in words and in fact.
#[cfg(unix)]
type Deed = (&'static str, fn(&Path));

#[cfg(unix)]
#[test]
fn whatever_is_done_to_the_program_while_it_is_held_is_seen() {
    let deeds: [Deed; 4] = [
        ("written into", |path| flip(path, 7)),
        ("written into, with its time put back", |path| {
            let before = fs::metadata(path).unwrap().modified().unwrap();
            flip(path, 7);
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_modified(before).unwrap();
        }),
        ("replaced by a copy", |path| {
            fs::copy(path, path.with_extension("copy")).unwrap();
            fs::rename(path.with_extension("copy"), path).unwrap();
        }),
        ("put aside and back", |path| {
            fs::rename(path, path.with_extension("aside")).unwrap();
            fs::rename(path.with_extension("aside"), path).unwrap();
        }),
    ];
    for (deed, act) in deeds {
        let shelf = Shelf::ordinary();
        let image = shelf.layout.image(&shelf.slot);
        tick_after(&image);
        let verified = shelf.verify().unwrap();
        act(&image);
        assert!(!verified.is_unchanged(true), "{deed}");
        assert!(!verified.is_unchanged(false), "{deed}");
    }
}

#[cfg(unix)]
#[test]
fn a_path_that_leads_elsewhere_matters_only_to_who_takes_it() {
    let shelf = Shelf::ordinary();
    let verified = shelf.verify().unwrap();
    let folder = shelf.path("");
    fs::rename(&folder, shelf.layout.parts().join("aside")).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(shelf.layout.image(&shelf.slot), b"other").unwrap();
    assert!(verified.is_unchanged(true));
    assert!(!verified.is_unchanged(false));
}

#[cfg(windows)]
#[test]
fn nothing_can_be_done_to_a_file_while_it_is_held() {
    let shelf = Shelf::ordinary();
    let image = shelf.layout.image(&shelf.slot);
    let verified = shelf.verify().unwrap();
    fs::OpenOptions::new().write(true).open(&image).unwrap_err();
    fs::rename(&image, image.with_extension("aside")).unwrap_err();
    fs::remove_file(&image).unwrap_err();
    fs::write(shelf.path("other"), b"other").unwrap();
    fs::rename(shelf.path("other"), &image).unwrap_err();
    assert!(verified.is_unchanged(false));
    drop(verified);
    fs::remove_file(&image).unwrap();
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_read_is_not_taken_for_a_damaged_one_at_once() {
    let shelf = Shelf::ordinary();
    let program = shelf.layout.image(&shelf.slot);
    fs::remove_file(&program).unwrap();
    // A path that leads to itself.
    std::os::unix::fs::symlink(&program, &program).unwrap();
    match shelf.verify() {
        Err(Unverified::Unreadable(why)) => assert!(why.contains("cannot be read"), "{why}"),
        other => panic!("{other:?}"),
    }
}
