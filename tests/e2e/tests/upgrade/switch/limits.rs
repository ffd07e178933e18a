//! Each step of a switch has its limit, and a way on behind it.

use cloud_emulator::TaskState;
use e2e::Stand;
use serde_json::json;

#[test]
fn a_worker_that_handed_over_and_does_not_end_is_ended() {
    let mut stand = Stand::new();
    stand.set("worker.exit_limit_s", 0.5);
    let journal = stand.misfit_journal_path("lives");
    let old = json!({ "version": "1.0.0", "do": "stay", "journal": journal });
    let supervisor = stand.run_with(&stand.misfit(&old));
    let new = json!({ "version": "1.0.7", "journal": journal });
    stand.offer(&stand.misfit(&new));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let lives = stand.misfit_journal("lives");
    let place = |event: &str, version: &str| {
        lives
            .iter()
            .position(|line| line["event"] == event && line["version"] == version)
    };
    let (stayed, active) = (place("quiesced", "1.0.0"), place("active", "1.0.7"));
    assert!(stayed.is_some() && stayed < active, "{lives:?}");
    assert_eq!(place("exited", "1.0.0"), None, "it was ended from outside");
    let handed = &lives[stayed.unwrap()]["count"];
    assert_eq!(&lives[active.unwrap()]["count"], handed, "with its state");
}

#[test]
fn an_old_worker_that_hangs_before_the_switch_does_not_hold_the_update_up() {
    let mut stand = Stand::new();
    stand.set("worker.silence_limit_s", 1);
    let journal = stand.misfit_journal_path("old");
    let old = json!({
        "version": "1.0.0", "do": "hang-while-proving", "after_ms": 1500, "journal": journal,
    });
    let supervisor = stand.run_with(&stand.misfit(&old));
    stand.await_misfit("old", "hung", 1);
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
}

#[test]
fn on_a_device_too_small_for_two_a_new_worker_that_cannot_take_over_is_taken_back_with_the_old_ones_state()
 {
    let mut stand = Stand::new();
    stand.set("update.standby", false);
    stand.set("update.tries", 1);
    let journal = stand.misfit_journal_path("old");
    let supervisor =
        stand.run_with(&stand.misfit(&json!({ "version": "1.0.0", "journal": journal })));
    for deed in ["unfit", "fail-activate", "exit-at-once"] {
        let new = json!({ "version": "1.0.8", "do": deed, "reason": "the probe is broken" });
        stand.offer(&stand.misfit(&new));
        stand.await_task(TaskState::Failed);
        supervisor.await_rest("1.0.0");
        let lives = stand.misfit_journal("old");
        let of = |event: &str| lives.iter().rfind(|line| line["event"] == event).unwrap();
        assert_eq!(of("active")["cause"], "RollBack", "{deed}");
        assert_eq!(of("active")["count"], of("quiesced")["count"], "{deed}");
    }
}
