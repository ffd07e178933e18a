//! A disk that is full, read-only, or from which nothing may be executed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cloud_emulator::{Fault, FaultName, TaskState};
use e2e::{Programs, Stand, applies, until};
use serde_json::json;

use super::{at_work, has_failed, is_unharmed, is_upgraded, runs_again};

/// Files that are covered by others, for as long as this lives.
struct Covered {
    files: Vec<PathBuf>,
    disk: PathBuf,
}

impl Covered {
    /// Covers both files of the record by empty ones on a disk without room for a byte. `None` where nobody may do so.
    fn record(stand: &Stand) -> Option<Self> {
        Self::full(stand, ["record.a", "record.b"])
    }

    /// The same with these two files.
    fn full(stand: &Stand, names: [&str; 2]) -> Option<Self> {
        let disk = stand.path("full");
        fs::create_dir_all(&disk).unwrap();
        let room = "size=4096,mode=700";
        if !may_mount(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", room, "tmpfs"])
                .arg(&disk),
        ) {
            return None;
        }
        let mut covered = Self {
            files: Vec::new(),
            disk,
        };
        for name in names {
            let (empty, file) = (covered.disk.join(name), stand.path("state").join(name));
            fs::write(&empty, b"").unwrap();
            is_there(&file);
            assert!(may_mount(
                Command::new("mount").arg("--bind").args([&empty, &file])
            ));
            covered.files.push(file);
        }
        fs::write(covered.disk.join("somebody-elses"), [7; 4096]).unwrap();
        Some(covered)
    }

    /// Makes both files of the record, the parts and the slots read-only. `None` where nobody may do so.
    fn read_only(stand: &Stand) -> Option<Self> {
        let all = ["record.a", "record.b", "parts", "slots"];
        Self::with(stand, &all, "remount,bind,ro")
    }

    /// Covers these by themselves, but with this option. `None` where nobody may do so.
    fn with(stand: &Stand, names: &[&str], option: &str) -> Option<Self> {
        let mut covered = Self {
            files: Vec::new(),
            disk: PathBuf::new(),
        };
        for name in names {
            let file = stand.path("state").join(name);
            is_there(&file);
            if !may_mount(Command::new("mount").arg("--bind").args([&file, &file])) {
                return None;
            }
            let made = may_mount(Command::new("mount").args(["-o", option]).arg(&file));
            covered.files.push(file);
            assert!(made);
        }
        Some(covered)
    }
}

impl Drop for Covered {
    fn drop(&mut self) {
        for file in self.files.iter().chain([&self.disk]) {
            // Lazily: somebody may be reading it.
            if !file.as_os_str().is_empty() {
                let _ = Command::new("umount").arg("-l").arg(file).status();
            }
        }
    }
}

/// Only what is there can be covered. The second file of a record is there from the second save on, and an empty one is no record.
fn is_there(file: &Path) {
    if !file.exists() {
        fs::write(file, b"").unwrap();
    }
}

fn may_mount(command: &mut Command) -> bool {
    let mounted = command.output().unwrap();
    if !mounted.status.success() {
        let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
        println!("left out, as nothing can be mounted here: {why}");
    }
    mounted.status.success()
}

#[test]
fn a_record_that_cannot_be_saved_refuses_an_offer_and_a_later_one_is_taken() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let (supervisor, worker) = at_work(&stand);
    let Some(full) = Covered::record(&stand) else {
        return;
    };
    stand.offer(&stand.good("1.0.7"));
    let line = supervisor.log.await_line("the record could not be saved");
    assert!(
        line.contains("record.") && line.contains("No space left"),
        "{line}"
    );
    is_unharmed(&supervisor, worker);
    drop(full);
    // It was owed, as nothing is told before it is saved.
    has_failed(&stand, "the device's disk failed");
    is_upgraded(&stand, &supervisor, "1.0.8");
}

#[test]
fn a_record_that_cannot_be_saved_when_the_image_is_there_leaves_the_worker_alone() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let (supervisor, worker) = at_work(&stand);
    let image = stand.good("1.0.7");
    stand
        .cloud
        .fault(Fault::new(FaultName::Slow).n(image.size() / 3));
    stand.offer(&image);
    until("some of it is on the disk", || {
        let part = stand.part();
        (part > 0).then_some(()).ok_or_else(|| part.to_string())
    });
    let Some(full) = Covered::record(&stand) else {
        return;
    };
    stand.cloud.clear_fault(FaultName::Slow);
    supervisor.log.await_line("the record could not be saved");
    is_unharmed(&supervisor, worker);
    drop(full);
    // It was owed, as nothing is told before it is saved.
    has_failed(&stand, "the device's disk failed");
    is_upgraded(&stand, &supervisor, "1.0.8");
}

#[test]
fn a_commit_that_cannot_be_saved_is_told_only_when_it_is() {
    if !applies() {
        return;
    }
    let mut stand = Stand::new();
    stand.set("update.proving_s", 2);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&stand.good("1.0.7"));
    let status = supervisor.await_status("1.0.7 proves itself", |status| {
        status["phase"] == "proving" && status["workers"][0]["stage"] == "active"
    });
    let worker = &status["workers"][0]["pid"];
    let Some(full) = Covered::record(&stand) else {
        return;
    };
    supervisor.log.await_line("the record could not be saved");
    let status = supervisor.status();
    assert_eq!(&status["workers"][0]["pid"], worker, "{status}");
    assert_ne!(
        stand
            .cloud
            .device_state(&stand.device)
            .unwrap()
            .task()
            .unwrap()
            .state,
        TaskState::Succeeded
    );
    drop(full);
    stand.await_task(TaskState::Succeeded);
    let status = supervisor.await_rest("1.0.7");
    assert_eq!(&status["workers"][0]["pid"], worker, "{status}");
}

#[test]
fn a_state_folder_from_which_nothing_may_be_executed_any_more_is_tried_until_it_may() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let (supervisor, worker) = at_work(&stand);
    let Some(closed) = Covered::with(&stand, &["slots"], "remount,bind,noexec") else {
        return;
    };
    let mark = supervisor.log.position();
    Programs::under_test().kill(worker);
    let line = supervisor
        .log
        .await_line_after(mark, "the program may not be executed");
    assert!(line.contains("slots/1-1.0.0/worker"), "{line}");
    drop(closed);
    runs_again(&supervisor, worker);
    is_upgraded(&stand, &supervisor, "1.0.7");
}

#[test]
fn a_state_folder_that_becomes_read_only_stops_updates_and_nothing_else() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let (supervisor, worker) = at_work(&stand);
    let Some(read_only) = Covered::read_only(&stand) else {
        return;
    };
    stand.offer(&stand.good("1.0.7"));
    let line = supervisor.log.await_line("the record could not be saved");
    assert!(line.contains("Read-only"), "{line}");
    is_unharmed(&supervisor, worker);
    // What is no update does not need it.
    Programs::under_test().kill(worker);
    runs_again(&supervisor, worker);
    drop(read_only);
    has_failed(&stand, "Read-only file system");
    is_upgraded(&stand, &supervisor, "1.0.8");
}

#[test]
fn a_state_of_the_device_that_cannot_be_kept_is_told_once_and_the_next_is_kept() {
    if !applies() {
        return;
    }
    let mut stand = Stand::new();
    stand.set("state.checkpoint_every_s", 0.05);
    let counting = json!({ "version": "1.0.0", "ticks": true });
    let supervisor = stand.run_with(&stand.misfit(&counting));
    let worker = supervisor.worker();
    let Some(full) = Covered::full(&stand, ["checkpoint.a", "checkpoint.b"]) else {
        return;
    };
    let mark = supervisor.log.position();
    let failed = "the device's state could not be kept on the disk";
    let line = supervisor.log.await_line_after(mark, failed);
    assert!(
        line.contains("WARN") && line.contains("checkpoint.") && line.contains("No space left"),
        "{line}"
    );
    is_unharmed(&supervisor, worker);
    drop(full);
    let line = supervisor
        .log
        .await_line_after(mark, "the device's state is kept on the disk again");
    assert!(line.contains("failures"), "{line}");
    is_unharmed(&supervisor, worker);
    let told = supervisor.log.text().matches(failed).count();
    assert_eq!(told, 1, "it is told once and not at every try");
    // What is kept now is what the next worker is told.
    drop(supervisor);
    let supervisor = stand.run();
    supervisor.await_rest("1.0.0");
    supervisor
        .log
        .await_line("the device's state was kept by version 1.0.0");
    is_upgraded(&stand, &supervisor, "1.0.7");
}
