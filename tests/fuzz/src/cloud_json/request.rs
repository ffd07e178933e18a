//! A request is answered exactly when it can be, no answer is ever answered again, and the values in it survive the way back.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use supervisor_core::alink::codec::{
    Id, LONGEST_PAYLOAD, MOST_VALUES, Request, RequestFault, RequestFaultKind, ValueFault,
    parse_property_set, parse_reply, parse_rrpc, parse_service_call, property_post, reply_ok,
};
use worker_protocol::{Element, Scalar, Value, ValueMap};

use crate::in_few_words;

/// What the payload can be.
pub(super) struct Requests {
    pub(super) call: bool,
    pub(super) rrpc: bool,
    pub(super) set: bool,
}

/// Hands the payload to the three readers of requests, which must agree.
pub(super) fn read(payload: &[u8]) -> Requests {
    let call = parse_service_call(payload);
    let set = parse_property_set(payload);
    let rrpc = parse_rrpc(payload);
    match &call {
        Ok(request) => {
            comes_back(request);
            match &set {
                Ok(set) => assert_eq!(set, request),
                Err(fault) => {
                    assert_eq!(fault.kind, RequestFaultKind::Empty);
                    assert!(request.params.is_empty());
                    is_answered(fault, Some(&request.id));
                }
            }
            match &rrpc {
                Ok((_, asked)) => assert_eq!(asked, request),
                Err(fault) => is_answered(fault, Some(&request.id)),
            }
        }
        Err(fault) => {
            is_answered(fault, fault.id.as_ref());
            assert_eq!(set.as_ref().err(), Some(fault));
            assert_eq!(rrpc.as_ref().err(), Some(fault));
        }
    }
    Requests {
        call: call.is_ok(),
        rrpc: rrpc.is_ok(),
        set: set.is_ok(),
    }
}

/// A refusal reaches its caller under the id of the request.
fn is_answered(fault: &RequestFault, id: Option<&Id>) {
    in_few_words(fault);
    assert_eq!(fault.id.as_ref(), id, "{fault}");
    match (fault.answer(), id) {
        (None, None) => {}
        (Some(answer), Some(id)) => {
            assert_eq!(is_final(&answer, id), i64::from(fault.code()));
            assert_ne!(fault.code(), 200);
        }
        (answer, id) => panic!("{answer:?} to {id:?}"),
    }
}

/// An answer is JSON under its bound, and is known as an answer when a broker hands it back to us. Its code is returned.
fn is_final(answer: &[u8], id: &Id) -> i64 {
    assert!(answer.len() <= LONGEST_PAYLOAD, "{} bytes", answer.len());
    let json: Json = serde_json::from_slice(answer).expect("what we send is JSON");
    assert_eq!(json["id"].as_str(), Some(id.as_str()));
    for fault in [
        parse_service_call(answer).err(),
        parse_property_set(answer).err(),
        parse_rrpc(answer).err(),
    ] {
        let fault = fault.expect("an answer is no request");
        assert_eq!(fault.kind, RequestFaultKind::Answer);
        assert_eq!(fault.answer(), None);
    }
    let reply = parse_reply(answer).expect("an answer reads as one");
    assert_eq!(reply.id.as_ref(), Some(id));
    reply.code
}

/// Values that were understood can be posted, and read again are the same.
fn comes_back(request: &Request) {
    assert!(request.params.len() <= MOST_VALUES);
    let answer = reply_ok(&request.id, &request.params);
    assert_eq!(is_final(&answer.payload, &request.id), 200);

    let post = property_post(&request.id, &request.params, None);
    assert!(post.payload.len() <= LONGEST_PAYLOAD);
    assert_eq!(post.omitted, answer.omitted);
    let mut expected = request.params.clone();
    for omitted in &post.omitted {
        assert_eq!(omitted.reason, ValueFault::NoRoom, "{omitted}");
        expected.remove(&omitted.name);
    }
    let again = parse_service_call(&post.payload).expect("what we post reads as a request");
    assert_eq!(again.id, request.id);
    assert!(
        same(&again.params, &expected),
        "{:?} came back as {:?}",
        expected,
        again.params
    );
}

/// Are the values those that were sent? On the wire a boolean is a number, 0 or 1.
fn same(read: &ValueMap, sent: &ValueMap) -> bool {
    let mut pairs = read.iter().zip(sent);
    let same = |(read, sent): (&Value, &Value)| match (read, sent) {
        (Value::Int(read), Value::Bool(sent)) => *read == i64::from(*sent),
        (Value::Float(read), Value::Float(sent)) => same_float(*read, *sent),
        (Value::Struct(read), Value::Struct(sent)) => same_members(read, sent),
        (Value::List(read), Value::List(sent)) => {
            read.len() == sent.len() && read.iter().zip(sent).all(same_element)
        }
        (read, sent) => read == sent,
    };
    read.len() == sent.len() && pairs.all(|(read, sent)| read.0 == sent.0 && same((read.1, sent.1)))
}

fn same_element(pair: (&Element, &Element)) -> bool {
    match pair {
        (Element::Scalar(read), Element::Scalar(sent)) => same_scalar(read, sent),
        (Element::Struct(read), Element::Struct(sent)) => same_members(read, sent),
        _ => false,
    }
}

fn same_members(read: &BTreeMap<String, Scalar>, sent: &BTreeMap<String, Scalar>) -> bool {
    let mut pairs = read.iter().zip(sent);
    read.len() == sent.len()
        && pairs.all(|(read, sent)| read.0 == sent.0 && same_scalar(read.1, sent.1))
}

fn same_scalar(read: &Scalar, sent: &Scalar) -> bool {
    match (read, sent) {
        (Scalar::Int(read), Scalar::Bool(sent)) => *read == i64::from(*sent),
        (Scalar::Float(read), Scalar::Float(sent)) => same_float(*read, *sent),
        (read, sent) => read == sent,
    }
}

/// The JSON parser is built for size and may miss a number of many digits by its last bit.
fn same_float(read: f64, sent: f64) -> bool {
    read.to_bits().abs_diff(sent.to_bits()) <= 1
}
