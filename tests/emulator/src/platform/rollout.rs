//! What an operator asks for when starting a job, and why it may be refused.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::offer::Transport;
use crate::login::DeviceId;

/// A job to be started: one package for some devices.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// The package.
    pub firmware: u64,
    /// Its devices.
    pub devices: Vec<DeviceId>,
    /// How they fetch it.
    #[serde(default)]
    pub transport: Transport,
    /// Whether it is pushed; otherwise devices find it only by asking (`NeedPush`, document 147496).
    #[serde(default = "yes")]
    pub push: bool,
    /// From a device's first progress report; none if absent. The platform allows 1 to 1440 minutes.
    #[serde(default, rename = "time_limit_ms", with = "optional_ms")]
    pub time_limit: Option<Duration>,
    /// How many further tries follow a failure.
    #[serde(default)]
    pub retries: u32,
    /// How long after the failure.
    #[serde(default, rename = "retry_interval_ms", with = "ms")]
    pub retry_interval: Duration,
    /// Whether it replaces another open task of the same device and module, instead of failing.
    #[serde(default)]
    pub overwrite: bool,
    /// Tags sent along in `extData`; at most 10.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

/// A duration as whole milliseconds.
mod ms {
    use super::{Deserialize, Duration, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(
        span: &Duration,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        span.as_millis().serialize(to)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

/// The same where it may be missing.
mod optional_ms {
    use super::{Deserialize, Duration, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(
        span: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        span.map(|span| span.as_millis()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Option::<u64>::deserialize(from).map(|ms| ms.map(Duration::from_millis))
    }
}

impl Rollout {
    /// A pushed job over HTTP for one device, without time limit or retry.
    #[must_use]
    pub fn new(firmware: u64, device: &DeviceId) -> Self {
        Self {
            firmware,
            devices: vec![device.clone()],
            transport: Transport::Http,
            push: true,
            time_limit: None,
            retries: 0,
            retry_interval: Duration::ZERO,
            overwrite: false,
            tags: BTreeMap::new(),
        }
    }
}

/// Why a job was not started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// No such package.
    #[error("no firmware `{0}`")]
    Firmware(u64),
    /// No such device.
    #[error("no device `{0}`")]
    Device(DeviceId),
    /// The package cannot go over MQTT: several files, or more than 16 MiB.
    #[error("firmware `{0}` has several files or over 16 MiB and cannot be fetched over MQTT")]
    OverMqtt(u64),
    /// The firmware server over TLS does not run.
    #[error("the emulator was started without TLS")]
    NoTls,
    /// More than 10 tags.
    #[error("{0} tags, but 10 are allowed")]
    Tags(usize),
    /// No such job.
    #[error("no job `{0}`")]
    Job(u64),
}
