//! The values a device speaks in: properties, service arguments, event outputs.
//!
//! The depth is bounded by the types themselves (a struct holds scalars, a list holds scalars or structs, as the platform's
//! thing model has it), so that no hostile frame can make a reader recurse. A boolean is a boolean here; that the cloud
//! writes it as 0 or 1 is the cloud codec's business.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Named values, in the order of their names.
pub type ValueMap = BTreeMap<String, Value>;

/// A value without parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Scalar {
    /// True or false.
    Bool(bool),
    /// A whole number; also an enumeration's number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text, at most 10,240 bytes on the cloud's side.
    Text(String),
    /// A point in time, in milliseconds since 1970 UTC.
    Date(u64),
}

/// One property, argument or output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number; also an enumeration's number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text, at most 10,240 bytes on the cloud's side.
    Text(String),
    /// A point in time, in milliseconds since 1970 UTC.
    Date(u64),
    /// Named scalars; structs do not nest.
    Struct(BTreeMap<String, Scalar>),
    /// Elements of one type, at most 512 on the cloud's side.
    List(Vec<Element>),
}

/// One element of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Element {
    /// A value without parts.
    Scalar(Scalar),
    /// Named scalars.
    Struct(BTreeMap<String, Scalar>),
}

impl From<Scalar> for Value {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Bool(it) => Self::Bool(it),
            Scalar::Int(it) => Self::Int(it),
            Scalar::Float(it) => Self::Float(it),
            Scalar::Text(it) => Self::Text(it),
            Scalar::Date(it) => Self::Date(it),
        }
    }
}

impl From<bool> for Value {
    fn from(it: bool) -> Self {
        Self::Bool(it)
    }
}

impl From<i64> for Value {
    fn from(it: i64) -> Self {
        Self::Int(it)
    }
}

impl From<f64> for Value {
    fn from(it: f64) -> Self {
        Self::Float(it)
    }
}

impl From<&str> for Value {
    fn from(it: &str) -> Self {
        Self::Text(it.to_owned())
    }
}

impl From<String> for Value {
    fn from(it: String) -> Self {
        Self::Text(it)
    }
}
