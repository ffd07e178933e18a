//! From bytes to named JSON fields, with faults that say which field was found to be what.

use serde::Deserialize;
use serde_json::{Map, Value as Json};
use thiserror::Error;

use super::{Id, LONGEST_PAYLOAD};
use crate::alink::shown;

/// Why a payload, or a field of it, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadFault {
    /// The payload was not even looked at.
    #[error("the payload has {length} bytes, at most {LONGEST_PAYLOAD} are read")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The payload is not JSON, or is JSON with a number or a depth beyond all bounds.
    #[error("the payload is not readable JSON: {what}")]
    NotJson {
        /// What is wrong, and at which line and column; holds nothing of the payload.
        what: String,
    },
    /// The payload is JSON of another form.
    #[error("the payload is {found}, not an object")]
    NotObject {
        /// What it is.
        found: String,
    },
    /// A field that must be there is not.
    #[error("`{field}` is missing")]
    Missing {
        /// The field's name and place.
        field: String,
    },
    /// A field has another type, or a value out of its range.
    #[error("`{field}` is {found}, not {wanted}")]
    Wrong {
        /// The field's name and place.
        field: String,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// A text has too many characters.
    #[error("`{field}` has {length} bytes, at most {longest} are read")]
    LongText {
        /// The field's name and place.
        field: String,
        /// Its length in bytes.
        length: usize,
        /// The longest allowed, in bytes.
        longest: usize,
    },
}

/// Reads a payload that must be a JSON object. NULs after the end, as some senders append them, are ignored.
///
/// JSON that holds arrays or objects more than 127 deep is refused by the parser.
pub(super) fn object(payload: &[u8]) -> Result<Map<String, Json>, ReadFault> {
    let text = trimmed(payload)?;
    match serde_json::from_slice(text) {
        Ok(Json::Object(fields)) => Ok(fields),
        Ok(other) => Err(ReadFault::NotObject {
            found: found(&other),
        }),
        // These texts come from a fixed list and quote nothing of the input.
        Err(fault) => Err(ReadFault::NotJson {
            what: fault.to_string(),
        }),
    }
}

/// Finds the id of a payload that [`object`] refused, passing over whatever was wrong elsewhere.
pub(super) fn rescued_id(payload: &[u8]) -> Option<Id> {
    #[derive(Deserialize)]
    struct OnlyId {
        id: Json,
    }
    serde_json::from_slice(trimmed(payload).ok()?)
        .ok()
        .and_then(|only: OnlyId| id(&only.id))
}

/// An id in any of its forms; a number must be whole, since only then its text is certain.
pub(super) fn id(json: &Json) -> Option<Id> {
    match json {
        Json::String(text) => Id::new(text.as_str()).ok(),
        Json::Number(number) if !number.is_f64() => Id::new(number.to_string()).ok(),
        _ => None,
    }
}

fn trimmed(payload: &[u8]) -> Result<&[u8], ReadFault> {
    if payload.len() > LONGEST_PAYLOAD {
        return Err(ReadFault::TooLong {
            length: payload.len(),
        });
    }
    let length = payload
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    Ok(&payload[..length])
}

/// Says in bounded words what a piece of JSON is.
pub(super) fn found(json: &Json) -> String {
    match json {
        Json::Null => "null".into(),
        Json::Bool(it) => it.to_string(),
        Json::Number(number) => shown(&number.to_string()),
        Json::String(text) => format!("the text `{}`", shown(text)),
        Json::Array(_) => "a list".into(),
        Json::Object(_) => "an object".into(),
    }
}

/// The fields of one object, which know where in the message they stand. A field that is null counts as missing.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    fields: &'a Map<String, Json>,
    /// The entry of `files` this object is, if it is one.
    file: Option<usize>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(fields: &'a Map<String, Json>) -> Self {
        Self { fields, file: None }
    }

    pub(super) fn of_file(index: usize, json: &'a Json) -> Result<Self, ReadFault> {
        match json {
            Json::Object(fields) => Ok(Self {
                fields,
                file: Some(index),
            }),
            other => Err(ReadFault::Wrong {
                field: format!("files[{index}]"),
                wanted: "an object",
                found: found(other),
            }),
        }
    }

    /// The field's name and place, for a fault.
    pub(super) fn place(self, name: &str) -> String {
        self.file
            .map_or_else(|| name.to_owned(), |index| format!("files[{index}].{name}"))
    }

    pub(super) fn find(self, name: &str) -> Option<&'a Json> {
        self.fields.get(name).filter(|json| !json.is_null())
    }

    pub(super) fn need(self, name: &str) -> Result<&'a Json, ReadFault> {
        self.find(name).ok_or_else(|| ReadFault::Missing {
            field: self.place(name),
        })
    }

    pub(super) fn wrong(self, name: &str, wanted: &'static str, json: &Json) -> ReadFault {
        ReadFault::Wrong {
            field: self.place(name),
            wanted,
            found: found(json),
        }
    }

    /// A text of at most `longest` bytes, if the field is there.
    pub(super) fn text(self, name: &str, longest: usize) -> Result<Option<&'a str>, ReadFault> {
        match self.find(name) {
            None => Ok(None),
            Some(Json::String(text)) if text.len() <= longest => Ok(Some(text)),
            Some(Json::String(text)) => Err(ReadFault::LongText {
                field: self.place(name),
                length: text.len(),
                longest,
            }),
            Some(other) => Err(self.wrong(name, "a text", other)),
        }
    }

    /// A text that must be there.
    pub(super) fn need_text(self, name: &str, longest: usize) -> Result<&'a str, ReadFault> {
        self.text(name, longest)?.ok_or_else(|| ReadFault::Missing {
            field: self.place(name),
        })
    }

    /// A whole number that must be there and be at least `least`.
    pub(super) fn need_whole(
        self,
        name: &str,
        least: u64,
        wanted: &'static str,
    ) -> Result<u64, ReadFault> {
        let json = self.need(name)?;
        json.as_u64()
            .filter(|&number| number >= least)
            .ok_or_else(|| self.wrong(name, wanted, json))
    }

    /// A result code, which senders write as text or as a number.
    pub(super) fn need_code(self) -> Result<i64, ReadFault> {
        let json = self.need("code")?;
        let code = match json {
            Json::String(text) => text.parse().ok(),
            other => other.as_i64(),
        };
        code.ok_or_else(|| self.wrong("code", "a result code", json))
    }
}
