//! Workers that run as another user than the supervisor: what they are, what they can reach, and that all else goes on as ever. Only root
//! can have that; for others the refusal is what is tested.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::Path,
    process::{Command, Stdio},
};

use e2e::{Programs, Stand, applies};
use serde_json::{Value, json};

/// Nobody has these numbers.
const USER: u32 = 54_321;
const GROUP: u32 = 54_322;

/// Where such a worker's journal lies, as the test sees it; the worker itself sees a name in its own folder.
const JOURNAL: &str = "state/home/lives";

fn is_root() -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0);
    if !root {
        println!("left out, as only root may run something as another user");
    }
    root
}

/// A stand whose workers run as another user, who finds the way to it.
fn stand() -> Option<Stand> {
    let fits = applies();
    if !fits || !is_root() {
        return None;
    }
    let mut stand = Stand::new();
    stand.set("worker.user", USER);
    stand.set("worker.group", GROUP);
    fs::set_permissions(stand.path(""), Permissions::from_mode(0o711)).unwrap();
    Some(stand)
}

fn worker(stand: &Stand, version: &str, deed: &str) -> e2e::Image {
    stand.misfit(&json!({ "version": version, "do": deed, "journal": "lives", "ticks": true }))
}

/// Can the worker's user do that?
fn can(command: &[&str], path: &Path) -> bool {
    let mut command_line = Command::new(command[0]);
    command_line.args(&command[1..]).arg(path);
    let done = command_line
        .uid(USER)
        .gid(GROUP)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    done.status.success()
}

/// One line of what Linux tells of a process.
#[track_caller]
fn told(process: u64, key: &str) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let line = line.unwrap_or_else(|| panic!("no `{key}` in {status}"));
    line.split_whitespace().map(str::to_owned).collect()
}

#[track_caller]
fn is_other(process: u64) {
    let four = |number: u32| vec![number.to_string(); 4];
    assert_eq!(told(process, "Uid:"), four(USER));
    assert_eq!(told(process, "Gid:"), four(GROUP));
    assert!(told(process, "Groups:").is_empty());
    let none = "0000000000000000";
    assert_eq!(told(process, "CapEff:"), [none]);
    assert_eq!(told(process, "CapPrm:"), [none]);
}

#[test]
fn a_worker_of_another_user_has_its_own_folder_and_reaches_nothing_else() {
    let Some(stand) = stand() else { return };
    let supervisor = stand.run_with(&worker(&stand, "1.0.0", "behave"));
    let process = supervisor.worker();
    is_other(process);
    let state = stand.path("state");
    let home = fs::read_link(format!("/proc/{process}/cwd")).unwrap();
    assert_eq!(home, state.join("home"));
    let environment = fs::read(format!("/proc/{process}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains(&format!("HOME={}\0", home.display())));

    let slot = state.join("slots/1-1.0.0");
    assert!(can(&["touch"], &home.join("note")), "its own folder");
    assert!(can(&["cat"], &slot.join("worker")), "its own program");
    for secret in [
        stand.path("device.secret"),
        state.join("record.a"),
        state.join("lock"),
        state.join("run/control"),
        state.join("run/pids"),
        state.join("parts"),
    ] {
        assert!(secret.exists(), "{}", secret.display());
        assert!(!can(&["cat"], &secret), "{}", secret.display());
        assert!(
            !can(&["ls", "-a"], &secret.join(".")),
            "{}",
            secret.display()
        );
    }
    for folder in [&state, &state.join("slots"), &state.join("run/link")] {
        assert!(!can(&["ls"], folder), "{}", folder.display());
    }
    for place in [
        state.join("record.a"),
        state.join("new"),
        state.join("slots/new"),
        slot.join("new"),
        slot.join("worker"),
        state.join("run/link/new"),
        state.join("parts/new"),
    ] {
        let written = can(&["cp", "/dev/null"], &place);
        assert!(!written, "{}", place.display());
    }
    let gone = can(&["rm", "-f"], &slot.join("worker"));
    assert!(!gone && slot.join("worker").exists());
}

#[test]
fn upgrade_and_roll_back_work_for_a_worker_of_another_user() {
    let Some(stand) = stand() else { return };
    let supervisor = stand.run_with(&worker(&stand, "1.0.0", "behave"));
    let set = stand
        .cloud
        .set_property(&stand.device, json!({ "count": 7000 }));
    assert_eq!(stand.cloud.block_on(set).unwrap().code, 200);
    stand.offer(&worker(&stand, "1.0.1", "behave"));
    supervisor.await_rest("1.0.1");
    is_other(supervisor.worker());
    let handed = last_active(&stand);
    assert_eq!(handed["cause"], "Upgrade", "{handed}");
    assert!(handed["count"].as_i64() >= Some(7000), "{handed}");
    assert!(supervisor.status()["last_gap_ms"].is_u64());

    stand.offer(&worker(&stand, "1.0.2", "die-while-proving"));
    supervisor.await_status("1.0.2 is taken back", |status| {
        status["last_outcome"]["version"] == "1.0.2"
    });
    supervisor.await_rest("1.0.1");
    is_other(supervisor.worker());
    let back = last_active(&stand);
    assert!(back["count"].as_i64() >= Some(7000), "{back}");
}

#[test]
fn a_worker_of_another_user_is_started_again_with_its_checkpoint_and_by_the_next_supervisor() {
    let Some(stand) = stand() else { return };
    let mut supervisor = stand.run_with(&worker(&stand, "1.0.0", "behave"));
    let first = supervisor.worker();
    Programs::under_test().kill(first);
    supervisor.await_status("another worker is active", |status| {
        status["workers"][0]["stage"] == "active" && status["workers"][0]["pid"] != first
    });
    is_other(supervisor.worker());
    assert_eq!(last_active(&stand)["cause"], "Crash");
    supervisor.kill();
    stand.await_misfit(JOURNAL, "exited", 1);
    let supervisor = stand.run();
    supervisor.await_rest("1.0.0");
    is_other(supervisor.worker());
    // The lock of the one before could be taken, and that it waits for one is told.
    let log = supervisor.log.text();
    assert!(!log.contains("active.lock"), "{log}");
}

#[test]
fn what_an_earlier_configuration_left_open_is_closed_and_a_running_one_is_not_disturbed() {
    let Some(mut stand) = stand() else { return };
    let image = worker(&stand, "1.0.0", "behave");
    stand.install(&image);
    let record = stand.path("state/record.a");
    fs::set_permissions(&record, Permissions::from_mode(0o644)).unwrap();
    let supervisor = stand.run();
    supervisor.await_rest("1.0.0");
    assert_eq!(fs::metadata(&record).unwrap().mode() & 0o777, 0o600);
    // Another program of ours looks at the same folder, and leaves the way open.
    let refused = stand.cli(&[
        "install",
        image.path.to_str().unwrap(),
        "--version",
        "1.0.0",
    ]);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    let first = supervisor.worker();
    Programs::under_test().kill(first);
    supervisor.await_status("another worker is active", |status| {
        status["workers"][0]["stage"] == "active" && status["workers"][0]["pid"] != first
    });
    drop(supervisor);
    // The way back: the worker runs as the supervisor again.
    for name in ["worker.user", "worker.group"] {
        stand.unset(name);
    }
    // It then writes its journal where the supervisor was started.
    let supervisor = stand.run_as(|command| {
        command.current_dir(stand.path(""));
    });
    supervisor.await_rest("1.0.0");
    assert_eq!(told(supervisor.worker(), "Uid:")[0], "0");
}

#[test]
fn a_user_who_is_not_there_or_cannot_be_become_is_told() {
    let mut stand = Stand::new();
    stand.set_text("worker.user", "nobody-of-this-name");
    let told = stand.cli(&["check-config"]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("worker.user"), "{told:?}");
    if !applies() {
        return;
    }
    stand.set("worker.user", 0);
    assert_eq!(stand.cli(&["run"]).code, Some(2));
    stand.unset("worker.user");
    stand.set("worker.group", GROUP);
    let told = stand.cli(&["check-config"]);
    assert!(told.stderr.contains("needs `worker.user`"), "{told:?}");

    stand.set("worker.user", USER);
    let mut run = stand.command(&["run"]);
    if is_root() {
        // The refusal of those who are not root.
        let mine = 54_000;
        for path in ["", "device.secret", "hotplate.toml"] {
            chown(stand.path(path), Some(mine), Some(mine)).unwrap();
        }
        run.uid(mine).gid(mine);
    }
    let ended = run.output().unwrap();
    let words = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{words}");
    assert!(words.contains("run the supervisor as root"), "{words}");
}

#[test]
fn a_state_folder_that_the_workers_user_cannot_reach_is_told() {
    let Some(stand) = stand() else { return };
    let words = stand.cli(&["check-config"]).stderr;
    assert!(!words.contains("is closed to user"), "{words}");
    fs::set_permissions(stand.path(""), Permissions::from_mode(0o700)).unwrap();
    let words = stand.cli(&["check-config"]).stderr;
    assert!(words.contains("is closed to user"), "{words}");
}

fn last_active(stand: &Stand) -> Value {
    let lives = stand.misfit_journal(JOURNAL);
    let active = lives.iter().rfind(|line| line["event"] == "active");
    active.cloned().unwrap_or_else(|| panic!("{lives:?}"))
}
