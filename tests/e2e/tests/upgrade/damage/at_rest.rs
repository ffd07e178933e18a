//! Every file of the state folder damaged in every way while nothing runs: what the next start makes of it.

use std::{fs, path::Path, process::Command};

use cloud_emulator::TaskState;
use e2e::{Stand, System, applies};

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    Removed,
    Emptied,
    Halved,
    OtherBytes,
    Folder,
    Pipe,
}

/// Every one there is: Windows has no pipes among its files.
fn every() -> impl Iterator<Item = Harm> {
    let all = [
        Harm::Removed,
        Harm::Emptied,
        Harm::Halved,
        Harm::OtherBytes,
        Harm::Folder,
        Harm::Pipe,
    ];
    let has_pipes = !matches!(System::under_test(), System::Wine | System::Windows);
    all.into_iter()
        .filter(move |it| has_pipes || *it != Harm::Pipe)
}

/// A stand whose supervisor may be killed as often as a test likes: that is not the fault of what it runs.
fn often_ended() -> Stand {
    let mut stand = Stand::new();
    stand.set("update.loop_deaths", 1000);
    stand
}

fn harm(path: &Path, harm: Harm) {
    let mut bytes = Vec::new();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(found) => {
            // A pipe would be waited for.
            if found.is_file() {
                bytes = fs::read(path).unwrap();
            }
            fs::remove_file(path).unwrap();
        }
        Err(_) => {}
    }
    match harm {
        Harm::Removed => {}
        Harm::Emptied => fs::write(path, b"").unwrap(),
        Harm::Halved => fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
        Harm::OtherBytes => fs::write(path, vec![0xa5; bytes.len().max(9)]).unwrap(),
        Harm::Folder => fs::create_dir(path).unwrap(),
        Harm::Pipe => {
            let made = Command::new("mkfifo").arg(path).status().unwrap();
            assert!(made.success());
        }
    }
}

/// A device that was upgraded from 1.0.0 to 1.0.7 and is off.
fn upgraded(stand: &Stand) {
    let mut supervisor = super::upgrade(stand, &stand.good("1.0.0"), &stand.good("1.0.7"));
    supervisor.kill();
}

/// One start after another, each after a damage; the device runs what it ran, and says what it found.
#[track_caller]
fn runs_on(stand: &Stand, place: &str, words: Option<&str>) {
    for kind in every() {
        harm(&stand.path(place), kind);
        let mut supervisor = stand.run();
        supervisor.await_rest("1.0.7");
        if let Some(words) = words {
            let log = supervisor.log.text();
            assert!(log.contains(words), "{place}, {kind:?}: {log}");
        }
        supervisor.kill();
    }
}

#[test]
fn either_record_file_may_be_lost_and_is_written_again() {
    for name in ["record.a", "record.b"] {
        let file = &format!("state/{name}");
        for kind in every() {
            // One stand each: whoever loses the newest record goes back to the one before it, in which the trial was still under way and
            // one more try is spent.
            let stand = often_ended();
            upgraded(&stand);
            harm(&stand.path(file), kind);
            let supervisor = stand.run();
            supervisor.await_rest("1.0.7");
            let log = supervisor.log.text();
            assert!(log.contains(name), "{file}, {kind:?}: {log}");
            let whole = fs::read(stand.path(file)).unwrap();
            assert!(whole.starts_with(b"hotplate"), "{file}, {kind:?}");
        }
    }
}

#[test]
fn a_slots_description_may_be_lost_and_is_written_again() {
    let stand = often_ended();
    upgraded(&stand);
    let file = "state/slots/2-1.0.7/slot.json";
    runs_on(&stand, file, Some("written again from the record"));
    assert!(
        fs::read_to_string(stand.path(file))
            .unwrap()
            .contains("1.0.7")
    );
}

#[test]
fn whatever_becomes_of_the_lock_the_account_and_the_run_folder_the_device_runs() {
    let stand = often_ended();
    upgraded(&stand);
    for place in [
        "state/lock",
        "state/budget",
        "state/parts",
        "state/run",
        "state/run/pid",
        "state/run/pids",
        "state/run/link",
        "state/run/control",
        "state/run/control.address",
        "state/checkpoint.a",
        "state/checkpoint.b",
    ] {
        runs_on(&stand, place, None);
    }
}

#[test]
fn with_both_record_files_lost_the_oldest_slot_runs_and_an_update_is_taken() {
    for kind in every() {
        let stand = often_ended();
        upgraded(&stand);
        for file in ["state/record.a", "state/record.b"] {
            harm(&stand.path(file), kind);
        }
        let supervisor = stand.run();
        supervisor.await_rest("1.0.0");
        supervisor.log.await_line(
            "the record names no slot that is there; version 1.0.0 from slot 1 is taken",
        );
        stand.offer(&stand.good("1.0.8"));
        supervisor.await_rest("1.0.8");
    }
}

#[test]
fn with_no_slot_left_the_device_stays_connected_says_so_and_takes_an_update() {
    for kind in every() {
        let stand = often_ended();
        upgraded(&stand);
        harm(&stand.path("state/slots"), kind);
        let supervisor = stand.run();
        supervisor.await_status("no worker is installed", |status| {
            status["version"].is_null() && status["cloud_up"] == true
        });
        stand.await_device("the platform knows that nothing runs", |device| {
            device.online && device.version() == Some("none")
        });
        stand.offer(&stand.good("1.0.7"));
        supervisor.await_rest("1.0.7");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_told_with_the_file_and_the_last_good_one_is_taken() {
    let stand = often_ended();
    upgraded(&stand);
    let whole = fs::read(stand.config()).unwrap();
    for kind in every() {
        harm(&stand.config(), kind);
        let checked = stand.cli(&["check-config"]);
        assert_eq!(checked.code, Some(2), "{kind:?}: {checked:?}");
        let supervisor = stand.run();
        let status = supervisor.await_rest("1.0.7");
        let told = status["supervisor"]["configuration"].as_str();
        assert!(
            told.is_some_and(|told| told.contains("hotplate.toml")),
            "{kind:?}: {status}"
        );
        drop(supervisor);
        harm(&stand.config(), Harm::Removed);
        fs::write(stand.config(), &whole).unwrap();
    }
    let supervisor = stand.run();
    supervisor.await_rest("1.0.7");
}

#[test]
fn a_record_lost_under_a_running_supervisor_is_there_again_with_its_next_save() {
    let stand = Stand::new();
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));
    let records = ["state/record.a", "state/record.b"].map(|file| stand.path(file));
    for file in &records {
        // The second one may not have been written yet.
        let _ = fs::remove_file(file);
    }
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    assert!(records.iter().all(|file| file.is_file()));
    supervisor.kill();
    stand.run().await_rest("1.0.7");
}

#[test]
fn a_folder_lost_under_a_running_supervisor_harms_no_worker_and_a_restart_heals() {
    if !applies() {
        return;
    }
    for folder in ["state/run", "state/parts"] {
        let stand = often_ended();
        let mut supervisor = stand.run_with(&stand.good("1.0.0"));
        let worker = supervisor.worker();
        fs::remove_dir_all(stand.path(folder)).unwrap();
        if folder == "state/parts" {
            assert_eq!(supervisor.worker(), worker);
        } else {
            let asked = stand.cli(&["status"]);
            assert_eq!(asked.code, Some(1), "{asked:?}");
            let process = format!("/proc/{worker}");
            let is_there = !cfg!(target_os = "linux") || Path::new(&process).exists();
            assert!(is_there, "the worker is gone");
        }
        supervisor.kill();
        let again = stand.run();
        again.await_rest("1.0.0");
        stand.offer(&stand.good("1.0.7"));
        again.await_rest("1.0.7");
    }
}
