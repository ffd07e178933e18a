//! An operator at the device brings an image, as on a USB stick: it goes the way of every update, and the platform hears nothing of
//! it but the version that runs in the end.

mod address;

use std::{fs, path::PathBuf};

use cloud_emulator::{Fault, FaultName, TaskState};
use e2e::{Ended, Image, Programs, Stand};
use serde_json::{Value, json};

/// Puts the publisher's signature beside an image, as `cargo xtask sign` does.
fn sign(stand: &Stand, image: &Image) {
    let words = [
        format!("version:{}", image.version),
        format!("target:{}", Programs::under_test().target()),
        "module:default".to_owned(),
        format!("size:{}", image.size()),
    ];
    let file = fs::File::open(&image.path).unwrap();
    let text = stand.publisher.sign(file, &words.join("\t")).unwrap();
    fs::write(beside(image), text).unwrap();
}

fn beside(image: &Image) -> PathBuf {
    let mut name = image.path.clone().into_os_string();
    name.push(".minisig");
    name.into()
}

/// Hands an image to the running supervisor.
fn update(stand: &Stand, image: &Image, more: &[&str]) -> Ended {
    let file = Programs::under_test().see(&image.path);
    stand.cli(&[&["update", &file], more].concat())
}

#[track_caller]
fn is_refused(ended: &Ended, word: &str) {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(word), "{ended:?}");
}

#[test]
fn a_signed_image_on_a_stick_is_installed_and_the_platform_hears_only_its_version() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    sign(&stand, &image);
    let ended = update(&stand, &image, &["--json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(answer, json!({"version": "1.0.7", "update": "begun"}));
    supervisor.await_rest("1.0.7");
    stand.await_device("the new version is informed", |device| {
        device.version() == Some("1.0.7")
    });
    assert_eq!(stand.steps(), [0; 0]);
    let again = update(&stand, &image, &[]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.stdout.contains("runs already"), "{again:?}");
}

#[test]
fn an_image_nobody_signed_is_refused_unless_digests_are_enough() {
    let mut stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    is_refused(&update(&stand, &image, &[]), "--version");
    let ended = update(&stand, &image, &["--version", "1.0.7"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    supervisor.log.await_line("no publisher's signature");
    supervisor.await_rest("1.0.0");
    drop(supervisor);
    stand.set_text("update.require", "digest");
    let supervisor = stand.run();
    supervisor.await_rest("1.0.0");
    let ended = update(&stand, &image, &["--version", "1.0.7"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    supervisor.await_rest("1.0.7");
}

#[test]
fn an_older_image_needs_the_operators_word() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.7"));
    let image = stand.good("1.0.0");
    sign(&stand, &image);
    is_refused(&update(&stand, &image, &[]), "1.0.0 is older than 1.0.7");
    supervisor.await_rest("1.0.7");
    let ended = update(&stand, &image, &["--allow-downgrade"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    supervisor.await_rest("1.0.0");
}

#[test]
fn a_bad_image_on_a_stick_is_taken_back_and_no_job_of_the_platform_is_blamed() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let orders = json!({"version": "1.0.7", "do": "die-while-proving"});
    let image = stand.misfit(&orders);
    sign(&stand, &image);
    let ended = update(&stand, &image, &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    supervisor
        .log
        .await_line("the version before is taken back");
    let status = supervisor.await_rest("1.0.0");
    assert_eq!(status["last_outcome"]["version"], "1.0.7", "{status}");
    assert_eq!(stand.steps(), [0; 0]);
    // A job of the platform after it is its own.
    stand.offer(&stand.good("1.0.8"));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.8");
}

#[test]
fn a_file_that_is_not_what_it_was_is_refused() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    sign(&stand, &image);
    // Signed, and changed by one bit afterwards.
    let mut bytes = fs::read(&image.path).unwrap();
    bytes[1000] ^= 1;
    fs::write(&image.path, bytes).unwrap();
    let ended = update(&stand, &image, &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    supervisor
        .log
        .await_line("the publisher's signature does not hold");
    supervisor.await_rest("1.0.0");
}

#[test]
fn what_an_operator_brings_during_an_update_waits_for_its_end() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand
        .cloud
        .fault(Fault::new(FaultName::Stall).n(1000).times(1));
    stand.offer(&stand.good("1.0.7"));
    supervisor.await_status("it is fetching", |status| status["phase"] == "fetching");
    let image = stand.good("1.0.8");
    sign(&stand, &image);
    let ended = update(&stand, &image, &[]);
    assert!(
        ended.stdout.contains("when the update under way has ended"),
        "{ended:?}"
    );
    stand.cloud.clear_fault(FaultName::Stall);
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.8");
}

#[test]
fn without_a_supervisor_or_without_a_file_the_operator_hears_what_to_do() {
    let stand = Stand::new();
    let image = stand.good("1.0.7");
    sign(&stand, &image);
    is_refused(&update(&stand, &image, &[]), "supervisor run");
    fs::remove_file(&image.path).unwrap();
    is_refused(&update(&stand, &image, &[]), "cannot be installed");
}

#[test]
fn an_operator_who_brings_an_image_need_not_wait_for_the_device_to_consent() {
    let stand = Stand::new();
    let old =
        json!({ "version": "1.0.0", "do": "later", "after_ms": 1, "reason": "it never suits" });
    let supervisor = stand.run_with(&stand.misfit(&old));
    let image = stand.good("1.0.7");
    sign(&stand, &image);
    let ended = update(&stand, &image, &["--now"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("waits neither"), "{ended:?}");
    supervisor.await_rest("1.0.7");
}

#[test]
fn what_an_operator_brings_in_a_pause_outlasts_a_power_cut_and_begins_after_it() {
    let stand = Stand::new();
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));
    let paused = stand.cli(&["pause"]);
    assert_eq!(paused.code, Some(0), "{paused:?}");
    let image = stand.good("1.0.7");
    sign(&stand, &image);
    let ended = update(&stand, &image, &[]);
    assert!(
        ended.stdout.contains("after `supervisor resume`"),
        "{ended:?}"
    );
    // What is asked for later is saved later: this one's answer comes when everything is on the disk.
    let paused = stand.cli(&["pause", "--json"]);
    assert!(paused.stdout.contains("\"on_disk\":true"), "{paused:?}");
    supervisor.kill();
    let supervisor = stand.run();
    let status = supervisor.await_status("it waits", |status| status["waiting"] == "1.0.7");
    assert_eq!(status["phase"], "idle", "{status}");
    let resumed = stand.cli(&["resume"]);
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    supervisor.await_rest("1.0.7");
}
