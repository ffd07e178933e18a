//! Values as the thing model writes them in JSON (platform document 358843).
//!
//! A boolean is written as 0 or 1 and a float always with a decimal point, because the platform tells their types apart by
//! that; a point in time is a text of milliseconds. Reading knows no types: 1 is a whole number, `"1"` a text; what they mean to the
//! device, the device's model says. Nothing is shortened on the way: a value beyond a bound is left out and named.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::Value as Json;
use thiserror::Error;
use worker_protocol::{Element, Scalar, Value, ValueMap};

use super::{LONGEST_LIST, LONGEST_TEXT, MOST_VALUES};
use crate::alink::shown;

/// The longest name of a value, in bytes.
const LONGEST_NAME: usize = 128;

/// A value that could not be read, or was left out of what was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{}` {reason}", shown(.name))]
pub struct Omitted {
    /// The value's name.
    pub name: String,
    /// Why.
    pub reason: ValueFault,
}

/// Why a value cannot cross the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ValueFault {
    /// The name is empty, or too long.
    #[error("is not a name of 1 to {LONGEST_NAME} bytes")]
    Name,
    /// JSON has no such number.
    #[error("is not a finite number")]
    NotFinite,
    /// The number is whole and beyond what we count with.
    #[error("is a whole number above 2^63 - 1")]
    Range,
    /// The text has too many bytes.
    #[error("has a text of {length} bytes, at most {LONGEST_TEXT} are allowed")]
    TextTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The list has too many elements.
    #[error("has {length} elements, at most {LONGEST_LIST} are allowed")]
    ListTooLong {
        /// Its length in elements.
        length: usize,
    },
    /// There is no value.
    #[error("is null, or holds a null")]
    Null,
    /// A struct in a struct, or a list in a list or struct.
    #[error("is nested deeper than a list of structs")]
    Nested,
    /// The message is full; the value would go into another one.
    #[error("has no room left in the message")]
    NoRoom,
}

/// A JSON object being written, member by member.
pub(super) struct Members {
    json: Vec<u8>,
}

impl Members {
    pub(super) fn new() -> Self {
        Self { json: vec![b'{'] }
    }

    /// Adds a member whose JSON is ready.
    pub(super) fn json(mut self, name: &str, json: &[u8]) -> Self {
        self.push(name, json);
        self
    }

    /// Adds a text.
    pub(super) fn text(self, name: &str, text: &str) -> Self {
        let json = quoted(text);
        self.json(name, &json)
    }

    pub(super) fn close(mut self) -> Vec<u8> {
        self.json.push(b'}');
        self.json
    }

    fn push(&mut self, name: &str, json: &[u8]) {
        if self.json.len() > 1 {
            self.json.push(b',');
        }
        self.json.extend(quoted(name));
        self.json.push(b':');
        self.json.extend(json);
    }
}

/// Writes an object of values of at most `room` bytes, each wrapped with its time (ms since 1970) if there is one, and
/// names those that had to be left out.
pub(super) fn write_values(
    values: &ValueMap,
    time_ms: Option<u64>,
    room: usize,
) -> (Vec<u8>, Vec<Omitted>) {
    let mut members = Members::new();
    let mut omitted = Vec::new();
    let mut count = 0;
    for (name, value) in values {
        let written = checked_name(name)
            .and_then(|()| json_of(value))
            .and_then(|mut json| {
                if let Some(time) = time_ms {
                    json = Members::new()
                        .json("value", &json)
                        .json("time", time.to_string().as_bytes())
                        .close();
                }
                // A comma, a colon and the closing brace come on top.
                let length = members.json.len() + quoted(name).len() + json.len() + 3;
                if length > room || count == MOST_VALUES {
                    Err(ValueFault::NoRoom)
                } else {
                    Ok(json)
                }
            });
        match written {
            Ok(json) => {
                members.push(name, &json);
                count += 1;
            }
            Err(reason) => omitted.push(Omitted {
                name: name.clone(),
                reason,
            }),
        }
    }
    (members.close(), omitted)
}

fn json_of(value: &Value) -> Result<Vec<u8>, ValueFault> {
    match value {
        Value::Bool(it) => Ok(bool_json(*it)),
        Value::Int(it) => Ok(it.to_string().into_bytes()),
        Value::Float(it) => float_json(*it),
        Value::Text(it) => text_json(it),
        Value::Date(it) => Ok(date_json(*it)),
        Value::Struct(members) => struct_json(members),
        Value::List(elements) => list_json(elements),
    }
}

fn scalar_json(scalar: &Scalar) -> Result<Vec<u8>, ValueFault> {
    match scalar {
        Scalar::Bool(it) => Ok(bool_json(*it)),
        Scalar::Int(it) => Ok(it.to_string().into_bytes()),
        Scalar::Float(it) => float_json(*it),
        Scalar::Text(it) => text_json(it),
        Scalar::Date(it) => Ok(date_json(*it)),
    }
}

fn bool_json(it: bool) -> Vec<u8> {
    vec![b'0' + u8::from(it)]
}

/// The shortest digits that read back as the same number, with a decimal point in any case.
fn float_json(it: f64) -> Result<Vec<u8>, ValueFault> {
    if !it.is_finite() {
        return Err(ValueFault::NotFinite);
    }
    let digits = format!("{it:?}");
    Ok(match digits.split_once('e') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0e{exponent}"),
        _ => digits,
    }
    .into_bytes())
}

fn text_json(it: &str) -> Result<Vec<u8>, ValueFault> {
    if it.len() > LONGEST_TEXT {
        return Err(ValueFault::TextTooLong { length: it.len() });
    }
    Ok(quoted(it))
}

fn date_json(it: u64) -> Vec<u8> {
    format!("\"{it}\"").into_bytes()
}

fn struct_json(members: &BTreeMap<String, Scalar>) -> Result<Vec<u8>, ValueFault> {
    let mut written = Members::new();
    for (name, scalar) in members {
        checked_name(name)?;
        written.push(name, &scalar_json(scalar)?);
    }
    Ok(written.close())
}

fn list_json(elements: &[Element]) -> Result<Vec<u8>, ValueFault> {
    if elements.len() > LONGEST_LIST {
        return Err(ValueFault::ListTooLong {
            length: elements.len(),
        });
    }
    let mut json = vec![b'['];
    for element in elements {
        if json.len() > 1 {
            json.push(b',');
        }
        json.extend(match element {
            Element::Scalar(it) => scalar_json(it)?,
            Element::Struct(it) => struct_json(it)?,
        });
    }
    json.push(b']');
    Ok(json)
}

fn quoted(text: &str) -> Vec<u8> {
    let mut json = Vec::with_capacity(text.len() + 2);
    serde_json::to_writer(json.by_ref(), text)
        .expect("a text is always JSON and a Vec takes all of it");
    json
}

fn checked_name(name: &str) -> Result<(), ValueFault> {
    if name.is_empty() || name.len() > LONGEST_NAME {
        Err(ValueFault::Name)
    } else {
        Ok(())
    }
}

/// Reads one named value. Whole numbers are `Int`, those with a point or an exponent `Float`.
///
/// A whole number of 2^64 or more is a `Float` too: the parser does not tell it from one written with an exponent.
pub(super) fn read_value(name: &str, json: &Json) -> Result<Value, Omitted> {
    let value = checked_name(name).and_then(|()| match json {
        Json::Object(_) => members_of(json).map(Value::Struct),
        Json::Array(elements) if elements.len() > LONGEST_LIST => Err(ValueFault::ListTooLong {
            length: elements.len(),
        }),
        Json::Array(elements) => elements
            .iter()
            .map(element_of)
            .collect::<Result<_, _>>()
            .map(Value::List),
        json => scalar_of(json).map(Value::from),
    });
    value.map_err(|reason| Omitted {
        name: name.to_owned(),
        reason,
    })
}

fn element_of(json: &Json) -> Result<Element, ValueFault> {
    match json {
        Json::Object(_) => members_of(json).map(Element::Struct),
        json => scalar_of(json).map(Element::Scalar),
    }
}

fn members_of(json: &Json) -> Result<BTreeMap<String, Scalar>, ValueFault> {
    let Json::Object(members) = json else {
        return Err(ValueFault::Nested);
    };
    let member = |(name, json): (&String, &Json)| {
        checked_name(name)?;
        Ok((name.clone(), scalar_of(json)?))
    };
    members.iter().map(member).collect()
}

fn scalar_of(json: &Json) -> Result<Scalar, ValueFault> {
    match json {
        Json::Null => Err(ValueFault::Null),
        Json::Bool(it) => Ok(Scalar::Bool(*it)),
        Json::String(it) if it.len() > LONGEST_TEXT => {
            Err(ValueFault::TextTooLong { length: it.len() })
        }
        Json::String(it) => Ok(Scalar::Text(it.clone())),
        Json::Number(it) => match (it.as_i64(), it.as_f64()) {
            (Some(whole), _) => Ok(Scalar::Int(whole)),
            (None, Some(float)) if it.is_f64() => Ok(Scalar::Float(float)),
            _ => Err(ValueFault::Range),
        },
        Json::Array(_) | Json::Object(_) => Err(ValueFault::Nested),
    }
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
