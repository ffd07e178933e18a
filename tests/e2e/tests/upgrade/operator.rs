//! What an operator says to a running supervisor: `pause`, `resume`, `cancel`, `rollback`, `release`, in the phases they can meet.
//!
//! Each is answered within a second by the supervisor, or says itself that it was not; what it leads to is waited for.

use cloud_emulator::{Fault, FaultName, TaskState};
use e2e::{Image, Stand, Supervisor};
use serde_json::{Value, json};

/// Says something, and returns what becomes of it.
#[track_caller]
fn say(stand: &Stand, words: &[&str]) -> Value {
    let ended = stand.cli(&[words, &["--json"]].concat());
    let answer: Value = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|why| panic!("{words:?}: {why}: {ended:?}"));
    assert_eq!(answer["on_disk"], true, "{words:?}: {ended:?}");
    answer["effect"].clone()
}

/// Says something for people, and returns the exit code and the words.
fn tell(stand: &Stand, words: &[&str]) -> (Option<i32>, String) {
    let ended = stand.cli(words);
    (ended.code, ended.stdout + &ended.stderr)
}

#[track_caller]
fn await_phase(supervisor: &Supervisor<'_>, phase: &str) -> Value {
    supervisor.await_status(phase, |status| status["phase"] == phase)
}

/// Offers an image whose download stops in the middle until the fault is cleared, and waits until it has.
#[track_caller]
fn stalled(stand: &Stand, supervisor: &Supervisor<'_>, image: &Image) {
    let stall = Fault::new(FaultName::Stall).n(400_000).times(1);
    stand.cloud.fault(stall);
    stand.offer(image);
    await_phase(supervisor, "fetching");
    e2e::until("a part of it is there", || match stand.part() {
        0..262_144 => Err(format!("{} bytes", stand.part())),
        _ => Ok(()),
    });
}

/// An old worker that counts, far from nought.
fn counting(stand: &Stand) -> Image {
    let journal = stand.misfit_journal_path("old");
    stand.misfit(&json!({ "version": "1.0.0", "journal": journal }))
}

#[test]
fn with_nothing_under_way_each_wish_says_so_and_what_to_do() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    for (words, code, part) in [
        (vec!["cancel"], 1, "`supervisor rollback`"),
        (vec!["rollback"], 1, "`supervisor update FILE"),
        (
            vec!["release", "1.0.7"],
            1,
            "nothing is held against version 1.0.7",
        ),
        (vec!["resume"], 0, "not paused"),
        (vec!["pause"], 0, "until `supervisor resume`"),
        (vec!["pause"], 0, "paused already"),
    ] {
        let (ended, text) = tell(&stand, &words);
        assert_eq!(ended, Some(code), "{words:?}: {text}");
        assert!(text.contains(part), "{words:?}: {text}");
    }
    let table = stand.cli(&["status"]).stdout;
    assert!(table.contains("`supervisor resume` goes on"), "{table}");
    assert_eq!(say(&stand, &["resume"]), "resumed");
    supervisor.await_rest("1.0.0");
    drop(supervisor);
    let (ended, text) = tell(&stand, &["pause"]);
    assert_eq!(ended, Some(1), "{text}");
    assert!(text.contains("supervisor run"), "{text}");
}

#[test]
fn a_download_is_paused_outlasts_a_restart_and_goes_on_with_its_part() {
    let stand = Stand::new();
    let mut first = stand.run_with(&stand.good("1.0.0"));
    let image = stand.padded("1.0.7", 3_000_000);
    stalled(&stand, &first, &image);
    assert_eq!(say(&stand, &["pause"]), "paused");
    let part = stand.part();
    stand.cloud.clear_fault(FaultName::Stall);
    let asked = stand.answers().len();
    first.kill();
    let second = stand.run();
    let shown = await_phase(&second, "fetching");
    assert_eq!(shown["paused"], true, "{shown}");
    assert_eq!(shown["awaited"], "an operator's `resume`", "{shown}");
    // What is asked for while it is connected again would be seen here.
    second.await_status("connected", |status| status["cloud_up"] == true);
    assert_eq!(stand.answers().len(), asked, "something was fetched");
    assert_eq!(say(&stand, &["resume"]), "resumed");
    stand.await_task(TaskState::Succeeded);
    second.await_rest("1.0.7");
    let answers = stand.answers();
    let image_answers = answers.iter().filter(|it| !it.path.ends_with(".minisig"));
    let from = image_answers.map(|it| it.from).next_back().unwrap();
    assert!(
        from >= part.min(262_144),
        "it began again at {from} of {part}"
    );
}

#[test]
fn an_offer_in_a_pause_is_kept_and_begun_after_it() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    assert_eq!(say(&stand, &["pause"]), "paused");
    stand.offer(&stand.good("1.0.7"));
    let shown = supervisor.await_status("it waits", |status| status["waiting"] == "1.0.7");
    assert_eq!(shown["phase"], "idle", "{shown}");
    assert_eq!(stand.steps(), [0; 0]);
    assert_eq!(say(&stand, &["resume"]), "resumed");
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
}

#[test]
fn a_warm_worker_waits_for_the_end_of_a_pause_and_the_old_one_works_on() {
    let stand = Stand::new();
    let later = json!({ "version": "1.0.0", "do": "later", "times": 1, "after_ms": 60_000 });
    let supervisor = stand.run_with(&stand.misfit(&later));
    let worker = supervisor.worker();
    stand.offer(&stand.good("1.0.7"));
    supervisor.await_status("it is put off", |status| {
        let awaited = status["awaited"].as_str().unwrap_or_default();
        awaited.starts_with("the device's consent")
    });
    assert_eq!(say(&stand, &["pause"]), "paused");
    let shown = supervisor.await_status("it is held", |status| {
        status["awaited"] == "an operator's `resume`"
    });
    assert_eq!(shown["phase"], "warming", "{shown}");
    assert_eq!(supervisor.worker(), worker);
    assert_eq!(say(&stand, &["resume"]), "resumed");
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
}

#[test]
fn a_cancelled_download_leaves_nothing_and_another_offer_is_taken() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    let image = stand.padded("1.0.7", 3_000_000);
    stalled(&stand, &supervisor, &image);
    let effect = say(&stand, &["cancel"]);
    assert_eq!(effect["cancelled"]["version"], "1.0.7", "{effect}");
    stand.cloud.clear_fault(FaultName::Stall);
    let device = stand.await_task(TaskState::Failed);
    let task = device.task().unwrap();
    assert_eq!(task.step, Some(-1), "{task:?}");
    assert_eq!(task.description, "cancelled by the operator");
    supervisor.await_rest("1.0.0");
    e2e::until("the part has gone", || match stand.part() {
        0 => Ok(()),
        bytes => Err(format!("{bytes} bytes")),
    });
    assert_eq!(supervisor.worker(), worker, "the old worker never noticed");
    // The same again is answered with the reason, another one is taken.
    stand.offer(&image);
    stand.await_device("it is refused", |device| {
        device.tasks.len() == 2
            && device.task().is_some_and(|task| {
                task.description == "this version is quarantined: the operator cancelled its update"
            })
    });
    stand.offer(&stand.good("1.0.8"));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.8");
}

#[test]
fn a_download_cancelled_in_a_pause_and_after_a_restart_leaves_nothing() {
    let stand = Stand::new();
    let mut first = stand.run_with(&stand.good("1.0.0"));
    stalled(&stand, &first, &stand.padded("1.0.7", 3_000_000));
    assert_eq!(say(&stand, &["pause"]), "paused");
    first.kill();
    stand.cloud.clear_fault(FaultName::Stall);
    let second = stand.run();
    await_phase(&second, "fetching");
    assert_ne!(stand.part(), 0);
    let effect = say(&stand, &["cancel"]);
    assert_eq!(effect["cancelled"]["quarantined"], true, "{effect}");
    stand.await_task(TaskState::Failed);
    e2e::until("the part has gone", || match stand.part() {
        0 => Ok(()),
        bytes => Err(format!("{bytes} bytes")),
    });
    let shown = second.await_rest("1.0.0");
    assert_eq!(shown["paused"], true, "{shown}");
}

#[test]
fn a_version_on_trial_is_taken_back_at_once_with_the_old_workers_state() {
    for words in ["cancel", "rollback"] {
        let mut stand = Stand::new();
        stand.set("update.proving_s", 30);
        let supervisor = stand.run_with(&counting(&stand));
        let set = stand
            .cloud
            .set_property(&stand.device, json!({ "count": 5000 }));
        assert_eq!(stand.cloud.block_on(set).unwrap().code, 200);
        stand.offer(&stand.good("1.0.7"));
        await_phase(&supervisor, "proving");
        let effect = say(&stand, &[words]);
        assert_eq!(effect["taken-back"]["to"], "1.0.0", "{effect}");
        let device = stand.await_task(TaskState::Failed);
        let task = device.task().unwrap();
        assert_eq!(task.description, "cancelled by the operator", "{task:?}");
        supervisor.await_rest("1.0.0");
        let lives = stand.misfit_journal("old");
        let back = lives.iter().rfind(|it| it["event"] == "active").unwrap();
        assert_eq!(back["cause"], "RollBack", "{lives:?}");
        assert!(back["count"].as_i64() >= Some(5000), "{lives:?}");
    }
}

#[test]
fn a_rollback_at_rest_hands_over_and_lasts_until_a_release() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&counting(&stand));
    let image = stand.good("1.0.7");
    stand.offer(&image);
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let set = stand
        .cloud
        .set_property(&stand.device, json!({ "count": 7000 }));
    assert_eq!(stand.cloud.block_on(set).unwrap().code, 200);
    let (ended, text) = tell(&stand, &["rollback"]);
    assert_eq!(ended, Some(0), "{text}");
    assert!(text.contains("`supervisor release 1.0.7`"), "{text}");
    supervisor.await_rest("1.0.0");
    stand.await_device("the version that runs is informed", |device| {
        device.version() == Some("1.0.0")
    });
    let lives = stand.misfit_journal("old");
    let back = lives.iter().rfind(|it| it["event"] == "active").unwrap();
    assert_eq!(back["cause"], "RollBack", "{lives:?}");
    assert!(back["count"].as_i64() >= Some(7000), "{lives:?}");
    // Also after a restart.
    drop(supervisor);
    let supervisor = stand.run();
    let shown = supervisor.await_rest("1.0.0");
    assert_eq!(shown["quarantined"][0]["version"], "1.0.7", "{shown}");
    stand.offer(&image);
    stand.await_device("it is refused", |device| {
        device.task().is_some_and(|task| {
            task.state == TaskState::Failed
                && task.description
                    == "this version is quarantined: the operator rolled back from it"
        })
    });
    let barred = say(&stand, &["rollback"]);
    assert_eq!(barred["former-quarantined"]["version"], "1.0.7", "{barred}");
    // It was trusted a moment ago, and its start had not been forgiven yet.
    let released = say(&stand, &["release", "1.0.7"]);
    assert_eq!(released["released"]["tries"], 1, "{released}");
    stand.offer(&image);
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
}

#[test]
fn a_build_interrupted_too_often_succeeds_after_a_release() {
    let mut stand = Stand::new();
    stand.set("update.proving_s", 1);
    stand.set("update.tries", 1);
    let mut first = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    stand.offer(&image);
    await_phase(&first, "proving");
    first.kill();
    let second = stand.run();
    stand.await_task(TaskState::Failed);
    let shown = second.await_rest("1.0.0");
    assert_eq!(shown["quarantined"][0]["version"], "1.0.7", "{shown}");
    let released = say(&stand, &["release", "1.0.7"]);
    assert_eq!(released["released"]["tries"], 1, "{released}");
    stand.offer(&image);
    stand.await_task(TaskState::Succeeded);
    second.await_rest("1.0.7");
}
