//! A worker or a supervisor that stands still, and a version that keeps dying after it was trusted.

use cloud_emulator::TaskState;
use e2e::{Stand, applies};
use serde_json::json;

/// Sends a signal, as `kill` does.
fn signal(name: &str, process: u64) {
    let mut command = std::process::Command::new("kill");
    command.args([name, &process.to_string()]);
    assert!(command.status().expect("`kill` is on every Unix").success());
}

#[test]
fn an_active_worker_that_is_stopped_is_found_killed_and_started_again_with_its_state() {
    if !applies() {
        return;
    }
    let mut stand = Stand::new();
    stand.set("worker.silence_limit_s", 1);
    let journal = stand.misfit_journal_path("lives");
    let orders = json!({ "version": "1.0.0", "journal": journal });
    let supervisor = stand.run_with(&stand.misfit(&orders));
    stand.offer(&stand.misfit(&json!({ "version": "1.0.1", "journal": journal })));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.1");
    let set = stand
        .cloud
        .set_property(&stand.device, json!({ "count": 7000 }));
    assert_eq!(stand.cloud.block_on(set).unwrap().code, 200);
    // What a worker was handed is its state, too: one switch more, and nothing need be waited for.
    stand.offer(&stand.misfit(&json!({ "version": "1.0.2", "journal": journal })));
    stand.await_device("1.0.2 runs", |device| device.version() == Some("1.0.2"));
    supervisor.await_rest("1.0.2");
    let worker = supervisor.worker();
    signal("-STOP", worker);
    let status = supervisor.await_status("another worker is active", |status| {
        status["workers"][0]["stage"] == "active" && status["workers"][0]["pid"] != worker
    });
    assert_eq!(status["respawns"], 1, "{status}");
    let lives = stand.misfit_journal("lives");
    let back = lives.iter().rfind(|it| it["event"] == "active").unwrap();
    assert_eq!(back["cause"], "Crash", "{lives:?}");
    assert!(back["count"].as_i64() >= Some(7000), "{lives:?}");
}

#[test]
fn a_version_that_keeps_dying_after_its_commit_is_taken_back_also_across_a_restart() {
    for restart in [false, true] {
        let mut stand = Stand::new();
        stand.set("update.loop_deaths", 3);
        let mut supervisor = stand.run_with(&stand.good("1.0.0"));
        let orders = json!({ "version": "1.0.8", "do": "die-while-proving", "after_ms": 1500 });
        stand.offer(&stand.misfit(&orders));
        stand.await_task(TaskState::Succeeded);
        if restart {
            supervisor.await_status("its first death", |status| {
                status["respawns"].as_u64() >= Some(1)
            });
            supervisor.kill();
            supervisor = stand.run();
        }
        let shown = supervisor.await_rest("1.0.0");
        assert_eq!(shown["last_outcome"]["version"], "1.0.8", "{shown}");
        stand.await_device("the version that runs is informed", |device| {
            device.version() == Some("1.0.0")
        });
        // Nobody goes back to it by accident.
        let refused = stand.cli(&["rollback"]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let text = refused.stdout + &refused.stderr;
        assert!(
            text.contains("it kept dying; `supervisor release 1.0.8`"),
            "{text}"
        );
        supervisor.await_rest("1.0.0");
    }
}

/// How many deaths soon after its commit a version may die, where the configuration does not say.
const DEATHS: usize = 5;

/// So many lives of a trusted version are counted on the disk.
#[track_caller]
fn lives_are_counted(stand: &Stand, many: usize) {
    let word = format!("\"lives\":{many}");
    e2e::until(&word, || {
        let files = ["record.a", "record.b"].map(|name| stand.path("state").join(name));
        let texts = files.map(|file| std::fs::read(file).unwrap_or_default());
        let texts = texts.map(|text| String::from_utf8_lossy(&text).into_owned());
        match texts.iter().any(|text| text.contains(&word)) {
            true => Ok(()),
            false => Err(texts.join("\n")),
        }
    });
}

#[test]
fn a_version_that_takes_the_machine_down_after_its_commit_is_taken_back_after_five_times() {
    let stand = Stand::new();
    let mut machine = stand.run_with(&stand.good("1.0.0"));
    let journal = stand.misfit_journal_path("lives");
    stand.offer(&stand.misfit(&json!({ "version": "1.0.8", "journal": journal })));
    stand.await_task(TaskState::Succeeded);
    for life in 1..=DEATHS {
        machine.await_rest("1.0.8");
        lives_are_counted(&stand, life);
        machine.kill();
        machine = stand.run();
    }
    let shown = machine.await_rest("1.0.0");
    let ended = &shown["last_outcome"];
    assert_eq!(ended["version"], "1.0.8", "{shown}");
    let line = machine.log.await_line("version 1.0.8 died 5 times");
    assert!(line.contains("version 1.0.0 is taken back"), "{line}");
    let lives = stand.misfit_journal("lives");
    let active = lives.iter().filter(|it| it["event"] == "active").count();
    assert_eq!(active, DEATHS, "{lives:?}");
    stand.await_device("the version that runs is informed", |device| {
        device.version() == Some("1.0.0")
    });
    // It stays so, however often the power goes out.
    machine.kill();
    let machine = stand.run();
    machine.await_rest("1.0.0");
}

#[test]
fn a_worker_works_on_while_its_supervisor_stands_still_and_both_go_on_after_that() {
    if !applies() {
        return;
    }
    let mut stand = Stand::new();
    stand.set("worker.silence_limit_s", 1);
    let journal = stand.misfit_journal_path("lives");
    let orders = json!({ "version": "1.0.0", "journal": journal, "ticks": true, "raises": 3 });
    let supervisor = stand.run_with(&stand.misfit(&orders));
    let worker = supervisor.worker();
    let turns = || {
        let lives = stand.misfit_journal("lives");
        lives.iter().filter(|it| it["event"] == "tick").count()
    };
    signal("-STOP", u64::from(supervisor.process()));
    let since = std::time::Instant::now();
    let before = turns();
    // For longer than either side may be silent for: nobody is to blame for a supervisor that stands still.
    stand.await_misfit("lives", "tick", before + 20);
    e2e::until("more than the longest silence", || {
        let stood = since.elapsed();
        match stood.as_secs() {
            0..3 => Err(format!("{stood:?}")),
            _ => Ok(()),
        }
    });
    stand.await_misfit("lives", "tick", turns() + 1);
    signal("-CONT", u64::from(supervisor.process()));
    let status = supervisor.await_rest("1.0.0");
    assert_eq!(status["workers"][0]["pid"], worker, "{status}");
    assert_eq!(status["respawns"], 0, "{status}");
    stand.offer(&stand.good("1.0.1"));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.1");
}
