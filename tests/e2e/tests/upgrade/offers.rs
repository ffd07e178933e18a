//! Offers that are good and come in odd ways: while offline, twice, in the place of another, for somebody else.

use cloud_emulator::{Fault, FaultName, Rollout, TaskState, TaskView, Transport};
use e2e::{Image, Programs, Stand};
use serde_json::json;

#[test]
fn an_offer_made_while_the_device_was_offline_is_found_by_asking() {
    let stand = Stand::new();
    stand.install(&stand.good("1.0.0"));
    let firmware = stand.upload(&stand.good("1.0.7"));
    let silent = Rollout {
        push: false,
        ..Rollout::new(firmware.id, &stand.device)
    };
    stand.start(silent);
    let supervisor = stand.run();
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
}

#[test]
fn the_running_version_offered_again_is_only_informed_again() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.7"));
    let worker = supervisor.worker();
    let mark = stand.cloud.journal_position();
    let firmware = stand.upload(&stand.good("1.0.7"));
    stand.cloud.push_offer(
        &stand.device,
        &stand.cloud.offer(&firmware, Transport::Http),
    );
    let (_, informed) = stand.await_message(mark, &stand.inform_topic());
    assert_eq!(informed.json()["params"]["version"], "1.0.7");
    assert_eq!(supervisor.await_rest("1.0.7")["workers"][0]["pid"], worker);
    assert_eq!(stand.steps(), [0; 0], "that is no failure, and no update");
}

#[test]
fn the_same_offer_twice_is_one_job() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.cloud.fault(Fault::new(FaultName::DuplicatePush).n(3));
    stand.cloud.fault(Fault::new(FaultName::PushWhileUpdating));
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let text = supervisor.log.text();
    assert_eq!(
        text.matches("version 1.0.7 is to be installed").count(),
        1,
        "{text}"
    );
    assert_eq!(
        stand
            .informed()
            .iter()
            .filter(|version| *version == "1.0.0")
            .count(),
        1
    );
}

#[test]
fn an_offer_for_another_module_is_left_alone() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let firmware = stand.upload(&stand.good("2.0.0"));
    let mut offer = stand.cloud.offer(&firmware, Transport::Http);
    offer["module"] = json!("MCU");
    stand.cloud.push_offer(&stand.device, &offer);
    supervisor
        .log
        .await_line("an offer for module `MCU` is left alone");
    // A damaged one for somebody else is none of our business either.
    offer["size"] = json!(0);
    stand.cloud.push_offer(&stand.device, &offer);
    offer["module"] = json!("default");
    offer["size"] = json!(-1);
    stand.cloud.push_offer(&stand.device, &offer);
    stand.await_device("only the last one was refused", |device| {
        !device.progress.is_empty()
    });
    let steps = stand.steps();
    assert_eq!(steps, [-1]);
    supervisor.await_rest("1.0.0");
}

/// A job for an image that takes the place of the one under way. Its number.
fn put_in_its_place(stand: &Stand, image: &Image) -> u64 {
    let firmware = stand.upload(image);
    stand.start(Rollout {
        overwrite: true,
        ..Rollout::new(firmware.id, &stand.device)
    })
}

/// The device's part of a job.
fn part(stand: &Stand, job: u64) -> TaskView {
    let device = stand.cloud.device_state(&stand.device).unwrap();
    let mut tasks = device.tasks.into_iter();
    tasks.find(|task| task.job == job).unwrap()
}

/// What the platform took for reports of a job: steps and words.
fn reports(stand: &Stand, job: u64) -> Vec<(i64, String)> {
    let device = stand.cloud.device_state(&stand.device).unwrap();
    let of_job = device.progress.into_iter().filter(|it| it.job == Some(job));
    of_job
        .map(|it| (it.step.parse().unwrap(), it.description))
        .collect()
}

#[test]
fn a_job_that_takes_the_place_of_a_download_hears_nothing_of_it() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    let first = stand.good("1.0.7");
    stand
        .cloud
        .fault(Fault::new(FaultName::Stall).n(first.size() / 2));
    let one = stand.offer(&first);
    // Reports name no job, so that none of it may be on its way when the other takes its place: nothing more comes, and all is told.
    e2e::until("half of it is on the disk", || match stand.part() {
        bytes if bytes + 65_536 >= first.size() / 2 => Ok(()),
        bytes => Err(bytes.to_string()),
    });
    let reached = supervisor.status()["ota_progress"].as_i64().unwrap();
    stand.await_device("it is told", |device| {
        let told = device.progress.last();
        told.is_some_and(|it| it.step.parse::<i64>().unwrap() == reached)
    });
    let other = put_in_its_place(&stand, &stand.good("1.0.8"));
    supervisor
        .log
        .await_line("the update ended: the platform wants version 1.0.8 in its place");
    stand.cloud.clear_fault(FaultName::Stall);
    supervisor.await_rest("1.0.8");
    stand.await_task(TaskState::Succeeded);
    assert_eq!(stand.informed(), ["1.0.0", "1.0.8"]);
    assert_eq!(part(&stand, one).state, TaskState::Canceled);
    assert_eq!(part(&stand, other).state, TaskState::Succeeded);
    let told: Vec<i64> = reports(&stand, other).into_iter().map(|it| it.0).collect();
    assert_eq!(told.first(), Some(&1), "{told:?}");
    assert!(told.is_sorted() && told.last() == Some(&100), "{told:?}");
    let parts = stand.path("state/parts").read_dir().unwrap();
    assert_eq!(parts.count(), 0, "what there was of it is gone");
    // Nobody cancelled it.
    assert_ne!(supervisor.worker(), worker);
    assert_eq!(supervisor.status()["quarantined"], json!([]));
}

#[test]
fn a_job_that_takes_the_place_of_a_trial_does_not_hear_how_that_fails() {
    let mut stand = Stand::new();
    stand.set("worker.quiesce_limit_s", 600);
    let old = json!({ "version": "1.0.0", "do": "keep-handover" });
    let supervisor = stand.run_with(&stand.misfit(&old));
    let worker = supervisor.worker();
    let dies = json!({ "version": "1.0.7", "do": "unwell-while-proving", "reason": "the fan stands still" });
    let unfit = json!({ "version": "1.0.8", "do": "unfit", "reason": "the probe is broken" });
    let one = stand.offer(&stand.misfit(&dies));
    supervisor.await_status("the switch", |status| status["phase"] == "switching");
    let other = put_in_its_place(&stand, &stand.misfit(&unfit));
    supervisor
        .log
        .await_line("version 1.0.8 was offered during an update");
    Programs::under_test().kill(worker);
    supervisor
        .log
        .await_line("did not prove itself: it is unwell: the fan stands still; the version before");
    stand.await_task(TaskState::Failed);
    supervisor.await_rest("1.0.0");
    let (one, told) = (part(&stand, one), reports(&stand, one));
    assert_eq!(one.state, TaskState::Canceled);
    assert!(told.iter().all(|(step, _)| *step > 0), "{told:?}");
    let (of_other, told) = (part(&stand, other), reports(&stand, other));
    let why = "the new worker did not get ready: the probe is broken";
    assert_eq!(of_other.description, why);
    assert_eq!(told.first(), Some(&(1, String::new())), "{told:?}");
    let failed: Vec<_> = told.iter().filter(|(step, _)| *step < 0).collect();
    assert_eq!(failed, [&(-4, why.to_owned())]);
    assert_eq!(stand.informed(), ["1.0.0"]);
}

#[test]
fn a_job_that_takes_the_place_of_a_trial_begins_after_that_has_succeeded() {
    let mut stand = Stand::new();
    stand.set("worker.quiesce_limit_s", 600);
    let old = json!({ "version": "1.0.0", "do": "keep-handover" });
    let supervisor = stand.run_with(&stand.misfit(&old));
    let worker = supervisor.worker();
    let one = stand.offer(&stand.good("1.0.7"));
    supervisor.await_status("the switch", |status| status["phase"] == "switching");
    let other = put_in_its_place(&stand, &stand.good("1.0.8"));
    supervisor
        .log
        .await_line("version 1.0.8 was offered during an update");
    Programs::under_test().kill(worker);
    supervisor.await_rest("1.0.8");
    stand.await_task(TaskState::Succeeded);
    assert_eq!(stand.informed(), ["1.0.0", "1.0.7", "1.0.8"]);
    assert_eq!(part(&stand, one).state, TaskState::Canceled);
    assert_eq!(part(&stand, other).state, TaskState::Succeeded);
}

#[test]
fn an_offer_signed_with_sha256_is_taken() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    let package = stand.package(&image);
    let firmware = stand.upload_as(package.sign_method(cloud_emulator::SignMethod::Sha256));
    stand.start(Rollout::new(firmware.id, &stand.device));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
}
