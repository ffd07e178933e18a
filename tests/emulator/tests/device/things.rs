use cloud_emulator::Options;
use serde_json::json;

use crate::client::{Device, automatic, emulator, oven, sys};

#[tokio::test]
async fn posted_properties_are_stored_with_their_times() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let topic = sys("thing/event/property/post");
    let reply = device
        .ask(&topic, r#"{"id":"123","version":"1.0","method":"thing.event.property.post","params":{"a":25.5,"b":{"value":1,"time":1524448722000},"c":{"x":1}}}"#)
        .await;
    assert_eq!(
        reply,
        json!({"id": "123", "code": 200, "data": {}, "message": "success", "method": "thing.event.property.post", "version": "1.0"})
    );
    let state = emulator.device_state(&oven()).unwrap();
    assert_eq!(state.property("a"), Some(&json!(25.5)));
    assert_eq!(
        (&state.properties["b"].value, state.properties["b"].time),
        (&json!(1), 1_524_448_722_000)
    );
    assert_eq!(
        state.property("c"),
        Some(&json!({"x": 1})),
        "a struct is no wrapper"
    );
}

#[tokio::test]
async fn posts_the_platform_refuses_are_refused() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let topic = sys("thing/event/property/post");
    let many: serde_json::Map<_, _> = (0..201).map(|n| (format!("p{n}"), json!(n))).collect();
    let too_many = json!({"id": "1", "params": many}).to_string();
    assert_eq!(device.ask(&topic, &too_many).await["code"], 6106);
    assert_eq!(
        device.ask(&topic, r#"{"id":"2","params":[1]}"#).await["code"],
        460
    );
    let future = r#"{"id":"3","params":{"a":{"value":1,"time":99999999999999}}}"#;
    assert_eq!(device.ask(&topic, future).await["code"], 460);
    assert_eq!(
        device.ask(&sys("thing/mystery"), r#"{"id":"4"}"#).await["code"],
        6813
    );
    assert!(
        emulator
            .device_state(&oven())
            .unwrap()
            .properties
            .is_empty()
    );
}

#[tokio::test]
async fn a_request_that_wants_no_answer_gets_none() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    device
        .publish(
            &sys("thing/event/property/post"),
            r#"{"id":"1","sys":{"ack":0},"params":{"a":1}}"#,
        )
        .await;
    device.nothing_else_comes().await;
    assert_eq!(
        emulator.device_state(&oven()).unwrap().property("a"),
        Some(&json!(1))
    );
}

#[tokio::test]
async fn events_are_taken_with_and_without_their_wrapper() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let topic = sys("thing/event/overheat_alarm/post");
    device
        .ask(
            &topic,
            r#"{"id":1,"params":{"value":{"t":255.0},"time":7}}"#,
        )
        .await;
    device
        .ask(&topic, r#"{"id":2,"params":{"value":{"t":256.0}}}"#)
        .await;
    device.ask(&topic, r#"{"id":3,"params":{"t":257.0}}"#).await;
    let events = emulator.device_state(&oven()).unwrap().events;
    let outputs: Vec<_> = events
        .iter()
        .map(|event| event.outputs["t"].as_f64().unwrap())
        .collect();
    assert_eq!(outputs, [255.0, 256.0, 257.0]);
    assert_eq!(
        (events[0].name.as_str(), events[0].time),
        ("overheat_alarm", 7)
    );
}

#[tokio::test]
async fn batches_and_histories_keep_the_newest_value() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let batch = json!({"properties": {"p": [{"value": 1, "time": 100}, {"value": 3, "time": 300}, {"value": 2, "time": 200}]},
        "events": {"e": [{"value": {"x": 1}, "time": 5}]}});
    let reply = device
        .ask(
            &sys("thing/event/property/batch/post"),
            &json!({"id": "1", "params": batch}).to_string(),
        )
        .await;
    assert_eq!(reply["code"], 200);
    let state = emulator.device_state(&oven()).unwrap();
    assert_eq!(
        (state.property("p"), state.events.len()),
        (Some(&json!(3)), 1)
    );
    let history =
        json!({"id": "2", "params": [{"properties": {"p": [{"value": 9, "time": 900}]}}]});
    assert_eq!(
        device
            .ask(
                &sys("thing/event/property/history/post"),
                &history.to_string()
            )
            .await["code"],
        200
    );
    assert_eq!(
        emulator.device_state(&oven()).unwrap().property("p"),
        Some(&json!(9))
    );
}

#[tokio::test]
async fn desired_values_are_told_fetched_and_deleted_by_version() {
    let emulator = emulator(Options::default());
    let desired = json!({"target_temperature": 180.0})
        .as_object()
        .unwrap()
        .clone();
    emulator.set_desired(&oven(), &desired);
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let get = sys("thing/property/desired/get");
    let found = device
        .ask(
            &get,
            r#"{"id":"1","params":["target_temperature","unknown"]}"#,
        )
        .await;
    assert_eq!(
        found["data"],
        json!({"target_temperature": {"value": 180.0, "version": 1}})
    );
    assert_eq!(
        device.ask(&get, r#"{"id":"2","params":[]}"#).await["code"],
        460
    );
    emulator.set_desired(&oven(), &desired);
    let pushed = device.json(&sys("thing/service/property/set")).await;
    assert_eq!(pushed["params"], json!({"target_temperature": 180.0}));
    let delete = sys("thing/property/desired/delete");
    device
        .ask(
            &delete,
            r#"{"id":"3","params":{"target_temperature":{"version":1}}}"#,
        )
        .await;
    assert_eq!(
        emulator.device_state(&oven()).unwrap().desired.len(),
        1,
        "a stale version deletes nothing"
    );
    device
        .ask(
            &delete,
            r#"{"id":"4","params":{"target_temperature":{"version":2}}}"#,
        )
        .await;
    assert!(emulator.device_state(&oven()).unwrap().desired.is_empty());
}

#[tokio::test]
async fn tags_can_be_set_and_deleted() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let update = r#"{"id":"1","params":[{"attrKey":"a","attrValue":"1","domain":"SYSTEM"},{"attrKey":"b","attrValue":"2"}]}"#;
    assert_eq!(
        device.ask(&sys("thing/deviceinfo/update"), update).await["code"],
        200
    );
    assert_eq!(
        device
            .ask(
                &sys("thing/deviceinfo/delete"),
                r#"{"id":"2","params":[{"attrKey":"a"}]}"#
            )
            .await["code"],
        200
    );
    let tags = emulator.device_state(&oven()).unwrap().tags;
    assert_eq!(
        tags.into_iter().collect::<Vec<_>>(),
        [("b".to_owned(), "2".to_owned())]
    );
}

#[tokio::test]
async fn the_clock_answers_with_strings() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    for sent in [
        r#"{"deviceSendTime":"1571724098000"}"#,
        r#"{"deviceSendTime":1571724098000}"#,
    ] {
        device
            .publish("/ext/ntp/a1Sample001/oven001/request", sent)
            .await;
        let answer = device.json("/ext/ntp/a1Sample001/oven001/response").await;
        assert_eq!(answer["deviceSendTime"], "1571724098000");
        for key in ["serverRecvTime", "serverSendTime"] {
            let time: u64 = answer[key].as_str().unwrap().parse().unwrap();
            assert!(time > 1_700_000_000_000, "{time}");
        }
    }
}

#[tokio::test]
async fn remote_configuration_is_fetched_and_pushed() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let topic = sys("thing/config/get");
    let ask = r#"{"id":"1","version":"1.0","method":"thing.config.get","params":{"configScope":"product","getType":"file"}}"#;
    assert_eq!(device.ask(&topic, ask).await["code"], 6710);
    emulator.set_config("a1Sample001", b"{\"a\":1}").unwrap();
    let data = device.ask(&topic, ask).await["data"].take();
    assert_eq!(
        (&data["configSize"], &data["signMethod"], &data["getType"]),
        (&json!(7), &json!("Sha256"), &json!("file"))
    );
    let file = crate::client::get(data["url"].as_str().unwrap(), &[]).await;
    assert_eq!((file.status, &file.body[..]), (200, &b"{\"a\":1}"[..]));
    let oven = oven();
    let push = emulator.push_config(&oven);
    let answer = async {
        let pushed = device.json(&sys("thing/config/push")).await;
        assert_eq!(pushed["params"]["configSize"], 7);
        let reply = json!({"id": pushed["id"], "code": 200, "data": {}}).to_string();
        device.publish(&sys("thing/config/push_reply"), reply).await;
    };
    let (pushed, ()) = tokio::join!(push, answer);
    assert_eq!(pushed.unwrap().code, 200);
}

#[tokio::test]
async fn log_reports_can_be_switched_on() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let topic = sys("thing/config/log/get");
    let ask = r#"{"id":"1","params":{"configScope":"device","getType":"content"}}"#;
    assert_eq!(device.ask(&topic, ask).await["data"]["content"]["mode"], 0);
    emulator.set_log_mode(&oven(), true);
    assert_eq!(
        device.json(&sys("thing/config/log/push")).await["params"]["content"]["mode"],
        1
    );
    assert_eq!(device.ask(&topic, ask).await["data"]["content"]["mode"], 1);
    assert_eq!(
        device
            .ask(&sys("thing/log/post"), r#"{"id":"2","params":[]}"#)
            .await["code"],
        200
    );
}

#[tokio::test]
async fn a_condition_that_never_comes_true_shows_the_last_state() {
    let emulator = emulator(Options::default());
    let limit = std::time::Duration::from_millis(10);
    let error = emulator
        .wait_until(&oven(), limit, "the impossible", |_| false)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("the impossible") && error.last.contains("\"online\":false"),
        "{error}"
    );
}
