//! Values against the model: what comes in from the cloud and what goes out to it.
//!
//! Two things are put right silently, because the platform's wire form needs it: 0 and 1 for a boolean, a whole number for
//! one with a fraction. Everything else that does not fit is refused by name.

use worker_protocol::{Value, ValueMap, v1::Refusal};

use crate::model::{Field, Kind, Model, Property};

/// The platform's code for a parameter that is wrong or missing.
pub const BAD_ARGUMENT: u32 = 460;

/// A value as its kind wants it.
///
/// # Errors
/// A sentence without the value's name, such as "is not a whole number".
pub fn coerce(kind: &Kind, value: Value) -> Result<Value, String> {
    match (kind, value) {
        (Kind::Bool { .. }, Value::Bool(it)) => Ok(Value::Bool(it)),
        (Kind::Bool { .. }, Value::Int(it @ (0 | 1))) => Ok(Value::Bool(it == 1)),
        (Kind::Bool { .. }, _) => Err("is neither true nor false".to_owned()),
        (Kind::Int { min, max, .. }, Value::Int(it)) => within(it, *min, *max).map(Value::Int),
        (Kind::Int { .. }, _) => Err("is not a whole number".to_owned()),
        (Kind::Float { min, max, .. }, Value::Float(it)) => real(it, *min, *max),
        // Numbers beyond 2^53 lose their last digits, which no range of a device tells apart.
        (Kind::Float { min, max, .. }, Value::Int(it)) => real(it as f64, *min, *max),
        (Kind::Float { .. }, _) => Err("is not a number".to_owned()),
        (Kind::Text { longest }, Value::Text(it)) if it.len() <= *longest => Ok(Value::Text(it)),
        (Kind::Text { longest }, Value::Text(it)) => {
            let length = it.len();
            Err(format!("is {length} bytes long, more than {longest}"))
        }
        (Kind::Text { .. }, _) => Err("is not text".to_owned()),
    }
}

/// Properties that the cloud wants set.
///
/// # Errors
/// When there are none, or one is unknown, read-only or does not fit. Then none is to be set.
pub fn settings(model: &Model, properties: ValueMap) -> Result<ValueMap, Refusal> {
    if properties.is_empty() {
        return Err(refusal("no property is named".to_owned()));
    }
    properties
        .into_iter()
        .map(|(name, value)| {
            let property = property(model, &name)
                .ok_or_else(|| refusal(format!("there is no property `{name}`")))?;
            if !property.writable {
                return Err(refusal(format!("`{name}` is read-only")));
            }
            fit(&property.field, name, value)
        })
        .collect()
}

/// Arguments of a service call; all that the service takes must be there.
///
/// # Errors
/// When the service or an argument is unknown, or an argument is missing or does not fit.
pub fn arguments(model: &Model, service: &str, args: ValueMap) -> Result<ValueMap, Refusal> {
    let service = model
        .services
        .iter()
        .find(|it| it.id == service)
        .ok_or_else(|| refusal(format!("there is no service `{service}`")))?;
    if let Some(missing) = service.inputs.iter().find(|it| !args.contains_key(it.id)) {
        return Err(refusal(format!("`{}` is missing", missing.id)));
    }
    fields(&service.inputs, args)
}

/// A property's value that the device wants to tell.
///
/// # Errors
/// When the property is unknown or the value does not fit.
pub fn reading(model: &Model, name: &str, value: Value) -> Result<Value, String> {
    let property = property(model, name).ok_or_else(|| "is not in the model".to_owned())?;
    coerce(&property.field.kind, value)
}

/// What a service gives back.
///
/// # Errors
/// When the service or an output is unknown, or an output does not fit.
pub fn outputs(model: &Model, service: &str, outputs: ValueMap) -> Result<ValueMap, Refusal> {
    match model.services.iter().find(|it| it.id == service) {
        Some(service) => fields(&service.outputs, outputs),
        None => Err(refusal(format!("there is no service `{service}`"))),
    }
}

/// What an event tells.
///
/// # Errors
/// When the event or an output is unknown, or an output does not fit.
pub fn event(model: &Model, event: &str, outputs: ValueMap) -> Result<ValueMap, Refusal> {
    match model.events.iter().find(|it| it.id == event) {
        Some(event) => fields(&event.outputs, outputs),
        None => Err(refusal(format!("there is no event `{event}`"))),
    }
}

fn property<'a>(model: &'a Model, name: &str) -> Option<&'a Property> {
    model.properties.iter().find(|it| it.field.id == name)
}

fn fields(fields: &[Field], values: ValueMap) -> Result<ValueMap, Refusal> {
    values
        .into_iter()
        .map(
            |(name, value)| match fields.iter().find(|it| it.id == name) {
                Some(field) => fit(field, name, value),
                None => Err(refusal(format!("there is no `{name}`"))),
            },
        )
        .collect()
}

fn fit(field: &Field, name: String, value: Value) -> Result<(String, Value), Refusal> {
    match coerce(&field.kind, value) {
        Ok(value) => Ok((name, value)),
        Err(why) => Err(refusal(format!("`{name}` {why}"))),
    }
}

fn real(value: f64, min: f64, max: f64) -> Result<Value, String> {
    if !value.is_finite() {
        return Err("is not a finite number".to_owned());
    }
    within(value, min, max).map(Value::Float)
}

fn within<T: Copy + PartialOrd + std::fmt::Display>(value: T, min: T, max: T) -> Result<T, String> {
    if min <= value && value <= max {
        Ok(value)
    } else {
        Err(format!("is {value}, outside {min} to {max}"))
    }
}

fn refusal(message: String) -> Refusal {
    Refusal {
        code: BAD_ARGUMENT,
        message,
    }
}

#[cfg(test)]
mod tests;
