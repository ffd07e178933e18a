//! State across versions whose formats differ: fields that were added, fields that are gone, and what cannot be read at all.

use cloud_emulator::TaskState;
use e2e::Stand;
use serde_json::{Value, json};

/// Upgrades from a worker that says this of where it stood, and answers what the new one began with.
fn begins_after(said: &Value) -> (Stand, Value) {
    let stand = Stand::new();
    let journal = stand.misfit_journal_path("new");
    let old = stand.misfit(&json!({ "version": "1.0.0", "hands_over": said }));
    let supervisor = stand.run_with(&old);
    let new = json!({ "version": "1.0.7", "journal": journal });
    stand.offer(&stand.misfit(&new));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let readable = said["count"].as_i64().is_some() || said["count"].is_null();
    let warned = supervisor.log.has("cold start") || supervisor.log.has("cannot be read");
    assert_eq!(warned, !readable, "{said}: {}", supervisor.log.text());
    let lives = stand.misfit_journal("new");
    let active = lives.iter().find(|line| line["event"] == "active").unwrap();
    let active = active.clone();
    drop(supervisor);
    (stand, active)
}

#[test]
fn fields_that_the_new_version_does_not_know_are_ignored() {
    let said = json!({ "count": 4711, "laps": [1, 2, 3], "mood": { "door": "open" } });
    let (_stand, active) = begins_after(&said);
    assert_eq!(active["count"], 4711);
    assert_eq!(active["cause"], "Upgrade");
}

#[test]
fn fields_that_the_old_version_did_not_have_begin_with_their_defaults() {
    let (_stand, active) = begins_after(&json!({ "laps": [] }));
    assert_eq!(active["count"], 0);
    assert_eq!(active["cause"], "Upgrade");
}

#[test]
fn a_state_that_cannot_be_read_is_a_cold_start_with_a_warning_and_no_failed_update() {
    let (_stand, active) = begins_after(&json!({ "count": "many" }));
    assert_eq!(active["count"], 0);
    assert_eq!(active["cause"], Value::Null, "it knows that it begins anew");
}

#[test]
fn an_old_worker_taken_back_reads_its_own_format_whatever_the_new_one_said() {
    let mut stand = Stand::new();
    stand.set("update.tries", 1);
    stand.set("update.proving_s", 20);
    let journal = stand.misfit_journal_path("old");
    let supervisor =
        stand.run_with(&stand.misfit(&json!({ "version": "1.0.0", "journal": journal })));
    let set = stand
        .cloud
        .set_property(&stand.device, json!({ "count": 5000 }));
    assert_eq!(stand.cloud.block_on(set).unwrap().code, 200);
    let new = json!({
        "version": "1.0.8", "do": "die-while-proving", "after_ms": 1500, "hands_over": { "count": "many" },
    });
    stand.offer(&stand.misfit(&new));
    stand.await_task(TaskState::Failed);
    supervisor.await_rest("1.0.0");
    let lives = stand.misfit_journal("old");
    let back = lives
        .iter()
        .rfind(|line| line["event"] == "active")
        .unwrap();
    assert_eq!(back["cause"], "RollBack", "{lives:?}");
    assert!(back["count"].as_i64() >= Some(5000), "{lives:?}");
}
