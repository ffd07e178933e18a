//! The thing model's part of the platform: properties, events, desired values, and calls to the device (document 89301).
//!
//! Values are kept as they were posted and not checked against a thing model: what the platform answers for a single wrong
//! value is not known well enough to imitate.

use rumqttc::QoS;
use serde_json::{Map, Value, json};

use super::{Awaited, Changed, Device, EVENTS, Fail, Millis, NAMES, World, keep};
use crate::login::DeviceId;
use crate::session::Delivery;
use crate::state::{Desired, Event, Property};

/// More properties in one post are refused with code 6106 (document 120329).
const MOST_PROPERTIES: usize = 200;
/// A value may be dated this far ahead, in ms.
const AHEAD: u64 = 24 * 3600 * 1000;

impl World {
    pub(super) fn property_post(
        &mut self,
        now: Millis,
        id: &DeviceId,
        params: &Value,
    ) -> Result<Value, Fail> {
        let values = object(params)?;
        if values.len() > MOST_PROPERTIES {
            return Err(Fail(
                6106,
                format!(
                    "{} properties in one post, over {MOST_PROPERTIES}",
                    values.len()
                ),
            ));
        }
        let mut dated = Vec::new();
        for (name, value) in values {
            dated.push((name, dated_value(now, name, value)?));
        }
        let device = self.known(id)?;
        for (name, property) in dated {
            device.take_property(name, property);
        }
        self.keep(Changed::Device(id.clone()));
        Ok(json!({}))
    }

    pub(super) fn event_post(
        &mut self,
        now: Millis,
        id: &DeviceId,
        name: &str,
        params: &Value,
    ) -> Result<Value, Fail> {
        self.known(id)?.take_event(now, name, params);
        Ok(json!({}))
    }

    pub(super) fn batch_post(
        &mut self,
        now: Millis,
        id: &DeviceId,
        params: &Value,
    ) -> Result<Value, Fail> {
        object(params)?;
        let series = |key: &str| params[key].as_object().cloned().unwrap_or_default();
        let device = self.known(id)?;
        for (name, values) in series("properties") {
            for value in values.as_array().into_iter().flatten() {
                let property = dated_value(now, &name, value)?;
                // A batch may be older than what is known already.
                if device
                    .properties
                    .get(&name)
                    .is_none_or(|known| known.time <= property.time)
                {
                    device.take_property(&name, property);
                }
            }
        }
        self.keep(Changed::Device(id.clone()));
        let device = self.known(id)?;
        for (name, values) in series("events") {
            for value in values.as_array().into_iter().flatten() {
                device.take_event(now, &name, value);
            }
        }
        Ok(json!({}))
    }

    pub(super) fn history_post(
        &mut self,
        now: Millis,
        id: &DeviceId,
        params: &Value,
    ) -> Result<Value, Fail> {
        let list = params
            .as_array()
            .ok_or_else(|| Fail(460, "`params` is not an array".to_owned()))?;
        for part in list {
            self.batch_post(now, id, part)?;
        }
        Ok(json!({}))
    }

    pub(super) fn desired_get(&mut self, id: &DeviceId, params: &Value) -> Result<Value, Fail> {
        let names = params
            .as_array()
            .ok_or_else(|| Fail(460, "`params` is not an array of names".to_owned()))?;
        if names.is_empty() || names.len() > MOST_PROPERTIES {
            return Err(Fail(460, "`params` is empty or too long".to_owned()));
        }
        let device = self.known(id)?;
        let mut found = Map::new();
        for name in names.iter().filter_map(Value::as_str) {
            if let Some(desired) = device.desired.get(name) {
                found.insert(
                    name.to_owned(),
                    json!({"value": desired.value, "version": desired.version}),
                );
            }
        }
        Ok(Value::Object(found))
    }

    pub(super) fn desired_delete(&mut self, id: &DeviceId, params: &Value) -> Result<Value, Fail> {
        let names = object(params)?;
        let device = self.known(id)?;
        for (name, wanted) in names {
            let version = wanted["version"].as_u64();
            // A stale version means the value was set again since; it stays.
            if device
                .desired
                .get(name)
                .is_some_and(|known| version.is_none_or(|version| version == known.version))
            {
                device.desired.remove(name);
            }
        }
        self.keep(Changed::Device(id.clone()));
        Ok(json!({}))
    }

    /// Sends a property set; its answer comes under [`Awaited::Set`] with the returned id.
    pub(crate) fn send_set(
        &mut self,
        now: Millis,
        id: &DeviceId,
        params: &Value,
        qos: QoS,
    ) -> (String, Delivery) {
        self.request(
            now,
            id,
            "thing/service/property/set",
            "thing.service.property.set",
            params,
            qos,
        )
    }

    /// Sends an asynchronous service call; its answer comes under [`Awaited::Service`] with the returned id.
    pub(crate) fn send_call(
        &mut self,
        now: Millis,
        id: &DeviceId,
        service: &str,
        params: &Value,
        qos: QoS,
    ) -> (String, Delivery) {
        let topic = format!("thing/service/{service}");
        self.request(
            now,
            id,
            &topic,
            &format!("thing.service.{service}"),
            params,
            qos,
        )
    }

    pub(super) fn request(
        &mut self,
        now: Millis,
        id: &DeviceId,
        topic: &str,
        method: &str,
        params: &Value,
        qos: QoS,
    ) -> (String, Delivery) {
        let request = self.number().to_string();
        let payload = call_payload(&request, method, params);
        let delivery = self.publish(now, id, &Self::down(id).system(topic), payload, qos);
        (request, delivery)
    }

    /// Remembers values the device shall take; an online device is also told at once.
    pub(crate) fn set_desired(
        &mut self,
        now: Millis,
        id: &DeviceId,
        values: &Map<String, Value>,
    ) -> Result<(), Fail> {
        let device = self.known(id)?;
        for (name, value) in values {
            if device.desired.len() < NAMES || device.desired.contains_key(name) {
                device.desired_version += 1;
                let version = device.desired_version;
                device.desired.insert(
                    name.clone(),
                    Desired {
                        value: value.clone(),
                        version,
                    },
                );
            }
        }
        let online = device.connection().is_some();
        self.keep(Changed::Device(id.clone()));
        if online {
            self.send_set(now, id, &Value::Object(values.clone()), QoS::AtMostOnce);
        }
        Ok(())
    }

    /// The device of a message.
    pub(super) fn known(&mut self, id: &DeviceId) -> Result<&mut Device, Fail> {
        self.devices
            .get_mut(id)
            .ok_or_else(|| Fail(6100, "device not found".to_owned()))
    }
}

/// A call's payload, the same for asynchronous and synchronous ones.
pub(crate) fn call_payload(request: &str, method: &str, params: &Value) -> String {
    json!({"id": request, "version": "1.0", "method": method, "params": params}).to_string()
}

impl Awaited {
    /// The message id of a synchronous call.
    pub(crate) fn rrpc(call: &str) -> Self {
        Self::Rrpc(call.to_owned())
    }
}

impl Device {
    fn take_property(&mut self, name: &str, property: Property) {
        if self.properties.len() < NAMES || self.properties.contains_key(name) {
            self.properties.insert(name.to_owned(), property);
        }
    }

    /// The document wraps the outputs in `value`; some SDKs do not.
    fn take_event(&mut self, now: Millis, name: &str, params: &Value) {
        let wrapped = params.get("value").filter(|value| value.is_object());
        let time = if wrapped.is_some() {
            params["time"].as_u64()
        } else {
            None
        };
        let outputs = wrapped.unwrap_or(params).clone();
        keep(
            &mut self.events,
            Event {
                name: name.to_owned(),
                outputs,
                time: time.unwrap_or(now),
            },
            EVENTS,
        );
    }
}

fn object(params: &Value) -> Result<&Map<String, Value>, Fail> {
    params
        .as_object()
        .ok_or_else(|| Fail(460, "`params` is not an object".to_owned()))
}

/// A bare value, or `{value, time}`.
fn dated_value(now: Millis, name: &str, value: &Value) -> Result<Property, Fail> {
    let wrapped = value.as_object().filter(|fields| {
        fields.contains_key("value") && fields.keys().all(|key| key == "value" || key == "time")
    });
    let Some(fields) = wrapped else {
        return Ok(Property {
            value: value.clone(),
            time: now,
        });
    };
    let time = fields.get("time").and_then(Value::as_u64).unwrap_or(now);
    if time > now + AHEAD {
        return Err(Fail(460, format!("`{name}` is dated more than 24 h ahead")));
    }
    Ok(Property {
        value: fields["value"].clone(),
        time,
    })
}
