use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use supervisor_core::{
    event::{Event, SaveId, SlotId},
    record::{Job, Record, Slot},
};
use tokio::sync::mpsc;

use super::super::{
    Contents, MOST_WRITES, OpenError, State, Store, birth,
    layout::{self, DESCRIPTION, IMAGE, Layout},
    lock::Lock,
};

fn record(next_slot: u64) -> Record {
    Record {
        next_slot,
        ..Record::default()
    }
}

fn slot(id: u64, size: u64) -> Slot {
    Slot {
        id: SlotId(id),
        version: "1.0.7".parse().unwrap(),
        sha256: "00".repeat(32),
        size,
        package: None,
    }
}

fn born(layout: &Layout, id: u64) -> Slot {
    let part = layout.parts().join("x.part");
    fs::write(&part, b"program").unwrap();
    let slot = slot(id, 7);
    birth::birth(layout, &[part], &slot).unwrap();
    slot
}

fn open(root: &Path) -> (State, Contents) {
    State::open(root).unwrap()
}

#[test]
fn a_new_folder_is_empty_and_private() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("deep/state");
    let (_state, contents) = open(&root);
    assert_eq!(contents, Contents::default());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(&root).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }
}

#[test]
fn a_second_opener_is_told_who_holds_the_folder_and_may_have_it_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let error = State::open(folder.path()).unwrap_err();
    let OpenError::Held { pid, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*pid, Some(std::process::id()));
    assert!(
        error
            .to_string()
            .contains("in use by another supervisor (process")
    );
    drop(first);
    open(folder.path());
}

#[test]
fn whatever_becomes_of_the_lock_file_there_is_one_supervisor_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("lock");
    // Something else in its place is no lock, and makes way for one.
    fs::create_dir(&lock).unwrap();
    fs::write(lock.join("file"), b"").unwrap();
    let first = open(folder.path()).0;
    assert!(lock.is_file());
    let layout = Layout::of(folder.path());
    let is_held = || {
        let tried = Lock::try_take(&layout, &mut Vec::new());
        matches!(tried, Err(OpenError::Held { .. }))
    };
    assert!(is_held());
    #[cfg(unix)]
    {
        fs::write(&lock, b"damaged").unwrap();
        assert!(is_held());
        // The folder itself is locked as well.
        fs::remove_file(&lock).unwrap();
        assert!(is_held() && is_held());
    }
    drop(first);
    open(folder.path());
}

#[test]
fn a_holder_that_cannot_be_read_or_written_down_keeps_nobody_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let holder = folder.path().join("run/pid");
    fs::create_dir_all(&holder).unwrap();
    let first = open(folder.path()).0;
    assert!(holder.is_file());
    fs::write(&holder, b"\xff\xff").unwrap();
    let error = State::open(folder.path()).unwrap_err();
    assert!(
        matches!(error, OpenError::Held { pid: None, .. }),
        "{error:?}"
    );
    drop(first);
    open(folder.path());
}

#[cfg(unix)]
#[test]
fn nothing_in_the_state_folder_is_waited_for_when_a_pipe_is_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let places = [
        "record.a",
        "record.b",
        "lock",
        "budget",
        "budget.new",
        "run/pid",
        "run/pids/7",
        "run/control.address",
        "run/link",
        "run/control",
        "checkpoint.a",
    ];
    for place in places {
        drop(open(folder.path()));
        let path = folder.path().join(place);
        match fs::metadata(&path).map(|it| it.is_dir()) {
            Ok(true) => fs::remove_dir_all(&path).unwrap(),
            Ok(false) => fs::remove_file(&path).unwrap(),
            Err(_) => {}
        }
        let mut command = std::process::Command::new("mkfifo");
        assert!(command.arg(&path).status().unwrap().success());
        let (mut state, _) = open(folder.path());
        for number in 1..=2 {
            state.save(&record(number)).unwrap();
        }
    }
}

#[test]
fn the_newest_record_wins_over_many_saves_and_starts() {
    let folder = tempfile::tempdir().unwrap();
    for round in 1..=7 {
        let (mut state, contents) = open(folder.path());
        assert_eq!(
            contents.record.map_or(0, |it| it.next_slot),
            (round - 1) * 10 + u64::from(round > 1)
        );
        state.save(&record(round * 10)).unwrap();
        state.save(&record(round * 10 + 1)).unwrap();
    }
}

#[test]
fn a_write_cut_anywhere_leaves_the_record_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut state, _) = open(folder.path());
    state.save(&record(1)).unwrap();
    state.save(&record(2)).unwrap();
    let [_, second] = state.layout().records();
    drop(state);
    let whole = fs::read(&second).unwrap();
    for length in 0..whole.len() {
        fs::write(&second, &whole[..length]).unwrap();
        let (_state, contents) = open(folder.path());
        assert_eq!(contents.record, Some(record(1)), "cut at {length}");
        assert!(
            contents.words[0].contains("record.b"),
            "{:?}",
            contents.words
        );
    }
    fs::write(&second, &whole).unwrap();
    assert_eq!(open(folder.path()).1.record, Some(record(2)));
}

#[test]
fn a_torn_or_missing_file_is_written_again_at_the_next_start_and_the_whole_one_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let (mut state, _) = open(folder.path());
    for number in 1..=3 {
        state.save(&record(number)).unwrap();
    }
    let [first, second] = state.layout().records();
    drop(state);
    let whole = fs::read(&first).unwrap();
    for damage in ["torn", "missing", "a folder"] {
        fs::remove_file(&second).unwrap();
        match damage {
            "torn" => fs::write(&second, b"hotplate").unwrap(),
            "a folder" => fs::create_dir(&second).unwrap(),
            _ => {}
        }
        let (state, contents) = open(folder.path());
        assert_eq!(contents.record, Some(record(3)), "{damage}");
        assert!(
            contents.words.len() == 1 && contents.words[0].contains("record.b"),
            "{:?}",
            contents.words
        );
        drop(state);
        assert_eq!(fs::read(&first).unwrap(), whole);
        // Either of the two is enough now.
        fs::write(&first, b"").unwrap();
        let (_state, contents) = open(folder.path());
        assert_eq!(contents.record, Some(record(3)), "{damage}");
        fs::write(&first, &whole).unwrap();
    }
}

#[test]
fn two_torn_records_are_told_and_are_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let (mut state, _) = open(folder.path());
    state.save(&record(1)).unwrap();
    let files = state.layout().records();
    drop(state);
    for file in &files {
        fs::write(file, b"\0\0\0\0").unwrap();
    }
    let (_state, contents) = open(folder.path());
    assert_eq!(contents.record, None);
    assert_eq!(contents.words.len(), 2, "{:?}", contents.words);
}

#[test]
fn a_slot_is_born_whole_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let (state, _) = open(folder.path());
    let layout = state.layout().clone();
    let older = born(&layout, 2);
    let newer = born(&layout, 10);
    assert_eq!(fs::read(layout.image(&newer)).unwrap(), b"program");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(layout.image(&newer))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o500);
    }
    drop(state);
    let (_state, contents) = open(folder.path());
    assert_eq!(
        (contents.slots, contents.words),
        (vec![older, newer], Vec::new())
    );
}

#[test]
fn a_birth_cut_short_is_cleared_away_and_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let (state, _) = open(folder.path());
    let layout = state.layout().clone();
    let unborn = layout.slots().join(".born-1");
    fs::create_dir(&unborn).unwrap();
    fs::write(unborn.join(IMAGE), b"prog").unwrap();
    fs::write(layout.parts().join("md5-00.part"), b"pro").unwrap();
    drop(state);
    let (_state, contents) = open(folder.path());
    assert_eq!(contents, Contents::default());
    assert!(!unborn.exists());
    assert_eq!(fs::read_dir(layout.parts()).unwrap().count(), 0);
    let again = born(&layout, 1);
    assert_eq!(born(&layout, 1), again);
}

#[test]
fn a_folder_that_is_not_a_whole_slot_is_told_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (state, _) = open(folder.path());
    let layout = state.layout().clone();
    drop(state);
    let short = layout.image(&born(&layout, 1));
    fs::remove_file(&short).unwrap();
    fs::write(&short, b"prog").unwrap();
    fs::remove_file(layout.image(&born(&layout, 2))).unwrap();
    fs::write(layout.slot(&born(&layout, 3)).join(DESCRIPTION), b"{}").unwrap();
    fs::rename(
        layout.slot(&born(&layout, 4)),
        layout.slots().join("5-1.0.7"),
    )
    .unwrap();
    fs::create_dir(layout.slots().join("mine")).unwrap();
    let (_state, contents) = open(folder.path());
    assert_eq!(contents.slots, Vec::new());
    let told: BTreeSet<_> = contents
        .words
        .iter()
        .map(|word| word.split('`').nth(1).unwrap())
        .collect();
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(
        contents
            .words
            .iter()
            .any(|word| word.contains("4 bytes instead of 7"))
    );
    assert!(layout.slots().join("mine").exists());
}

#[tokio::test]
async fn writes_are_answered_in_the_order_they_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (state, _) = open(folder.path());
    let layout = state.layout().clone();
    let slot = born(&layout, 1);
    let (events, mut happened) = mpsc::channel(8);
    let store = Store::start(state, events);
    for number in 1..=3 {
        store.save(SaveId(number), Box::new(record(number)));
    }
    store.remove(slot.id);
    store.save(SaveId(4), Box::new(record(4)));
    for number in 1..=4 {
        assert_eq!(
            happened.recv().await,
            Some(Event::Saved {
                save: SaveId(number)
            })
        );
    }
    assert!(!layout.slot(&slot).exists());
    drop(store);
    assert_eq!(happened.recv().await, None);
    assert_eq!(open(folder.path()).1.record, Some(record(4)));
}

#[cfg(unix)]
#[tokio::test]
async fn a_disk_that_fails_is_told_with_the_path_and_the_next_save_may_pass() {
    let folder = tempfile::tempdir().unwrap();
    let (root, away) = (folder.path().join("state"), folder.path().join("away"));
    let (state, _) = open(&root);
    let (events, mut happened) = mpsc::channel(8);
    let store = Store::start(state, events);
    // A missing folder is a failure for every user.
    fs::rename(&root, &away).unwrap();
    store.save(SaveId(1), Box::new(record(1)));
    let Some(Event::SaveFailed {
        save: SaveId(1),
        why,
    }) = happened.recv().await
    else {
        panic!("the save must fail");
    };
    assert!(why.contains("record.a"), "{why}");
    fs::rename(&away, &root).unwrap();
    store.save(SaveId(2), Box::new(record(2)));
    assert_eq!(
        happened.recv().await,
        Some(Event::Saved { save: SaveId(2) })
    );
}

#[tokio::test]
async fn too_many_waiting_writes_fail_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (state, _) = open(folder.path());
    let (events, mut happened) = mpsc::channel(1);
    let store = Store::start(state, events);
    let asked = MOST_WRITES as u64 + 5;
    for number in 0..asked {
        store.save(SaveId(number), Box::new(record(number)));
    }
    let mut failed = 0;
    for _ in 0..asked {
        match happened.recv().await {
            Some(Event::Saved { .. }) => {}
            Some(Event::SaveFailed { why, .. }) => {
                assert!(why.contains("wait for the disk"), "{why}");
                failed += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(failed, 5);
}

#[test]
fn only_the_part_of_the_job_in_the_record_outlives_a_start() {
    use supervisor_core::{
        alink::codec::{Digest, DigestMethod},
        record::{Origin, Source, Stage, Wanted, WantedFile},
    };

    let file = |byte: &str| WantedFile {
        name: None,
        size: 7,
        source: Source::Url("https://firmware.example/".to_owned()),
        digests: vec![Digest::from_hex(DigestMethod::Md5, &byte.repeat(16)).unwrap()],
        digest_sign: None,
        seal: None,
    };
    let folder = tempfile::tempdir().unwrap();
    let (mut state, _) = open(folder.path());
    let layout = state.layout().clone();
    let job = Job {
        id: supervisor_core::event::JobId(3),
        wanted: Wanted {
            version: "1.0.7".parse().unwrap(),
            files: vec![file("0a")],
            by: Origin::Cloud,
            brought: false,
        },
        stage: Stage::Open,
        at_once: false,
        verdict: None,
        superseded: false,
    };
    state
        .save(&Record {
            job: Some(job),
            ..record(4)
        })
        .unwrap();
    let names = || {
        let entries = fs::read_dir(layout.parts()).unwrap();
        let mut names: Vec<_> = entries.map(|it| it.unwrap().path()).collect();
        names.sort();
        names
    };
    let part = layout.part_of(&file("0a"));
    let kept = vec![layout::note_of(&part), part.clone()];
    let other = layout.part_of(&file("0b"));
    let half = part.with_extension("meta-new");
    for path in [&part, &kept[0], &other, &layout::note_of(&other), &half] {
        fs::write(path, b"pro").unwrap();
    }
    drop(state);
    let (mut state, contents) = open(folder.path());
    assert_eq!(contents.words, Vec::<String>::new());
    assert_eq!(names(), kept);
    // When the job has ended, nobody goes on with it.
    state.save(&record(4)).unwrap();
    drop(state);
    open(folder.path());
    assert_eq!(names(), Vec::<PathBuf>::new());
}
