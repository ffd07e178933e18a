//! What any disk and the store on it promise as long as nothing goes wrong: the same tests for the real disk and for the one in memory.

use std::{
    io,
    path::{Path, PathBuf},
};

use supervisor_core::{
    event::SlotId,
    record::{Job, Record},
};

use super::{
    super::{
        Contents,
        birth::birth_on,
        disk::{Disk, Kind, Real},
        folder::Folder,
        layout::{Layout, note_of},
        memory::Memory,
    },
    stories::{bytes, fill_slot, job, record, slot},
};

fn open<D: Disk + Clone>(disk: &D, root: &Path) -> (Folder<D>, Contents) {
    let mut words = Vec::new();
    let layout = Layout::make_on(disk, root, &mut words).unwrap();
    Folder::open(disk.clone(), layout, words).unwrap()
}

fn kind(disk: &impl Disk, path: &Path) -> Option<Kind> {
    disk.kind(path).ok()
}

/// Every failing call on a path says which path that is.
fn errors_name_the_path<D: Disk + Clone>(disk: &D, root: &Path) {
    let missing = root.join("missing");
    let inside = missing.join("file");
    let done: [io::Result<()>; 9] = [
        disk.create(&inside).map(drop),
        disk.sync_folder(&missing),
        disk.read(&missing, 9).map(drop),
        disk.kind(&missing).map(drop),
        disk.list(&missing).map(drop),
        disk.make_folder(&inside),
        disk.link(&missing, &inside),
        disk.rename(&inside, &missing),
        disk.remove(&missing),
    ];
    for (call, done) in done.into_iter().enumerate() {
        let why = done.unwrap_err();
        assert_eq!(why.kind(), io::ErrorKind::NotFound, "{call}: {why}");
        let text = why.to_string();
        assert!(text.contains("missing"), "{call}: {text}");
    }
    disk.clear(&missing).unwrap();
}

/// Files and folders are made, changed and removed as asked.
fn operations_do_what_they_say<D: Disk + Clone>(disk: &D, root: &Path) {
    disk.make_folder(root).unwrap();
    disk.make_private(root).unwrap();
    let why = disk.make_folder(root).unwrap_err();
    assert_eq!(why.kind(), io::ErrorKind::AlreadyExists);
    let [one, two, three] = ["one", "two", "three"].map(|name| root.join(name));
    disk.put(&one, b"first").unwrap();
    disk.put(&one, b"second").unwrap();
    assert_eq!(disk.read(&one, 99).unwrap(), b"second");
    assert_eq!(disk.read(&one, 3).unwrap(), b"sec");
    assert_eq!(kind(disk, &one), Some(Kind::File(6)));
    assert_eq!(kind(disk, root), Some(Kind::Folder));
    disk.link(&one, &two).unwrap();
    let why = disk.link(&one, &two).unwrap_err();
    assert_eq!(why.kind(), io::ErrorKind::AlreadyExists);
    disk.put(&two, b"both").unwrap();
    assert_eq!(disk.read(&one, 99).unwrap(), b"both");
    disk.remove(&one).unwrap();
    assert_eq!(
        (kind(disk, &one), kind(disk, &two)),
        (None, Some(Kind::File(4)))
    );
    disk.put(&three, b"three").unwrap();
    disk.rename(&three, &two).unwrap();
    assert_eq!(
        (kind(disk, &three), kind(disk, &two)),
        (None, Some(Kind::File(5)))
    );
    let folder = root.join("folder");
    disk.make_folder(&folder).unwrap();
    disk.put(&folder.join("file"), b"file").unwrap();
    for (from, to) in [(&two, &folder), (&folder, &two)] {
        disk.rename(from, to).unwrap_err();
    }
    assert!(disk.create(&folder).is_err() && disk.read(&folder, 9).is_err());
    disk.rename(&folder, &three).unwrap();
    let mut names = disk.list(root).unwrap();
    names.sort();
    assert_eq!(names, ["three", "two"]);
    for path in [&two, &three] {
        disk.clear(path).unwrap();
    }
    assert!(disk.list(root).unwrap().is_empty());
    disk.sync_folder(root).unwrap();
}

/// The record that was saved last is found, in either of two files and without the other.
fn the_record_saved_last_is_found<D: Disk + Clone>(disk: &D, root: &Path) {
    for round in 1..=5 {
        let (mut folder, contents) = open(disk, root);
        let number = contents.record.as_ref().map_or(0, |it| it.next_slot);
        assert_eq!((number, contents.words), (round - 1, Vec::new()));
        folder.save(&record(round)).unwrap();
    }
    let files = open(disk, root).0.layout().records();
    for file in &files {
        disk.clear(file).unwrap();
        let (_, contents) = open(disk, root);
        let number = contents.record.map_or(0, |it| it.next_slot);
        // The fifth is in the first file; without it the fourth counts, and is written again beside itself.
        assert_eq!((number, contents.words.len()), (4, 1));
        assert!(disk.read(file, 999).is_ok());
    }
}

/// Slots are there from their birth to their removal, with all their files, and whatever else was begun is gone.
fn slots_are_whole_from_birth_to_removal<D: Disk + Clone>(disk: &D, root: &Path) {
    let (mut folder, _) = open(disk, root);
    let layout = folder.layout().clone();
    for (id, files) in [(1, None), (2, Some(2))] {
        fill_slot(disk, &layout, &slot(id, files), files);
        assert!(disk.list(&layout.parts()).unwrap().is_empty());
    }
    let part = layout.parts().join("0.part");
    let wrong = birth_on(disk, &layout, &[part.clone(), part], &slot(3, None));
    assert!(wrong.is_err());
    let keeping = Record {
        active: Some(slot(1, None)),
        former: Some(slot(2, Some(2))),
        ..record(3)
    };
    folder.save(&keeping).unwrap();
    let (folder, contents) = open(disk, root);
    assert_eq!(contents.slots, [slot(1, None), slot(2, Some(2))]);
    assert_eq!(contents.words, Vec::<String>::new());
    for (file, name) in ["app", "model"].iter().enumerate() {
        let path = layout.slot(&slot(2, Some(2))).join(name);
        assert_eq!(disk.read(&path, 999).unwrap(), bytes(file));
    }
    folder.remove(SlotId(2)).unwrap();
    folder.remove(SlotId(2)).unwrap();
    assert_eq!(open(disk, root).1.slots, [slot(1, None)]);
    assert_eq!(disk.list(&layout.slots()).unwrap(), ["1-1.0.7"]);
}

/// What was begun and what nobody needs is cleared away by a start; what somebody does is not.
fn a_start_clears_away_what_is_of_no_use<D: Disk + Clone>(disk: &D, root: &Path) {
    let (mut folder, _) = open(disk, root);
    let layout = folder.layout().clone();
    fill_slot(disk, &layout, &slot(1, None), None);
    let with_job = |job: Option<Job>| Record {
        active: Some(slot(1, None)),
        job,
        ..record(9)
    };
    folder.save(&with_job(Some(job(5, None)))).unwrap();
    let part = layout.part_of(&job(5, None).wanted.files[0]);
    let slots = layout.slots();
    let half = ["3-1.0.7", ".born-4", ".gone-2-1.0.7"].map(|name| slots.join(name));
    let stranger = slots.join("lost+found");
    for folder in half.iter().chain([&stranger]) {
        disk.make_folder(folder).unwrap();
        disk.put(&folder.join("worker"), b"half").unwrap();
    }
    let others = ["other.part", "install-1.part"].map(|name| layout.parts().join(name));
    let fresh = layout.root().join("budget.new");
    for file in others.iter().chain([&part, &note_of(&part), &fresh]) {
        disk.put(file, b"begun").unwrap();
    }
    let (mut folder, contents) = open(disk, root);
    assert_eq!(contents.slots, [slot(1, None)]);
    let is_there = |path: &PathBuf| disk.kind(path).is_ok();
    assert!(!half.iter().any(is_there) && !others.iter().any(is_there) && !is_there(&fresh));
    assert!(is_there(&part) && is_there(&note_of(&part)) && is_there(&stranger));
    assert_eq!(contents.words.len(), 2, "{:?}", contents.words);
    folder.save(&with_job(None)).unwrap();
    open(disk, root);
    assert!(disk.list(&layout.parts()).unwrap().is_empty() && is_there(&stranger));
}

/// A description that is lost is written again from the record.
fn a_lost_description_is_mended<D: Disk + Clone>(disk: &D, root: &Path) {
    let (mut folder, _) = open(disk, root);
    let layout = folder.layout().clone();
    fill_slot(disk, &layout, &slot(1, Some(2)), Some(2));
    let keeping = Record {
        active: Some(slot(1, Some(2))),
        ..record(2)
    };
    folder.save(&keeping).unwrap();
    let description = layout.slot(&slot(1, None)).join("slot.json");
    for damage in [
        &b""[..],
        b"{}",
        &serde_json::to_vec(&slot(1, None)).unwrap(),
    ] {
        disk.put(&description, damage).unwrap();
        let (_, contents) = open(disk, root);
        assert_eq!(contents.slots, [slot(1, Some(2))]);
        assert!(
            contents.words[0].contains("written again"),
            "{:?}",
            contents.words
        );
        assert_eq!(open(disk, root).1.words, Vec::<String>::new());
    }
}

/// The same on both disks.
macro_rules! on_both_disks {
    ($($name:ident)*) => {
        mod real {
            use super::*;
            $(#[test]
            fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&Real, &folder.path().join("state"));
            })*
        }

        mod in_memory {
            use super::*;
            $(#[test]
            fn $name() {
                super::$name(&Memory::new(64), Path::new("/state"));
            })*
        }
    };
}

on_both_disks! {
    errors_name_the_path
    operations_do_what_they_say
    the_record_saved_last_is_found
    slots_are_whole_from_birth_to_removal
    a_start_clears_away_what_is_of_no_use
    a_lost_description_is_mended
}

#[test]
fn a_disk_without_second_names_for_files_has_slots_all_the_same() {
    let disk = Memory::without_links(64);
    slots_are_whole_from_birth_to_removal(&disk, Path::new("/state"));
}
