use super::*;
use proptest::prelude::{any, proptest};
use serde_json::Value as Json;
use worker_protocol::Value;

fn text(payload: &[u8]) -> &str {
    std::str::from_utf8(payload).unwrap()
}

fn whole(written: &Written) -> &str {
    assert_eq!(written.omitted, []);
    text(&written.payload)
}

fn version() -> Version {
    "1.0.1".parse().unwrap()
}

fn oven() -> ValueMap {
    ValueMap::from([
        ("current_temperature".to_owned(), Value::Float(180.0)),
        ("heater_status".to_owned(), Value::Bool(true)),
        ("operation_mode".to_owned(), Value::Text("预热中".into())),
        ("remaining_time".to_owned(), Value::Int(12)),
    ])
}

#[test]
fn an_inform_is_written_as_the_documents_have_it() {
    assert_eq!(
        text(&inform(&Id::from(123), &version(), None)),
        r#"{"id":"123","params":{"version":"1.0.1"}}"#
    );
    assert_eq!(
        text(&inform(&Id::from(124), &version(), Some("MCU"))),
        r#"{"id":"124","params":{"version":"1.0.1","module":"MCU"}}"#
    );
}

#[test]
fn a_question_for_an_offer_is_written_as_the_documents_have_it() {
    assert_eq!(
        text(&firmware_get(&Id::from(123), Some("MCU"))),
        r#"{"id":"123","version":"1.0","params":{"module":"MCU"},"method":"thing.ota.firmware.get"}"#
    );
    assert_eq!(
        text(&firmware_get(&Id::from(u32::MAX), None)),
        r#"{"id":"4294967295","version":"1.0","params":{},"method":"thing.ota.firmware.get"}"#
    );
}

#[test]
fn progress_is_written_with_its_step_as_a_text() {
    assert_eq!(
        text(&progress(&Id::from(1), Step::FAILED, "why", Some("MCU"))),
        r#"{"id":"1","params":{"step":"-1","desc":"why","module":"MCU"}}"#
    );
    assert_eq!(
        text(&progress(&Id::from(2), Step::percent(42), "", None)),
        r#"{"id":"2","params":{"step":"42","desc":""}}"#
    );
}

#[test]
fn steps_are_never_0_nor_above_100() {
    let numbers: Vec<_> = [0, 1, 99, 100, 101, 255]
        .map(|it| Step::percent(it).number())
        .into();
    assert_eq!(numbers, [1, 1, 99, 100, 100, 100]);
    let failures = [
        Step::FAILED,
        Step::DOWNLOAD_FAILED,
        Step::VERIFY_FAILED,
        Step::INSTALL_FAILED,
    ];
    assert_eq!(failures.map(Step::number), [-1, -2, -3, -4]);
}

#[test]
fn a_description_is_cut_at_128_characters_not_bytes() {
    let payload = progress(&Id::from(1), Step::FAILED, &"烤".repeat(129), None);
    let json: Json = serde_json::from_slice(&payload).unwrap();
    assert_eq!(json["params"]["desc"].as_str().unwrap(), "烤".repeat(128));
}

#[test]
fn the_default_module_stays_unnamed() {
    for module in [None, Some("default"), Some("")] {
        assert_eq!(
            text(&inform(&Id::from(1), &version(), module)),
            r#"{"id":"1","params":{"version":"1.0.1"}}"#
        );
    }
}

#[test]
fn a_property_post_is_written_with_bools_as_numbers_and_floats_with_a_point() {
    assert_eq!(
        whole(&property_post(&Id::from(123), &oven(), None)),
        concat!(
            r#"{"id":"123","version":"1.0","sys":{"ack":1},"method":"thing.event.property.post","params":"#,
            r#"{"current_temperature":180.0,"heater_status":1,"operation_mode":"预热中","remaining_time":12}}"#
        )
    );
    let one = ValueMap::from([("target_temperature".to_owned(), Value::Float(180.0))]);
    assert_eq!(
        whole(&property_post(&Id::from(1), &one, Some(1_524_448_722_000))),
        concat!(
            r#"{"id":"1","version":"1.0","sys":{"ack":1},"method":"thing.event.property.post","params":"#,
            r#"{"target_temperature":{"value":180.0,"time":1524448722000}}}"#
        )
    );
}

#[test]
fn an_event_is_written_with_its_outputs_wrapped() {
    let event = Identifier::new("overheat_alarm").unwrap();
    let outputs = ValueMap::from([("current_temperature".to_owned(), Value::Float(255.0))]);
    assert_eq!(
        whole(&event_post(
            &Id::from(124),
            &event,
            &outputs,
            1_524_448_722_000
        )),
        concat!(
            r#"{"id":"124","version":"1.0","sys":{"ack":1},"method":"thing.event.overheat_alarm.post","params":"#,
            r#"{"value":{"current_temperature":255.0},"time":1524448722000}}"#
        )
    );
}

#[test]
fn answers_echo_the_id_as_it_was() {
    let outputs = ValueMap::from([
        ("success".to_owned(), Value::Bool(true)),
        ("message".to_owned(), Value::Text("ok".into())),
    ]);
    assert_eq!(
        whole(&reply_ok(&Id::new("101").unwrap(), &outputs)),
        r#"{"id":"101","code":200,"data":{"message":"ok","success":1}}"#
    );
    let id = Id::new("1|exp-topic|/sys/\"x\"").unwrap();
    assert_eq!(
        whole(&reply_ok(&id, &ValueMap::new())),
        r#"{"id":"1|exp-topic|/sys/\"x\"","code":200,"data":{}}"#
    );
    assert_eq!(
        text(&reply_refused(
            &Id::from(100),
            460,
            "`target_temperature` is above 300"
        )),
        r#"{"id":"100","code":460,"data":{},"message":"`target_temperature` is above 300"}"#
    );
}

#[test]
fn a_message_never_exceeds_the_payload_bound() {
    // Control characters grow sixfold in JSON; the short texts fill the room that the long ones leave.
    let text = |n| Value::Text("\u{1}".repeat(if n < 4 { 10_240 } else { 20 }));
    let values: ValueMap = (0..200).map(|n| (format!("p{n:03}"), text(n))).collect();
    let id = Id::new("\u{1}".repeat(256)).unwrap();
    let event = Identifier::new(&"e".repeat(64)).unwrap();
    for written in [
        property_post(&id, &values, Some(u64::MAX)),
        event_post(&id, &event, &values, u64::MAX),
        reply_ok(&id, &values),
    ] {
        assert!(
            written.payload.len() <= LONGEST_PAYLOAD,
            "{}",
            written.payload.len()
        );
        assert!(!written.omitted.is_empty());
        serde_json::from_slice::<Json>(&written.payload).unwrap();
    }
    let refusal = reply_refused(&id, u32::MAX, &"\u{1}".repeat(100_000));
    assert!(refusal.len() < 4_096, "{}", refusal.len());
}

proptest! {
    #[test]
    fn whatever_the_texts_the_messages_are_json(id in any::<String>(), words in any::<String>()) {
        if let Ok(id) = Id::new(id) {
            for payload in [
                progress(&id, Step::FAILED, &words, Some(&words)),
                reply_refused(&id, 460, &words),
                firmware_get(&id, Some(&words)),
                property_post(&id, &ValueMap::from([(words.clone(), Value::Text(words.clone()))]), None).payload,
            ] {
                let json: Json = serde_json::from_slice(&payload).unwrap();
                assert_eq!(json["id"], id.as_str());
            }
        }
    }
}
