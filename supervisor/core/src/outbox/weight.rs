//! About how many bytes waiting values cost; near enough for a bound.

use std::collections::BTreeMap;

use worker_protocol::{Element, Scalar, Value, ValueMap};

use super::Message;

/// What every value costs, whatever is in it.
const EACH: usize = 32;

impl Message {
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Raised(raised) => EACH + of_map(&raised.outputs),
            Self::Inform(_) | Self::Report(_) | Self::Progress => 0,
        }
    }
}

pub(super) fn of_map(values: &ValueMap) -> usize {
    values.iter().map(|(name, value)| of(name, value)).sum()
}

pub(super) fn of(name: &str, value: &Value) -> usize {
    let inner = match value {
        Value::Text(text) => text.len(),
        Value::Struct(members) => of_struct(members),
        Value::List(elements) => elements.iter().map(of_element).sum(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) => 0,
    };
    EACH + name.len() + inner
}

fn of_element(element: &Element) -> usize {
    match element {
        Element::Scalar(scalar) => of_scalar(scalar),
        Element::Struct(members) => of_struct(members),
    }
}

fn of_struct(members: &BTreeMap<String, Scalar>) -> usize {
    let member = |(name, scalar): (&String, &Scalar)| name.len() + of_scalar(scalar);
    members.iter().map(member).sum()
}

fn of_scalar(scalar: &Scalar) -> usize {
    match scalar {
        Scalar::Text(text) => EACH + text.len(),
        _ => EACH,
    }
}
