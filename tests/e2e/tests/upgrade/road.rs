//! The road from a push to a new worker that is trusted.

use cloud_emulator::{DeviceState, Fault, FaultName, TaskState, What};
use e2e::{Image, Stand};
use serde_json::{Value, json};

#[test]
fn an_oven_at_work_is_upgraded_while_it_heats_and_goes_on_where_it_stood() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&Image::oven("1.0.0"));
    let set = json!({ "target_temperature": 180.0, "timer_setting": 12 });
    let answer = stand
        .cloud
        .block_on(stand.cloud.set_property(&stand.device, set))
        .unwrap();
    assert_eq!(answer.code, 200, "{answer:?}");
    let before = stand.await_device("the oven has become warm", |device| {
        number(device, "current_temperature") > 26.0
    });
    let old = supervisor.worker();
    let mark = stand.cloud.journal_position();
    let image = Image::oven("1.0.7");
    stand.offer(&image);
    stand.await_task(TaskState::Succeeded);
    let status = supervisor.await_rest("1.0.7");
    assert_ne!(status["workers"][0]["pid"], old);

    // The new one says all of this by itself; nobody set it again.
    let told = |name: &str| {
        let entry = stand.await_entry(mark, &format!("`{name}` from 1.0.7"), |entry| {
            matches!(&entry.what, What::In(message)
                if message.topic.ends_with("/thing/event/property/post")
                    && message.json()["params"]["firmware_version"]["value"] == "1.0.7")
        });
        let new = stand.await_entry(entry.seq - 1, name, |entry| {
            matches!(&entry.what, What::In(message) if !message.json()["params"][name].is_null())
        });
        let What::In(message) = new.what else {
            panic!("{new:?}")
        };
        message.json()["params"][name]["value"].clone()
    };
    assert_eq!(told("target_temperature"), json!(180.0));
    assert_eq!(told("timer_setting"), json!(12));
    assert!([11, 12].contains(&told("remaining_time").as_i64().unwrap()));
    assert!(
        told("current_temperature").as_f64().unwrap() >= number(&before, "current_temperature")
    );
    assert_eq!(told("operation_mode"), json!("定时加热中"));

    let device = stand.cloud.device_state(&stand.device).unwrap();
    assert_eq!(
        device.counters.connects, 1,
        "the cloud link never drops for an upgrade"
    );
    assert_eq!(device.property("firmware_version"), Some(&json!("1.0.7")));
    assert!(device.property("last_update_time").is_some());
}

fn number(device: &DeviceState, name: &str) -> f64 {
    device
        .property(name)
        .and_then(Value::as_f64)
        .unwrap_or(f64::NAN)
}

#[test]
fn success_is_told_only_after_the_new_worker_has_proved_itself() {
    let mut stand = Stand::new();
    stand.set("update.proving_s", 3);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&stand.good("1.0.7"));
    supervisor.await_status("1.0.7 is being proved", |status| {
        status["phase"] == "proving"
    });
    let proving = stand.cloud.device_state(&stand.device).unwrap();
    assert_eq!(proving.task().unwrap().state, TaskState::InProgress);
    assert_eq!(proving.version(), Some("1.0.0"));
    let device = stand.await_task(TaskState::Succeeded);
    assert_eq!(device.version(), Some("1.0.7"));

    let log = &supervisor.log;
    log.await_line("version 1.0.7 is trusted");
    let line = |text: &str| {
        log.text()
            .lines()
            .position(|line| line.contains(text))
            .unwrap_or_else(|| panic!("no `{text}`"))
    };
    assert!(line("is being proved") < line("version 1.0.7 is trusted"));
    assert_eq!(stand.informed(), ["1.0.0", "1.0.7"]);
}

#[test]
fn progress_only_grows_and_says_100_only_when_every_byte_is_there() {
    let stand = Stand::new();
    let _supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    stand
        .cloud
        .fault(Fault::new(FaultName::Stall).n(image.size() - 1));
    stand.offer(&image);
    stand.await_device("all but one byte has come", |device| {
        device.progress.iter().any(|report| report.step.len() == 2)
    });
    let stalled = stand.steps();
    assert!(!stalled.contains(&100), "{stalled:?} with a byte missing");
    stand.cloud.clear_fault(FaultName::Stall);
    stand.await_task(TaskState::Succeeded);
    let steps = stand.steps();
    assert!(
        steps.iter().all(|step| (1..=100).contains(step)),
        "{steps:?}"
    );
    assert!(steps.is_sorted_by(|one, next| one < next), "{steps:?}");
    assert_eq!(steps.last(), Some(&100), "the last is always told");
}

#[test]
fn progress_is_told_at_most_once_a_second_or_every_5_percent() {
    let stand = Stand::new();
    let _supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    stand
        .cloud
        .fault(Fault::new(FaultName::Slow).n(image.size() / 3));
    stand.offer(&image);
    let device = stand.await_task(TaskState::Succeeded);
    let reports = &device.progress;
    let seconds = (reports[reports.len() - 1].time - reports[0].time).div_ceil(1000);
    let most = 100 / 5 + usize::try_from(seconds).unwrap() + 1;
    assert!(
        (10..=most).contains(&reports.len()),
        "{most} at most: {reports:?}"
    );
}

#[test]
fn what_the_worker_hands_over_is_what_the_next_one_starts_from() {
    let stand = Stand::new();
    let journal = stand.misfit_journal_path("lives");
    let supervisor =
        stand.run_with(&stand.misfit(&json!({ "version": "1.0.0", "journal": journal })));
    stand.offer(&stand.misfit(&json!({ "version": "1.0.7", "journal": journal })));
    stand.await_task(TaskState::Succeeded);
    drop(supervisor);
    let lives = stand.misfit_journal("lives");
    let find = |event: &str, version: &str| {
        let place = lives
            .iter()
            .position(|line| line["event"] == event && line["version"] == version);
        place.unwrap_or_else(|| panic!("no `{event}` of {version} in {lives:?}"))
    };
    let (ready, quiesced, active) = (
        find("ready", "1.0.7"),
        find("quiesced", "1.0.0"),
        find("active", "1.0.7"),
    );
    assert!(
        ready < quiesced,
        "the old one works until the new one is warm"
    );
    assert!(quiesced < active, "never two at the hardware");
    assert_eq!(lives[active]["count"], lives[quiesced]["count"]);
    assert_eq!(lives[active]["cause"], "Upgrade");
}

#[test]
fn an_oven_too_small_for_two_workers_is_upgraded_with_one_at_a_time() {
    let mut stand = Stand::new();
    stand.set("update.standby", false);
    let journal = stand.misfit_journal_path("lives");
    let supervisor =
        stand.run_with(&stand.misfit(&json!({ "version": "1.0.0", "journal": journal })));
    stand.offer(&stand.misfit(&json!({ "version": "1.0.7", "journal": journal })));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let lives = stand.misfit_journal("lives");
    let find = |event: &str, version: &str| {
        lives
            .iter()
            .position(|line| line["event"] == event && line["version"] == version)
    };
    assert!(
        find("exited", "1.0.0").unwrap() < find("started", "1.0.7").unwrap(),
        "{lives:?}"
    );
}

#[test]
fn an_update_goes_on_after_the_supervisor_was_killed_in_the_middle_of_the_download() {
    let stand = Stand::new();
    let mut first = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    stand
        .cloud
        .fault(Fault::new(FaultName::Stall).n(image.size() / 2));
    stand.offer(&image);
    first.await_status("the download is under way", |status| {
        status["phase"] == "fetching" && status["ota_progress"].as_u64() > Some(5)
    });
    first.kill();
    stand.cloud.clear_fault(FaultName::Stall);
    let second = stand.run();
    stand.await_task(TaskState::Succeeded);
    second.await_rest("1.0.7");
}

#[test]
fn a_version_that_was_trusted_is_the_one_that_runs_after_a_power_cut() {
    let stand = Stand::new();
    let mut first = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    first.kill();
    let mark = stand.cloud.journal_position();
    let second = stand.run();
    second.await_rest("1.0.7");
    let (_, message) = stand.await_message(mark, &stand.inform_topic());
    assert_eq!(message.json()["params"]["version"], "1.0.7");
}
