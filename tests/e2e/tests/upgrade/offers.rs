//! Offers that are good and come in odd ways: while offline, twice, during a job, for somebody else.

use cloud_emulator::{Fault, FaultName, Rollout, TaskState, Transport};
use e2e::Stand;
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

#[test]
fn an_offer_during_a_job_is_remembered_and_taken_up_after_it() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let first = stand.good("1.0.7");
    stand
        .cloud
        .fault(Fault::new(FaultName::Stall).n(first.size() / 2));
    stand.offer(&first);
    supervisor.await_status("the first is under way", |status| {
        status["wanted"] == "1.0.7"
    });
    let second = stand.upload(&stand.good("1.0.8"));
    stand
        .cloud
        .push_offer(&stand.device, &stand.cloud.offer(&second, Transport::Http));
    supervisor
        .log
        .await_line("version 1.0.8 was offered during an update");
    stand.cloud.clear_fault(FaultName::Stall);
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.8");
    assert_eq!(stand.informed(), ["1.0.0", "1.0.7", "1.0.8"]);
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
