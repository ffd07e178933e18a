//! Workers that die at work are started again, with what they knew.

use e2e::{Programs, Stand, applies};
use serde_json::{Value, json};

#[test]
fn a_killed_worker_is_started_again_with_its_state() {
    let stand = Stand::new();
    let journal = stand.misfit_journal_path("lives");
    let orders = json!({ "version": "1.0.0", "journal": journal, "ticks": true });
    let supervisor = stand.run_with(&stand.misfit(&orders));
    let set = stand
        .cloud
        .set_property(&stand.device, json!({ "count": 7000 }));
    assert_eq!(stand.cloud.block_on(set).unwrap().code, 200);
    // A checkpoint follows a change within a second of the worker's life.
    e2e::until("a second of life after the change", || {
        let lives = stand.misfit_journal("lives");
        let since = lives
            .iter()
            .find(|line| line["count"].as_i64() >= Some(7000))
            .map_or(u64::MAX, life);
        let now = lives.last().map_or(0, life);
        if now > since.saturating_add(1500) {
            Ok(())
        } else {
            Err(format!("{now} of {since} ms"))
        }
    });
    let first = supervisor.worker();
    Programs::under_test().kill(first);
    let status = supervisor.await_status("another worker is active", |status| {
        status["workers"][0]["stage"] == "active" && status["workers"][0]["pid"] != first
    });
    assert_eq!(status["respawns"], 1);
    let lives = stand.misfit_journal("lives");
    let second = lives
        .iter()
        .rfind(|line| line["event"] == "active")
        .unwrap();
    assert_eq!(second["cause"], "Crash", "{lives:?}");
    assert!(second["count"].as_i64() >= Some(7000), "{second}");
}

#[test]
fn a_worker_that_keeps_dying_is_started_again_and_again() {
    let stand = Stand::new();
    stand.install(
        &stand.misfit(&json!({ "version": "1.0.0", "do": "die-while-proving", "after_ms": 100 })),
    );
    let supervisor = stand.run();
    supervisor.await_status("four new starts", |status| {
        status["respawns"].as_u64() >= Some(4)
    });
}

#[test]
fn a_worker_that_hangs_is_stopped_and_started_again() {
    let mut stand = Stand::new();
    stand.set("worker.silence_limit_s", 1);
    stand.install(
        &stand.misfit(&json!({ "version": "1.0.0", "do": "hang-while-proving", "after_ms": 200 })),
    );
    let supervisor = stand.run();
    supervisor.await_status("a new start", |status| {
        status["respawns"].as_u64() >= Some(1)
    });
}

#[test]
fn a_worker_goes_when_its_supervisor_is_killed() {
    let stand = Stand::new();
    let journal = stand.misfit_journal_path("lives");
    let mut supervisor =
        stand.run_with(&stand.misfit(&json!({ "version": "1.0.0", "journal": journal })));
    supervisor.kill();
    stand.await_misfit("lives", "exited", 1);
    // Until then it held the lock that keeps a successor waiting.
    let log = supervisor.log.text();
    assert!(!log.contains("active.lock"), "{log}");
}

#[test]
fn a_worker_that_hangs_goes_too_when_its_supervisor_is_killed() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let journal = stand.misfit_journal_path("lives");
    let orders = json!({ "version": "1.0.0", "do": "hang-while-proving", "after_ms": 0, "journal": journal });
    let mut supervisor = stand.run_with(&stand.misfit(&orders));
    let worker = supervisor.worker();
    stand.await_misfit("lives", "hung", 1);
    supervisor.kill();
    e2e::until("the worker has gone", || {
        if is_there(worker) {
            Err(format!("process {worker} is there"))
        } else {
            Ok(())
        }
    });
}

#[test]
fn the_next_supervisors_worker_acts_only_when_the_former_ones_has_gone() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let journal = stand.misfit_journal_path("lives");
    let orders = json!({ "version": "1.0.0", "do": "hang-while-proving", "after_ms": 0, "journal": journal });
    let mut supervisor = stand.run_with(&stand.misfit(&orders));
    let worker = supervisor.worker();
    stand.await_misfit("lives", "hung", 1);
    supervisor.kill();
    let _next = stand.run();
    stand.await_misfit("lives", "active", 2);
    assert!(
        !is_there(worker),
        "process {worker} is there, and so is its successor"
    );
}

/// Is there such a process? One that has ended and only waits to be reaped is not.
fn is_there(process: u64) -> bool {
    let mut look = std::process::Command::new("ps");
    look.args(["-o", "stat=", "-p", &process.to_string()]);
    let state = look.output().expect("a Unix has `ps`").stdout;
    !state.is_empty() && !state.starts_with(b"Z")
}

fn life(line: &Value) -> u64 {
    line["life_ms"].as_u64().unwrap_or_default()
}
