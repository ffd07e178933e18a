//! Images that are not taken, each with what to do so that it is.

use cloud_emulator::{Package, Rollout, SigningKey};
use e2e::{Programs, Stand, Supervisor};

use super::has;

/// The platform offers a package, and `status` must say in the end why it was not taken and what to do.
#[track_caller]
fn refused(stand: &Stand, supervisor: &Supervisor<'_>, package: Package, words: &[&str]) {
    let version = package.version.clone();
    let firmware = stand.upload_as(package);
    stand.start(Rollout::new(firmware.id, &stand.device));
    supervisor.await_status("it is refused", |status| {
        let is_of_it = status["last_outcome"]["version"] == *version;
        let refusal = status["last_refusal"].as_str().unwrap_or_default();
        status["phase"] == "idle" && (is_of_it || refusal.contains(&version))
    });
    has(&stand.cli(&["status"]).stdout, words);
}

#[test]
fn nobody_signed_it_or_somebody_else_or_for_another_version() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.1");
    let unsigned = Package::from_path(&image.version, &image.path);
    let words = [
        "no publisher's signature",
        "sign it (`cargo xtask sign image`, or `minisign`)",
    ];
    refused(&stand, &supervisor, unsigned, &words);
    let image = stand.good("1.0.2");
    let target = Programs::under_test().target();
    let other =
        Package::from_path(&image.version, &image.path).signed(&SigningKey::generate(), target);
    let words = [
        "which is not pinned here",
        "the key whose public half stands in `update.keys`",
    ];
    refused(&stand, &supervisor, other, &words);
    let other = stand.claiming(&stand.good("1.0.3"), "version", "1.0.9");
    let words = ["signed something else", "sign this very file again"];
    refused(&stand, &supervisor, other, &words);
}

#[test]
fn it_is_older_than_what_runs() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.5"));
    let older = stand.package(&stand.good("1.0.4"));
    let words = ["is older than 1.0.5", "`supervisor rollback` goes back"];
    refused(&stand, &supervisor, older, &words);
}

#[test]
fn the_disk_has_no_room_for_it() {
    let mut stand = Stand::new();
    // More than any disk has.
    stand.set("update.keep_free_bytes", 9_000_000_000_000_000_u64);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.package(&stand.good("1.0.1"));
    let words = [
        "the disk has too little room",
        "make room on the disk of the state folder",
    ];
    refused(&stand, &supervisor, image, &words);
    let doctor = stand.cli(&["doctor"]);
    assert_eq!(doctor.code, Some(1));
    has(
        &doctor.stdout,
        &["failed     space", "next: make room on that disk"],
    );
}
