//! Slots that are not what they were: never started, never the end of the device, always told.

mod at_rest;
#[cfg(target_os = "linux")]
mod unreadable;

use std::{
    fs,
    path::{Path, PathBuf},
};

use cloud_emulator::TaskState;
use e2e::{Image, Programs, Stand, Supervisor, applies};
use serde_json::{Value, json};

/// What is told of a file with a flipped bit.
const FLIPPED: &str = "has other bytes than it was installed with";

/// A program that a flipped bit would not keep from running.
fn sturdy(stand: &Stand, version: &str) -> Image {
    let size = usize::try_from(stand.good(version).size()).unwrap();
    stand.padded(version, size + 8192)
}

fn program() -> &'static str {
    if Programs::under_test().target().contains("windows") {
        "worker.exe"
    } else {
        "worker"
    }
}

/// The program in a slot.
fn image(stand: &Stand, slot: &str) -> PathBuf {
    stand.path("state/slots").join(slot).join(program())
}

/// Flips a bit among the zeros that make a program sturdy. What runs from the file is left in peace: the bytes with the bit get its
/// name.
fn flip(image: &Path) {
    let mut bytes = fs::read(image).unwrap();
    let at = bytes.len() - 4096;
    assert_eq!(bytes[at], 0, "a byte the program does not need");
    bytes[at] = 1;
    put(&bytes, image);
}

/// Puts other bytes in a file's place; where a file that runs cannot be replaced, when it has ended.
fn put(bytes: &[u8], image: &Path) {
    let beside = image.with_extension("new");
    fs::write(&beside, bytes).unwrap();
    fs::set_permissions(&beside, fs::metadata(image).unwrap().permissions()).unwrap();
    e2e::until("the file is replaced", || {
        fs::rename(&beside, image).map_err(|why| why.to_string())
    });
}

fn upgrade<'s>(stand: &'s Stand, from: &Image, to: &Image) -> Supervisor<'s> {
    let supervisor = stand.run_with(from);
    stand.offer(to);
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest(&to.version);
    supervisor
}

/// The last outcome is that this version was found damaged.
#[track_caller]
fn ended_by_damage(status: &Value, version: &str) {
    let ended = &status["last_outcome"];
    assert_eq!(ended["version"], version, "{status}");
    let why = ended["outcome"]["Damaged"]["why"].as_str();
    assert!(why.is_some_and(|why| why.contains("worker")), "{status}");
}

/// Nobody's worker is installed, the cloud link is up, and `status` says why.
#[track_caller]
fn nobody_left(stand: &Stand, supervisor: &Supervisor<'_>, version: &str) {
    let status = supervisor.await_status("no worker is installed", |status| {
        status["version"].is_null()
            && status["workers"].as_array().is_some_and(Vec::is_empty)
            && status["phase"] == "idle"
            && status["cloud_up"] == true
    });
    ended_by_damage(&status, version);
    let shown = stand.cli(&["status"]).stdout;
    assert!(
        shown.contains("no worker is installed") && shown.contains("is damaged: its file"),
        "{shown}"
    );
    stand.await_device("the platform knows that nothing runs", |device| {
        device.online && device.version() == Some("none")
    });
}

#[test]
fn a_damaged_program_is_not_started_again_and_the_version_before_takes_over() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let supervisor = upgrade(&stand, &stand.good("1.0.0"), &sturdy(&stand, "1.0.7"));
    let image = image(&stand, "2-1.0.7");
    flip(&image);
    let mark = supervisor.log.position();
    Programs::under_test().kill(supervisor.worker());
    let status = supervisor.await_rest("1.0.0");
    assert_eq!(status["version"], "1.0.0");
    ended_by_damage(&status, "1.0.7");
    let line = supervisor
        .log
        .await_line_after(mark, "version 1.0.7 in slot 2 is damaged");
    assert!(
        line.contains(FLIPPED) && line.contains("version 1.0.0 takes its place"),
        "{line}"
    );
    stand.await_device("the platform knows what runs", |device| {
        device.version() == Some("1.0.0")
    });
    e2e::until("the damaged slot is removed", || match image.exists() {
        true => Err(image.display().to_string()),
        false => Ok(()),
    });
    // The build itself is none the worse for it.
    stand.offer(&sturdy(&stand, "1.0.7"));
    stand.await_device("the second job has succeeded", |device| {
        device.tasks.len() == 2
            && device
                .task()
                .is_some_and(|task| task.state == TaskState::Succeeded)
    });
    supervisor.await_rest("1.0.7");
}

#[test]
fn a_program_put_in_the_place_of_the_verified_one_never_runs() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let supervisor = upgrade(&stand, &stand.good("1.0.0"), &stand.good("1.0.7"));
    let journal = stand.misfit_journal_path("intruder");
    let intruder = stand.misfit(&json!({ "version": "1.0.7", "journal": journal }));
    put(
        &fs::read(&intruder.path).unwrap(),
        &image(&stand, "2-1.0.7"),
    );
    Programs::under_test().kill(supervisor.worker());
    ended_by_damage(&supervisor.await_rest("1.0.0"), "1.0.7");
    assert_eq!(stand.misfit_journal("intruder"), Vec::<Value>::new());
}

#[test]
fn with_no_other_slot_left_the_supervisor_stays_connected_says_so_and_takes_any_version() {
    if !applies() {
        return;
    }
    for version in ["1.0.0", "1.0.7", "0.9.0"] {
        let stand = Stand::new();
        let supervisor = stand.run_with(&sturdy(&stand, "1.0.0"));
        flip(&image(&stand, "1-1.0.0"));
        Programs::under_test().kill(supervisor.worker());
        nobody_left(&stand, &supervisor, "1.0.0");
        supervisor
            .log
            .await_line("no other is left, and an update is awaited");
        let connects = || {
            let device = stand.cloud.device_state(&stand.device).unwrap();
            (device.online, device.counters.connects)
        };
        assert_eq!(connects(), (true, 1), "the cloud link never dropped");
        stand.offer(&stand.good(version));
        supervisor.await_rest(version);
        stand.await_task(TaskState::Succeeded);
        assert_eq!(connects(), (true, 1));
    }
}

#[test]
fn a_supervisor_that_finds_its_active_slot_damaged_starts_the_one_before_it() {
    let stand = Stand::new();
    let mut first = upgrade(&stand, &sturdy(&stand, "1.0.0"), &sturdy(&stand, "1.0.7"));
    first.kill();
    flip(&image(&stand, "2-1.0.7"));
    let mut second = stand.run();
    ended_by_damage(&second.await_rest("1.0.0"), "1.0.7");
    second.log.await_line("version 1.0.7 in slot 2 is damaged");
    // It stays so, and with that one damaged too there is none.
    second.kill();
    flip(&image(&stand, "1-1.0.0"));
    let mut third = stand.run();
    nobody_left(&stand, &third, "1.0.0");
    third.kill();
    let fourth = stand.run();
    nobody_left(&stand, &fourth, "1.0.0");
    stand.offer(&stand.good("1.0.7"));
    fourth.await_rest("1.0.7");
}

/// One try is spent before the supervisor is killed, and one after. A third is not to be had, so that nothing follows when the platform,
/// which has not been told of the end yet, offers the same once more to a device that connects.
fn with_two_tries() -> Stand {
    let mut stand = Stand::new();
    stand.set("update.tries", 2);
    stand
}

#[test]
fn a_new_slot_damaged_before_its_warm_up_fails_the_update_and_the_old_worker_goes_on() {
    let stand = with_two_tries();
    let later = json!({ "version": "1.0.0", "do": "later", "reason": "a cake is in it" });
    let mut first = stand.run_with(&stand.misfit(&later));
    stand.offer(&sturdy(&stand, "1.0.7"));
    first.await_status("the switch is put off", |status| {
        status["awaited"] == "the device's consent to the switch: a cake is in it"
    });
    first.kill();
    flip(&image(&stand, "2-1.0.7"));
    let second = stand.run();
    failed_by_damage(&stand, &second);
    assert!(!second.log.has("worker 1.0.7 started"));
}

#[test]
fn a_new_slot_damaged_in_its_trial_is_taken_back() {
    let mut stand = with_two_tries();
    stand.set("update.proving_s", 20);
    let mut first = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&sturdy(&stand, "1.0.7"));
    first.await_status("1.0.7 is being proved", |status| {
        status["phase"] == "proving"
    });
    first.kill();
    flip(&image(&stand, "2-1.0.7"));
    let second = stand.run();
    failed_by_damage(&stand, &second);
    assert!(!second.log.has("worker 1.0.7 started"));
}

#[track_caller]
fn failed_by_damage(stand: &Stand, supervisor: &Supervisor<'_>) {
    let device = stand.await_task(TaskState::Failed);
    let task = device.task().unwrap();
    assert_eq!(task.step, Some(-4), "{task:?}");
    assert!(
        task.description
            .starts_with("the installed program is damaged: its file `worker")
            && task.description.ends_with(FLIPPED),
        "{task:?}"
    );
    ended_by_damage(&supervisor.await_rest("1.0.0"), "1.0.7");
    assert!(!stand.informed().contains(&"1.0.7".to_owned()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_is_called_by_its_programs_name_although_it_is_started_from_an_open_file() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let process = PathBuf::from(format!("/proc/{}", supervisor.worker()));
    let read = |file: &str| fs::read(process.join(file)).unwrap();
    let image = image(&stand, "1-1.0.0");
    assert_eq!(read("comm"), b"worker\n");
    let line = read("cmdline");
    assert_eq!(line.strip_suffix(b"\0"), image.to_str().map(str::as_bytes));
    assert_eq!(fs::read_link(process.join("exe")).unwrap(), image);
}
