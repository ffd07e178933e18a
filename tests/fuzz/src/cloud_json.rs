//! What the platform, or whoever speaks in its name, may send as JSON, and on which topics.

mod offer;
mod request;
mod topic;

use supervisor_core::alink::codec::{ReadFault, parse_reply};

use crate::{Understood, in_few_words, understood};

/// Hands the bytes to every reader of the cloud's JSON, and to that of topics.
///
/// # Panics
/// A reader breaks a promise.
#[must_use]
pub fn cloud_json(payload: &[u8]) -> Understood {
    let requests = request::read(payload);
    understood([
        ("call", requests.call),
        ("offer", offer::read(payload)),
        ("reply", is_reply(payload)),
        ("rrpc", requests.rrpc),
        ("set", requests.set),
        ("topic", topic::read(payload)),
    ])
}

/// The platform's answer to something we sent.
fn is_reply(payload: &[u8]) -> bool {
    match parse_reply(payload) {
        Ok(reply) => {
            assert!(reply.message.chars().count() <= 64, "{reply:?}");
            assert!(!reply.message.contains(char::is_control), "{reply:?}");
            assert_eq!(reply.is_ok(), reply.code == 200);
            true
        }
        Err(fault) => {
            quotes_no_payload(&fault);
            in_few_words(&fault);
            false
        }
    }
}

/// What the parser says about broken JSON ends up in logs and answers, so it may not hold any of it.
fn quotes_no_payload(fault: &ReadFault) {
    if let ReadFault::NotJson { what } = fault {
        assert!(what.is_ascii() && what.len() < 120, "{what}");
    }
}
