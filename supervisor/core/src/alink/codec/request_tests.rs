use super::*;
use crate::alink::codec::{property_post, reply_ok};
use proptest::prelude::{Strategy, any, proptest};
use serde_json::json;
use worker_protocol::Value;

fn fault(payload: &str) -> RequestFault {
    parse_property_set(payload.as_bytes()).unwrap_err()
}

/// The answer to a refused set, as the caller reads it.
fn answer(payload: &str) -> Json {
    serde_json::from_slice(&fault(payload).answer().unwrap()).unwrap()
}

#[test]
fn a_property_set_is_read_whatever_its_version_says() {
    for version in ["1.0", "1.0.0"] {
        let payload = json!({"id": "100", "version": version, "method": "thing.service.property.set",
            "params": {"target_temperature": 180.0, "internal_light": 1, "timer_setting": 12}});
        let request = parse_property_set(payload.to_string().as_bytes()).unwrap();
        assert_eq!(request.id, Id::from(100));
        assert_eq!(
            request.params,
            ValueMap::from([
                ("internal_light".to_owned(), Value::Int(1)),
                ("target_temperature".to_owned(), Value::Float(180.0)),
                ("timer_setting".to_owned(), Value::Int(12)),
            ])
        );
    }
}

#[test]
fn ids_are_echoed_verbatim_whether_text_or_number() {
    for (json, id) in [
        (r#""100""#, "100"),
        ("100", "100"),
        ("1757232295633", "1757232295633"),
        ("-1", "-1"),
        (r#""1|exp-topic|/sys/pk/dn/x""#, "1|exp-topic|/sys/pk/dn/x"),
        (r#""007""#, "007"),
    ] {
        let payload = format!(r#"{{"id":{json},"params":{{}}}}"#);
        assert_eq!(
            parse_service_call(payload.as_bytes()).unwrap().id.as_str(),
            id
        );
    }
}

#[test]
fn a_request_without_a_usable_id_cannot_be_answered() {
    for json in [
        "1.5",
        "null",
        "[]",
        "true",
        r#""""#,
        &format!("\"{}\"", "x".repeat(257)),
    ] {
        let fault = fault(&format!(r#"{{"id":{json},"params":{{"a":1}}}}"#));
        assert_eq!((fault.code(), fault.answer()), (400, None), "{fault}");
        assert!(fault.to_string().starts_with("`id` is "), "{fault}");
    }
    assert_eq!(
        fault(r#"{"params":{"a":1}}"#).to_string(),
        "`id` is missing"
    );
}

#[test]
fn a_service_call_may_have_no_arguments() {
    for params in ["", r#","params":{}"#, r#","params":null"#] {
        let payload = format!(r#"{{"id":"1"{params}}}"#);
        assert_eq!(
            parse_service_call(payload.as_bytes()).unwrap().params,
            ValueMap::new()
        );
    }
}

#[test]
fn a_refused_set_is_answered_with_a_code_and_what_was_wrong() {
    assert_eq!(
        answer(r#"{"id":"100","params":{"a":null}}"#),
        json!({"id": "100", "code": 460, "data": {}, "message": "`a` is null, or holds a null"})
    );
    let message = |payload: &str| answer(payload)["message"].as_str().unwrap().to_owned();
    assert_eq!(message(r#"{"id":1,"params":{}}"#), "`params` is empty");
    assert_eq!(message(r#"{"id":1}"#), "`params` is empty");
    assert_eq!(
        message(r#"{"id":1,"params":[1]}"#),
        "`params` is a list, not an object"
    );
    assert_eq!(
        message(r#"{"id":1,"params":"x"}"#),
        "`params` is the text `x`, not an object"
    );
    assert_eq!(
        message(r#"{"id":1,"params":{"ok":1,"deep":{"a":{"b":1}}}}"#),
        "`deep` is nested deeper than a list of structs"
    );
    assert_eq!(
        message(r#"{"id":1,"params":{"n":18446744073709551615}}"#),
        "`n` is a whole number above 2^63 - 1"
    );
    let many: serde_json::Map<_, _> = (0..201).map(|n| (format!("p{n}"), json!(1))).collect();
    assert_eq!(
        message(&json!({"id": 1, "params": many}).to_string()),
        "`params` has 201 members, at most 200 are allowed"
    );
}

#[test]
fn the_id_is_found_even_where_the_rest_cannot_be_read() {
    let huge = answer(r#"{"params":{"a":1e400},"id":"100"}"#);
    assert_eq!((&huge["id"], &huge["code"]), (&json!("100"), &json!(400)));
    assert!(
        huge["message"]
            .as_str()
            .unwrap()
            .contains("number out of range at line 1"),
        "{huge}"
    );
    let deep = answer(&format!(
        r#"{{"params":{{"a":{}{}}},"id":7}}"#,
        "[".repeat(50_000),
        "]".repeat(50_000)
    ));
    assert_eq!(deep["id"], "7");
    assert_eq!(fault("{\"id\":\"100\",").answer(), None);
}

#[test]
fn our_own_answer_handed_back_is_never_answered() {
    let id = Id::from(5);
    let refused = reply_refused(&id, 460, "no");
    let platforms =
        br#"{"code":200,"data":{},"id":"5","message":"success","method":"thing.service.x"}"#
            .to_vec();
    for payload in [platforms, reply_ok(&id, &ValueMap::new()).payload, refused] {
        for fault in [
            parse_service_call(&payload).unwrap_err(),
            parse_property_set(&payload).unwrap_err(),
            parse_rrpc(&payload).unwrap_err(),
        ] {
            assert_eq!(fault.kind, RequestFaultKind::Answer);
            assert_eq!(fault.answer(), None);
        }
    }
}

#[test]
fn a_synchronous_call_says_in_its_method_what_it_wants() {
    let call =
        |method: &str| json!({"id": "9", "method": method, "params": {"time": 5}}).to_string();
    let (action, request) = parse_rrpc(call("thing.service.start_timer").as_bytes()).unwrap();
    assert_eq!(
        action,
        Action::Call(Identifier::new("start_timer").unwrap())
    );
    assert_eq!(request.params["time"], Value::Int(5));
    let (action, _) = parse_rrpc(call("thing.service.property.set").as_bytes()).unwrap();
    assert_eq!(action, Action::SetProperties);

    for (payload, found) in [
        (r#"{"id":"9","params":{}}"#.to_owned(), "missing"),
        (call("thing.event.x.post"), "the text `thing.event.x.post`"),
        (call("thing.service."), "the text `thing.service.`"),
        (call("thing.service.a/b"), "the text `thing.service.a/b`"),
        (r#"{"id":"9","method":5}"#.to_owned(), "5"),
    ] {
        let fault = parse_rrpc(payload.as_bytes()).unwrap_err();
        assert_eq!(
            fault.to_string(),
            format!("`method` is {found}, neither a service nor a property set")
        );
        assert_eq!((fault.code(), fault.id), (6450, Some(Id::from(9))));
    }
    let empty = r#"{"id":"9","method":"thing.service.property.set","params":{}}"#;
    assert_eq!(parse_rrpc(empty.as_bytes()).unwrap_err().code(), 460);
}

#[test]
fn hostile_requests_are_bounded_faults() {
    let huge = vec![b'{'; 256 * 1024 + 1];
    for payload in [
        &b""[..],
        b"[]",
        b"1",
        b"not json",
        b"{\"id\":",
        b"\xff",
        &huge,
    ] {
        let fault = parse_service_call(payload).unwrap_err();
        assert_eq!((fault.code(), fault.answer()), (400, None), "{fault}");
    }
    let name = "Ж".repeat(50_000);
    let text = fault(&json!({"id": 1, "params": {name: 1}}).to_string()).to_string();
    assert!(text.chars().count() < 200, "{text}");
}

proptest! {
    #[test]
    fn no_bytes_make_the_parsers_panic(payload in any::<Vec<u8>>()) {
        let _ = (parse_property_set(&payload), parse_service_call(&payload), parse_rrpc(&payload));
    }

    #[test]
    fn no_cut_and_no_flipped_bit_makes_the_parsers_panic(cut in 0_usize..200, bit in 0_u8..8) {
        let mut payload = br#"{"id":"1","method":"thing.service.x","params":{"a":[1,{"b":1.5e3}],"c":{"d":"e"}}}"#.to_vec();
        let _ = parse_rrpc(&payload[..cut.min(payload.len())]);
        let at = cut % payload.len();
        payload[at] ^= 1 << bit;
        let _ = parse_rrpc(&payload);
    }

    #[test]
    fn what_we_post_reads_back_as_a_request_with_the_same_values(
        values in proptest::collection::btree_map("[a-z]{1,9}", any::<i64>().prop_map(Value::Int), 1..20),
        number in any::<u32>(),
    ) {
        let written = property_post(&Id::from(number), &values, None);
        assert_eq!(
            parse_property_set(&written.payload),
            Ok(Request { id: Id::from(number), params: values })
        );
    }
}
