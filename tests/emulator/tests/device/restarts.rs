//! A platform that is ended in any way and started anew: what it must still know, and where it is found.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cloud_emulator::{
    DeviceState, Emulator, Fault, FaultName, Options, Package, Rollout, StartError, StateError,
    TaskState,
};
use rumqttc::{MqttOptions, Packet, QoS};
use serde_json::{Value, json};

use crate::client::{Device, LIMIT, PASSWORD, automatic, emulator, get, oven, request};

const INFORM: &str = "/ota/device/inform/a1Sample001/oven001";
const PROGRESS: &str = "/ota/device/progress/a1Sample001/oven001";
const UPGRADE: &str = "/ota/device/upgrade/a1Sample001/oven001";

fn kept_in(folder: &Path) -> Options {
    Options {
        state: Some(folder.to_owned()),
        ..Options::default()
    }
}

async fn task_is(emulator: &Emulator, wanted: TaskState) -> DeviceState {
    let reached = |state: &DeviceState| state.task().is_some_and(|task| task.state == wanted);
    emulator
        .wait_until(&oven(), LIMIT, "the task's state", reached)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_platform_started_anew_is_found_where_it_was_and_goes_on_with_its_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let first = emulator(kept_in(folder.path()));
    let places = (
        first.mqtt_address(),
        first.http_address(),
        first.firmware_address(),
    );
    let device = Device::connect(automatic(&first)).await.unwrap();
    device
        .publish(INFORM, r#"{"id":"1","params":{"version":"1.0.0"}}"#)
        .await;
    first
        .wait_until(&oven(), LIMIT, "informed", |state| {
            state.version() == Some("1.0.0")
        })
        .await
        .unwrap();
    let firmware = first
        .add_firmware(Package::from_bytes("1.1.0", "the image"))
        .unwrap();
    let job = first.start_job(Rollout::new(firmware.id, &oven())).unwrap();
    device
        .publish(PROGRESS, r#"{"id":"2","params":{"step":"10","desc":""}}"#)
        .await;
    task_is(&first, TaskState::InProgress).await;
    let url = first.offer(&firmware, cloud_emulator::Transport::Http)["url"]
        .as_str()
        .unwrap()
        .to_owned();
    drop((device, first));

    let second = Emulator::start(kept_in(folder.path())).unwrap();
    assert_eq!(
        places,
        (
            second.mqtt_address(),
            second.http_address(),
            second.firmware_address()
        )
    );
    assert_eq!(get(&url, &[]).await.body, b"the image");
    let state = second.device_state(&oven()).unwrap();
    assert_eq!((state.version(), state.online), (Some("1.0.0"), false));
    let task = state.task().unwrap();
    assert_eq!(
        (task.job, task.state, task.step),
        (job, TaskState::InProgress, Some(10))
    );
    let states: Vec<_> = task.history.iter().map(|turn| turn.state).collect();
    assert_eq!(
        states,
        [
            TaskState::Queued,
            TaskState::Notified,
            TaskState::InProgress
        ]
    );
    let mut device = Device::connect(automatic(&second)).await.unwrap();
    let found = device
        .ask(
            &crate::client::sys("thing/ota/firmware/get"),
            r#"{"id":"3","params":{}}"#,
        )
        .await;
    assert_eq!(found["data"]["version"], "1.1.0");
    device
        .publish(INFORM, r#"{"id":"4","params":{"version":"1.1.0"}}"#)
        .await;
    task_is(&second, TaskState::Succeeded).await;
    let next = second
        .add_firmware(Package::from_bytes("1.2.0", "another"))
        .unwrap();
    assert!(
        next.id > job && next.id > firmware.id,
        "a number was given twice"
    );
}

#[tokio::test]
async fn an_offer_that_waited_for_the_device_is_pushed_by_the_platform_started_anew() {
    let folder = tempfile::tempdir().unwrap();
    let first = emulator(kept_in(folder.path()));
    let firmware = first
        .add_firmware(Package::from_bytes("1.1.0", "the image"))
        .unwrap();
    first.start_job(Rollout::new(firmware.id, &oven())).unwrap();
    drop(first);
    let second = Emulator::start(kept_in(folder.path())).unwrap();
    let mut device = Device::connect(automatic(&second)).await.unwrap();
    assert_eq!(device.json(UPGRADE).await["data"]["version"], "1.1.0");
    task_is(&second, TaskState::Notified).await;
}

#[tokio::test]
async fn devices_trust_the_platform_started_anew() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options {
        tls: true,
        ..kept_in(folder.path())
    };
    let first = Emulator::start(options()).unwrap();
    let known = (first.ca_pem().unwrap().to_owned(), first.mqtts_address());
    drop(first);
    let second = Emulator::start(options()).unwrap();
    assert_eq!(
        known,
        (second.ca_pem().unwrap().to_owned(), second.mqtts_address())
    );
}

#[tokio::test]
async fn the_journal_in_the_folder_has_everything_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let read = || -> Vec<Value> {
        let text = std::fs::read_to_string(folder.path().join("journal.jsonl")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    for _ in 0..2 {
        let emulator = emulator(Options {
            journal_capacity: 2,
            ..kept_in(folder.path())
        });
        emulator.fault(Fault::new(FaultName::WithholdPuback).times(1));
        let device = Device::connect(automatic(&emulator)).await.unwrap();
        let report = r#"{"id":"1","params":{"version":"1.0.0"}}"#;
        device
            .client
            .publish(INFORM, QoS::AtLeastOnce, false, report)
            .await
            .unwrap();
        let struck = |entry: &cloud_emulator::Entry| {
            matches!(entry.what, cloud_emulator::What::Strike { .. })
        };
        emulator
            .wait_for_entry(0, LIMIT, "the strike", struck)
            .await
            .unwrap();
    }
    let journal = read();
    let numbers: Vec<_> = journal.iter().map(|entry| entry["seq"].as_u64()).collect();
    let counted: Vec<_> = (1..=journal.len() as u64).map(Some).collect();
    assert_eq!(numbers, counted);
    for kind in ["connect", "in"] {
        let told = journal.iter().filter(|entry| entry["kind"] == kind).count();
        assert_eq!(told, 2, "{kind}");
    }
    let strikes: Vec<_> = journal
        .iter()
        .filter(|entry| entry["kind"] == "strike")
        .map(|entry| &entry["fault"])
        .collect();
    assert_eq!(strikes, ["withhold-puback", "withhold-puback"]);
}

#[tokio::test]
async fn a_state_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Emulator::start(kept_in(folder.path())).unwrap();
    let second = Emulator::start(kept_in(folder.path()));
    assert!(
        matches!(second, Err(StartError::State(StateError::Held(_)))),
        "{second:?}"
    );
}

/// The program, on a state folder.
struct Program {
    child: Child,
    places: Value,
}

impl Program {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cloud-emulator"))
            .args(["--mqtt-port", "0", "--http-port", "0", "--json", "--state"])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let places = serde_json::from_str(&line).unwrap();
        Self { child, places }
    }

    /// Ends it as nobody can prevent, and waits for that.
    fn kill(mut self) -> Value {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.places.take()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.places["http"].as_str().unwrap())
    }

    async fn device(&self) -> Device {
        let (host, port) = self.places["mqtt"]
            .as_str()
            .unwrap()
            .split_once(':')
            .unwrap();
        let id = "a1Sample001.oven001|timestamp=2524608000000,_ss=1,securemode=3,signmethod=hmacsha256,ext=3|";
        let mut options = MqttOptions::new(id, host, port.parse().unwrap());
        options.set_credentials("oven001&a1Sample001", PASSWORD);
        Device::connect(options).await.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_killed_platform_has_not_forgotten_what_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = Value::Null;
    for round in 0..8 {
        let platform = Program::start(folder.path());
        if !before.is_null() {
            assert_eq!(platform.places, before);
        }
        let version = format!("1.{round}.0");
        let firmware = platform.url(&format!("/api/firmware?version={version}"));
        let firmware = request("POST", &firmware, &[], b"the image").await.json();
        let mut device = platform.device().await;
        let job = json!({"firmware": firmware["id"], "devices": [{"product_key": "a1Sample001", "device_name": "oven001"}]});
        let job = request(
            "POST",
            &platform.url("/api/jobs"),
            &[],
            job.to_string().as_bytes(),
        )
        .await
        .json();
        assert_eq!(device.json(UPGRADE).await["data"]["version"], version);
        // Even rounds end with a failure, odd ones with the new version.
        let (topic, told, end) = match round % 2 {
            0 => (PROGRESS, json!({"step": "-2", "desc": "lost"}), "FAILED"),
            _ => (INFORM, json!({"version": version}), "SUCCEEDED"),
        };
        let report = json!({"id": "1", "params": told}).to_string();
        device
            .client
            .publish(topic, QoS::AtLeastOnce, false, report)
            .await
            .unwrap();
        while !matches!(device.packet().await, Some(Packet::PubAck(_))) {}
        before = platform.kill();
        let platform = Program::start(folder.path());
        let state = get(&platform.url(&format!("/api/jobs/{}", job["id"])), &[])
            .await
            .json();
        assert_eq!(state["tasks"][0]["state"], end, "round {round}: {state}");
    }
}
