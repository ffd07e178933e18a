//! When a switch may happen: with the device's consent, given late or never, and in a maintenance window.

use std::time::{SystemTime, UNIX_EPOCH};

use cloud_emulator::TaskState;
use e2e::{Image, Stand};
use serde_json::json;

#[test]
fn a_consent_that_is_given_late_is_asked_for_until_it_is_and_not_one_time_more() {
    let stand = Stand::new();
    let journal = stand.misfit_journal_path("old");
    let orders = json!({
        "version": "1.0.0", "do": "later", "times": 2, "after_ms": 1, "reason": "a cake is in it", "journal": journal,
    });
    let supervisor = stand.run_with(&stand.misfit(&orders));
    stand.offer(&stand.good("1.0.7"));
    supervisor
        .log
        .await_line("the device puts the switch off: a cake is in it");
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let lives = stand.misfit_journal("old");
    let later = lives.iter().filter(|line| line["event"] == "later");
    assert_eq!(later.count(), 2);
}

#[test]
fn a_device_that_never_consents_is_switched_at_the_longest_wait() {
    let mut stand = Stand::new();
    stand.set("update.consent_limit_s", 2.5);
    let orders =
        json!({ "version": "1.0.0", "do": "later", "after_ms": 1, "reason": "it never suits" });
    let supervisor = stand.run_with(&stand.misfit(&orders));
    stand.offer(&stand.good("1.0.7"));
    supervisor.await_status("its reason is shown", |status| {
        status["awaited"] == "the device's consent to the switch: it never suits"
    });
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    assert!(
        supervisor
            .log
            .has("the longest wait for consent is over; the switch goes ahead")
    );
}

#[test]
fn an_oven_with_its_door_open_puts_the_switch_off_and_says_why() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&Image::oven("1.0.0"));
    let toggle = || {
        let call = stand
            .cloud
            .call_service(&stand.device, "toggle_door", json!({}));
        let answer = stand.cloud.block_on(call).unwrap();
        assert_eq!(answer.code, 200, "{answer:?}");
    };
    toggle();
    stand.offer(&Image::oven("1.0.7"));
    supervisor.await_status("the open door is seen", |status| {
        status["awaited"] == "the device's consent to the switch: the door is open"
    });
    toggle();
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
}

/// A zone in which it is so many seconds before three o'clock.
pub(crate) fn before_three(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let of_day = now.as_secs() % 86_400;
    // POSIX counts what is to be added to local time: the other way round than everybody else.
    let add = i64::try_from(of_day).unwrap() - i64::try_from(3 * 3600 - seconds).unwrap();
    let sign = if add < 0 { "-" } else { "" };
    let add = add.unsigned_abs();
    format!(
        "<here>{sign}{}:{:02}:{:02}",
        add / 3600,
        add / 60 % 60,
        add % 60
    )
}

#[test]
fn a_finished_image_waits_for_its_maintenance_window_and_is_switched_to_when_that_opens() {
    let mut stand = Stand::new();
    stand.set_text("update.time_zone", &before_three(20));
    stand.set("update.windows", "[\"daily 03:00-04:00\"]");
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    stand.offer(&stand.good("1.0.7"));
    let status = supervisor.await_status("the window is awaited", |status| {
        status["awaited"]
            .as_str()
            .is_some_and(|awaited| awaited.starts_with("a maintenance window, which opens at "))
    });
    assert_eq!(status["phase"], "waiting");
    assert_eq!(status["workers"].as_array().unwrap().len(), 1, "{status}");
    assert_eq!(supervisor.worker(), worker);
    assert!(supervisor.log.has("it waits for a maintenance window"));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
}

#[test]
fn what_waits_for_a_window_waits_on_after_the_supervisor_was_killed_and_fetches_nothing_again() {
    let mut stand = Stand::new();
    stand.set_text("update.time_zone", &before_three(1800));
    stand.set("update.windows", "[\"daily 03:00-04:00\"]");
    let mut first = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&stand.good("1.0.7"));
    first.await_status("the window is awaited", |status| {
        status["phase"] == "waiting"
    });
    let answers = stand.answers().len();
    first.kill();
    drop(first);
    let second = stand.run();
    second.await_status("the window is awaited again", |status| {
        status["phase"] == "waiting" && status["version"] == "1.0.0"
    });
    drop(second);
    stand.set("update.windows", "[\"daily 00:00-24:00\"]");
    let third = stand.run();
    stand.await_task(TaskState::Succeeded);
    third.await_rest("1.0.7");
    assert_eq!(stand.answers().len(), answers, "bytes were fetched again");
}

/// A device whose update waits for a window that is half an hour away.
fn waits() -> Stand {
    let mut stand = Stand::new();
    stand.set_text("update.time_zone", &before_three(1800));
    stand.set("update.windows", "[\"daily 03:00-04:00\"]");
    stand
}

#[test]
fn an_operator_who_does_not_want_to_wait_for_a_window_says_so_and_need_not() {
    let stand = waits();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let early = stand.cli(&["update", "--now"]);
    assert_eq!(early.code, Some(1), "{early:?}");
    assert!(early.stderr.contains("no update is under way"), "{early:?}");
    stand.offer(&stand.good("1.0.7"));
    supervisor.await_status("the window is awaited", |status| {
        status["phase"] == "waiting"
    });
    let now = stand.cli(&["update", "--now"]);
    assert_eq!(now.code, Some(0), "{now:?}");
    assert!(now.stdout.contains("waits neither"), "{now:?}");
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
}

#[test]
fn a_device_that_does_not_consent_is_switched_when_an_operator_insists() {
    let stand = Stand::new();
    let orders =
        json!({ "version": "1.0.0", "do": "later", "after_ms": 1, "reason": "it never suits" });
    let supervisor = stand.run_with(&stand.misfit(&orders));
    stand.offer(&stand.good("1.0.7"));
    supervisor.await_status("its reason is shown", |status| {
        status["awaited"] == "the device's consent to the switch: it never suits"
    });
    let now = stand.cli(&["update", "--now", "--json"]);
    assert_eq!(now.code, Some(0), "{now:?}");
    let answer: serde_json::Value = serde_json::from_str(&now.stdout).unwrap();
    assert_eq!(answer["effect"], json!({ "hastened": { "paused": false } }));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
}
