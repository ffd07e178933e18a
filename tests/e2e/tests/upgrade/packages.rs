//! Packages of several files: all or nothing into one slot, and the program is the file the configuration names.

use std::{fs, path::PathBuf};

use cloud_emulator::{Fault, FaultName, Firmware, Package, Rollout, Source, TaskState, What};
use e2e::{Programs, Stand};

/// What lies beside the program.
const RECIPES: &[u8] = b"bread 220 35\npizza 250 12\n";

fn program() -> &'static str {
    if Programs::under_test().target().contains("windows") {
        "oven.exe"
    } else {
        "oven"
    }
}

fn stand() -> Stand {
    let mut stand = Stand::new();
    stand.set_text("update.entry", program());
    stand
}

/// A program that behaves, of so many bytes at least, with recipes beside it.
fn upload(stand: &Stand, version: &str, size: usize) -> Firmware {
    upload_with(stand, version, size, "recipes.txt")
}

/// The same with another name for the recipes.
fn upload_with(stand: &Stand, version: &str, size: usize, recipes: &str) -> Firmware {
    let image = stand.padded(version, size);
    let bytes = fs::read(&image.path).unwrap();
    let files = vec![
        Source::Bytes(recipes.to_owned(), RECIPES.to_vec()),
        Source::Bytes(program().to_owned(), bytes),
    ];
    let package = Package {
        files,
        ..Package::from_bytes(version, "")
    };
    let target = Programs::under_test().target();
    stand.upload_as(package.signed(&stand.publisher, target))
}

fn slots(stand: &Stand) -> Vec<PathBuf> {
    let entries = fs::read_dir(stand.path("state/slots")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn a_package_goes_whole_into_one_slot_and_its_program_runs() {
    let stand = stand();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let firmware = upload(&stand, "1.0.7", 0);
    stand.start(Rollout::new(firmware.id, &stand.device));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let newest = slots(&stand).pop().unwrap();
    assert_eq!(fs::read(newest.join("recipes.txt")).unwrap(), RECIPES);
    assert!(newest.join(program()).is_file());
    // The next update is an ordinary one, and so is the way back to the package.
    stand.offer(&stand.misfit(&serde_json::json!({"version": "1.0.8", "do": "die-while-proving"})));
    stand.await_task(TaskState::Failed);
    supervisor.await_rest("1.0.7");
}

/// Windows' usual limit for a path, in characters; the names are of lengths with which the program keeps to it and its recipes do not.
const LIMIT: usize = 260;

#[test]
fn what_lies_beside_a_program_may_have_a_path_longer_than_260_characters() {
    let programs = Programs::under_test();
    let short = programs.see(&std::env::temp_dir()).len();
    let names = ["x".repeat(60), "y".repeat(60), "z".repeat(76 - short)];
    let mut stand = Stand::within(&names.iter().collect::<PathBuf>());
    stand.set_text("update.entry", program());
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let recipes = format!("{}.txt", "r".repeat(60));
    let firmware = upload_with(&stand, "1.0.7", 0, &recipes);
    stand.start(Rollout::new(firmware.id, &stand.device));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let newest = slots(&stand).pop().unwrap();
    let length = |name: &str| programs.see(&newest.join(name)).len();
    assert!(length(program()) < LIMIT && length(&recipes) > LIMIT);
    assert_eq!(fs::read(newest.join(&recipes)).unwrap(), RECIPES);
    // What it was is verified before each start, and what it is no more is removed.
    programs.kill(supervisor.worker());
    supervisor.await_status("another worker is active", |status| {
        status["respawns"] == 1 && status["workers"][0]["stage"] == "active"
    });
    for version in ["1.0.8", "1.0.9"] {
        stand.offer(&stand.good(version));
        stand.await_task(TaskState::Succeeded);
        supervisor.await_rest(version);
    }
    e2e::until("the package is removed", || {
        if newest.exists() {
            Err(format!("{:?}", slots(&stand)))
        } else {
            Ok(())
        }
    });
}

#[test]
fn a_package_with_one_bad_file_leaves_nothing_behind() {
    let stand = stand();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    let before = slots(&stand);
    let firmware = upload(&stand, "1.0.7", 0);
    // Files are fetched in the order of their names; the second one is bad.
    let mut offer = stand
        .cloud
        .offer(&firmware, cloud_emulator::Transport::Http);
    let sign = "0".repeat(32);
    for file in offer["files"].as_array_mut().unwrap() {
        if file["fileName"] == "recipes.txt" {
            (file["fileSign"], file["fileMd5"]) = (sign.clone().into(), sign.clone().into());
        }
    }
    stand.cloud.push_offer(&stand.device, &offer);
    stand.await_device("it fails as unverified", |device| {
        device.progress.iter().any(|report| report.step == "-3")
    });
    assert_eq!(supervisor.await_rest("1.0.0")["workers"][0]["pid"], worker);
    assert_eq!(slots(&stand), before);
    let parts = fs::read_dir(stand.path("state/parts")).unwrap();
    assert_eq!(parts.count(), 0);
}

#[test]
fn a_package_goes_on_after_a_kill_with_the_files_that_are_there() {
    let stand = stand();
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));
    let firmware = upload(&stand, "1.0.7", 3_000_000);
    let oven = firmware.files.iter().find(|file| file.name == program());
    let (size, broken) = (oven.unwrap().size, 2_000_000);
    // The program comes first; the server falls silent in its middle.
    stand
        .cloud
        .fault(Fault::new(FaultName::Stall).n(broken).times(1));
    stand.start(Rollout::new(firmware.id, &stand.device));
    // What is left in the buffer is not on the disk yet.
    e2e::until("the program's part", || {
        let parts = fs::read_dir(stand.path("state/parts")).unwrap();
        let sizes = parts.filter_map(|it| Some(it.ok()?.metadata().ok()?.len()));
        let most = sizes.max().unwrap_or(0);
        if most + 65_536 >= broken {
            Ok(())
        } else {
            Err(most.to_string())
        }
    });
    // The answer that stands still is left so: told to go on, it might send a piece more before it sees that nobody takes it.
    supervisor.kill();
    let supervisor = stand.run();
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let journal = stand.cloud.journal();
    let sent = journal.iter().filter_map(|entry| match &entry.what {
        What::Sent { bytes, .. } => Some(*bytes),
        _ => None,
    });
    let (sent, whole) = (sent.sum::<u64>(), size + RECIPES.len() as u64);
    assert!(
        (whole..=whole + 65_536).contains(&sent),
        "{sent} for {whole}"
    );
}

#[test]
fn without_a_named_program_or_with_another_one_a_package_is_refused() {
    let mut stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let firmware = upload(&stand, "1.0.7", 0);
    stand.start(Rollout::new(firmware.id, &stand.device));
    let device = stand.await_task(TaskState::Failed);
    let task = device.task().unwrap();
    assert!(task.description.contains("update.entry"), "{task:?}");
    drop(supervisor);
    stand.set_text("update.entry", "toaster");
    let supervisor = stand.run();
    supervisor.await_rest("1.0.0");
    stand.start(Rollout::new(firmware.id, &stand.device));
    supervisor.log.await_line("no file is named `toaster`");
    supervisor.await_rest("1.0.0");
}
