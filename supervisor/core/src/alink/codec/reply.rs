//! The platform's answers to our posts. They are only read for the log: a post is not repeated because of its answer.

use serde_json::Value as Json;

use super::Id;
use super::read::{Fields, ReadFault, id, object};
use crate::alink::shown;

/// An answer to something we posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The id of what is answered, if it is readable.
    pub id: Option<Id>,
    /// The platform's code; 200 is a success.
    pub code: i64,
    /// The beginning of its message; perhaps empty.
    pub message: String,
}

impl Reply {
    /// Whether the platform took the post.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.code == 200
    }
}

/// Reads an answer.
///
/// # Errors
/// The payload is not a JSON object with a code.
pub fn parse_reply(payload: &[u8]) -> Result<Reply, ReadFault> {
    let message = object(payload)?;
    let message = Fields::new(&message);
    Ok(Reply {
        id: message.find("id").and_then(id),
        code: message.need_code()?,
        message: shown(
            message
                .find("message")
                .and_then(Json::as_str)
                .unwrap_or_default(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    #[test]
    fn success_and_failure_are_told_apart() {
        let ok = br#"{"code":200,"data":{},"id":"123","message":"success","method":"thing.event.property.post"}"#;
        assert_eq!(
            parse_reply(ok),
            Ok(Reply {
                id: Some(Id::from(123)),
                code: 200,
                message: "success".into()
            })
        );
        let refused =
            parse_reply(br#"{"code":"6813","data":{},"id":123,"message":"topic illegal"}"#)
                .unwrap();
        assert_eq!(
            (refused.is_ok(), refused.code, refused.message.as_str()),
            (false, 6813, "topic illegal")
        );
    }

    #[test]
    fn a_hostile_answer_is_a_bounded_fault_or_a_bounded_message() {
        let long = format!(r#"{{"code":500,"message":"{}"}}"#, "x".repeat(100_000));
        assert_eq!(
            parse_reply(long.as_bytes())
                .unwrap()
                .message
                .chars()
                .count(),
            64
        );
        for (payload, fault) in [
            (&b"{}"[..], "`code` is missing"),
            (br#"{"code":[200]}"#, "`code` is a list, not a result code"),
            (
                br#"{"code":"ok"}"#,
                "`code` is the text `ok`, not a result code",
            ),
            (b"[]", "the payload is a list, not an object"),
            (
                b"\0\0",
                "the payload is not readable JSON: EOF while parsing a value at line 1 column 0",
            ),
        ] {
            assert_eq!(parse_reply(payload).unwrap_err().to_string(), fault);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(payload in any::<Vec<u8>>()) {
            let _ = parse_reply(&payload);
        }
    }
}
