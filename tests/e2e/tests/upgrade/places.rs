//! Odd places for the state folder, and programs that use its files without asking.

use cloud_emulator::TaskState;
use e2e::{Programs, Stand, applies};
use serde_json::json;

/// Names with what a path may hold on every system.
const NAMES: [&str; 3] = [
    "my oven & kettle",
    "Küche – печь – 烤箱",
    "100% (a'b) [c] #1",
];

/// Windows' usual limit for a path, in characters; and a name below what any system takes for one.
const LIMIT: usize = 260;
const LONG_NAME: usize = 60;

/// Upgraded, taken back, started again after its worker and after its supervisor was killed.
#[track_caller]
fn all_goes_well(stand: &Stand) {
    let mut first = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    first.await_rest("1.0.7");
    let bad = json!({ "version": "1.0.8", "do": "fail-activate" });
    stand.offer(&stand.misfit(&bad));
    stand.await_task(TaskState::Failed);
    let worker = first.await_rest("1.0.7")["workers"][0]["pid"].clone();
    Programs::under_test().kill(worker.as_u64().unwrap());
    first.await_status("another worker is active", |status| {
        status["workers"][0]["stage"] == "active" && status["workers"][0]["pid"] != worker
    });
    first.kill();
    let second = stand.run();
    second.await_rest("1.0.7");
    let shown = stand.cli(&["status"]);
    assert!(shown.stdout.contains("1.0.7"), "{shown:?}");
}

#[test]
fn a_folder_may_have_blanks_signs_and_letters_of_any_script_in_its_name() {
    let place: std::path::PathBuf = NAMES.iter().collect();
    all_goes_well(&Stand::within(&place));
}

#[test]
fn a_path_may_be_longer_than_260_characters() {
    if !applies() {
        return;
    }
    let name = "x".repeat(LONG_NAME);
    let place: std::path::PathBuf = (0..=LIMIT / LONG_NAME).map(|_| &name).collect();
    let stand = Stand::within(&place);
    assert!(stand.path("state").as_os_str().len() > LIMIT);
    all_goes_well(&stand);
}

/// On Windows nobody else can open, write, rename or remove a file that is held so; elsewhere it is only read.
#[test]
fn a_scanner_that_holds_every_file_for_a_while_delays_an_update_and_stops_none() {
    let stand = Stand::new();
    let scans = Programs::under_test().see(&stand.path("state"));
    let scanning = |version: &str| stand.misfit(&json!({ "version": version, "scans": scans }));
    let mut first = stand.run_with(&scanning("1.0.0"));
    for version in ["1.0.7", "1.0.8"] {
        stand.offer(&scanning(version));
        stand.await_task(TaskState::Succeeded);
        first.await_rest(version);
    }
    first.kill();
    stand.run().await_rest("1.0.8");
}
