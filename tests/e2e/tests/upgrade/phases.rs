//! What an operator says while an update waits, is paused, switches or is on its way back: each is answered, and does no harm.

use std::process::Command;

use cloud_emulator::TaskState;
use e2e::{Programs, Stand, Supervisor, applies};
use serde_json::{Value, json};

use crate::switch::consent::before_three;

/// Says something; the answer comes within the command's own limit, or it says itself that none came.
#[track_caller]
fn says(stand: &Stand, words: &[&str]) -> Value {
    let ended = stand.cli(&[words, &["--json"]].concat());
    let answer: Value = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|why| panic!("{words:?}: {why}: {ended:?}"));
    assert_eq!(answer["on_disk"], true, "{words:?}: {ended:?}");
    answer["effect"].clone()
}

/// These are answered so, in this order, and the phase is the same after all of them.
#[track_caller]
fn are_answered(
    stand: &Stand,
    supervisor: &Supervisor<'_>,
    phase: &str,
    wishes: &[(&[&str], Value)],
) {
    supervisor.await_status(phase, |status| status["phase"] == phase);
    for (words, effect) in wishes {
        assert_eq!(says(stand, words), *effect, "{phase}: {words:?}");
    }
    let status = supervisor.status();
    assert_eq!(status["phase"], phase, "{status}");
}

/// A worker's process stands still, and with it whatever waits for it.
fn stop(process: u64) {
    let mut command = Command::new("kill");
    command.args(["-STOP", &process.to_string()]);
    assert!(command.status().expect("a Unix has `kill`").success());
}

/// A stand whose workers may stand still for as long as a test takes.
fn patient() -> Stand {
    let mut stand = Stand::new();
    stand.set("worker.quiesce_limit_s", 600);
    stand.set("worker.silence_limit_s", 600);
    stand
}

#[test]
fn while_an_update_waits_for_its_window_every_wish_is_answered() {
    let mut stand = Stand::new();
    stand.set_text("update.time_zone", &before_three(1800));
    stand.set("update.windows", "[\"daily 03:00-04:00\"]");
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    stand.offer(&stand.good("1.0.7"));
    are_answered(
        &stand,
        &supervisor,
        "waiting",
        &[
            (&["resume"], json!("not-paused")),
            (&["release", "9.9.9"], json!("not-quarantined")),
            (&["pause"], json!("paused")),
            (&["pause"], json!("paused-already")),
            (&["resume"], json!("resumed")),
        ],
    );
    let cancelled = says(&stand, &["cancel"]);
    assert_eq!(cancelled["cancelled"]["version"], "1.0.7", "{cancelled}");
    stand.await_task(TaskState::Failed);
    stand.offer(&stand.good("1.0.8"));
    supervisor.await_status("it waits", |status| {
        status["phase"] == "waiting" && status["wanted"] == "1.0.8"
    });
    let back = says(&stand, &["rollback"]);
    assert_eq!(back["cancelled"]["version"], "1.0.8", "{back}");
    stand.await_task(TaskState::Failed);
    assert_eq!(supervisor.worker(), worker, "the worker never noticed");
    stand.offer(&stand.good("1.0.9"));
    supervisor.await_status("it waits", |status| {
        status["phase"] == "waiting" && status["wanted"] == "1.0.9"
    });
    assert_eq!(
        says(&stand, &["update", "--now"]),
        json!({"hastened": {"paused": false}})
    );
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.9");
}

#[test]
fn in_a_pause_every_wish_is_answered() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    assert_eq!(says(&stand, &["pause"]), "paused");
    are_answered(
        &stand,
        &supervisor,
        "idle",
        &[
            (&["pause"], json!("paused-already")),
            (&["cancel"], json!("nothing-under-way")),
            (&["rollback"], json!("no-former")),
            (&["release", "9.9.9"], json!("not-quarantined")),
            (&["update", "--now"], json!("nothing-to-hasten")),
        ],
    );
    stand.offer(&stand.good("1.0.7"));
    supervisor.await_status("an offer waits", |status| status["waiting"] == "1.0.7");
    let dropped = says(&stand, &["cancel"]);
    assert_eq!(dropped["dropped"]["version"], "1.0.7", "{dropped}");
    assert_eq!(says(&stand, &["resume"]), "resumed");
    supervisor.await_rest("1.0.0");
}

#[test]
fn while_a_switch_stands_still_and_on_the_way_back_every_wish_is_answered() {
    if !applies() {
        return;
    }
    let stand = patient();
    let old = json!({ "version": "1.0.0", "do": "keep-handover" });
    let supervisor = stand.run_with(&stand.misfit(&old));
    let worker = supervisor.worker();
    stand.offer(&stand.good("1.0.7"));
    supervisor.await_status("switching", |status| status["phase"] == "switching");
    stop(worker);
    are_answered(
        &stand,
        &supervisor,
        "switching",
        &[
            (&["pause"], json!("paused-soon")),
            (&["resume"], json!("resumed")),
            (&["release", "9.9.9"], json!("not-quarantined")),
            (&["update", "--now"], json!("nothing-to-hasten")),
        ],
    );
    let back = says(&stand, &["cancel"]);
    assert_eq!(back["taken-back"]["from"], "1.0.7", "{back}");
    are_answered(
        &stand,
        &supervisor,
        "reverting",
        &[
            (&["cancel"], json!({"on-its-way": {"to": "1.0.0"}})),
            (&["rollback"], json!({"on-its-way": {"to": "1.0.0"}})),
            (&["pause"], json!("paused-soon")),
            (&["resume"], json!("resumed")),
            (&["update", "--now"], json!("nothing-to-hasten")),
            (&["release", "9.9.9"], json!("not-quarantined")),
        ],
    );
    Programs::under_test().kill(worker);
    stand.await_task(TaskState::Failed);
    supervisor.await_rest("1.0.0");
}

#[test]
fn while_a_trusted_version_is_left_every_wish_is_answered() {
    if !applies() {
        return;
    }
    let stand = patient();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&stand.misfit(&json!({ "version": "1.0.7", "do": "keep-handover" })));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let worker = supervisor.worker();
    let left = says(&stand, &["rollback"]);
    assert_eq!(left["rolls-back"]["to"], "1.0.0", "{left}");
    stop(worker);
    are_answered(
        &stand,
        &supervisor,
        "rolling-back",
        &[
            (&["rollback"], json!({"on-its-way": {"to": "1.0.0"}})),
            (&["cancel"], json!({"on-its-way": {"to": "1.0.0"}})),
            (&["pause"], json!("paused-soon")),
            (&["resume"], json!("resumed")),
            (&["update", "--now"], json!("nothing-to-hasten")),
            (&["release", "9.9.9"], json!("not-quarantined")),
        ],
    );
    Programs::under_test().kill(worker);
    supervisor.await_rest("1.0.0");
}
