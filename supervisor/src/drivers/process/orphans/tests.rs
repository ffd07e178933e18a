use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Instant,
};

use tempfile::TempDir;

use super::*;

fn folder() -> (TempDir, PidFiles) {
    let folder = tempfile::tempdir().unwrap();
    let files = PidFiles::of(folder.path().to_owned());
    (folder, files)
}

/// Goes when its input ends, as a worker does.
fn child() -> Child {
    let mut command = Command::new(if cfg!(windows) { "cmd" } else { "cat" });
    let command = command.stdin(Stdio::piped()).stdout(Stdio::null());
    command.spawn().unwrap()
}

fn left(folder: &TempDir) -> usize {
    fs::read_dir(folder.path()).unwrap().count()
}

#[tokio::test]
async fn a_stranger_who_has_the_number_of_a_former_worker_is_not_touched() {
    let (folder, files) = folder();
    let mut stranger = child();
    files.write(stranger.id()).await;
    let file = folder.path().join(stranger.id().to_string());
    let mark = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{mark}0")).unwrap();
    see_off(files).await;
    assert_eq!(left(&folder), 0, "a stale file is removed");
    assert!(stranger.try_wait().unwrap().is_none(), "it was ended");
    drop(stranger.stdin.take());
    assert!(stranger.wait().unwrap().success());
}

#[tokio::test]
async fn what_cannot_be_understood_harms_nothing_and_is_removed() {
    let (folder, files) = folder();
    let own = std::process::id();
    for (name, content) in [
        ("no number", &b"boot x tick 5"[..]),
        ("-1", b"boot x tick 5"),
        ("99999999999999999999", b"boot x tick 5"),
        ("0", b"boot x tick 5"),
        (&own.to_string(), b""),
        (&(u32::MAX - 1).to_string(), b"boot x tick 5"),
        ("7", b"\xff\xfe"),
        ("8", &[b'x'; 100_000]),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    fs::create_dir(folder.path().join("9")).unwrap();
    let begun = Instant::now();
    see_off(files).await;
    assert!(begun.elapsed() < GRACE, "nobody was waited for");
    assert_eq!(left(&folder), 1, "only the folder stays");
}

#[tokio::test]
async fn a_folder_that_is_not_there_keeps_nobody_from_beginning() {
    let (folder, _) = folder();
    see_off(PidFiles::of(folder.path().join("none"))).await;
}

#[tokio::test]
async fn an_orphan_has_time_to_go_by_itself() {
    let (folder, files) = folder();
    let mut orphan = child();
    files.write(orphan.id()).await;
    let leash = orphan.stdin.take();
    tokio::join!(see_off(files), async {
        tokio::time::sleep(LOOK_AGAIN * 3).await;
        drop(leash);
    });
    assert!(orphan.wait().unwrap().success(), "it was ended by force");
    assert_eq!(left(&folder), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn an_orphan_that_stands_still_is_ended() {
    use std::os::unix::process::ExitStatusExt;

    let (folder, files) = folder();
    let mut orphan = child();
    files.write(orphan.id()).await;
    let pid = orphan.id().to_string();
    let stopped = Command::new("kill").args(["-STOP", &pid]).status();
    assert!(stopped.unwrap().success());
    see_off(files).await;
    assert_eq!(left(&folder), 0);
    assert_eq!(orphan.wait().unwrap().signal(), Some(9));
}
