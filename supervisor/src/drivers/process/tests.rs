use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, Read},
};

use supervisor_core::event::Exit;
use tokio::sync::mpsc;

use super::*;

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
    };
    (Processes::new(settings, events), happened)
}

fn itself() -> PathBuf {
    std::env::current_exe().unwrap()
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
    processes.spawn(TENURE, image, Ok(LEASH.to_owned()));
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
async fn a_program_that_is_not_there_or_is_none_is_told_in_plain_words() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join(if cfg!(windows) {
        "worker.exe"
    } else {
        "worker"
    });
    let shown = image.display().to_string();
    let why = failure(image.clone()).await;
    assert!(
        why.contains(&shown) && why.contains("is not there"),
        "{why}"
    );

    fs::write(&image, b"\x00\x01 no program at all").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let why = failure(image.clone()).await;
        assert!(
            why.contains(&shown) && why.contains("may not be executed"),
            "{why}"
        );
        fs::set_permissions(&image, fs::Permissions::from_mode(0o500)).unwrap();
    }
    let why = failure(image).await;
    assert!(
        why.contains(&shown) && why.contains("not a program for this system"),
        "{why}"
    );
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
