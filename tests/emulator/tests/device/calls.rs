use std::time::Duration;

use cloud_emulator::{Answer, CallError, Emulator, Options, RrpcForm};
use serde_json::{Value, json};

use crate::client::{Device, automatic, emulator, explicit, oven, sys};

/// Answers the next message on a topic that begins and ends so, with this answer.
async fn answer_next(
    device: &mut Device,
    begins: &str,
    ends: &str,
    answer: Value,
    reply: impl Fn(&str) -> String,
) -> Value {
    loop {
        let publish = device.message().await;
        if publish.topic.starts_with(begins) && publish.topic.ends_with(ends) {
            let request: Value = serde_json::from_slice(&publish.payload).unwrap();
            let mut answer = answer;
            answer["id"] = request["id"].clone();
            device
                .publish(&reply(&publish.topic), answer.to_string())
                .await;
            return request;
        }
    }
}

fn good(data: Value) -> Answer {
    Answer {
        code: 200,
        data,
        message: None,
    }
}

#[tokio::test]
async fn a_property_set_waits_for_the_devices_answer() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let oven = oven();
    let topic = sys("thing/service/property/set");
    let (set, request) = tokio::join!(
        emulator.set_property(&oven, json!({"target_temperature": 180.0})),
        answer_next(
            &mut device,
            &topic,
            "",
            json!({"code": 200, "data": {}}),
            |topic| format!("{topic}_reply")
        ),
    );
    assert_eq!(set, Ok(good(json!({}))));
    assert_eq!(
        (&request["params"], &request["method"]),
        (
            &json!({"target_temperature": 180.0}),
            &json!("thing.service.property.set")
        )
    );
    assert!(request["id"].is_string());
    assert!(
        emulator.device_state(&oven).unwrap().properties.is_empty(),
        "the answer alone stores nothing"
    );
}

#[tokio::test]
async fn a_service_call_returns_also_a_refusal() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let oven = oven();
    let topic = sys("thing/service/start_timer");
    let refusal = json!({"code": "100001", "data": {}, "message": "door open"});
    let (call, request) = tokio::join!(
        emulator.call_service(&oven, "start_timer", json!({"time": 5})),
        answer_next(&mut device, &topic, "", refusal, |topic| format!(
            "{topic}_reply"
        )),
    );
    assert_eq!(
        call,
        Ok(Answer {
            code: 100_001,
            data: json!({}),
            message: Some("door open".into())
        })
    );
    assert_eq!(request["params"], json!({"time": 5}));
}

async fn sync_call(
    emulator: &Emulator,
    device: &mut Device,
    form: RrpcForm,
) -> Result<Answer, CallError> {
    let oven = oven();
    let (begins, ends) = match form {
        RrpcForm::System => ("/sys/a1Sample001/oven001/rrpc/request/", ""),
        RrpcForm::Custom => (
            "/ext/rrpc/",
            "/sys/a1Sample001/oven001/thing/service/toggle_door",
        ),
    };
    let reply = |topic: &str| topic.replace("/rrpc/request/", "/rrpc/response/");
    let (call, request) = tokio::join!(
        emulator.call_sync(&oven, form, "toggle_door", json!({})),
        answer_next(
            device,
            begins,
            ends,
            json!({"code": 200, "data": {"door_status": 1}}),
            reply
        ),
    );
    assert_eq!(request["method"], "thing.service.toggle_door");
    call
}

#[tokio::test]
async fn a_synchronous_call_travels_both_ways() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    for form in [RrpcForm::System, RrpcForm::Custom] {
        let answer = sync_call(&emulator, &mut device, form).await;
        assert_eq!(answer, Ok(good(json!({"door_status": 1}))), "{form:?}");
    }
}

#[tokio::test]
async fn a_subscribing_client_gets_synchronous_calls_too() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(explicit(&emulator)).await.unwrap();
    assert!(device.subscribe(&sys("rrpc/request/+")).await);
    assert!(
        device
            .subscribe("/ext/rrpc/+/sys/a1Sample001/oven001/thing/service/+")
            .await
    );
    for form in [RrpcForm::System, RrpcForm::Custom] {
        assert_eq!(
            sync_call(&emulator, &mut device, form).await,
            Ok(good(json!({"door_status": 1}))),
            "{form:?}"
        );
    }
}

#[tokio::test]
async fn any_bytes_can_be_called_and_answered() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let oven = oven();
    let echo = async {
        let publish = device.message().await;
        assert!(
            publish.topic.ends_with("/a1Sample001/oven001/user/x"),
            "{}",
            publish.topic
        );
        device
            .publish(&publish.topic, publish.payload.to_vec())
            .await;
    };
    let (answer, ()) = tokio::join!(
        emulator.rrpc(&oven, Some("/a1Sample001/oven001/user/x"), &b"\xff\x00"[..]),
        echo
    );
    assert_eq!(&answer.unwrap()[..], b"\xff\x00");
}

#[tokio::test]
async fn each_way_to_get_no_answer_has_its_error() {
    let emulator = emulator(Options {
        answer_limit: Duration::from_millis(20),
        ..Options::default()
    });
    let oven = oven();
    let set = || emulator.set_property(&oven, json!({"a": 1}));
    assert!(
        matches!(set().await, Err(CallError::Undelivered { reason, .. }) if reason.contains("offline"))
    );
    let stranger = cloud_emulator::DeviceId::new("a1Sample001", "nobody");
    assert!(matches!(
        emulator.set_property(&stranger, json!({})).await,
        Err(CallError::UnknownDevice(_))
    ));
    let deaf = Device::connect(explicit(&emulator)).await.unwrap();
    assert!(
        matches!(set().await, Err(CallError::Undelivered { reason, .. }) if reason.contains("subscribed"))
    );
    drop(deaf);
    let _mute = Device::connect(automatic(&emulator)).await.unwrap();
    assert!(matches!(set().await, Err(CallError::Silent { .. })));
    assert!(matches!(
        emulator.push_config(&oven).await,
        Err(CallError::NoConfiguration(_))
    ));
}

#[tokio::test]
async fn an_answer_without_a_code_is_an_error() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let oven = oven();
    let topic = sys("thing/service/property/set");
    let (set, _) = tokio::join!(
        emulator.set_property(&oven, json!({"a": 1})),
        answer_next(
            &mut device,
            &topic,
            "",
            json!({"data": {}}),
            |topic| format!("{topic}_reply")
        ),
    );
    assert!(matches!(set, Err(CallError::Unreadable { .. })), "{set:?}");
}
