use cloud_emulator::{Emulator, Fault, FaultName, Options, Package, Rollout, Transport, What};
use rumqttc::{Packet, QoS};
use serde_json::{Value, json};

use crate::client::{Device, automatic, emulator, oven, sys};

const UPGRADE: &str = "/ota/device/upgrade/a1Sample001/oven001";

fn start(emulator: &Emulator) {
    let firmware = emulator
        .add_firmware(Package::from_bytes("1.1.0", "x"))
        .unwrap();
    emulator
        .start_job(Rollout::new(firmware.id, &oven()))
        .unwrap();
}

#[tokio::test]
async fn an_acknowledgement_can_be_withheld() {
    let emulator = emulator(Options::default());
    emulator.fault(Fault::new(FaultName::WithholdPuback).times(1));
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    for _ in 0..2 {
        device
            .client
            .publish("/a1Sample001/oven001/user/x", QoS::AtLeastOnce, false, "x")
            .await
            .unwrap();
    }
    let acknowledged = loop {
        if let Packet::PubAck(ack) = device.packet().await.unwrap() {
            break ack.pkid;
        }
    };
    assert_eq!(
        (acknowledged, emulator.struck(FaultName::WithholdPuback)),
        (2, 1)
    );
}

#[tokio::test]
async fn another_session_can_be_pretended() {
    let emulator = emulator(Options::default());
    emulator.fault(Fault::new(FaultName::KickSameDevice).n(10).times(1));
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    device.closed().await;
    assert!(
        emulator
            .journal()
            .iter()
            .any(|entry| matches!(entry.what, What::Kick { .. }))
    );
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    device.nothing_else_comes().await;
}

#[tokio::test]
async fn the_connection_can_be_dropped_at_a_publish() {
    let emulator = emulator(Options::default());
    emulator.fault(Fault::new(FaultName::DropConnection).times(1));
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    device.publish("/a1Sample001/oven001/user/x", "x").await;
    device.closed().await;
}

#[tokio::test]
async fn an_offer_can_come_twice_during_an_update_and_for_the_running_version() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    emulator.fault(Fault::new(FaultName::DuplicatePush).times(1));
    start(&emulator);
    device.json(UPGRADE).await;
    device.json(UPGRADE).await;
    emulator.fault(Fault::new(FaultName::PushWhileUpdating).times(1));
    device
        .publish(
            "/ota/device/progress/a1Sample001/oven001",
            r#"{"id":"1","params":{"step":"5","desc":""}}"#,
        )
        .await;
    assert_eq!(device.json(UPGRADE).await["data"]["version"], "1.1.0");
    emulator.fault(Fault::new(FaultName::PushRunningVersion).times(1));
    device
        .publish(
            "/ota/device/inform/a1Sample001/oven001",
            r#"{"id":"1","params":{"version":"1.0.0"}}"#,
        )
        .await;
    assert_eq!(device.json(UPGRADE).await["data"]["version"], "1.0.0");
    device.nothing_else_comes().await;
}

async fn ask_block(device: &Device, stream: &Value) {
    let request = json!({"id": "5", "params": {"fileInfo": {"streamId": stream, "fileId": 1}, "fileBlock": {"size": 256, "offset": 0}}});
    device
        .publish(&sys("thing/file/download"), request.to_string())
        .await;
}

struct Frame {
    header: Value,
    body: Vec<u8>,
    sum: [u8; 2],
}

async fn frame(device: &mut Device) -> Frame {
    let frame = device.message().await.payload;
    let length = usize::from(u16::from_be_bytes([frame[0], frame[1]]));
    let header = serde_json::from_slice(&frame[2..2 + length]).unwrap();
    let rest = &frame[2 + length..];
    let (body, sum) = rest.split_at(rest.len().saturating_sub(2));
    Frame {
        header,
        body: body.to_vec(),
        sum: sum.try_into().unwrap_or_default(),
    }
}

#[tokio::test]
async fn blocks_over_mqtt_go_wrong_as_told() {
    let emulator = emulator(Options::default());
    let firmware = emulator
        .add_firmware(Package::from_bytes("1.1.0", "123456789"))
        .unwrap();
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    emulator
        .start_job(Rollout {
            transport: Transport::Mqtt,
            ..Rollout::new(firmware.id, &oven())
        })
        .unwrap();
    let stream = device.json(UPGRADE).await["data"]["streamId"].take();
    ask_block(&device, &stream).await;
    let good = frame(&mut device).await;
    // The published check value of CRC-16/ARC over these nine bytes is 0xBB3D, sent low byte first.
    assert_eq!(
        (good.body.as_slice(), good.sum),
        (&b"123456789"[..], [0x3d, 0xbb])
    );

    emulator.fault(Fault::new(FaultName::WrongCrc).times(1));
    ask_block(&device, &stream).await;
    assert_ne!(frame(&mut device).await.sum, good.sum);

    emulator.fault(Fault::new(FaultName::WrongOffset).n(7).times(1));
    ask_block(&device, &stream).await;
    assert_eq!(frame(&mut device).await.header["data"]["bOffset"], 7);

    emulator.fault(Fault::new(FaultName::ErrorHeader).n(429).times(1));
    ask_block(&device, &stream).await;
    let error = frame(&mut device).await;
    assert_eq!(
        (&error.header["code"], error.header.get("data")),
        (&json!(429), None)
    );

    emulator.fault(Fault::new(FaultName::LostReply).times(1));
    ask_block(&device, &stream).await;
    device.nothing_else_comes().await;

    emulator.fault(Fault::new(FaultName::DuplicateReply).times(1));
    ask_block(&device, &stream).await;
    for _ in 0..2 {
        assert_eq!(frame(&mut device).await.body, good.body);
    }
    device.nothing_else_comes().await;
    let all: Vec<_> = emulator.faults().iter().map(|state| state.struck).collect();
    assert_eq!(all, [1; 5]);
}
