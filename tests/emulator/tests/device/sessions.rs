use std::time::Duration;

use cloud_emulator::{Options, What};
use rumqttc::{Packet, Publish, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Device, LIMIT, PASSWORD, automatic, emulator, explicit, oven, sys};

#[tokio::test]
async fn the_newer_connection_of_an_identity_closes_the_older() {
    let emulator = emulator(Options::default());
    let mut older = Device::connect(automatic(&emulator)).await.unwrap();
    let mut newer = Device::connect(explicit(&emulator)).await.unwrap();
    older.closed().await;
    newer.subscribe(&sys("#")).await;
    newer.nothing_else_comes().await;
    let state = emulator.device_state(&oven()).unwrap();
    assert_eq!(
        (state.online, state.counters.connects, state.counters.kicks),
        (true, 2, 1)
    );
}

#[tokio::test]
async fn foreign_topics_cannot_be_subscribed() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(explicit(&emulator)).await.unwrap();
    assert!(device.subscribe(&sys("thing/#")).await);
    for foreign in [
        "#",
        "/sys/a1Sample001/oven002/#",
        "/ota/device/upgrade/a1Sample001/+",
        "/sys/+/oven001/#",
    ] {
        assert!(!device.subscribe(foreign).await, "{foreign}");
    }
}

#[tokio::test]
async fn a_foreign_topic_cannot_be_published_to() {
    let emulator = emulator(Options::default());
    let other = cloud_emulator::DeviceId::new("a1Sample001", "oven002");
    emulator.add_device(&other, "x");
    let device = Device::connect(automatic(&emulator)).await.unwrap();
    device
        .publish(
            "/ota/device/inform/a1Sample001/oven002",
            r#"{"id":"1","params":{"version":"9"}}"#,
        )
        .await;
    let refused = |entry: &cloud_emulator::Entry| matches!(&entry.what, What::Note { text } if text.contains("6813"));
    emulator
        .wait_for_entry(0, LIMIT, "a note", refused)
        .await
        .unwrap();
    assert_eq!(emulator.device_state(&other).unwrap().version(), None);
}

#[tokio::test]
async fn an_unsubscribed_automatic_topic_is_silent() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let topic = sys("thing/service/property/set");
    device.client.unsubscribe(topic.clone()).await.unwrap();
    while !matches!(device.packet().await.unwrap(), Packet::UnsubAck(_)) {}
    assert!(!emulator.publish(&oven(), &topic, "{}", 0));
    assert!(emulator.publish(&oven(), &sys("thing/service/x"), "{}", 0));
    assert_eq!(device.message().await.topic, sys("thing/service/x"));
}

#[tokio::test]
async fn subscribing_to_automatic_topics_does_not_double_them() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    device.subscribe(&sys("thing/service/#")).await;
    device.subscribe(&sys("thing/service/+")).await;
    assert!(emulator.publish(&oven(), &sys("thing/service/x"), "{}", 0));
    assert_eq!(device.message().await.topic, sys("thing/service/x"));
    device.nothing_else_comes().await;
}

#[tokio::test]
async fn a_qos_1_publish_is_acknowledged_and_qos_2_closes() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    device
        .client
        .publish("/a1Sample001/oven001/user/x", QoS::AtLeastOnce, false, "x")
        .await
        .unwrap();
    while !matches!(device.packet().await.unwrap(), Packet::PubAck(_)) {}
    device
        .client
        .publish("/a1Sample001/oven001/user/x", QoS::ExactlyOnce, false, "x")
        .await
        .unwrap();
    device.closed().await;
    let told = |entry: &cloud_emulator::Entry| matches!(&entry.what, What::Disconnect { reason, .. } if reason.contains("QoS 2"));
    emulator
        .wait_for_entry(0, LIMIT, "the reason", told)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_marked_as_duplicate() {
    let emulator = emulator(Options::default());
    let mut kept = automatic(&emulator);
    kept.set_clean_session(false);
    kept.set_manual_acks(true);
    let mut device = Device::connect(kept.clone()).await.unwrap();
    assert!(!device.accepted.session_present);
    assert!(emulator.publish(&oven(), &sys("thing/service/x"), "1", 1));
    let first = device.message().await;
    assert!(!first.dup);
    emulator.drop_connection(&oven());
    device.closed().await;
    assert!(
        emulator.publish(&oven(), &sys("thing/service/x"), "2", 1),
        "kept for the next connection"
    );
    assert!(
        !emulator.publish(&oven(), &sys("thing/service/x"), "3", 0),
        "QoS 0 is lost"
    );

    let mut device = Device::connect(kept).await.unwrap();
    assert!(device.accepted.session_present);
    let Publish {
        dup, payload, pkid, ..
    } = device.message().await;
    assert_eq!((dup, &payload[..], pkid), (true, &b"1"[..], first.pkid));
    let second = device.message().await;
    assert_eq!((second.dup, &second.payload[..]), (false, &b"2"[..]));
    device.client.ack(&first).await.unwrap();
    device.client.ack(&second).await.unwrap();
    device.nothing_else_comes().await;

    let mut clean = Device::connect(automatic(&emulator)).await.unwrap();
    assert!(!clean.accepted.session_present);
    clean.nothing_else_comes().await;
}

#[tokio::test]
async fn a_payload_over_the_limit_closes_and_one_at_the_limit_does_not() {
    let emulator = emulator(Options {
        payload_limit: 5000,
        ..Options::default()
    });
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    device
        .publish("/a1Sample001/oven001/user/x", vec![b'x'; 5000])
        .await;
    device.nothing_else_comes().await;
    device
        .publish("/a1Sample001/oven001/user/x", vec![b'x'; 5001])
        .await;
    device.closed().await;
}

#[tokio::test]
async fn a_silent_connection_is_cut_after_one_and_a_half_keepalives() {
    let emulator = emulator(Options {
        keepalive: None,
        ..Options::default()
    });
    let mut socket = tokio::net::TcpStream::connect(emulator.mqtt_address())
        .await
        .unwrap();
    let mut connect =
        rumqttc::Connect::new("a1Sample001.oven001|timestamp=2524608000000,signmethod=hmacsha256|");
    connect.keep_alive = 1;
    connect.set_login("oven001&a1Sample001", PASSWORD);
    let mut bytes = bytes::BytesMut::new();
    connect.write(&mut bytes).unwrap();
    let begun = std::time::Instant::now();
    socket.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(LIMIT, socket.read_to_end(&mut answer))
        .await
        .expect("never cut")
        .unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0]);
    assert!(
        begun.elapsed() >= Duration::from_millis(1500),
        "{:?}",
        begun.elapsed()
    );
    let told = |entry: &cloud_emulator::Entry| matches!(&entry.what, What::Disconnect { reason, .. } if reason.contains("silent"));
    emulator
        .wait_for_entry(0, LIMIT, "the reason", told)
        .await
        .unwrap();
}

#[tokio::test]
async fn pings_are_answered_and_counted() {
    let emulator = emulator(Options {
        keepalive: None,
        ..Options::default()
    });
    let mut brisk = automatic(&emulator);
    brisk.set_keep_alive(Duration::from_secs(1));
    let mut device = Device::connect(brisk).await.unwrap();
    while !matches!(device.packet().await.unwrap(), Packet::PingResp) {}
    assert!(emulator.device_state(&oven()).unwrap().counters.pings >= 1);
}

#[tokio::test]
async fn a_kick_and_a_drop_end_the_connection_and_say_which() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    assert!(emulator.kick(&oven()));
    device.closed().await;
    assert!(!emulator.kick(&oven()), "it is offline");
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    assert!(emulator.drop_connection(&oven()));
    device.closed().await;
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    assert!(emulator.enable_device(&oven(), false));
    device.closed().await;
    let counters = emulator.device_state(&oven()).unwrap().counters;
    assert_eq!(
        (counters.connects, counters.kicks, counters.disconnects),
        (3, 1, 3)
    );
}
