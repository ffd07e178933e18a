//! The configuration, the secret, the state folder, and who else runs.

use std::fs;

use e2e::{Stand, applies};

use super::{complains, has};

const UNEXPECTED: i32 = 1;
const USAGE: i32 = 2;
const ALREADY_RUNNING: i32 = 4;

#[test]
fn no_configuration() {
    let stand = Stand::new();
    fs::remove_file(stand.config()).unwrap();
    let words = [
        "cannot be read",
        "`supervisor init` writes one",
        "`--config` names another",
    ];
    for command in ["run", "check-config", "status"] {
        complains(&stand, &[command], USAGE, &words);
    }
}

#[test]
fn a_line_that_is_no_toml() {
    let stand = Stand::new();
    fs::write(stand.config(), "[cloud]\nproduct_key = a1Sample001\n").unwrap();
    let words = [
        "line 2: not TOML",
        "texts stand in quotes, sections in brackets",
    ];
    complains(&stand, &["run"], USAGE, &words);
}

#[test]
fn a_slip_in_a_setting_or_a_section() {
    let mut stand = Stand::new();
    stand.set("update.prooving_s", 5);
    let words = ["`update.prooving_s` is unknown; did you mean `proving_s`?"];
    complains(&stand, &["check-config"], USAGE, &words);
    stand.unset("update.prooving_s");
    stand.set("wroker.heartbeat_s", 5);
    let words = ["unknown section `wroker`; did you mean `worker`?"];
    complains(&stand, &["check-config"], USAGE, &words);
}

#[test]
fn the_examples_values_left_in() {
    let stand = Stand::new();
    let example = include_str!("../../../../../supervisor/hotplate.example.toml");
    fs::write(stand.config(), example).unwrap();
    let ended = complains(
        &stand,
        &["run"],
        USAGE,
        &["put this device's own in its place"],
    );
    for key in ["`cloud.instance`", "`cloud.product_key`", "`update.keys`"] {
        has(
            &ended.stderr,
            &[&format!("{key} is still the example's own value")],
        );
    }
}

#[test]
fn no_file_with_the_secret() {
    let stand = Stand::new();
    fs::remove_file(stand.path("device.secret")).unwrap();
    let words = [
        "device.secret",
        "cannot be read",
        "write the secret from the platform's console into it",
    ];
    complains(&stand, &["run"], USAGE, &words);
}

#[test]
#[cfg(unix)]
fn a_secret_that_others_may_read() {
    use std::os::unix::fs::PermissionsExt as _;

    if !applies() {
        return;
    }
    let stand = Stand::new();
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(stand.path("device.secret"), open).unwrap();
    complains(
        &stand,
        &["run"],
        USAGE,
        &["others may read (mode 644)", "chmod 600"],
    );
}

#[test]
fn a_state_folder_that_cannot_be_used() {
    let mut stand = Stand::new();
    // Not even root makes a folder in a file.
    fs::write(stand.path("file"), "").unwrap();
    stand.set_text("state.dir", "file/state");
    let words = [
        "cannot be used",
        "on a writable disk and belongs to this user",
    ];
    complains(&stand, &["run"], 3, &words);
    let doctor = stand.cli(&["doctor"]);
    has(
        &doctor.stdout,
        &["failed     rights", "it is not a folder", "next: "],
    );
}

#[test]
fn a_second_supervisor_on_the_same_folder() {
    let stand = Stand::new();
    let _first = stand.run_with(&stand.good("1.0.0"));
    let words = [
        "is in use by another supervisor",
        "`supervisor status` asks that one",
    ];
    complains(&stand, &["run"], ALREADY_RUNNING, &words);
}

#[test]
fn nobody_to_be_asked() {
    let stand = Stand::new();
    let words = [
        "no supervisor runs on the state folder",
        "start one with `supervisor run`",
    ];
    for command in ["status", "pause", "rollback"] {
        complains(&stand, &[command], UNEXPECTED, &words);
    }
}

#[test]
fn a_slip_in_a_command() {
    let stand = Stand::new();
    complains(
        &stand,
        &["stauts"],
        USAGE,
        &["unrecognized subcommand", "did you mean `status`?"],
    );
    let other = stand.cli(&["kitchen"]);
    assert!(!other.stderr.contains("did you mean"), "{other:?}");
    for asked in ["--help", "--version"] {
        assert_eq!(stand.cli(&[asked]).code, Some(0), "{asked}");
    }
}
