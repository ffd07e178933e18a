//! What surrounds the supervisor fails: the disk is full or takes nothing, there are no handles, no threads, no rights. It says what is
//! missing, the worker runs on, and all goes on when it is over. On Linux only, because it is brought about by the means of Linux; what
//! only root may bring about is left out for others, with a word.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use cloud_emulator::{Fault, FaultName, TaskState};
use e2e::{Programs, Stand, Supervisor, applies, until};
use serde_json::json;

/// Room for what a process does without any further thread, and too little for the stack of one.
const LITTLE_MEMORY: u64 = 3 << 19;

/// By then a thread that has nothing to do has ended.
const AT_REST: Duration = Duration::from_secs(5);

/// Files that are covered by others, for as long as this lives.
struct Covered {
    files: Vec<PathBuf>,
    disk: PathBuf,
}

impl Covered {
    /// Covers both files of the record by empty ones on a disk without room for a byte. `None` where nobody may do so.
    fn record(stand: &Stand) -> Option<Self> {
        let disk = stand.path("full");
        fs::create_dir_all(&disk).unwrap();
        let room = "size=4096,mode=700";
        if !may_mount(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", room, "tmpfs"])
                .arg(&disk),
        ) {
            return None;
        }
        let mut covered = Self {
            files: Vec::new(),
            disk,
        };
        for name in ["record.a", "record.b"] {
            let (empty, file) = (covered.disk.join(name), stand.path("state").join(name));
            fs::write(&empty, b"").unwrap();
            is_there(&file);
            assert!(may_mount(
                Command::new("mount").arg("--bind").args([&empty, &file])
            ));
            covered.files.push(file);
        }
        fs::write(covered.disk.join("somebody-elses"), [7; 4096]).unwrap();
        Some(covered)
    }

    /// Makes both files of the record, the parts and the slots read-only. `None` where nobody may do so.
    fn read_only(stand: &Stand) -> Option<Self> {
        let all = ["record.a", "record.b", "parts", "slots"];
        Self::with(stand, &all, "remount,bind,ro")
    }

    /// Covers these by themselves, but with this option. `None` where nobody may do so.
    fn with(stand: &Stand, names: &[&str], option: &str) -> Option<Self> {
        let mut covered = Self {
            files: Vec::new(),
            disk: PathBuf::new(),
        };
        for name in names {
            let file = stand.path("state").join(name);
            is_there(&file);
            if !may_mount(Command::new("mount").arg("--bind").args([&file, &file])) {
                return None;
            }
            let made = may_mount(Command::new("mount").args(["-o", option]).arg(&file));
            covered.files.push(file);
            assert!(made);
        }
        Some(covered)
    }
}

impl Drop for Covered {
    fn drop(&mut self) {
        for file in self.files.iter().chain([&self.disk]) {
            // Lazily: somebody may be reading it.
            if !file.as_os_str().is_empty() {
                let _ = Command::new("umount").arg("-l").arg(file).status();
            }
        }
    }
}

/// Only what is there can be covered. The second file of a record is there from the second save on, and an empty one is no record.
fn is_there(file: &Path) {
    if !file.exists() {
        fs::write(file, b"").unwrap();
    }
}

fn may_mount(command: &mut Command) -> bool {
    let mounted = command.output().unwrap();
    if !mounted.status.success() {
        let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
        println!("left out, as nothing can be mounted here: {why}");
    }
    mounted.status.success()
}

/// Sets a limit of the running supervisor.
#[track_caller]
fn limit(supervisor: &Supervisor<'_>, what: &str, soft: &str) {
    let process = supervisor.process().to_string();
    let set = Command::new("prlimit")
        .args(["--pid", &process, &format!("--{what}={soft}:")])
        .output()
        .unwrap();
    assert!(set.status.success(), "{set:?}");
}

/// Lets it open nothing more; what it has open stays.
#[track_caller]
fn without_handles(supervisor: &Supervisor<'_>) {
    limit(supervisor, "nofile", "3");
}

/// Lets it open as much as is usual.
#[track_caller]
fn with_handles(supervisor: &Supervisor<'_>) {
    limit(supervisor, "nofile", "1024");
}

/// The update has failed for this reason, and the platform was told so.
#[track_caller]
fn has_failed(stand: &Stand, why: &str) {
    let device = stand.await_task(TaskState::Failed);
    let task = device.task().unwrap();
    assert!(task.description.contains(why), "{task:?}");
}

/// The worker that was active still is.
#[track_caller]
fn is_unharmed(supervisor: &Supervisor<'_>, worker: u64) {
    let status = supervisor.await_status("the worker is active", |status| {
        status["workers"][0]["stage"] == "active"
    });
    assert_eq!(status["workers"][0]["pid"], worker, "{status}");
}

/// The next update comes to its end.
#[track_caller]
fn is_upgraded(stand: &Stand, supervisor: &Supervisor<'_>, version: &str) {
    stand.offer(&stand.good(version));
    supervisor.await_rest(version);
    stand.await_task(TaskState::Succeeded);
}

#[test]
fn a_program_that_may_not_be_executed_any_more_may_again_and_is_started() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    let program = stand.path("state/slots/1-1.0.0/worker");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o400)).unwrap();
    Programs::under_test().kill(worker);
    supervisor.await_status("another worker is active", |status| {
        status["workers"][0]["stage"] == "active" && status["workers"][0]["pid"] != worker
    });
    let line = supervisor.log.await_line("its right is restored");
    assert!(line.contains(&*program_name(&program)), "{line}");
    let rights = fs::metadata(&program).unwrap().permissions().mode();
    assert_eq!(rights & 0o777, 0o500);
    is_upgraded(&stand, &supervisor, "1.0.7");
}

fn program_name(program: &Path) -> String {
    program.display().to_string()
}

#[test]
fn a_record_that_cannot_be_saved_refuses_an_offer_and_a_later_one_is_taken() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    let Some(full) = Covered::record(&stand) else {
        return;
    };
    stand.offer(&stand.good("1.0.7"));
    let line = supervisor.log.await_line("the record could not be saved");
    assert!(
        line.contains("record.") && line.contains("No space left"),
        "{line}"
    );
    is_unharmed(&supervisor, worker);
    drop(full);
    // It was owed, as nothing is told before it is saved.
    has_failed(&stand, "the device's disk failed");
    is_upgraded(&stand, &supervisor, "1.0.8");
}

#[test]
fn a_record_that_cannot_be_saved_when_the_image_is_there_leaves_the_worker_alone() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    let image = stand.good("1.0.7");
    stand
        .cloud
        .fault(Fault::new(FaultName::Slow).n(image.size() / 3));
    stand.offer(&image);
    until("some of it is on the disk", || {
        let part = stand.part();
        (part > 0).then_some(()).ok_or_else(|| part.to_string())
    });
    let Some(full) = Covered::record(&stand) else {
        return;
    };
    stand.cloud.clear_fault(FaultName::Slow);
    supervisor.log.await_line("the record could not be saved");
    is_unharmed(&supervisor, worker);
    drop(full);
    // It was owed, as nothing is told before it is saved.
    has_failed(&stand, "the device's disk failed");
    is_upgraded(&stand, &supervisor, "1.0.8");
}

#[test]
fn a_commit_that_cannot_be_saved_is_told_only_when_it_is() {
    if !applies() {
        return;
    }
    let mut stand = Stand::new();
    stand.set("update.proving_s", 2);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&stand.good("1.0.7"));
    let status = supervisor.await_status("1.0.7 proves itself", |status| {
        status["phase"] == "proving" && status["workers"][0]["stage"] == "active"
    });
    let worker = &status["workers"][0]["pid"];
    let Some(full) = Covered::record(&stand) else {
        return;
    };
    supervisor.log.await_line("the record could not be saved");
    let status = supervisor.status();
    assert_eq!(&status["workers"][0]["pid"], worker, "{status}");
    assert_ne!(
        stand
            .cloud
            .device_state(&stand.device)
            .unwrap()
            .task()
            .unwrap()
            .state,
        TaskState::Succeeded
    );
    drop(full);
    stand.await_task(TaskState::Succeeded);
    let status = supervisor.await_rest("1.0.7");
    assert_eq!(&status["workers"][0]["pid"], worker, "{status}");
}

#[test]
fn a_state_folder_from_which_nothing_may_be_executed_any_more_is_tried_until_it_may() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    let Some(closed) = Covered::with(&stand, &["slots"], "remount,bind,noexec") else {
        return;
    };
    let mark = supervisor.log.position();
    Programs::under_test().kill(worker);
    let line = supervisor
        .log
        .await_line_after(mark, "the program may not be executed");
    assert!(line.contains("slots/1-1.0.0/worker"), "{line}");
    drop(closed);
    supervisor.await_status("another worker is active", |status| {
        status["workers"][0]["stage"] == "active" && status["workers"][0]["pid"] != worker
    });
    is_upgraded(&stand, &supervisor, "1.0.7");
}

#[test]
fn a_state_folder_that_becomes_read_only_stops_updates_and_nothing_else() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    let Some(read_only) = Covered::read_only(&stand) else {
        return;
    };
    stand.offer(&stand.good("1.0.7"));
    let line = supervisor.log.await_line("the record could not be saved");
    assert!(line.contains("Read-only"), "{line}");
    is_unharmed(&supervisor, worker);
    // What is no update does not need it.
    Programs::under_test().kill(worker);
    supervisor.await_status("another worker is active", |status| {
        status["workers"][0]["stage"] == "active" && status["workers"][0]["pid"] != worker
    });
    drop(read_only);
    has_failed(&stand, "Read-only file system");
    is_upgraded(&stand, &supervisor, "1.0.8");
}

#[test]
fn without_handles_an_update_fails_and_the_worker_runs_on() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    without_handles(&supervisor);
    stand.offer(&stand.good("1.0.7"));
    supervisor.log.await_line("Too many open files");
    with_handles(&supervisor);
    has_failed(&stand, "Too many open files");
    is_unharmed(&supervisor, worker);
    is_upgraded(&stand, &supervisor, "1.0.8");
}

#[test]
fn without_handles_a_worker_that_died_is_tried_until_there_are_some() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    without_handles(&supervisor);
    let before = supervisor.log.position();
    Programs::under_test().kill(worker);
    for _ in 0..2 {
        supervisor
            .log
            .await_line_after(before, "Too many open files");
    }
    with_handles(&supervisor);
    supervisor.await_status("another worker is active", |status| {
        status["workers"][0]["stage"] == "active" && status["workers"][0]["pid"] != worker
    });
    is_upgraded(&stand, &supervisor, "1.0.7");
}

#[test]
fn without_memory_for_a_further_thread_a_worker_that_died_is_started_again() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    // One whose state changes would keep further threads busy with its checkpoints.
    let supervisor = stand.run_with(&stand.misfit(&json!({ "version": "1.0.0" })));
    let worker = supervisor.worker();
    let place = format!("/proc/{}", supervisor.process());
    // Time is what is waited for: a thread at rest ends after three seconds.
    let active = Instant::now();
    until("no thread is left but those that never end", || {
        let threads = fs::read_dir(format!("{place}/task")).unwrap().count();
        (threads <= 2 && active.elapsed() > AT_REST)
            .then_some(())
            .ok_or_else(|| threads.to_string())
    });
    let status = fs::read_to_string(format!("{place}/status")).unwrap();
    let kib: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmSize:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap();
    limit(&supervisor, "as", &(kib * 1024 + LITTLE_MEMORY).to_string());
    Programs::under_test().kill(worker);
    supervisor.await_status("another worker is active", |status| {
        status["workers"][0]["stage"] == "active" && status["workers"][0]["pid"] != worker
    });
    limit(&supervisor, "as", "unlimited");
    is_upgraded(&stand, &supervisor, "1.0.7");
}
