//! What surrounds the supervisor fails: the disk is full or takes nothing, there are no handles, no threads, no processes, no rights. It says
//! what is missing, the worker runs on, and all goes on when it is over. On Linux only, because it is brought about by the means of Linux; what
//! only root may bring about is left out for others, with a word.

mod disks;
mod limits;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use cloud_emulator::TaskState;
use e2e::{Programs, Stand, Supervisor, applies};

/// A supervisor with a worker that is well, and that worker's process.
#[track_caller]
fn at_work(stand: &Stand) -> (Supervisor<'_>, u64) {
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    (supervisor, worker)
}

/// After this worker another one is active.
#[track_caller]
fn runs_again(supervisor: &Supervisor<'_>, worker: u64) {
    supervisor.await_status("another worker is active", |status| {
        status["workers"][0]["stage"] == "active" && status["workers"][0]["pid"] != worker
    });
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
    let (supervisor, worker) = at_work(&stand);
    let program = stand.path("state/slots/1-1.0.0/worker");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o400)).unwrap();
    Programs::under_test().kill(worker);
    runs_again(&supervisor, worker);
    let line = supervisor.log.await_line("its right is restored");
    assert!(line.contains(&*program_name(&program)), "{line}");
    let rights = fs::metadata(&program).unwrap().permissions().mode();
    assert_eq!(rights & 0o777, 0o500);
    is_upgraded(&stand, &supervisor, "1.0.7");
}

fn program_name(program: &Path) -> String {
    program.display().to_string()
}
