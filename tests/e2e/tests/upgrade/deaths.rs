//! Processes killed in the phases of an update, on every system: whoever dies, one proved worker is active in the end, and what is told of
//! the job is so.
//!
//! Each phase is held open by somebody who does not answer. The download and the trial are cut short in `road` and `rollback`.

use cloud_emulator::{Fault, FaultName, TaskState};
use e2e::{Image, Programs, Stand, Supervisor, process_of};
use serde_json::{Value, json};

/// A stand on which a switch may take as long as a test does.
fn stand() -> Stand {
    let mut stand = Stand::new();
    stand.set("worker.quiesce_limit_s", 600);
    stand
}

/// An old worker that does this.
fn old(stand: &Stand, deed: &str) -> Image {
    let journal = stand.misfit_journal_path("old");
    stand.misfit(&json!({ "version": "1.0.0", "do": deed, "journal": journal }))
}

/// A new worker that does this.
fn new(stand: &Stand, deed: &str) -> Image {
    let journal = stand.misfit_journal_path("new");
    stand.misfit(&json!({ "version": "1.0.7", "do": deed, "journal": journal }))
}

fn kill(process: u64) {
    Programs::under_test().kill(process);
}

/// The update is in this phase, and its new worker runs. Returns the processes of both.
#[track_caller]
fn both_in(supervisor: &Supervisor<'_>, phase: &str) -> (u64, u64) {
    let both = |status: &Value| process_of(status, "1.0.0").zip(process_of(status, "1.0.7"));
    let status = supervisor.await_status(phase, |status| {
        status["phase"] == phase && both(status).is_some()
    });
    both(&status).unwrap()
}

/// The job failed at this step, and the old version is the one at work.
#[track_caller]
fn failed(stand: &Stand, supervisor: &Supervisor<'_>, step: i64) {
    let device = stand.await_task(TaskState::Failed);
    let task = device.task().unwrap();
    assert_eq!(task.step, Some(step), "{task:?}");
    supervisor.await_rest("1.0.0");
    assert_eq!(device.version(), Some("1.0.0"));
}

#[track_caller]
fn succeeded(stand: &Stand, supervisor: &Supervisor<'_>) {
    let device = stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    assert_eq!(device.version(), Some("1.0.7"));
}

#[test]
fn a_supervisor_killed_while_a_new_worker_warms_up_is_followed_by_one_that_warms_it_up_again() {
    let mut stand = stand();
    stand.set("worker.warm_up_limit_s", 5);
    let mut first = stand.run_with(&old(&stand, "behave"));
    stand.offer(&new(&stand, "never-ready"));
    both_in(&first, "warming");
    first.kill();
    let second = stand.run();
    stand.await_misfit("new", "started", 2);
    failed(&stand, &second, -4);
}

#[test]
fn a_supervisor_killed_in_mid_switch_is_followed_by_one_that_completes_it() {
    let stand = stand();
    let mut first = stand.run_with(&old(&stand, "keep-handover"));
    stand.offer(&new(&stand, "behave"));
    both_in(&first, "switching");
    first.kill();
    let second = stand.run();
    succeeded(&stand, &second);
}

#[test]
fn a_worker_killed_while_its_successor_is_fetched_is_started_again_and_the_download_goes_on() {
    let stand = stand();
    let supervisor = stand.run_with(&old(&stand, "behave"));
    let image = new(&stand, "behave");
    let stall = Fault::new(FaultName::Stall).n(image.size() / 2);
    stand.cloud.fault(stall);
    stand.offer(&image);
    let status = supervisor.await_status("half of it is there", |status| {
        status["phase"] == "fetching" && status["ota_progress"].as_u64() > Some(5)
    });
    kill(process_of(&status, "1.0.0").unwrap());
    stand.await_misfit("old", "active", 2);
    stand.cloud.clear_fault(FaultName::Stall);
    succeeded(&stand, &supervisor);
}

#[test]
fn a_worker_killed_after_it_put_the_switch_off_is_started_again_and_is_not_switched_away() {
    let stand = stand();
    // For longer than a start takes, however busy the machine is: nobody is asked when nobody runs the device.
    let later = json!({ "version": "1.0.0", "do": "later", "after_ms": 60_000 });
    let supervisor = stand.run_with(&stand.misfit(&later));
    stand.offer(&new(&stand, "behave"));
    let awaits_consent = |status: &Value| {
        let awaited = status["awaited"].as_str();
        awaited.is_some_and(|it| it.contains("the device's consent to the switch"))
    };
    let status = supervisor.await_status("its consent is awaited", awaits_consent);
    let (old, new) = (process_of(&status, "1.0.0"), process_of(&status, "1.0.7"));
    kill(old.unwrap());
    let status = supervisor.await_status("another one is active", |status| {
        let (now, active) = (process_of(status, "1.0.0"), &status["workers"][0]["stage"]);
        now.is_some() && now != old && active == "active"
    });
    assert!(awaits_consent(&status), "{status}");
    assert_eq!(
        process_of(&status, "1.0.7"),
        new,
        "the new one is ready as before"
    );
    let hastened = stand.cli(&["update", "--now"]);
    assert_eq!(hastened.code, Some(0), "{hastened:?}");
    succeeded(&stand, &supervisor);
}

#[test]
fn a_worker_killed_in_mid_switch_makes_way_for_its_successor() {
    let stand = stand();
    let supervisor = stand.run_with(&old(&stand, "keep-handover"));
    stand.offer(&new(&stand, "behave"));
    let (old, _) = both_in(&supervisor, "switching");
    kill(old);
    succeeded(&stand, &supervisor);
}

#[test]
fn a_new_worker_killed_while_it_warms_up_is_not_taken() {
    let stand = stand();
    let supervisor = stand.run_with(&old(&stand, "behave"));
    stand.offer(&new(&stand, "never-ready"));
    let (old, new) = both_in(&supervisor, "warming");
    kill(new);
    failed(&stand, &supervisor, -4);
    assert_eq!(supervisor.worker(), old, "the old worker never noticed");
}

#[test]
fn when_first_the_new_and_then_the_old_worker_is_killed_in_mid_switch_the_old_version_is_started_again()
 {
    let stand = stand();
    let supervisor = stand.run_with(&old(&stand, "keep-handover"));
    stand.offer(&new(&stand, "behave"));
    let (old, new) = both_in(&supervisor, "switching");
    kill(new);
    supervisor.await_status("the way back", |status| status["phase"] == "reverting");
    kill(old);
    failed(&stand, &supervisor, -4);
}

#[test]
fn a_new_worker_killed_while_it_proves_itself_is_taken_back() {
    let mut stand = stand();
    stand.set("update.proving_s", 600);
    let supervisor = stand.run_with(&old(&stand, "behave"));
    stand.offer(&new(&stand, "behave"));
    let status = supervisor.await_status("proving", |status| status["phase"] == "proving");
    kill(process_of(&status, "1.0.7").unwrap());
    failed(&stand, &supervisor, -1);
}
