use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use supervisor_core::event::Exit;
use tokio::sync::mpsc;

use super::*;
use crate::config::SECRET_VARIABLE;

/// Tells this test program that it is the child, and what to do.
const PART: &str = "HOTPLATE_TEST_PART";
const TENURE: Tenure = Tenure(5);
const LEASH: &str = "{\"leash\":\"of a test\"}\n";

/// The child's side: not a test of its own unless it is told a part to play.
#[test]
fn plays_the_child_when_told_to() {
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).unwrap();
    let leashed = line == LEASH && std::env::var(SECRET_VARIABLE).is_err();
    match part.as_str() {
        "obey" => std::process::exit(if leashed { 7 } else { 8 }),
        // The leash ends only with the supervisor.
        _ => drop(std::io::stdin().lock().read_to_end(&mut Vec::new())),
    }
}

fn processes(part: &str) -> (Processes, mpsc::Receiver<Event>) {
    // Nobody is to be known by a next supervisor.
    processes_in(PathBuf::from("no-such-folder"), part)
}

fn processes_in(pids: PathBuf, part: &str) -> (Processes, mpsc::Receiver<Event>) {
    let (events, happened) = mpsc::channel(8);
    let secret = (SECRET_VARIABLE.to_owned(), "sesame".to_owned());
    let settings = Worker {
        args: [
            "--exact",
            "drivers::process::tests::plays_the_child_when_told_to",
            "--nocapture",
        ]
        .map(str::to_owned)
        .to_vec(),
        env: BTreeMap::from([(PART.to_owned(), part.to_owned()), secret]),
        ..Worker::default()
    };
    (
        Processes::new(settings, PidFiles::of(pids), events),
        happened,
    )
}

fn itself() -> Manifest {
    as_installed(std::env::current_exe().unwrap())
}

/// A program as it is now, installed.
fn as_installed(program: PathBuf) -> Manifest {
    let bytes = fs::read(&program).unwrap_or_default();
    let sha256 = Sha256::digest(&bytes);
    let sha256 = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    Manifest::of_program(program, bytes.len() as u64, sha256)
}

/// A copy of this test program that may be damaged.
fn copy_of_itself(folder: &Path) -> PathBuf {
    let program = folder.join(if cfg!(windows) {
        "worker.exe"
    } else {
        "worker"
    });
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    program
}

async fn spawned(happened: &mut mpsc::Receiver<Event>) -> u32 {
    match happened.recv().await {
        Some(Event::Spawned {
            tenure: TENURE,
            pid,
        }) => pid,
        other => panic!("{other:?}"),
    }
}

async fn failure(image: PathBuf) -> String {
    let (mut processes, mut happened) = processes("obey");
    processes.spawn(TENURE, as_installed(image), Ok(LEASH.to_owned()));
    match happened.recv().await {
        Some(Event::SpawnFailed {
            tenure: TENURE,
            why,
        }) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_worker_gets_its_leash_and_never_the_secret_and_its_exit_is_told_once() {
    let (mut processes, mut happened) = processes("obey");
    processes.spawn(TENURE, itself(), Ok(LEASH.to_owned()));
    assert_ne!(spawned(&mut happened).await, 0);
    let exit = Exit::Code(7);
    assert_eq!(
        happened.recv().await,
        Some(Event::Exited {
            tenure: TENURE,
            exit
        })
    );
    processes.kill(TENURE);
    drop(processes);
    assert_eq!(happened.recv().await, None);
}

#[tokio::test]
async fn a_worker_is_written_down_for_as_long_as_it_lives() {
    let folder = tempfile::tempdir().unwrap();
    let (mut processes, mut happened) = processes_in(folder.path().to_owned(), "wait");
    processes.spawn(TENURE, itself(), Ok(LEASH.to_owned()));
    let pid = spawned(&mut happened).await;
    let file = folder.path().join(pid.to_string());
    let mark = birthmark::look(pid).unwrap().mark;
    assert_eq!(fs::read_to_string(&file).unwrap(), mark);
    processes.kill(TENURE);
    assert!(matches!(happened.recv().await, Some(Event::Exited { .. })));
    let begun = std::time::Instant::now();
    while file.exists() {
        assert!(begun.elapsed().as_secs() < 30, "it stays");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_is_told_as_such() {
    let (mut processes, mut happened) = processes("wait");
    processes.spawn(TENURE, itself(), Ok(LEASH.to_owned()));
    spawned(&mut happened).await;
    processes.kill(TENURE);
    processes.kill(TENURE);
    let exit = if cfg!(unix) {
        Exit::Signal(9)
    } else {
        Exit::Code(1)
    };
    assert_eq!(
        happened.recv().await,
        Some(Event::Exited {
            tenure: TENURE,
            exit
        })
    );
}

#[tokio::test]
async fn a_program_that_lost_the_right_gets_it_back_and_one_that_is_none_is_told_in_plain_words() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join(if cfg!(windows) {
        "worker.exe"
    } else {
        "worker"
    });
    let shown = image.display().to_string();
    fs::write(&image, b"\x00\x01 no program at all").unwrap();
    let why = failure(image.clone()).await;
    assert!(
        why.contains(&shown) && why.contains("not a program for this system"),
        "{why}"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let rights = fs::metadata(&image).unwrap().permissions().mode();
        assert_eq!(rights & 0o111, 0o100);
    }
}

#[tokio::test]
async fn without_a_leash_nothing_is_started() {
    let (mut processes, mut happened) = processes("obey");
    processes.spawn(TENURE, itself(), Err(io::Error::other("no randomness")));
    match happened.recv().await {
        Some(Event::SpawnFailed { why, .. }) => assert!(why.contains("no randomness"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_cannot_be_read_is_not_called_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    // A link that leads to itself can be followed by nobody.
    std::os::unix::fs::symlink(&program, &program).unwrap();
    let (mut processes, mut happened) = processes("obey");
    let slot = Manifest::of_program(program, 1, String::new());
    processes.spawn(TENURE, slot, Ok(LEASH.to_owned()));
    let event = happened.recv().await;
    let Some(Event::SlotUnreadable { why, .. }) = event else {
        panic!("{event:?}");
    };
    assert!(why.contains("its file `program` cannot be read"), "{why}");
}

async fn damage(slot: Manifest) -> String {
    let (mut processes, mut happened) = processes("obey");
    processes.spawn(TENURE, slot, Ok(LEASH.to_owned()));
    let event = happened.recv().await;
    drop(processes);
    assert_eq!(happened.recv().await, None, "nothing else is told");
    match event {
        Some(Event::SlotDamaged {
            tenure: TENURE,
            why,
        }) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_not_as_it_was_installed_is_not_started() {
    let folder = tempfile::tempdir().unwrap();
    let program = copy_of_itself(folder.path());
    let slot = as_installed(program.clone());
    // It would still run: executables do not mind what follows them.
    let mut file = fs::OpenOptions::new().append(true).open(&program).unwrap();
    io::Write::write_all(&mut file, b"x").unwrap();
    drop(file);
    assert!(damage(slot.clone()).await.contains("bytes instead of"));
    fs::remove_file(&program).unwrap();
    assert!(damage(slot).await.contains("is missing"));
}

#[tokio::test]
async fn a_worker_that_is_given_up_while_its_slot_is_verified_never_runs() {
    let (mut processes, mut happened) = processes("wait");
    processes.spawn(TENURE, itself(), Ok(LEASH.to_owned()));
    // Both orders come before the life gets a turn.
    processes.kill(TENURE);
    match happened.recv().await {
        Some(Event::SpawnFailed { why, .. }) => assert!(why.contains("given up"), "{why}"),
        // It was verified by the time the order was looked at.
        Some(Event::Spawned { .. }) => {
            assert!(matches!(happened.recv().await, Some(Event::Exited { .. })));
        }
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
mod replaced {
    use super::*;
    use crate::drivers::store::verify::{Verified, verify};
    use std::os::unix::fs::PermissionsExt;

    const OTHER: &[u8] = b"#!/bin/sh\nexit 66\n";

    /// What a birth of this slot needs beside it.
    fn birth(slot: Manifest, part: &str) -> Birth {
        let (processes, _) = processes(part);
        Birth {
            tenure: TENURE,
            slot,
            settings: processes.settings,
        }
    }

    /// Gives the leash and answers the exit code.
    async fn code(mut child: Child) -> Option<i32> {
        let mut leash = child.stdin.take().unwrap();
        // A program that ends at once does not read it.
        let _ = leash.write_all(LEASH.as_bytes()).await;
        child.wait().await.unwrap().code()
    }

    fn held(slot: &Manifest) -> Verified {
        verify(slot, &false.into()).unwrap()
    }

    /// A program in a folder of its own, and one with another folder of that name in its place, with another program.
    fn replace_folder(folder: &Path) {
        let bin = folder.join("bin");
        fs::rename(&bin, folder.join("aside")).unwrap();
        put(&bin, OTHER);
    }

    fn put(bin: &Path, program: &[u8]) -> PathBuf {
        fs::create_dir(bin).unwrap();
        let path = bin.join("worker");
        fs::write(&path, program).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o500)).unwrap();
        path
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_program_runs_as_it_was_verified_wherever_its_path_leads_by_now() {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let slot = as_installed(copy_of_itself(&bin));
        let verified = held(&slot);
        replace_folder(folder.path());
        let birth = birth(slot, "obey");
        let (child, by_handle) = birth.start(&verified).await.unwrap();
        assert!(by_handle && verified.is_unchanged(by_handle));
        assert_eq!(code(child).await, Some(7));
    }

    #[tokio::test]
    async fn a_script_whose_path_leads_elsewhere_by_now_is_seen_before_it_is_given_its_leash() {
        let folder = tempfile::tempdir().unwrap();
        let path = put(&folder.path().join("bin"), b"#!/bin/sh\nexit 7\n");
        let slot = as_installed(path);
        let verified = held(&slot);
        let first = birth(slot, "obey");
        let (child, by_handle) = first.start(&verified).await.unwrap();
        assert!(!by_handle && verified.is_unchanged(by_handle));
        assert_eq!(code(child).await, Some(7));
        replace_folder(folder.path());
        let (child, by_handle) = first.start(&verified).await.unwrap();
        assert!(!by_handle && !verified.is_unchanged(by_handle));
        assert_eq!(code(child).await, Some(66));
        // Begun anew, the other one is found.
        let found = first.raise(&mut Order(None)).await.unwrap_err();
        assert!(matches!(found, Unborn::Damaged(_)), "{found:?}");
    }
}
