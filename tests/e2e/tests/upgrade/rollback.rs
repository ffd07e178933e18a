//! New workers that fail, each in its own way: the old one works again with its state, and the cloud is told why.

use cloud_emulator::TaskState;
use e2e::{Stand, Supervisor};
use serde_json::{Value, json};

/// Every build here has one start, so that a test need not watch it fail again.
fn stand() -> Stand {
    let mut stand = Stand::new();
    stand.set("update.proving_s", 20);
    stand
}

/// An old worker with a state of its own.
fn old(stand: &Stand) -> Supervisor<'_> {
    let journal = stand.misfit_journal_path("old");
    let old = stand.misfit(&json!({ "version": "1.0.0", "journal": journal }));
    let supervisor = stand.run_with(&old);
    let set = stand
        .cloud
        .set_property(&stand.device, json!({ "count": 5000 }));
    assert_eq!(stand.cloud.block_on(set).unwrap().code, 200);
    supervisor
}

/// Offers a misfit and follows the story to its end: refused with this step and these words, the old worker active again.
#[track_caller]
fn refused(stand: &Stand, supervisor: &Supervisor<'_>, orders: &Value, step: i64, words: &str) {
    stand.offer(&stand.misfit(orders));
    let device = stand.await_task(TaskState::Failed);
    let task = device.task().unwrap();
    assert_eq!(task.step, Some(step), "{task:?}");
    assert!(
        task.description.starts_with(words),
        "{task:?} should say `{words}`"
    );
    let status = supervisor.await_rest("1.0.0");
    assert_eq!(
        status["last_outcome"]["version"], orders["version"],
        "{status}"
    );
    assert!(!status["last_outcome"]["outcome"].is_null(), "{status}");
    assert!(
        !stand
            .informed()
            .contains(&orders["version"].as_str().unwrap().to_owned())
    );
    assert_eq!(
        stand.cloud.device_state(&stand.device).unwrap().version(),
        Some("1.0.0")
    );
}

/// The old worker never stopped.
#[track_caller]
fn never_noticed(orders: &Value, step: i64, words: &str) {
    let mut stand = stand();
    stand.set("worker.hello_limit_s", 3);
    stand.set("worker.warm_up_limit_s", 2);
    let supervisor = old(&stand);
    let worker = supervisor.worker();
    refused(&stand, &supervisor, orders, step, words);
    assert_eq!(supervisor.worker(), worker, "the old worker never noticed");
}

/// The old worker had handed over, and was taken back with what it had handed over.
#[track_caller]
fn taken_back(orders: &Value, step: i64, words: &str) {
    let mut stand = stand();
    stand.set("worker.activate_limit_s", 2);
    stand.set("worker.silence_limit_s", 1.5);
    let supervisor = old(&stand);
    let worker = supervisor.worker();
    refused(&stand, &supervisor, orders, step, words);
    assert_ne!(supervisor.worker(), worker);
    let lives = stand.misfit_journal("old");
    let handed = lives
        .iter()
        .find(|line| line["event"] == "quiesced")
        .expect("it handed over");
    let back = lives
        .iter()
        .rfind(|line| line["event"] == "active")
        .expect("it was active before");
    assert_eq!(back["cause"], "RollBack", "{lives:?}");
    assert_eq!(back["count"], handed["count"], "it goes on where it stood");
    assert!(handed["count"].as_i64() >= Some(5000));
}

#[test]
fn a_worker_that_never_says_hello_is_not_taken() {
    never_noticed(
        &json!({ "version": "1.0.8", "do": "never-hello" }),
        -4,
        "the new worker never said hello",
    );
}

#[test]
fn a_worker_that_connects_and_is_silent_is_not_taken() {
    never_noticed(
        &json!({ "version": "1.0.8", "do": "connect-and-be-silent" }),
        -4,
        "the new worker never said hello",
    );
}

#[test]
fn a_worker_that_exits_at_once_is_not_taken() {
    never_noticed(
        &json!({ "version": "1.0.8", "do": "exit-at-once" }),
        -4,
        "the new worker did not get ready: it ended with code 3 before its hello",
    );
}

#[test]
fn a_worker_that_is_unfit_is_not_taken() {
    never_noticed(
        &json!({ "version": "1.0.8", "do": "unfit", "reason": "the probe is broken" }),
        -4,
        "the new worker did not get ready: the probe is broken",
    );
}

#[test]
fn a_worker_that_never_gets_ready_is_not_taken() {
    never_noticed(
        &json!({ "version": "1.0.8", "do": "never-ready" }),
        -4,
        "the new worker did not get ready: not in time",
    );
}

#[test]
fn a_worker_that_says_another_version_is_not_taken() {
    never_noticed(
        &json!({ "version": "1.0.8", "do": "other-version", "says": "6.6.6" }),
        -4,
        "the new program says it is version `6.6.6`",
    );
}

#[test]
fn a_worker_with_a_stale_token_is_not_taken() {
    never_noticed(
        &json!({ "version": "1.0.8", "do": "stale-token" }),
        -4,
        "the new worker never said hello",
    );
}

#[test]
fn a_worker_that_fails_to_activate_is_taken_back() {
    taken_back(
        &json!({ "version": "1.0.8", "do": "fail-activate", "reason": "the relay does not answer" }),
        -1,
        "the new worker could not take over: the relay does not answer",
    );
}

#[test]
fn a_worker_that_hangs_in_activation_is_taken_back() {
    taken_back(
        &json!({ "version": "1.0.8", "do": "hang-activate" }),
        -1,
        "the new worker could not take over: not in time",
    );
}

// How it ended is told if the system tells it soon enough, otherwise that its link did.
#[test]
fn a_worker_that_dies_while_proving_is_taken_back() {
    taken_back(
        &json!({ "version": "1.0.8", "do": "die-while-proving", "after_ms": 300 }),
        -1,
        "the new worker did not prove itself: it ",
    );
}

#[test]
fn a_worker_that_hangs_while_proving_is_taken_back() {
    taken_back(
        &json!({ "version": "1.0.8", "do": "hang-while-proving", "after_ms": 300 }),
        -1,
        "the new worker did not prove itself: it fell silent",
    );
}

#[test]
fn a_worker_that_is_unwell_while_proving_is_taken_back() {
    taken_back(
        &json!({ "version": "1.0.8", "do": "unwell-while-proving", "after_ms": 300, "reason": "the probe reads nonsense" }),
        -1,
        "the new worker did not prove itself: it is unwell: the probe reads nonsense",
    );
}

#[test]
fn an_old_worker_that_will_not_hand_over_is_stopped_and_the_new_one_starts_all_the_same() {
    let mut stand = Stand::new();
    stand.set("worker.quiesce_limit_s", 0.5);
    let journal = stand.misfit_journal_path("old");
    let supervisor = stand.run_with(
        &stand.misfit(&json!({ "version": "1.0.0", "do": "keep-handover", "journal": journal })),
    );
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    assert!(
        stand
            .misfit_journal("old")
            .iter()
            .any(|line| line["event"] == "kept")
    );
}

#[test]
fn a_build_that_used_up_its_tries_is_refused_at_once() {
    let mut stand = Stand::new();
    stand.set("update.tries", 1);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let bad = stand.misfit(&json!({ "version": "1.0.8", "do": "unfit" }));
    stand.offer(&bad);
    stand.await_task(TaskState::Failed);
    supervisor.await_rest("1.0.0");
    stand.offer(&bad);
    let device = stand.await_device("the second job has failed", |device| {
        device.tasks.len() == 2
            && device
                .task()
                .is_some_and(|task| task.state == TaskState::Failed)
    });
    assert_eq!(
        device.task().unwrap().description,
        "this build failed 1 times and is quarantined"
    );
    supervisor.await_rest("1.0.0");
    // A build that is right is none the worse for it.
    stand.offer(&stand.good("1.0.9"));
    stand.await_task(TaskState::Succeeded);
}

#[test]
fn the_device_may_put_the_switch_off_and_its_reason_is_shown() {
    let stand = Stand::new();
    let later = json!({ "version": "1.0.0", "do": "later", "times": 1, "after_ms": 4000, "reason": "a cake is in it" });
    let supervisor = stand.run_with(&stand.misfit(&later));
    stand.offer(&stand.good("1.0.7"));
    supervisor.await_status("the reason is shown", |status| {
        status["awaited"] == "the device's consent to the switch: a cake is in it"
    });
    stand.await_task(TaskState::Succeeded);
}

#[test]
fn a_power_cut_while_proving_costs_a_try_and_the_new_version_may_still_succeed() {
    let mut stand = Stand::new();
    stand.set("update.proving_s", 5);
    let mut first = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&stand.good("1.0.7"));
    first.await_status("1.0.7 is being proved", |status| {
        status["phase"] == "proving"
    });
    first.kill();
    let second = stand.run();
    let device = stand.await_task(TaskState::Succeeded);
    assert_eq!(device.version(), Some("1.0.7"));
    second.await_rest("1.0.7");
    assert_eq!(stand.informed().last().map(String::as_str), Some("1.0.7"));
}

#[test]
fn a_build_that_takes_the_whole_machine_down_each_time_is_given_up() {
    let mut stand = stand();
    stand.set("update.tries", 3);
    let mut machine = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&stand.good("1.0.8"));
    for _ in 0..3 {
        machine.await_status("1.0.8 is being proved", |status| {
            status["phase"] == "proving"
        });
        machine.kill();
        machine = stand.run();
    }
    let device = stand.await_task(TaskState::Failed);
    let task = device.task().unwrap();
    assert_eq!(task.step, Some(-1), "{task:?}");
    assert!(
        task.description
            .contains("it was started 3 times and never proved itself"),
        "{task:?}"
    );
    machine.await_rest("1.0.0");
    assert!(!stand.informed().contains(&"1.0.8".to_owned()));
}
