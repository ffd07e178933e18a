//! The thing model in the platform's own form (TSL), for its console's import.
//!
//! It has what an export of the platform has: numbers in `specs` are text, the built-in event `post` and the built-in services
//! `set` and `get` are written out, and every service and event names its method. The properties that the supervisor posts
//! beside the device's own are added, so that the platform knows all it will be told.

use std::fmt::Display;

use serde_json::{Value as Json, json};

use crate::model::{Field, Grade, Kind, Model, Property, Service};

/// Where the platform keeps the description of the form itself.
const SCHEMA: &str = "https://iotx-tsl.oss-ap-southeast-1.aliyuncs.com/schema.json";

/// The model as one JSON document, for a product key or with an empty one to be filled in.
#[must_use]
pub fn export(model: &Model, product_key: &str) -> String {
    let mut properties = model.properties.clone();
    properties.extend(of_the_supervisor().into_iter().filter(|it| {
        !model
            .properties
            .iter()
            .any(|own| own.field.id == it.field.id)
    }));
    let document = json!({
        "schema": SCHEMA,
        "profile": { "productKey": product_key },
        "properties": properties.iter().map(property).collect::<Vec<_>>(),
        "events": events(model, &properties),
        "services": services(model, &properties),
    });
    format!("{document:#}\n")
}

/// What the supervisor posts for every device.
fn of_the_supervisor() -> [Property; 4] {
    let text = |longest| Kind::Text { longest };
    let percent = Kind::Int {
        min: 0,
        max: 100,
        unit: "%",
    };
    [
        ("firmware_version", "固件版本", text(64)),
        ("ota_status", "升级状态", text(32)),
        ("ota_progress", "升级进度", percent),
        ("last_update_time", "上次升级时间", text(64)),
    ]
    .map(|(id, name, kind)| Property {
        field: Field { id, name, kind },
        writable: false,
    })
}

fn events(model: &Model, properties: &[Property]) -> Vec<Json> {
    let post = json!({
        "identifier": "post",
        "name": "post",
        "type": "info",
        "required": true,
        "method": "thing.event.property.post",
        "outputData": properties.iter().map(|it| field(&it.field)).collect::<Vec<_>>(),
    });
    let own = model.events.iter().map(|event| {
        json!({
            "identifier": event.id,
            "name": event.name,
            "type": grade(event.grade),
            "required": false,
            "method": format!("thing.event.{}.post", event.id),
            "outputData": fields(&event.outputs),
        })
    });
    std::iter::once(post).chain(own).collect()
}

fn services(model: &Model, properties: &[Property]) -> Vec<Json> {
    let all = || properties.iter().map(|it| &it.field);
    let writable = properties.iter().filter(|it| it.writable);
    let set = json!({
        "identifier": "set",
        "name": "set",
        "required": true,
        "callType": "async",
        "method": "thing.service.property.set",
        "inputData": writable.map(|it| field(&it.field)).collect::<Vec<_>>(),
        "outputData": [],
    });
    let get = json!({
        "identifier": "get",
        "name": "get",
        "required": true,
        "callType": "async",
        "method": "thing.service.property.get",
        "inputData": all().map(|it| it.id).collect::<Vec<_>>(),
        "outputData": all().map(field).collect::<Vec<_>>(),
    });
    [set, get]
        .into_iter()
        .chain(model.services.iter().map(service))
        .collect()
}

fn service(service: &Service) -> Json {
    json!({
        "identifier": service.id,
        "name": service.name,
        "required": false,
        "callType": "async",
        "method": format!("thing.service.{}", service.id),
        "inputData": fields(&service.inputs),
        "outputData": fields(&service.outputs),
    })
}

fn property(property: &Property) -> Json {
    let mut json = field(&property.field);
    json["accessMode"] = Json::from(if property.writable { "rw" } else { "r" });
    json["required"] = Json::from(false);
    json
}

fn fields(list: &[Field]) -> Vec<Json> {
    list.iter().map(field).collect()
}

fn field(field: &Field) -> Json {
    json!({
        "identifier": field.id,
        "name": field.name,
        "dataType": kind(&field.kind),
    })
}

fn kind(kind: &Kind) -> Json {
    match kind {
        Kind::Bool { off, on } => json!({ "type": "bool", "specs": { "0": off, "1": on } }),
        Kind::Int { min, max, unit } => number("int", min, max, &1, unit),
        Kind::Float {
            min,
            max,
            step,
            unit,
        } => number("float", min, max, step, unit),
        Kind::Text { longest } => {
            json!({ "type": "text", "specs": { "length": longest.to_string() } })
        }
    }
}

fn number<T: Display>(name: &str, min: &T, max: &T, step: &T, unit: &str) -> Json {
    let mut specs = json!({
        "min": min.to_string(),
        "max": max.to_string(),
        "step": step.to_string(),
    });
    if !unit.is_empty() {
        specs["unit"] = Json::from(unit);
    }
    json!({ "type": name, "specs": specs })
}

fn grade(grade: Grade) -> &'static str {
    match grade {
        Grade::Info => "info",
        Grade::Alert => "alert",
        Grade::Error => "error",
    }
}

#[cfg(test)]
mod tests;
