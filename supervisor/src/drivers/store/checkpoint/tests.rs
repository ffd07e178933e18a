use std::{
    fs::{self, File},
    path::Path,
};

use supervisor_core::record::{SlotId, frame::Framed};

use super::*;
use crate::drivers::store::disk::Real;

fn checkpoint(n: u64) -> Checkpoint {
    Checkpoint {
        slot: SlotId(n),
        version: None,
        at: None,
        boot: None,
        snapshot: format!("{{\"n\":{n}}}"),
    }
}

fn files(folder: &Path) -> [PathBuf; 2] {
    ["checkpoint.a", "checkpoint.b"].map(|name| folder.join(name))
}

/// What is found in a folder, by the number in it, with the words about it.
fn found(folder: &Path) -> (Option<u64>, Vec<String>, Checkpoints<Real>) {
    let mut words = Vec::new();
    let (checkpoints, newest) = Checkpoints::open(Real, files(folder), &mut words);
    (newest.map(|it| it.slot.0), words, checkpoints)
}

/// A folder where 1 and then 2 were written.
fn written() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (n, words, mut checkpoints) = found(folder.path());
    assert_eq!((n, words), (None, vec![]));
    checkpoints.write(&checkpoint(1)).unwrap();
    checkpoints.write(&checkpoint(2)).unwrap();
    folder
}

#[test]
fn the_newest_of_many_is_found_and_the_files_are_written_in_turn() {
    let folder = written();
    let both = || {
        files(folder.path()).map(|file| {
            let (_, it) = Checkpoint::decode(&fs::read(file).unwrap()).unwrap();
            it.slot.0
        })
    };
    for n in 3..9 {
        let (newest, words, mut checkpoints) = found(folder.path());
        assert_eq!((newest, words), (Some(n - 1), vec![]));
        checkpoints.write(&checkpoint(n)).unwrap();
        let [a, b] = both();
        assert_eq!((a.max(b), a.min(b)), (n, n - 1));
    }
}

#[test]
fn damage_of_any_kind_to_the_newest_leaves_the_one_before_and_is_told_with_the_file() {
    let folder = written();
    let [_, newest] = files(folder.path());
    let whole = fs::read(&newest).unwrap();
    let mut kinds: Vec<Vec<u8>> = (0..whole.len()).map(|at| whole[..at].to_vec()).collect();
    kinds.push(whole.repeat(2));
    kinds.push(b"something else, and long enough to be looked at in earnest".to_vec());
    for place in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[place] ^= 4;
        kinds.push(flipped);
    }
    for bytes in kinds {
        fs::write(&newest, &bytes).unwrap();
        let (n, words, _) = found(folder.path());
        assert_eq!(n, Some(1), "{bytes:?}");
        assert!(
            words.len() == 1 && words[0].contains("checkpoint.b"),
            "{words:?}"
        );
    }
    let (_, _, mut checkpoints) = found(folder.path());
    checkpoints.write(&checkpoint(3)).unwrap();
    let (n, words, _) = found(folder.path());
    assert_eq!((n, words), (Some(3), vec![]), "it is written over next");
}

#[test]
fn with_both_damaged_there_is_nothing_and_it_is_said_that_the_worker_starts_cold() {
    let folder = written();
    let [a, b] = files(folder.path());
    for file in [&a, &b] {
        fs::write(file, b"torn").unwrap();
    }
    let (n, words, mut checkpoints) = found(folder.path());
    assert_eq!((n, words.len()), (None, 3), "{words:?}");
    assert!(words[2].contains("starts cold"), "{words:?}");
    checkpoints.write(&checkpoint(5)).unwrap();
    assert_eq!(found(folder.path()).0, Some(5));
}

#[test]
fn a_file_that_is_too_long_or_cannot_be_read_is_no_reason_not_to_start() {
    let folder = written();
    let [older, newest] = files(folder.path());
    // Not more of it is read than a checkpoint may have.
    File::create(&newest).unwrap().set_len(1 << 40).unwrap();
    let (n, words, _) = found(folder.path());
    assert_eq!((n, words.len()), (Some(1), 1), "{words:?}");
    fs::remove_file(&older).unwrap();
    fs::create_dir(&older).unwrap();
    let (n, words, mut checkpoints) = found(folder.path());
    assert_eq!((n, words.len()), (None, 3), "{words:?}");
    assert!(words[0].contains("checkpoint.a"), "{words:?}");
    for n in 6..8 {
        checkpoints.write(&checkpoint(n)).unwrap();
    }
    let (n, words, _) = found(folder.path());
    assert_eq!((n, words), (Some(7), vec![]));
}

#[tokio::test]
async fn what_is_handed_in_is_written_and_answered() {
    let folder = written();
    let (events, mut happened) = mpsc::channel(4);
    let desk = Desk::open(found(folder.path()).2, events);
    desk.hand_in(Box::new(checkpoint(3)));
    assert_eq!(happened.recv().await, Some(Event::CheckpointSaved));
    assert_eq!(found(folder.path()).0, Some(3));
    fs::remove_dir_all(folder.path()).unwrap();
    desk.hand_in(Box::new(checkpoint(4)));
    let Some(Event::CheckpointFailed { why }) = happened.recv().await else {
        panic!("not told");
    };
    assert!(why.contains("checkpoint."), "{why}");
    fs::create_dir(folder.path()).unwrap();
    desk.hand_in(Box::new(checkpoint(5)));
    assert_eq!(happened.recv().await, Some(Event::CheckpointSaved));
    assert_eq!(found(folder.path()).0, Some(5));
}

#[tokio::test]
async fn more_than_one_that_waits_is_refused_and_answered_all_the_same() {
    let folder = written();
    let (events, mut happened) = mpsc::channel(8);
    let desk = Desk::open(found(folder.path()).2, events);
    // Nothing is taken from the desk before this test waits.
    for n in 3..6 {
        desk.hand_in(Box::new(checkpoint(n)));
    }
    let mut failed = 0;
    for _ in 0..3 {
        match happened.recv().await {
            Some(Event::CheckpointSaved) => {}
            Some(Event::CheckpointFailed { .. }) => failed += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(failed, 2);
    assert_eq!(found(folder.path()).0, Some(3));
}
