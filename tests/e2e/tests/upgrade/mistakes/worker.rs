//! The worker's file, and the program in it.

use e2e::{Programs, Stand};
use serde_json::json;

use super::{complains, has};

#[test]
fn no_such_file() {
    let stand = Stand::new();
    let words = [
        "`nowhere` cannot be installed",
        "is not there",
        "check the path",
    ];
    complains(
        &stand,
        &["install", "nowhere", "--version", "1.0.0"],
        1,
        &words,
    );
}

#[test]
fn a_version_that_is_none() {
    let stand = Stand::new();
    let words = ["the version `1.0 beta` holds", "name one such as `1.0.7`"];
    complains(
        &stand,
        &["install", "x", "--version", "1.0 beta"],
        2,
        &words,
    );
    complains(
        &stand,
        &["release", "../1"],
        2,
        &["name one such as `1.0.7`"],
    );
}

#[test]
fn a_program_for_another_system() {
    let stand = Stand::new();
    let image = stand.image(
        "1.0.0",
        b"\x7fELF: for a processor that nobody has ever built",
    );
    let file = Programs::under_test().see(&image.path);
    let ended = stand.cli(&["install", &file, "--version", "1.0.0"]);
    let words = [
        "is not a program for this system",
        "build the worker for this device's processor",
    ];
    has(&ended.stderr, &words);
    let doctor = stand.cli(&["doctor"]);
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    has(&doctor.stdout, &words);
}

#[test]
fn a_program_that_never_speaks() {
    let mut stand = Stand::new();
    stand.set("worker.hello_limit_s", 0.5);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&stand.misfit(&json!({ "version": "1.0.7", "do": "never-hello" })));
    supervisor.await_status("it is taken back", |status| {
        status["phase"] == "idle" && !status["last_outcome"]["outcome"].is_null()
    });
    let words = ["failed: the new worker", "build the worker with the sdk"];
    has(&stand.cli(&["status"]).stdout, &words);
}
