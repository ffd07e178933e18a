//! The small services: clock, tags, remote configuration, log configuration (documents 89304, 89308).

use std::path::PathBuf;

use rumqttc::QoS;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Changed, Fail, Millis, NAMES, World};
use crate::login::DeviceId;
use crate::session::Delivery;

/// A product's remote configuration: a small JSON file behind a URL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredConfig {
    pub(super) id: u64,
    pub(super) size: u64,
    pub(super) sign: String,
    pub(super) path: PathBuf,
}

impl World {
    /// Answers with the three times as strings, as the C SDK expects them.
    pub(super) fn ntp(&mut self, now: Millis, id: &DeviceId, request: &Value) {
        let sent = match &request["deviceSendTime"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let answer = json!({
            "deviceSendTime": sent, "serverRecvTime": now.to_string(), "serverSendTime": now.to_string()
        });
        self.publish(
            now,
            id,
            &Self::down(id).ntp(),
            answer.to_string(),
            QoS::AtMostOnce,
        );
    }

    pub(super) fn tags_update(&mut self, id: &DeviceId, params: &Value) -> Result<Value, Fail> {
        let device = self.known(id)?;
        for tag in params.as_array().into_iter().flatten() {
            if let (Some(key), Some(value)) = (tag["attrKey"].as_str(), tag["attrValue"].as_str())
                && (device.tags.len() < NAMES || device.tags.contains_key(key))
            {
                device.tags.insert(key.to_owned(), value.to_owned());
            }
        }
        self.keep(Changed::Device(id.clone()));
        Ok(json!({}))
    }

    pub(super) fn tags_delete(&mut self, id: &DeviceId, params: &Value) -> Result<Value, Fail> {
        let device = self.known(id)?;
        for key in params
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tag| tag["attrKey"].as_str())
        {
            device.tags.remove(key);
        }
        self.keep(Changed::Device(id.clone()));
        Ok(json!({}))
    }

    pub(super) fn config_get(&mut self, now: Millis, id: &DeviceId) -> Result<Value, Fail> {
        self.config_members(now, id)
            .ok_or_else(|| Fail(6710, "no configuration".to_owned()))
    }

    /// Pushes the product's configuration to a device; its answer comes under [`super::Awaited::Config`] with the id.
    pub(crate) fn push_config(&mut self, now: Millis, id: &DeviceId) -> Option<(String, Delivery)> {
        let params = self.config_members(now, id)?;
        Some(self.request(
            now,
            id,
            "thing/config/push",
            "thing.config.push",
            &params,
            QoS::AtMostOnce,
        ))
    }

    /// Stores a product's configuration, whose digest and size are known already.
    pub(crate) fn set_config(&mut self, product: &str, path: PathBuf, size: u64, sign: String) {
        let id = self.number();
        self.products.entry(product.to_owned()).or_default().config = Some(StoredConfig {
            id,
            size,
            sign,
            path,
        });
        self.keep(Changed::Product(product.to_owned()));
    }

    /// The file behind a configuration's URL.
    pub(crate) fn config_file(&self, config: u64) -> Option<(PathBuf, u64)> {
        let mut all = self
            .products
            .values()
            .filter_map(|product| product.config.as_ref());
        all.find(|stored| stored.id == config)
            .map(|stored| (stored.path.clone(), stored.size))
    }

    fn config_members(&self, now: Millis, id: &DeviceId) -> Option<Value> {
        let config = self.products.get(&id.product_key)?.config.as_ref()?;
        let target = self
            .url_key
            .target(&format!("/config/{}", config.id), self.expiry(now));
        Some(json!({
            "configId": config.id.to_string(),
            "configSize": config.size,
            "sign": config.sign,
            // The spelling differs from that of firmware offers.
            "signMethod": "Sha256",
            "url": format!("http://{}{target}", self.links.plain),
            "getType": "file",
        }))
    }

    pub(super) fn log_config_get(&mut self, id: &DeviceId) -> Result<Value, Fail> {
        let mode = self.known(id)?.log_mode;
        Ok(json!({"getType": "content", "content": {"mode": mode}}))
    }

    /// Switches a device's log reports on or off and tells it, if it is online. False if it is unknown.
    pub(crate) fn set_log_mode(&mut self, now: Millis, id: &DeviceId, on: bool) -> bool {
        let Some(device) = self.devices.get_mut(id) else {
            return false;
        };
        device.log_mode = u8::from(on);
        let online = device.connection().is_some();
        self.keep(Changed::Device(id.clone()));
        if online {
            let params = json!({"getType": "content", "content": {"mode": u8::from(on)}});
            let topic = "thing/config/log/push";
            self.request(
                now,
                id,
                topic,
                "thing.config.log.push",
                &params,
                QoS::AtMostOnce,
            );
        }
        true
    }

    /// Until when a URL made now is valid.
    pub(super) fn expiry(&self, now: Millis) -> Millis {
        now + u64::try_from(self.options.url_lifetime.as_millis()).unwrap_or(u64::MAX / 2)
    }
}
