use std::time::Duration;

use cloud_emulator::{
    Emulator, Firmware, Options, Package, Rollout, SignMethod, Source, TaskState, Transport, What,
};
use serde_json::{Value, json};

use crate::client::{Device, LIMIT, automatic, emulator, explicit, get, oven, sys};

const UPGRADE: &str = "/ota/device/upgrade/a1Sample001/oven001";
const INFORM: &str = "/ota/device/inform/a1Sample001/oven001";
const PROGRESS: &str = "/ota/device/progress/a1Sample001/oven001";

fn image(emulator: &Emulator) -> Firmware {
    emulator
        .add_firmware(Package::from_bytes("1.1.0", "the new firmware"))
        .unwrap()
}

async fn until(emulator: &Emulator, wanted: TaskState) {
    let what = format!("{wanted:?}");
    emulator
        .wait_until(&oven(), LIMIT, &what, |state| {
            state.task().is_some_and(|task| task.state == wanted)
        })
        .await
        .unwrap();
}

async fn inform(device: &Device, version: &str) {
    device
        .publish(
            INFORM,
            json!({"id": "1", "params": {"version": version}}).to_string(),
        )
        .await;
}

async fn progress(device: &Device, step: &str) {
    device
        .publish(
            PROGRESS,
            json!({"id": "1", "params": {"step": step, "desc": "d"}}).to_string(),
        )
        .await;
}

#[tokio::test]
async fn an_upgrade_goes_from_push_to_success() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    inform(&device, "1.0.0").await;
    emulator
        .wait_until(&oven(), LIMIT, "informed", |state| {
            state.version() == Some("1.0.0")
        })
        .await
        .unwrap();
    let job = emulator
        .start_job(Rollout::new(image(&emulator).id, &oven()))
        .unwrap();
    let push = device.json(UPGRADE).await;
    assert_eq!(push["code"], "1000");
    assert!(push["id"].is_u64());
    let data = &push["data"];
    assert_eq!(
        (&data["version"], &data["size"], &data["signMethod"]),
        (&json!("1.1.0"), &json!(16), &json!("Md5"))
    );
    assert_eq!(data["sign"], data["md5"]);
    for absent in ["dProtocol", "module", "isDiff", "extData", "digestsign"] {
        assert!(data.get(absent).is_none(), "{absent}");
    }
    let file = get(data["url"].as_str().unwrap(), &[]).await;
    assert_eq!(
        (file.status, file.body.as_slice()),
        (200, &b"the new firmware"[..])
    );
    assert_eq!(file.header("content-length"), Some("16"));
    progress(&device, "1").await;
    progress(&device, "100").await;
    until(&emulator, TaskState::InProgress).await;
    inform(&device, "1.1.0").await;
    until(&emulator, TaskState::Succeeded).await;
    let state = emulator.device_state(&oven()).unwrap();
    let steps: Vec<_> = state
        .progress
        .iter()
        .map(|report| (report.step.as_str(), report.job))
        .collect();
    assert_eq!(steps, [("1", Some(job)), ("100", Some(job))]);
}

#[tokio::test]
async fn a_query_finds_the_task_and_nothing_when_there_is_none() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let topic = sys("thing/ota/firmware/get");
    let none = device.ask(&topic, r#"{"id":6, "params":{}}"#).await;
    assert_eq!(
        (&none["id"], &none["code"], &none["data"]),
        (&json!("6"), &json!(200), &json!({}))
    );
    let unpushed = Rollout {
        push: false,
        ..Rollout::new(image(&emulator).id, &oven())
    };
    emulator.start_job(unpushed).unwrap();
    until(&emulator, TaskState::Queued).await;
    let some = device
        .ask(&topic, r#"{"id":"7","params":{"module":"default"}}"#)
        .await;
    assert_eq!(some["data"]["version"], "1.1.0");
    until(&emulator, TaskState::Notified).await;
    let other = device
        .ask(&topic, r#"{"id":"8","params":{"module":"MCU"}}"#)
        .await;
    assert_eq!(other["data"], json!({}), "tasks are kept per module");
    device.nothing_else_comes().await;
}

#[tokio::test]
async fn a_client_that_must_subscribe_is_pushed_to_when_it_has() {
    let emulator = emulator(Options::default());
    emulator
        .start_job(Rollout::new(image(&emulator).id, &oven()))
        .unwrap();
    let mut device = Device::connect(explicit(&emulator)).await.unwrap();
    until(&emulator, TaskState::Queued).await;
    assert!(device.subscribe(UPGRADE).await);
    assert_eq!(device.json(UPGRADE).await["data"]["version"], "1.1.0");
    until(&emulator, TaskState::Notified).await;
}

#[tokio::test]
async fn an_unreported_task_is_pushed_again_on_the_next_connection() {
    let emulator = emulator(Options::default());
    emulator
        .start_job(Rollout::new(image(&emulator).id, &oven()))
        .unwrap();
    for _ in 0..2 {
        let mut device = Device::connect(automatic(&emulator)).await.unwrap();
        device.json(UPGRADE).await;
    }
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    device.json(UPGRADE).await;
    progress(&device, "5").await;
    until(&emulator, TaskState::InProgress).await;
    let mut again = Device::connect(automatic(&emulator)).await.unwrap();
    again.nothing_else_comes().await;
}

#[tokio::test]
async fn a_failed_task_is_pushed_again_after_its_interval() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let retry = Rollout {
        retries: 1,
        retry_interval: Duration::from_millis(50),
        ..Rollout::new(image(&emulator).id, &oven())
    };
    emulator.start_job(retry).unwrap();
    device.json(UPGRADE).await;
    progress(&device, "-2").await;
    device.json(UPGRADE).await;
    progress(&device, "-3").await;
    until(&emulator, TaskState::Failed).await;
    let reason = emulator
        .device_state(&oven())
        .unwrap()
        .task()
        .unwrap()
        .reason
        .clone();
    assert!(reason.unwrap().contains("-3"));
}

#[tokio::test]
async fn the_time_limit_fails_a_task_that_stays_in_progress() {
    let emulator = emulator(Options::default());
    let device = Device::connect(automatic(&emulator)).await.unwrap();
    let limited = Rollout {
        time_limit: Some(Duration::from_millis(50)),
        ..Rollout::new(image(&emulator).id, &oven())
    };
    emulator.start_job(limited).unwrap();
    progress(&device, "1").await;
    until(&emulator, TaskState::Failed).await;
}

#[tokio::test]
async fn the_newer_of_two_jobs_fails_or_replaces_the_older() {
    let emulator = emulator(Options::default());
    let first = emulator
        .start_job(Rollout::new(image(&emulator).id, &oven()))
        .unwrap();
    let second = emulator
        .start_job(Rollout::new(image(&emulator).id, &oven()))
        .unwrap();
    let state = |job| emulator.job_state(job).unwrap().tasks[0].state;
    assert_eq!(
        (state(first), state(second)),
        (TaskState::Queued, TaskState::Failed)
    );
    let third = emulator
        .start_job(Rollout {
            overwrite: true,
            ..Rollout::new(image(&emulator).id, &oven())
        })
        .unwrap();
    assert_eq!(
        (state(first), state(third)),
        (TaskState::Canceled, TaskState::Queued)
    );
    emulator.cancel_job(third).unwrap();
    assert_eq!(state(third), TaskState::Canceled);
}

#[tokio::test]
async fn a_device_at_the_target_or_off_the_deltas_source_is_left_out() {
    let emulator = emulator(Options::default());
    let device = Device::connect(automatic(&emulator)).await.unwrap();
    inform(&device, "1.1.0").await;
    emulator
        .wait_until(&oven(), LIMIT, "informed", |state| {
            state.version().is_some()
        })
        .await
        .unwrap();
    let same = emulator
        .start_job(Rollout::new(image(&emulator).id, &oven()))
        .unwrap();
    assert_eq!(emulator.job_state(same).unwrap().excluded.len(), 1);
    let delta = Package {
        source_version: Some("1.0.0".into()),
        ..Package::from_bytes("1.2.0", "patch")
    };
    let delta = emulator.add_firmware(delta).unwrap();
    let job = emulator.start_job(Rollout::new(delta.id, &oven())).unwrap();
    assert_eq!(emulator.job_state(job).unwrap().excluded.len(), 1);
}

#[tokio::test]
async fn an_offer_of_several_files_carries_all_its_members() {
    let emulator = emulator(Options::default());
    let package = Package {
        files: vec![
            Source::Bytes("one.bin".into(), b"1".to_vec()),
            Source::Bytes("two bin".into(), b"22".to_vec()),
        ],
        ..Package::from_bytes("2.0.0", "")
            .module("MCU")
            .sign_method(SignMethod::Sha256)
            .custom("{\"a\":1}")
    };
    let firmware = emulator.add_firmware(package).unwrap();
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let tags = [("kitchen".to_owned(), "north".to_owned())].into();
    emulator
        .start_job(Rollout {
            tags,
            ..Rollout::new(firmware.id, &oven())
        })
        .unwrap();
    let data = device.json(UPGRADE).await["data"].take();
    assert_eq!(
        (&data["module"], &data["signMethod"]),
        (&json!("MCU"), &json!("SHA256"))
    );
    assert_eq!(
        data["extData"],
        json!({"kitchen": "north", "_package_udi": "{\"a\":1}"})
    );
    assert!(data.get("url").is_none() && data.get("size").is_none());
    let files = data["files"].as_array().unwrap();
    assert_eq!(
        (&files[1]["fileSize"], &files[1]["fileName"]),
        (&json!(2), &json!("two_bin"))
    );
    assert!(files[1].get("fileMd5").is_none());
    let got = get(files[1]["fileUrl"].as_str().unwrap(), &[]).await;
    assert_eq!(got.body, b"22");
}

#[tokio::test]
async fn any_bytes_can_be_pushed_as_an_offer() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    assert!(emulator.push_raw(&oven(), &b"\xff not JSON"[..]));
    let hostile = device.message().await;
    assert_eq!(
        (hostile.topic.as_str(), &hostile.payload[..]),
        (UPGRADE, &b"\xff not JSON"[..])
    );
    let mut offer = emulator.offer(&image(&emulator), Transport::Http);
    offer["size"] = json!(-1);
    assert!(emulator.push_offer(&oven(), &offer));
    assert_eq!(device.json(UPGRADE).await["data"]["size"], -1);
}

#[tokio::test]
async fn the_old_request_topic_is_answered_on_the_upgrade_topic() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    emulator
        .start_job(Rollout {
            push: false,
            ..Rollout::new(image(&emulator).id, &oven())
        })
        .unwrap();
    device
        .publish(
            "/ota/device/request/a1Sample001/oven001",
            r#"{"id":1,"params":{}}"#,
        )
        .await;
    assert_eq!(device.json(UPGRADE).await["data"]["version"], "1.1.0");
}

#[tokio::test]
async fn a_version_report_with_all_real_oddities_is_understood() {
    let emulator = emulator(Options::default());
    let device = Device::connect(automatic(&emulator)).await.unwrap();
    device
        .publish(
            INFORM,
            &b"{\"id\":1, \"params\":{\"version\":\"1.0.1\",},}\0"[..],
        )
        .await;
    device
        .publish(
            INFORM,
            r#"{"id":2,"params":{"version":"9","module":"MCU"}}"#,
        )
        .await;
    let state = emulator
        .wait_until(&oven(), LIMIT, "two modules", |state| {
            state.versions.len() == 2
        })
        .await
        .unwrap();
    assert_eq!(
        (state.version(), state.versions["MCU"].as_str()),
        (Some("1.0.1"), "9")
    );
    let replies = emulator
        .journal()
        .iter()
        .filter(|entry| matches!(entry.what, What::Out(_)))
        .count();
    assert_eq!(replies, 0, "a version report is not answered");
}

fn block_request(offset: u64, size: u64, stream: &Value) -> String {
    // With the superfluous comma of the C SDK.
    format!(
        r#"{{"id":"5","params":{{"fileToken":"t","fileInfo":{{"streamId":{stream},"fileId":1,}},"fileBlock":{{"size":{size},"offset":{offset}}}}}}}"#
    )
}

async fn block(device: &mut Device, request: String) -> (Value, Vec<u8>) {
    device.publish(&sys("thing/file/download"), request).await;
    let frame = device.message().await.payload;
    let length = usize::from(u16::from_be_bytes([frame[0], frame[1]]));
    let header = serde_json::from_slice(&frame[2..2 + length]).unwrap();
    (header, frame[2 + length..].to_vec())
}

#[tokio::test]
async fn a_file_comes_in_blocks_over_mqtt() {
    let emulator = emulator(Options::default());
    let bytes: Vec<u8> = (0..1000u32).map(|n| n as u8).collect();
    let firmware = emulator
        .add_firmware(Package::from_bytes("1.1.0", bytes.clone()))
        .unwrap();
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    emulator
        .start_job(Rollout {
            transport: Transport::Mqtt,
            ..Rollout::new(firmware.id, &oven())
        })
        .unwrap();
    let data = device.json(UPGRADE).await["data"].take();
    assert_eq!(
        (&data["dProtocol"], &data["streamFileId"]),
        (&json!("mqtt"), &json!(1))
    );
    assert!(data.get("url").is_none());
    let stream = &data["streamId"];
    let (header, body) = block(&mut device, block_request(0, 600, stream)).await;
    assert_eq!(
        header["data"],
        json!({"bOffset": 0, "bSize": 600, "fileLength": 1000, "fileToken": "t"})
    );
    assert_eq!(body[..600], bytes[..600]);
    assert_eq!(body.len(), 602);
    let (header, body) = block(&mut device, block_request(600, 600, stream)).await;
    assert_eq!(
        (&header["data"]["bSize"], &body[..400]),
        (&json!(400), &bytes[600..])
    );
    for bad in [
        block_request(0, 255, stream),
        block_request(1000, 256, stream),
        block_request(0, 131_073, stream),
        block_request(0, 256, &json!(99)),
    ] {
        let (header, rest) = block(&mut device, bad).await;
        assert_eq!(
            (&header["code"], header.get("data"), rest.len()),
            (&json!(460), None, 0)
        );
    }
}

/// What OpenSSL 3 signs with the key beside this file: RSA, PKCS #1 v1.5, SHA-256 over the 16 raw bytes of MD5("hello").
const SIGNED_BY_OPENSSL: &str = concat!(
    "Yl1QrgSJSvEvVLT+xz55b7Zhzr+PpGmJkLgSWLtYN8T2BMebwQQS1ShBKK0A19KCH9OQDQv2NF8TjECZ4g+a5g",
    "g/6bfzUproksVd/k3ooTcGyZKsLgCQnpDYDg5A+iE8IhwSzU6rUEBvqdQUy/DB06NoO6jk2I/bjCfSS0+RFDIe",
    "T86CQYdJ1XHeJNqE7gfw6aEFAhXU6iMpCxwxiH2UEDlsf1OfmQmfENd+Z4FwuHk/Rlovje7J6aGWVaLHBTe5Nh",
    "h432qLxyGTqopDbgLuwDsAx4/hW3g8/7Klp+FBAIyreAVX4fl4wv3iiqdkEPvCRuv4+lRZzxgQsK1J+PRq9A==",
);

#[tokio::test]
async fn a_secure_offer_carries_the_signed_digest() {
    let emulator = emulator(Options::default());
    let key = include_str!("synthetic-digest-key.pem");
    let package = Package {
        digest_key: Some(key.to_owned()),
        ..Package::from_bytes("1.1.0", "hello")
    };
    let firmware = emulator.add_firmware(package).unwrap();
    let offer = emulator.offer(&firmware, Transport::Http);
    assert_eq!(offer["digestsign"], SIGNED_BY_OPENSSL);
    let unusable = Package {
        digest_key: Some("no key".to_owned()),
        ..Package::from_bytes("1.1.0", "hello")
    };
    assert!(emulator.add_firmware(unusable).is_err());
}
