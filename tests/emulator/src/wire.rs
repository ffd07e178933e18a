//! How the platform reads and writes: JSON taken as devices really send it, replies as their SDKs need them.
//!
//! Real senders break the documents: numeric ids, a trailing comma, a trailing NUL, no `version`, no `method`. The platform
//! takes them all, so this does too. What is written follows the strictest reader: `id` as a string, verbatim, and always
//! `code`, `data` and `message`, since the Python SDK drops a reply that lacks one.

use serde_json::{Value, json};

/// One request or answer of a device.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Envelope {
    /// The id as text, whatever type it was sent in; empty if there was none.
    pub(crate) id: String,
    /// `params`, or null.
    pub(crate) params: Value,
    /// Whether the sender wants a reply (`sys.ack`, document 89301); wanted unless it says 0.
    pub(crate) ack: bool,
    /// Everything, for answers, whose members are `code`, `data` and `message`.
    pub(crate) whole: Value,
}

impl Envelope {
    /// Reads what a device sent, as tolerantly as the platform.
    ///
    /// # Errors
    /// When the payload is no JSON object even after NULs at the end and superfluous commas are taken away.
    pub(crate) fn read(payload: &[u8]) -> Result<Self, String> {
        let whole = tolerant_json(payload)?;
        if !whole.is_object() {
            return Err("not a JSON object".to_owned());
        }
        Ok(Self {
            id: id_text(&whole["id"]),
            params: whole["params"].clone(),
            ack: whole["sys"]["ack"] != json!(0),
            whole,
        })
    }

    /// The answer's `code`: a number, or a number in a string.
    pub(crate) fn code(&self) -> Option<i64> {
        integer(&self.whole["code"])
    }
}

/// An integer that may have been sent as text.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
}

/// The reply to a request, as text.
pub(crate) fn reply(
    id: &str,
    method: Option<&str>,
    code: i64,
    data: &Value,
    message: &str,
) -> String {
    let mut reply =
        json!({"id": id, "code": code, "data": data, "message": message, "version": "1.0"});
    if let Some(method) = method {
        reply["method"] = json!(method);
    }
    reply.to_string()
}

fn id_text(id: &Value) -> String {
    match id {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn tolerant_json(payload: &[u8]) -> Result<Value, String> {
    let end = payload
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1);
    let text = std::str::from_utf8(&payload[..end]).map_err(|error| error.to_string())?;
    serde_json::from_str(text)
        .or_else(|error| serde_json::from_str(&without_trailing_commas(text)).map_err(|_| error))
        .map_err(|error| error.to_string())
}

/// Removes each comma, outside of strings, that is followed by nothing but blanks and a closing bracket.
fn without_trailing_commas(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    for (at, letter) in text.char_indices() {
        if !quoted && letter == ',' {
            let next = text[at + 1..].trim_start().chars().next();
            if matches!(next, Some('}' | ']')) {
                continue;
            }
        }
        if letter == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && letter == '\\' && !escaped;
        kept.push(letter);
    }
    kept
}

/// Lower-case hexadecimal text, as the platform writes digests.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Standard base64 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group
            .iter()
            .fold(0u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = BASE64[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

/// CRC-16/ARC: polynomial 0x8005 reflected, start 0, nothing added at the end (document 302377 calls it "IBM").
pub(crate) fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| {
            if sum & 1 == 1 {
                sum >> 1 ^ 0xa001
            } else {
                sum >> 1
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_real_devices_get_wrong_is_still_read() {
        let number = Envelope::read(br#"{"id":1, "params":{"version":"1.0.1"}}"#).unwrap();
        assert_eq!(number.id, "1");
        let comma =
            Envelope::read(br#"{"id":"a,}b","params":{"fileInfo":{"streamId":1,"fileId":1,},}}"#)
                .unwrap();
        assert_eq!(comma.id, "a,}b");
        assert_eq!(comma.params["fileInfo"]["fileId"], 1);
        let nul = Envelope::read(b"{\"id\":\"2\"}\0\0").unwrap();
        assert_eq!((nul.id.as_str(), nul.ack), ("2", true));
        let odd =
            Envelope::read(br#"{"id":"1|exp-topic|/sys/p/d/thing/event/property/post_reply"}"#)
                .unwrap();
        assert_eq!(
            odd.id,
            "1|exp-topic|/sys/p/d/thing/event/property/post_reply"
        );
        assert!(
            !Envelope::read(br#"{"id":"1","sys":{"ack":0}}"#)
                .unwrap()
                .ack
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for bad in [&b"[]"[..], b"{", b"", b"\0", b"{,}}", b"\xff\xfe"] {
            assert!(Envelope::read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_escaped_quote_does_not_end_a_string() {
        assert_eq!(
            without_trailing_commas(r#"{"a":"x\",}",}"#),
            r#"{"a":"x\",}"}"#
        );
        assert_eq!(without_trailing_commas(r#"{"a":"x\\",}"#), r#"{"a":"x\\"}"#);
    }

    #[test]
    fn a_reply_has_all_that_the_python_sdk_needs() {
        let text = reply("7", None, 200, &json!({}), "success");
        let value: Value = serde_json::from_str(&text).unwrap();
        for key in ["id", "code", "data", "message"] {
            assert!(value.get(key).is_some(), "{key}");
        }
        assert_eq!(value["id"], "7");
    }

    #[test]
    fn base64_follows_rfc_4648() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in vectors {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn the_block_checksum_has_the_published_check_value() {
        assert_eq!(crc16(b"123456789"), 0xbb3d);
    }
}
