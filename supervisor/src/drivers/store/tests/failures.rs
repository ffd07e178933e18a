//! A disk that fails: every step of every sequence, with what a full, a broken and a forbidden disk say.
//!
//! What fails is told with the path, leaves what was there before as the durable truth, and may be tried again.

use std::{collections::BTreeSet, io, path::Path};

use supervisor_core::{
    event::SlotId,
    record::{Record, Slot},
};

use super::{
    super::{
        Contents,
        birth::birth_on,
        disk::Disk as _,
        folder::Folder,
        memory::{Fault, Memory},
    },
    cuts::{ROOT, open},
    stories::{bytes, fill_slot, install, job, record, slot},
};

/// ENOSPC, EIO (which has no name here) and EACCES.
const KINDS: [io::ErrorKind; 3] = [
    io::ErrorKind::StorageFull,
    io::ErrorKind::Other,
    io::ErrorKind::PermissionDenied,
];

/// What is done while the disk fails, and what is found after a power cut, in short words.
struct Case<'c> {
    prepare: &'c dyn Fn(&Memory),
    act: &'c dyn Fn(&mut Folder<Memory>) -> io::Result<()>,
    tell: &'c dyn Fn(&Memory, &Contents) -> String,
    /// What may be found after a failure.
    before: &'c [&'c str],
    /// What may be found after success.
    after: &'c [&'c str],
}

/// What a power cut now may leave is among these, and nothing else.
#[track_caller]
fn only(case: &Case<'_>, disk: &Memory, allowed: &[&str], trace: &str) {
    let found = disk.power_cut().disks.into_iter().map(|guess| {
        let (_, contents) = open(&guess).unwrap();
        (case.tell)(&guess, &contents)
    });
    let found = found.collect::<BTreeSet<_>>();
    for told in &found {
        assert!(allowed.contains(&told.as_str()), "{trace}: {told}");
    }
}

/// Lets each step fail, alone and with all that follow. Answers in how many ways that made the whole fail.
fn fail_each(case: &Case<'_>) -> u32 {
    let mut failed = 0;
    for kind in KINDS {
        for fault in [
            Fault::Fails as fn(u64, io::ErrorKind) -> Fault,
            Fault::FailsFrom,
        ] {
            for step in 0.. {
                let disk = Memory::new(64);
                (case.prepare)(&disk);
                let (mut folder, _) = open(&disk).unwrap();
                disk.settle();
                let fault = fault(step, kind);
                disk.plan(Some(fault));
                let done = (case.act)(&mut folder);
                if !disk.steps().is_hit() {
                    break;
                }
                disk.plan(None);
                let trace = format!("{fault:?}: {done:?}");
                if let Err(why) = done {
                    failed += 1;
                    assert!(why.to_string().contains(ROOT), "{trace}: no path");
                    let lasts = matches!(fault, Fault::FailsFrom(..));
                    // Nothing can be undone on a disk that does nothing any more.
                    let both = [case.before, case.after].concat();
                    let allowed = if lasts { &both } else { case.before };
                    only(case, &disk, allowed, &trace);
                    let again = (case.act)(&mut folder);
                    assert!(again.is_ok(), "{trace}, and then {again:?}");
                }
                only(case, &disk, case.after, &trace);
            }
        }
    }
    failed
}

fn number(_: &Memory, contents: &Contents) -> String {
    contents
        .record
        .as_ref()
        .map_or(0, |it| it.next_slot)
        .to_string()
}

#[test]
fn a_save_that_fails_leaves_the_record_before_it_and_the_next_one_passes() {
    for saves in 0..3_u64 {
        let before = saves.to_string();
        let case = Case {
            prepare: &|disk| {
                let (mut folder, _) = open(disk).unwrap();
                for number in 1..=saves {
                    folder.save(&record(number)).unwrap();
                }
            },
            act: &|folder| folder.save(&record(9)),
            tell: &number,
            before: &[&before],
            after: &["9"],
        };
        let failed = fail_each(&case);
        assert!(failed > 15, "{failed}");
    }
}

#[test]
fn saves_that_keep_failing_never_touch_the_file_that_counts() {
    for kind in KINDS {
        for step in 0..12 {
            let disk = Memory::new(64);
            let (mut folder, _) = open(&disk).unwrap();
            for number in 1..=3 {
                folder.save(&record(number)).unwrap();
            }
            disk.settle();
            let [counts, other] = folder.layout().records();
            let whole = disk.read(&counts, u64::MAX).unwrap();
            for _ in 0..5 {
                disk.plan(Some(Fault::FailsFrom(step, kind)));
                let _ = folder.save(&record(9));
                if !disk.steps().is_hit() {
                    return;
                }
                disk.plan(None);
                assert_eq!(disk.read(&counts, u64::MAX).unwrap(), whole, "{step}");
            }
            folder.save(&record(10)).unwrap();
            assert_eq!(disk.read(&counts, u64::MAX).unwrap(), whole, "{step}");
            assert!(disk.read(&other, u64::MAX).unwrap() > whole, "{step}");
        }
    }
}

/// What makes the tests of failing saves worth something: the disk tells a save that was written again from one that was only synced
/// again.
#[test]
fn what_a_failed_sync_has_dropped_is_not_durable_after_the_next_one() {
    let (disk, kind) = (Memory::new(64), io::ErrorKind::Other);
    disk.make_folder(Path::new(ROOT)).unwrap();
    let file = Path::new("/state/file");
    let mut open = disk.create(file).unwrap();
    disk.write(&mut open, b"bytes").unwrap();
    disk.plan(Some(Fault::Fails(0, kind)));
    disk.sync(&open).unwrap_err();
    disk.plan(None);
    disk.sync(&open).unwrap();
    disk.sync_folder(Path::new(ROOT)).unwrap();
    let left = disk.power_cut().disks;
    assert!(left.iter().any(|it| it.read(file, 9).unwrap() != b"bytes"));
}

fn born(disk: &Memory, contents: &Contents, slot: &Slot) -> String {
    let names = match &slot.package {
        Some(package) => package.files.iter().map(|it| it.name.to_string()).collect(),
        None => vec!["worker".to_owned()],
    };
    match contents.slots.as_slice() {
        [] => "none".to_owned(),
        [found] if found == slot => {
            for (file, name) in names.iter().enumerate() {
                let path = format!("{ROOT}/slots/1-1.0.7/{name}");
                let path = Path::new(&path);
                if disk.read(path, u64::MAX).ok() != Some(bytes(file)) || !disk.is_program(path) {
                    return "half".to_owned();
                }
            }
            "whole".to_owned()
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn a_birth_that_fails_leaves_parts_that_can_be_gone_on_with_and_the_next_one_passes() {
    for files in [None, Some(2)] {
        let slot = slot(1, files);
        let wanted = job(1, files).wanted;
        let case = Case {
            prepare: &|disk| {
                let (mut folder, _) = open(disk).unwrap();
                let record = Record {
                    job: Some(job(1, files)),
                    ..record(2)
                };
                folder.save(&record).unwrap();
                for (file, wanted) in wanted.files.iter().enumerate() {
                    disk.put(&folder.layout().part_of(wanted), &bytes(file))
                        .unwrap();
                }
            },
            act: &|folder| {
                let (disk, layout) = (folder.disk().clone(), folder.layout().clone());
                let parts: Vec<_> = wanted.files.iter().map(|it| layout.part_of(it)).collect();
                let born = birth_on(&disk, &layout, &parts, &slot);
                let is_undone = disk.paths(&layout.slots()).is_empty();
                if born.is_err() && is_undone {
                    let disk = disk.copy();
                    for (file, part) in parts.iter().enumerate() {
                        assert_eq!(disk.read(part, u64::MAX).unwrap(), bytes(file));
                        // The download opens it for writing.
                        assert!(!disk.is_program(part));
                    }
                }
                born
            },
            tell: &|disk, contents| born(disk, contents, &slot),
            // Nobody was told that it is there; a verified slot that is does no harm.
            before: &["none", "whole"],
            after: &["whole"],
        };
        let failed = fail_each(&case);
        assert!(failed > 30, "{failed}");
    }
}

#[test]
fn a_removal_that_fails_leaves_the_slot_whole_or_gone_and_may_be_repeated() {
    let case = Case {
        prepare: &|disk| {
            let (mut folder, _) = open(disk).unwrap();
            fill_slot(disk, folder.layout(), &slot(1, None), None);
            folder.save(&record(2)).unwrap();
        },
        act: &|folder| folder.remove(SlotId(1)),
        tell: &|disk, contents| born(disk, contents, &slot(1, None)),
        before: &["none", "whole"],
        after: &["none", "whole"],
    };
    let failed = fail_each(&case);
    assert!(failed > 10, "{failed}");
}

#[test]
fn an_installation_that_fails_leaves_the_worker_before_it_active_and_the_next_one_passes() {
    let active = |_: &Memory, contents: &Contents| {
        let record = contents.record.as_ref();
        let active = record.and_then(|it| it.active.as_ref());
        active.map_or("none".to_owned(), |slot| {
            assert!(contents.slots.contains(slot));
            slot.version.to_string()
        })
    };
    let case = Case {
        prepare: &|disk| drop(install(disk, "1.0.0").unwrap()),
        act: &|folder| install(folder.disk(), "1.0.7").map(drop),
        tell: &active,
        before: &["1.0.0"],
        after: &["1.0.7"],
    };
    let failed = fail_each(&case);
    assert!(failed > 60, "{failed}");
}

/// What cannot be read at the moment is not what is damaged.
#[test]
fn a_start_with_a_failing_disk_removes_nothing_and_takes_no_older_record() {
    let prepare = || {
        let disk = Memory::new(64);
        let (mut folder, _) = open(&disk).unwrap();
        for id in 1..=3 {
            fill_slot(&disk, folder.layout(), &slot(id, None), None);
        }
        for number in 3..=4 {
            let record = Record {
                former: Some(slot(1, None)),
                active: Some(slot(2, None)),
                ..record(number)
            };
            folder.save(&record).unwrap();
        }
        disk.settle();
        disk
    };
    let found = open(&prepare()).unwrap().1;
    assert_eq!(found.slots.len(), 3);
    for kind in [KINDS.as_slice(), &[io::ErrorKind::ResourceBusy]].concat() {
        for fault in [
            Fault::Fails as fn(u64, io::ErrorKind) -> Fault,
            Fault::FailsFrom,
        ] {
            for step in 0.. {
                let disk = prepare();
                let fault = fault(step, kind);
                disk.plan(Some(fault));
                let started = open(&disk);
                if !disk.steps().is_hit() {
                    break;
                }
                match started {
                    Ok((_, contents)) => {
                        let is_same = contents.record == found.record;
                        let lasts = matches!(fault, Fault::FailsFrom(..));
                        assert!(is_same || lasts, "{fault:?}: {contents:?}");
                        assert!(is_same || !contents.words.is_empty(), "{fault:?}");
                        for named in [1, 2].map(|id| slot(id, None)) {
                            let mut known = contents.slots.iter().chain(&contents.unreadable);
                            let is_known = known.any(|it| *it == named);
                            assert!(is_known || !is_same, "{fault:?}: {contents:?}");
                        }
                    }
                    Err(why) => assert!(why.to_string().contains(ROOT), "{fault:?}: {why}"),
                }
                disk.plan(None);
                let (_, again) = open(&disk).unwrap();
                assert_eq!(
                    (again.record, again.slots),
                    (found.record.clone(), found.slots.clone()),
                    "{fault:?}"
                );
            }
        }
    }
}
