//! Limits of the system: handles, memory, processes.

use std::{
    fs,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    process::Command,
    time::{Duration, Instant},
};

use cloud_emulator::TaskState;
use e2e::{Programs, Stand, Supervisor, applies, until};
use serde_json::json;

use super::{at_work, has_failed, is_unharmed, is_upgraded, runs_again};
use crate::switch::consent::before_three;

/// Room for what a process does without any further thread, and too little for the stack of one.
const LITTLE_MEMORY: u64 = 3 << 19;

/// By then a thread that has nothing to do has ended.
const AT_REST: Duration = Duration::from_secs(5);

/// Sets a limit of the running supervisor.
#[track_caller]
fn limit(supervisor: &Supervisor<'_>, what: &str, soft: &str) {
    let process = supervisor.process().to_string();
    // Everybody may do so to what is theirs, and not even root to what is not.
    let owner = fs::metadata(format!("/proc/{process}")).unwrap();
    let set = Command::new("prlimit")
        .uid(owner.uid())
        .gid(owner.gid())
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

#[test]
fn without_handles_an_update_fails_and_the_worker_runs_on() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let (supervisor, worker) = at_work(&stand);
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
    let (supervisor, worker) = at_work(&stand);
    without_handles(&supervisor);
    let before = supervisor.log.position();
    Programs::under_test().kill(worker);
    for _ in 0..2 {
        supervisor
            .log
            .await_line_after(before, "Too many open files");
    }
    with_handles(&supervisor);
    runs_again(&supervisor, worker);
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
    runs_again(&supervisor, worker);
    limit(&supervisor, "as", "unlimited");
    is_upgraded(&stand, &supervisor, "1.0.7");
}

/// A supervisor's own threads are as many already, and more than enough.
const NO_PROCESS: &str = "1";
const MANY_PROCESSES: &str = "1000";

/// Nobody has this number.
const USER: u32 = 54_400;

/// A stand whose supervisor has to keep to a limit on processes, which root has not.
fn limited() -> Stand {
    let mut stand = Stand::new();
    stand.install(&stand.good("1.0.0"));
    if fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0) {
        stand.belongs_to(USER);
    }
    stand
}

#[track_caller]
fn run(stand: &Stand) -> (Supervisor<'_>, u64) {
    let supervisor = stand.run();
    supervisor.await_rest("1.0.0");
    let worker = supervisor.worker();
    (supervisor, worker)
}

#[test]
fn without_processes_an_update_fails_and_the_worker_runs_on() {
    if !applies() {
        return;
    }
    let mut stand = limited();
    // The image is there, and only the start of its worker is waited for.
    stand.set_text("update.time_zone", &before_three(1800));
    stand.set("update.windows", "[\"daily 03:00-04:00\"]");
    let (supervisor, worker) = run(&stand);
    stand.offer(&stand.good("1.0.7"));
    supervisor.await_status("it waits for its window", |status| {
        status["phase"] == "waiting"
    });
    limit(&supervisor, "nproc", NO_PROCESS);
    assert_eq!(stand.cli(&["update", "--now"]).code, Some(0));
    has_failed(&stand, "the system refuses to start the program");
    let line = supervisor
        .log
        .await_line("Resource temporarily unavailable");
    assert!(line.contains("slots/2-1.0.7/worker"), "{line}");
    is_unharmed(&supervisor, worker);
    limit(&supervisor, "nproc", MANY_PROCESSES);
    stand.offer(&stand.good("1.0.8"));
    supervisor.await_status("it waits for its window", |status| {
        status["phase"] == "waiting"
    });
    assert_eq!(stand.cli(&["update", "--now"]).code, Some(0));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.8");
}

#[test]
fn without_processes_a_worker_that_died_is_tried_until_there_are_some() {
    if !applies() {
        return;
    }
    let stand = limited();
    let (supervisor, worker) = run(&stand);
    limit(&supervisor, "nproc", NO_PROCESS);
    let before = supervisor.log.position();
    Programs::under_test().kill(worker);
    for _ in 0..2 {
        let mark = supervisor.log.position();
        supervisor
            .log
            .await_line_after(mark.max(before), "the system refuses to start the program");
    }
    limit(&supervisor, "nproc", MANY_PROCESSES);
    runs_again(&supervisor, worker);
    is_upgraded(&stand, &supervisor, "1.0.7");
}
