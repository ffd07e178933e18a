//! The thing model on the wire: property sets, service calls in all their forms, telemetry and its cadence.

use cloud_emulator::{Answer, Message, Payload, RrpcForm, What};
use e2e::{Image, Stand, Supervisor};
use serde_json::{Value, json};

/// The platform's code for a bad argument.
const BAD_ARGUMENT: i64 = 460;

/// The oven's own code for an open door.
const DOOR_OPEN: i64 = 100_101;

fn oven(stand: &Stand) -> Supervisor<'_> {
    stand.run_with(&Image::oven("1.0.0"))
}

#[track_caller]
fn set(stand: &Stand, values: Value) -> Answer {
    let answer = stand.cloud.set_property(&stand.device, values);
    stand
        .cloud
        .block_on(answer)
        .unwrap_or_else(|why| panic!("{why}"))
}

#[track_caller]
fn call(stand: &Stand, service: &str, params: Value) -> Answer {
    let answer = stand.cloud.call_service(&stand.device, service, params);
    stand
        .cloud
        .block_on(answer)
        .unwrap_or_else(|why| panic!("{why}"))
}

#[test]
fn a_property_set_is_answered_after_the_worker_acted_and_the_new_value_is_posted() {
    let stand = Stand::new();
    let _supervisor = oven(&stand);
    let mark = stand.cloud.journal_position();
    let answer = set(
        &stand,
        json!({ "target_temperature": 200, "internal_light": 1 }),
    );
    assert_eq!((answer.code, &answer.data), (200, &json!({})), "{answer:?}");
    let posted = stand.await_entry(mark, "the target is posted", |entry| {
        matches!(&entry.what, What::In(message) if message.json()["params"]["target_temperature"]["value"] == 200.0)
    });
    let What::In(message) = posted.what else {
        panic!("{posted:?}")
    };
    assert_eq!(message.json()["params"]["internal_light"]["value"], 1);
}

#[test]
fn what_the_worker_refuses_is_answered_with_another_code_and_a_message() {
    let stand = Stand::new();
    let _supervisor = oven(&stand);
    for (name, values, words) in [
        ("too hot", json!({ "target_temperature": 250 }), "240"),
        (
            "not a number",
            json!({ "target_temperature": "hot" }),
            "target_temperature",
        ),
        (
            "read only",
            json!({ "current_temperature": 100 }),
            "current_temperature",
        ),
        ("unknown", json!({ "colour": 1 }), "colour"),
    ] {
        let answer = set(&stand, values);
        let message = answer.message.clone().unwrap_or_default();
        assert!(
            answer.code != 200 && message.contains(words),
            "{name}: {answer:?}"
        );
    }
    let opened = call(&stand, "toggle_door", json!({}));
    assert_eq!(
        (opened.code, &opened.data["door_status"]),
        (200, &json!(1)),
        "{opened:?}"
    );
    let refused = set(&stand, json!({ "target_temperature": 180 }));
    assert_eq!(refused.code, DOOR_OPEN, "{refused:?}");
    assert!(
        refused
            .message
            .is_some_and(|message| message.contains("the door is open"))
    );
    let device = stand.await_device("the target is known", |device| {
        device.property("target_temperature").is_some()
    });
    let target = device.property("target_temperature");
    assert_eq!(target, Some(&json!(0.0)), "a refusal changes nothing");
}

#[test]
fn a_service_is_called_in_three_forms_and_answered_in_each() {
    let stand = Stand::new();
    let _supervisor = oven(&stand);
    let asynchronous = call(&stand, "set_temperature", json!({ "temperature": 150 }));
    let by = |form: RrpcForm, temperature: i64| {
        let params = json!({ "temperature": temperature });
        let answer = stand
            .cloud
            .call_sync(&stand.device, form, "set_temperature", params);
        stand
            .cloud
            .block_on(answer)
            .unwrap_or_else(|why| panic!("{form:?}: {why}"))
    };
    for (form, answer) in [
        ("asynchronous", asynchronous),
        ("system RRPC", by(RrpcForm::System, 160)),
        ("custom RRPC", by(RrpcForm::Custom, 170)),
    ] {
        assert_eq!(
            (answer.code, &answer.data["success"]),
            (200, &json!(1)),
            "{form}: {answer:?}"
        );
    }
    stand.await_device("the last call counts", |device| {
        device.property("target_temperature") == Some(&json!(170.0))
    });
}

#[test]
fn a_service_that_is_refused_says_so_in_every_form() {
    let stand = Stand::new();
    let _supervisor = oven(&stand);
    let refused = |form: &str, answer: Answer| {
        assert_eq!(answer.code, BAD_ARGUMENT, "{form}: {answer:?}");
        assert!(
            answer
                .message
                .is_some_and(|message| message.contains("temperature")),
            "{form}"
        );
    };
    refused("asynchronous", call(&stand, "set_temperature", json!({})));
    for form in [RrpcForm::System, RrpcForm::Custom] {
        let answer = stand
            .cloud
            .call_sync(&stand.device, form, "set_temperature", json!({}));
        refused(&format!("{form:?}"), stand.cloud.block_on(answer).unwrap());
    }
    let unknown = call(&stand, "self_destruct", json!({}));
    assert!(
        unknown.code != 200 && unknown.message.is_some(),
        "{unknown:?}"
    );
}

#[test]
fn requests_that_cannot_be_read_are_answered_and_the_worker_lives() {
    let stand = Stand::new();
    let supervisor = oven(&stand);
    let worker = supervisor.worker();
    let topic = stand.sys_topic("thing/service/property/set");
    for (name, payload) in [
        (
            "parameters that are no object",
            r#"{"id":"7","params":[1]}"#,
        ),
        (
            "no parameters",
            r#"{"id":"8","method":"thing.service.property.set"}"#,
        ),
    ] {
        let mark = stand.cloud.journal_position();
        assert!(stand.cloud.publish(&stand.device, &topic, payload, 0));
        let (_, message) = stand.await_message(mark, &format!("{topic}_reply"));
        let reply = message.json();
        assert!(
            reply["code"] != 200 && !reply["message"].is_null(),
            "{name}: {reply}"
        );
    }
    for payload in ["not json", "", "\u{0}", "[]"] {
        assert!(stand.cloud.publish(&stand.device, &topic, payload, 0));
    }
    assert_eq!(set(&stand, json!({ "internal_light": true })).code, 200);
    assert_eq!(supervisor.worker(), worker);
}

#[test]
fn on_the_wire_a_bool_is_0_or_1_and_a_float_has_a_decimal_point() {
    let stand = Stand::new();
    let _supervisor = oven(&stand);
    assert_eq!(set(&stand, json!({ "target_temperature": 200 })).code, 200);
    let entry = stand.await_entry(0, "the target is posted", |entry| {
        matches!(&entry.what, What::In(message) if message.json()["params"]["target_temperature"]["value"] == 200.0)
    });
    let What::In(Message {
        payload: Payload::Text(text),
        ..
    }) = &entry.what
    else {
        panic!("{entry:?}")
    };
    assert!(
        text.contains(r#""target_temperature":{"value":200.0"#),
        "{text}"
    );
    assert!(text.contains(r#""heater_status":{"value":1"#), "{text}");
    assert!(text.contains(r#""door_status":{"value":0"#), "{text}");
    for (_, post) in stand.said(&stand.sys_topic("thing/event/property/post")) {
        for (name, property) in post["params"].as_object().unwrap() {
            assert!(!property["value"].is_boolean(), "{name}: {property}");
        }
    }
}

#[test]
fn events_are_told_with_their_outputs() {
    let stand = Stand::new();
    let _supervisor = oven(&stand);
    assert_eq!(call(&stand, "start_timer", json!({ "time": 10 })).code, 200);
    assert_eq!(call(&stand, "toggle_door", json!({})).code, 200);
    let device = stand.await_device("the timer was cancelled", |device| {
        !device.events.is_empty()
    });
    assert_eq!(device.events[0].name, "timer_cancelled");
    assert!(
        device.events[0].outputs["message"].is_string(),
        "{:?}",
        device.events
    );
}

#[test]
fn the_full_status_comes_often_while_a_timer_runs_and_seldom_otherwise() {
    let mut stand = Stand::new();
    stand.set("cloud.report_every_s", 600);
    stand.set("cloud.report_fast_every_s", 0.2);
    let supervisor = oven(&stand);
    assert_eq!(supervisor.status()["hurry"], json!([]));
    assert_eq!(call(&stand, "start_timer", json!({ "time": 10 })).code, 200);
    let hurried = supervisor.await_status("there is a reason to hurry", |status| {
        status["hurry"] != json!([])
    });
    assert!(
        hurried["hurry"][0].as_str().unwrap().contains("timer"),
        "{hurried}"
    );
    let full = |entry: &cloud_emulator::Entry| {
        matches!(&entry.what, What::In(message)
            if message.json()["params"]["remaining_time"].is_object() && message.json()["params"]["fan_status"].is_object())
    };
    let mut mark = stand.cloud.journal_position();
    let mut times = Vec::new();
    for _ in 0..5 {
        let entry = stand.await_entry(mark, "another full status", full);
        mark = entry.seq;
        times.push(entry.time);
    }
    // A busy machine delivers one late and the next in time; over several they are as far apart as they should be.
    let whole = times[times.len() - 1] - times[0];
    assert!(whole >= 600, "four spans of 200 ms took {whole} ms");
    assert_eq!(call(&stand, "start_timer", json!({ "time": 0 })).code, 200);
    supervisor.await_status("no reason is left", |status| status["hurry"] == json!([]));
}

#[test]
fn a_property_set_during_the_switch_is_carried_out_by_the_new_worker() {
    let mut stand = Stand::new();
    stand.set("worker.quiesce_limit_s", 4);
    let old = json!({ "version": "1.0.0", "do": "keep-handover" });
    let supervisor = stand.run_with(&stand.misfit(&old));
    stand.offer(&stand.good("1.0.7"));
    supervisor.await_status("the switch", |status| status["phase"] == "switching");
    assert_eq!(set(&stand, json!({ "count": 9000 })).code, 200);
    supervisor.await_rest("1.0.7");
    stand.await_device("the new worker took it", |device| {
        device.property("count").and_then(Value::as_i64) >= Some(9000)
    });
}

#[test]
fn a_request_that_the_worker_never_answers_is_answered_at_the_deadline() {
    let mut stand = Stand::new();
    stand.set("cloud.answer_limit_s", 0.5);
    let journal = stand.misfit_journal_path("lives");
    let orders = json!({ "version": "1.0.0", "do": "hang-while-proving", "after_ms": 100, "journal": journal });
    let _supervisor = stand.run_with(&stand.misfit(&orders));
    stand.await_misfit("lives", "hung", 1);
    let answer = set(&stand, json!({ "count": 1 }));
    assert!(answer.code != 200 && answer.message.is_some(), "{answer:?}");
}
