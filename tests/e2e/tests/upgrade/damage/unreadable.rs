//! Slots that cannot be read: kept, told and tried again, for as long as that lasts; whatever else can run does, and an update is taken.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cloud_emulator::TaskState;
use e2e::{Programs, Stand, Supervisor, applies};
use serde_json::Value;

use super::image;

/// Root reads whatever it likes, unless it gives up these.
const POWERS: &str = "-dac_override,-dac_read_search";

/// Starts a supervisor to which the rights of files apply, whoever runs the tests.
fn run(stand: &Stand) -> Supervisor<'_> {
    stand.run_as(|command| {
        if !fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0) {
            return;
        }
        let mut bound = Command::new("setpriv");
        bound
            .arg(format!("--bounding-set={POWERS}"))
            .arg(format!("--inh-caps={POWERS}"))
            .arg(command.get_program())
            .args(command.get_args())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => bound.env(name, value),
                None => bound.env_remove(name),
            };
        }
        *command = bound;
    })
}

/// Closed to everybody, for as long as this lives.
struct Closed {
    path: PathBuf,
    rights: Permissions,
}

impl Closed {
    fn close(path: &Path) -> Self {
        let rights = fs::metadata(path).unwrap().permissions();
        fs::set_permissions(path, Permissions::from_mode(0o0)).unwrap();
        let path = path.to_owned();
        Self { path, rights }
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        // It may have been removed meanwhile.
        let _ = fs::set_permissions(&self.path, self.rights.clone());
    }
}

/// What of slot 1 is closed: its program, which is found when it is to be started, or its folder, which is found before.
fn closable(stand: &Stand) -> [PathBuf; 2] {
    let program = image(stand, "1-1.0.0");
    let folder = program.parent().unwrap().to_owned();
    [program, folder]
}

/// Nothing runs, that and why is shown, and the platform knows.
#[track_caller]
fn waits(stand: &Stand, supervisor: &Supervisor<'_>) {
    supervisor.await_status("the slot is awaited", |status| {
        let awaited = status["awaited"].as_str().unwrap_or_default();
        status["version"].is_null()
            && status["phase"] == "idle"
            && status["cloud_up"] == true
            && awaited.contains("version 1.0.0 in slot 1 to be readable")
            && awaited.contains("Permission denied")
    });
    let line = supervisor.log.await_line("cannot be read and is kept");
    assert!(line.contains("tried again"), "{line}");
    stand.await_device("the platform knows that nothing runs", |device| {
        device.online && device.version() == Some("none")
    });
}

#[track_caller]
fn is_tried_again(supervisor: &Supervisor<'_>) {
    for _ in 0..2 {
        let mark = supervisor.log.position();
        supervisor.log.await_line_after(mark, "is not started");
    }
}

#[test]
fn the_only_slot_unreadable_is_kept_and_runs_as_soon_as_it_can_be_read() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    stand.install(&stand.good("1.0.0"));
    for path in closable(&stand) {
        let closed = Closed::close(&path);
        let mut first = run(&stand);
        waits(&stand, &first);
        is_tried_again(&first);
        // A start that finds the same comes to the same.
        first.kill();
        let second = run(&stand);
        waits(&stand, &second);
        is_tried_again(&second);
        drop(closed);
        second.await_rest("1.0.0");
        stand.await_device("the platform knows what runs", |device| {
            device.version() == Some("1.0.0")
        });
        assert_eq!(second.status()["awaited"], Value::Null);
    }
}

#[test]
fn while_the_only_slot_is_unreadable_any_version_is_taken() {
    if !applies() {
        return;
    }
    for version in ["1.0.0", "1.0.7", "0.9.0"] {
        let stand = Stand::new();
        let supervisor = {
            stand.install(&stand.good("1.0.0"));
            run(&stand)
        };
        supervisor.await_rest("1.0.0");
        let _closed = Closed::close(&image(&stand, "1-1.0.0"));
        Programs::under_test().kill(supervisor.worker());
        waits(&stand, &supervisor);
        stand.offer(&stand.good(version));
        stand.await_task(TaskState::Succeeded);
        supervisor.await_rest(version);
    }
}

#[test]
fn an_active_slot_that_cannot_be_read_is_kept_and_the_one_before_it_runs() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    stand.install(&stand.good("1.0.0"));
    let mut first = run(&stand);
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    first.await_rest("1.0.7");
    let program = image(&stand, "2-1.0.7");
    let closed = Closed::close(&program);
    Programs::under_test().kill(first.worker());
    let status = first.await_rest("1.0.0");
    assert_eq!(status["last_outcome"]["version"], "1.0.7", "{status}");
    let line = first.log.await_line("cannot be read and is kept");
    assert!(line.contains("version 1.0.0 takes its place"), "{line}");
    stand.await_device("the platform knows what runs", |device| {
        device.version() == Some("1.0.0")
    });
    first.kill();
    let second = run(&stand);
    second.await_rest("1.0.0");
    assert!(program.exists(), "it is kept");
    drop(closed);
    let back = stand.cli(&["rollback"]);
    assert_eq!(back.code, Some(0), "{back:?}");
    second.await_rest("1.0.7");
}
