//! Images that are not what was promised, and servers that misbehave: the cloud is told how it failed, and the old worker never stops.

use cloud_emulator::{DeviceState, Fault, FaultName, Rollout, TaskState, Transport, What};
use e2e::{Image, Stand, Supervisor, System};

/// The origin's own case: its image and where its download broke off.
const ORIGIN: (usize, u64) = (9_879_858, 205_588);

/// Offers an image and expects the job to fail with this step and these words, the old worker untouched.
#[track_caller]
fn fails(
    stand: &Stand,
    supervisor: &Supervisor<'_>,
    image: &Image,
    step: i64,
    words: &str,
) -> DeviceState {
    let worker = supervisor.worker();
    let jobs = stand.cloud.device_state(&stand.device).unwrap().tasks.len();
    stand.offer(image);
    let device = stand.await_device("the job has failed", |device| {
        device.tasks.len() > jobs
            && device
                .task()
                .is_some_and(|task| task.state == TaskState::Failed)
    });
    let task = device.task().unwrap();
    assert_eq!(task.step, Some(step), "{task:?}");
    assert!(
        task.description.contains(words),
        "{task:?} should say `{words}`"
    );
    let status = supervisor.await_rest("1.0.0");
    assert_eq!(
        status["workers"][0]["pid"], worker,
        "the old worker never noticed"
    );
    assert_eq!(device.version(), Some("1.0.0"));
    device
}

/// How often the firmware server was asked.
fn requests(stand: &Stand) -> usize {
    let journal = stand.cloud.journal();
    journal
        .iter()
        .filter(|entry| matches!(entry.what, What::Request { .. }))
        .count()
}

#[test]
fn a_download_that_gets_no_further_is_tried_again_and_never_called_complete() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    let (size, broken) = ORIGIN;
    stand
        .cloud
        .fault(Fault::new(FaultName::DropAfterBytes).n(broken));
    let mark = stand.cloud.journal_position();
    stand.offer(&stand.image("1.0.7", &vec![7; size]));
    let broke = stand.await_entry(mark, "the first break", |entry| {
        matches!(entry.what, What::Sent { .. })
    });
    // From now on not a byte more comes.
    stand
        .cloud
        .fault(Fault::new(FaultName::DropAfterBytes).n(0));
    let device = stand.await_task(TaskState::Failed);
    assert_eq!(device.task().unwrap().step, Some(-2));
    let status = supervisor.await_rest("1.0.0");
    assert_eq!(status["workers"][0]["pid"], worker);
    // Two further tries are allowed without a byte more than ever before.
    let journal = stand.cloud.journal();
    let empty = journal
        .iter()
        .filter(|entry| entry.seq > broke.seq && matches!(entry.what, What::Sent { bytes: 0, .. }))
        .count();
    assert!((2..=3).contains(&empty), "{empty} answers without a byte");
    let steps = stand.steps();
    assert!(!steps.contains(&100), "{steps:?}");
}

#[test]
fn a_body_shorter_than_promised_is_never_called_complete() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let (size, there) = ORIGIN;
    let image = stand.image("1.0.7", &vec![7; size]);
    let short = stand.image("1.0.7", &vec![7; usize::try_from(there).unwrap()]);
    let firmware = stand.upload_as(stand.claiming(&short, "size", size));
    let mut offer = stand.cloud.offer(&firmware, Transport::Http);
    offer["size"] = serde_json::json!(image.size());
    stand.cloud.push_offer(&stand.device, &offer);
    let device = stand.await_device("it fails as a download", |device| {
        device.progress.iter().any(|report| report.step == "-2")
    });
    assert_eq!(
        device.progress.last().unwrap().description,
        format!("the image ended after {there} of {size} bytes")
    );
    assert_eq!(requests(&stand), 3);
    assert!(!stand.steps().contains(&100));
    supervisor.await_rest("1.0.0");
}

#[test]
fn a_body_longer_than_promised_fails_verification() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    stand.cloud.fault(Fault::new(FaultName::LongerThanPromised));
    let words = format!(
        "the image is longer than the promised {} bytes",
        image.size()
    );
    fails(&stand, &supervisor, &image, -3, &words);
    assert_eq!(requests(&stand), 1, "that does not pass by itself");
}

#[test]
fn one_flipped_bit_fails_verification() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.cloud.fault(Fault::new(FaultName::FlipOneBit));
    fails(
        &stand,
        &supervisor,
        &stand.good("1.0.7"),
        -3,
        "the image does not have the promised Md5 digest",
    );
    assert!(!stand.steps().contains(&100));
}

#[test]
fn a_server_that_fails_for_a_moment_is_asked_again() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand
        .cloud
        .fault(Fault::new(FaultName::ServerErrorThenOk).times(2));
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
}

#[test]
fn an_address_whose_time_is_over_is_told_with_its_status() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.cloud.fault(Fault::new(FaultName::UrlExpired));
    fails(
        &stand,
        &supervisor,
        &stand.good("1.0.7"),
        -2,
        "the firmware server answered 403",
    );
}

#[test]
fn a_server_that_stalls_is_given_up() {
    let mut stand = Stand::new();
    stand.set("update.stall_limit_s", 0.5);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.cloud.fault(Fault::new(FaultName::Stall).n(0));
    fails(
        &stand,
        &supervisor,
        &stand.good("1.0.7"),
        -2,
        "the firmware server sent nothing for 1 s",
    );
}

#[test]
fn a_redirect_within_the_scheme_is_followed() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.cloud.fault(Fault::new(FaultName::Redirect));
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
}

#[test]
fn a_redirect_to_another_scheme_is_not_followed() {
    let stand = Stand::with_tls();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    let firmware = stand.upload(&stand.good("1.0.7"));
    for (name, to) in [("plain http", "scheme"), ("a file", "file:///etc/passwd")] {
        stand.cloud.fault(Fault::new(FaultName::Redirect).to(to));
        let jobs = stand.cloud.device_state(&stand.device).unwrap().tasks.len();
        let rollout = Rollout {
            transport: Transport::Https,
            ..Rollout::new(firmware.id, &stand.device)
        };
        stand.start(rollout);
        let device = stand.await_device(name, |device| {
            device.tasks.len() > jobs
                && device
                    .task()
                    .is_some_and(|task| task.state == TaskState::Failed)
        });
        let task = device.task().unwrap();
        assert_eq!(task.step, Some(-2), "{name}: {task:?}");
        assert!(
            task.description
                .contains("the firmware server redirects to `"),
            "{name}: {task:?}"
        );
        assert_eq!(
            supervisor.await_rest("1.0.0")["workers"][0]["pid"],
            worker,
            "{name}"
        );
    }
    let journal = stand.cloud.journal();
    assert!(
        !journal
            .iter()
            .any(|entry| matches!(entry.what, What::Request { tls: false, .. }))
    );
}

#[test]
fn a_file_that_is_no_program_is_not_started() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.image("1.0.7", b"\x7fnot a program at all");
    fails(
        &stand,
        &supervisor,
        &image,
        -4,
        System::under_test().of_no_program(),
    );
}

#[test]
fn a_program_for_another_system_is_not_started() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    // The same program, and its header says another processor.
    let mut bytes = std::fs::read(stand.good("1.0.7").path).unwrap();
    let place = match &bytes[..4] {
        [0x7f, b'E', b'L', b'F'] => 18,
        [b'M', b'Z', ..] => {
            4 + u32::from_le_bytes([bytes[0x3c], bytes[0x3d], bytes[0x3e], bytes[0x3f]]) as usize
        }
        _ => 4, // Mach-O
    };
    // S/390 for ELF, MIPS for PE; nonsense for Mach-O.
    let machine: u16 = if place == 18 { 22 } else { 0x166 };
    bytes[place..place + 2].copy_from_slice(&machine.to_le_bytes());
    fails(
        &stand,
        &supervisor,
        &stand.image("1.0.7", &bytes),
        -4,
        System::under_test().of_no_program(),
    );
}

#[test]
fn garbage_from_the_new_worker_ends_its_trial() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    for deed in ["garbage-frame", "too-long-frame", "truncated-frame"] {
        let orders = serde_json::json!({ "version": "1.0.8", "do": deed });
        fails(
            &stand,
            &supervisor,
            &stand.misfit(&orders),
            -4,
            "the new worker did not get ready",
        );
    }
}

#[test]
fn garbage_instead_of_a_hello_ends_the_trial() {
    let mut stand = Stand::new();
    stand.set("worker.hello_limit_s", 2);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    for deed in ["garbage-frame", "too-long-frame", "truncated-frame"] {
        let orders = serde_json::json!({ "version": "1.0.8", "do": deed, "instead": true });
        fails(
            &stand,
            &supervisor,
            &stand.misfit(&orders),
            -4,
            "the new worker",
        );
    }
    assert_eq!(supervisor.status()["strangers"], 3);
}
