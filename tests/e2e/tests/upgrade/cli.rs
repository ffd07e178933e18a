//! The command line: status, install, and who may hold a state folder.

use e2e::{Stand, Supervisor, applies};

/// The exit codes that scripts go by.
const DONE: Option<i32> = Some(0);
const UNEXPECTED: Option<i32> = Some(1);
const USAGE: Option<i32> = Some(2);
const DAMAGED: Option<i32> = Some(3);
const ALREADY_RUNNING: Option<i32> = Some(4);

#[test]
fn a_second_supervisor_on_the_same_state_folder_is_turned_away() {
    let stand = Stand::new();
    let first = stand.run_with(&stand.good("1.0.0"));
    let worker = first.worker();
    let mut second = stand.run();
    assert_eq!(second.await_end(), ALREADY_RUNNING, "{}", second.log.text());
    second
        .log
        .await_line("is in use by another supervisor (process ");
    let image = stand.good("1.0.7");
    let path = e2e::Programs::under_test().see(&image.path);
    let installed = stand.cli(&["install", &path, "--version", "1.0.7"]);
    assert_eq!(installed.code, ALREADY_RUNNING, "{installed:?}");
    assert_eq!(first.await_rest("1.0.0")["workers"][0]["pid"], worker);
    assert_eq!(
        stand
            .cloud
            .device_state(&stand.device)
            .unwrap()
            .counters
            .connects,
        1
    );
}

#[test]
fn a_supervisor_that_comes_while_the_one_before_it_is_still_going_takes_over() {
    let stand = Stand::new();
    let mut first = stand.run_with(&stand.good("1.0.0"));
    let second = stand.run();
    second
        .log
        .await_line("the state folder is still in use; it is waited for");
    first.kill();
    second.await_rest("1.0.0");
}

#[test]
fn status_without_a_supervisor_says_so() {
    let stand = Stand::new();
    let ended = stand.cli(&["status"]);
    assert_eq!(ended.code, UNEXPECTED, "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("no supervisor runs on the state folder"),
        "{ended:?}"
    );
    // The word that a killed one leaves behind leads nowhere.
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));
    supervisor.kill();
    let ended = stand.cli(&["status", "--json"]);
    assert_eq!(ended.code, UNEXPECTED, "{ended:?}");
    assert!(ended.stderr.contains("no supervisor runs"), "{ended:?}");
}

#[test]
fn status_is_a_table_for_people_and_json_for_programs() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let table = stand.cli(&["status"]);
    assert_eq!(table.code, DONE);
    for word in [
        "phase",
        "idle",
        "version",
        "1.0.0",
        "active",
        "cloud",
        "up, connected once",
    ] {
        assert!(
            table.stdout.contains(word),
            "no `{word}` in\n{}",
            table.stdout
        );
    }
    let status = supervisor.status();
    for (place, value) in [
        ("/ota_status", "idle"),
        ("/workers/0/role", "active"),
        ("/workers/0/health", "well"),
    ] {
        assert_eq!(
            status.pointer(place).and_then(serde_json::Value::as_str),
            Some(value),
            "{status}"
        );
    }
    assert!(status["supervisor"]["pid"].is_u64(), "{status}");
}

#[test]
fn install_makes_a_program_the_active_worker_and_a_newer_one_takes_its_place() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    drop(supervisor);
    let supervisor = stand.run_with(&stand.good("1.0.1"));
    drop(supervisor);
    for (name, arguments, words) in [
        (
            "no such file",
            vec!["install", "nowhere", "--version", "1.0.2"],
            "`nowhere` cannot be installed",
        ),
        (
            "no program file",
            vec!["install", ".", "--version", "1.0.2"],
            "cannot be installed",
        ),
    ] {
        let ended = stand.cli(&arguments);
        assert_eq!(ended.code, UNEXPECTED, "{name}: {ended:?}");
        assert!(ended.stderr.contains(words), "{name}: {ended:?}");
    }
    let version = stand.cli(&["install", "x", "--version", "../../x"]);
    assert_eq!(version.code, USAGE, "{version:?}");
    stand.run().await_rest("1.0.1");
}

#[test]
fn what_was_installed_is_told_to_programs_as_well() {
    let stand = Stand::new();
    let image = stand.good("1.0.0");
    let path = e2e::Programs::under_test().see(&image.path);
    let ended = stand.cli(&["install", &path, "--version", "1.0.0", "--json"]);
    assert_eq!(ended.code, DONE, "{ended:?}");
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["version"], "1.0.0");
    assert_eq!(told["slot"], 1);
    assert_eq!(told["bytes"], image.size());
    assert_eq!(told["warnings"], serde_json::json!([]));
}

#[test]
fn a_supervisor_without_a_worker_waits_for_its_first_one() {
    let stand = Stand::new();
    let supervisor = stand.run();
    supervisor.log.await_line("no worker is installed");
    stand.offer(&stand.good("1.0.0"));
    stand.await_task(cloud_emulator::TaskState::Succeeded);
    supervisor.await_rest("1.0.0");
}

#[test]
fn a_damaged_record_is_told_and_the_other_one_serves() {
    let stand = Stand::new();
    stand.install(&stand.good("1.0.0"));
    stand.install(&stand.good("1.0.1"));
    let [a, b] = ["state/record.a", "state/record.b"].map(|name| stand.path(name));
    // The newer one is torn in the middle, as a power cut may leave it.
    let newer = if std::fs::metadata(&a).unwrap().modified().unwrap()
        > std::fs::metadata(&b).unwrap().modified().unwrap()
    {
        a
    } else {
        b
    };
    let bytes = std::fs::read(&newer).unwrap();
    std::fs::write(&newer, &bytes[..bytes.len() / 2]).unwrap();
    let supervisor = stand.run();
    supervisor.await_rest("1.0.0");
    assert!(
        supervisor.log.text().contains("torn"),
        "{}",
        supervisor.log.text()
    );
}

#[test]
fn a_state_folder_that_is_a_file_is_damaged() {
    let stand = Stand::new();
    std::fs::write(stand.path("state"), "").unwrap();
    let ended = stand.cli(&["run"]);
    assert_eq!(ended.code, DAMAGED, "{ended:?}");
    assert!(ended.stderr.contains("state"), "{ended:?}");
}

/// A supervisor at work with a worker that writes down how it ends.
#[track_caller]
fn at_work(stand: &Stand) -> Supervisor<'_> {
    let journal = stand.misfit_journal_path("lives");
    let orders = serde_json::json!({ "version": "1.0.0", "journal": journal });
    stand.run_with(&stand.misfit(&orders))
}

/// It has the worker end in order, ends itself, and says that all went well.
#[track_caller]
fn ends_in_order(stand: &Stand, mut supervisor: Supervisor<'_>) {
    assert_eq!(supervisor.await_end(), DONE, "{}", supervisor.log.text());
    let lives = stand.misfit_journal("lives");
    assert!(
        lives.iter().any(|line| line["event"] == "quiesced"),
        "{lives:?}"
    );
    assert_eq!(stand.cli(&["status"]).code, UNEXPECTED);
}

#[test]
fn asked_to_end_it_stops_the_worker_in_order_and_exits_with_0() {
    let stand = Stand::new();
    let supervisor = at_work(&stand);
    supervisor.ask_to_end();
    ends_in_order(&stand, supervisor);
}

#[test]
fn ctrl_break_ends_it_in_order_too() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let supervisor = at_work(&stand);
    supervisor.press_break();
    ends_in_order(&stand, supervisor);
}
