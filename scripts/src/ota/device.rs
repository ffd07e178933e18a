//! Which device is meant, and the topics on which its upgrades are told (documents 58328 and 89307).

use std::str::FromStr;

/// A device's identity on the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    /// Its product's key.
    pub(super) product: String,
    /// Its name within the product.
    pub(super) name: String,
}

impl Device {
    /// Where offers are pushed to the device.
    pub(super) fn upgrade(&self) -> String {
        format!("/ota/device/upgrade/{}/{}", self.product, self.name)
    }

    /// Where the device tells how far it is.
    pub(super) fn progress(&self) -> String {
        format!("/ota/device/progress/{}/{}", self.product, self.name)
    }

    /// Where the device tells which version runs.
    pub(super) fn inform(&self) -> String {
        format!("/ota/device/inform/{}/{}", self.product, self.name)
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.product, self.name)
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Wildcards and further slashes would address other devices.
        let part = |part: &str| !part.is_empty() && !part.contains(['/', '+', '#']);
        match text.split_once('/') {
            Some((product, name)) if part(product) && part(name) => Ok(Self {
                product: product.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err("a device is written as <product key>/<device name>".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_its_product_and_its_name() {
        let device: Device = "a1Sample001/oven001".parse().unwrap();
        assert_eq!(device.upgrade(), "/ota/device/upgrade/a1Sample001/oven001");
        assert_eq!(device.to_string(), "a1Sample001/oven001");
    }

    #[test]
    fn what_would_reach_other_devices_is_refused() {
        for text in ["oven001", "a/", "/b", "a/b/c", "a/+", "#/b", ""] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
    }
}
