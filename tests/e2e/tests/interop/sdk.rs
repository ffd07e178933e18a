//! The platform's official device SDK for Python, as a device of the emulator: what a real device can do, it can do here.

use std::{
    io::Write,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use cloud_emulator::{Rollout, TaskState};
use e2e::{Image, Log, SECRET, Stand};
use serde_json::{Value, json};

/// The SDK's process.
struct SdkDevice {
    child: Child,
    orders: Option<ChildStdin>,
    happenings: Log,
    complaints: Log,
}

impl SdkDevice {
    /// Starts it with the oven's own thing model and waits until it is connected.
    fn connect(stand: &Stand) -> Self {
        // Held against the emulator alone: this device has no supervisor.
        let told = Command::new(&Image::oven("1.0.0").path)
            .arg("--tsl")
            .output()
            .unwrap();
        let mut model: Value = serde_json::from_slice(&told.stdout).expect("`--tsl` prints JSON");
        model["profile"]["productKey"] = json!(stand.device.product_key);
        let tsl = stand.path("tsl.json");
        std::fs::write(&tsl, model.to_string()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/sdk_device.py");
        let address = stand.cloud.mqtt_address();
        let mut command = Command::new(super::needed("HOTPLATE_INTEROP_PYTHON"));
        command.arg("-u").arg(script);
        command.args([
            "--host",
            &address.ip().to_string(),
            "--port",
            &address.port().to_string(),
        ]);
        command.args([
            "--product-key",
            &stand.device.product_key,
            "--device-name",
            &stand.device.device_name,
        ]);
        command
            .args(["--secret", SECRET, "--tsl"])
            .arg(tsl)
            .arg("--folder")
            .arg(stand.path(""));
        command
            .env("PYTHONUTF8", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|why| panic!("{command:?}: {why}"));
        let (happenings, complaints) = (Log::default(), Log::default());
        happenings.follow(child.stdout.take().unwrap());
        complaints.follow(child.stderr.take().unwrap());
        let device = Self {
            orders: child.stdin.take(),
            child,
            happenings,
            complaints,
        };
        device.await_happening(0, "connected");
        device
    }

    /// Gives an order, and returns a position before whatever follows from it.
    fn order(&mut self, line: &str) -> usize {
        let mark = self.happenings.position();
        writeln!(
            self.orders.as_mut().expect("it is taken at the end"),
            "{line}"
        )
        .unwrap();
        mark
    }

    #[track_caller]
    fn await_happening(&self, after: usize, what: &str) -> Value {
        let line = self
            .happenings
            .await_line_after(after, &format!("{{\"happening\": \"{what}\""));
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for SdkDevice {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "--- the SDK ---\n{}{}",
                self.happenings.text(),
                self.complaints.text()
            );
        }
    }
}

#[test]
fn it_posts_properties_and_events_and_is_answered() {
    let stand = Stand::new();
    let mut device = SdkDevice::connect(&stand);
    let mark = device.order(r#"post {"target_temperature": 180.5, "internal_light": 1}"#);
    assert_eq!(device.await_happening(mark, "property-reply")["code"], 200);
    stand.await_device("the target", |state| {
        state.property("target_temperature") == Some(&json!(180.5))
    });
    let mark = device.order(r#"event timer_complete {"message": "done"}"#);
    let reply = device.await_happening(mark, "event-reply");
    assert_eq!(
        (&reply["event"], &reply["code"]),
        (&json!("timer_complete"), &json!(200))
    );
    let state = stand.await_device("the event", |state| !state.events.is_empty());
    assert_eq!(
        (state.events[0].name.as_str(), &state.events[0].outputs),
        ("timer_complete", &json!({ "message": "done" }))
    );
}

#[test]
fn it_takes_property_sets_and_answers_services() {
    let stand = Stand::new();
    let device = SdkDevice::connect(&stand);
    let set = stand
        .cloud
        .set_property(&stand.device, json!({ "target_temperature": 90.5 }));
    assert_eq!(stand.cloud.block_on(set).unwrap().code, 200);
    let heard = device.await_happening(0, "property-set");
    assert_eq!(heard["params"], json!({ "target_temperature": 90.5 }));
    stand.await_device("the new target", |state| {
        state.property("target_temperature") == Some(&json!(90.5))
    });
    let called = stand.cloud.call_service(
        &stand.device,
        "set_temperature",
        json!({ "temperature": 70.5 }),
    );
    let answer = stand.cloud.block_on(called).unwrap();
    assert_eq!(
        (answer.code, &answer.data["success"]),
        (200, &json!(1)),
        "{answer:?}"
    );
    assert_eq!(
        device.await_happening(0, "service")["identifier"],
        "set_temperature"
    );
}

#[test]
fn it_is_pushed_a_firmware_downloads_it_and_informs_the_version() {
    let stand = Stand::new();
    let mut device = SdkDevice::connect(&stand);
    device.order("inform 1.0.0");
    stand.await_device("the version", |state| state.version() == Some("1.0.0"));
    let image = stand.image("1.0.7", &vec![0x5a; 300_000]);
    stand.offer(&image);
    let offer = device.await_happening(0, "offer");
    assert_eq!(
        (&offer["source"], &offer["version"]),
        (&json!("push"), &json!("1.0.7")),
        "{offer}"
    );
    let downloaded = device.await_happening(0, "downloaded");
    assert_eq!(
        (&downloaded["verified"], &downloaded["bytes"]),
        (&json!(true), &json!(300_000)),
        "{downloaded}"
    );
    let state = stand.await_task(TaskState::Succeeded);
    assert_eq!(state.version(), Some("1.0.7"));
}

#[test]
fn it_finds_a_firmware_by_asking() {
    let stand = Stand::new();
    let mut device = SdkDevice::connect(&stand);
    device.order("inform 1.0.0");
    stand.await_device("the version", |state| state.version() == Some("1.0.0"));
    let firmware = stand.upload(&stand.image("1.0.7", &vec![0x5a; 300_000]));
    let silent = Rollout {
        push: false,
        ..Rollout::new(firmware.id, &stand.device)
    };
    stand.start(silent);
    let mark = device.order("query");
    let offer = device.await_happening(mark, "offer");
    assert_eq!(
        (&offer["source"], &offer["version"]),
        (&json!("query"), &json!("1.0.7")),
        "{offer}"
    );
    stand.await_task(TaskState::Succeeded);
}
