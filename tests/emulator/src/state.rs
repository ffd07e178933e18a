//! What can be seen of a device from the platform's side: plain copies, taken at one moment, which serialize as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::login::DeviceId;
use crate::platform::task::{TaskState, Turn};

/// A device as the platform knows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceState {
    /// Who it is.
    #[serde(flatten)]
    pub id: DeviceId,
    /// Whether it may log in.
    pub enabled: bool,
    /// Whether it is connected.
    pub online: bool,
    /// The number of its present connection, counted over all devices.
    pub connection: Option<u64>,
    /// What was counted since it was created.
    pub counters: Counters,
    /// The version it reported last, per module (the default one is called `default`).
    pub versions: BTreeMap<String, String>,
    /// The newest value of each property it posted.
    pub properties: BTreeMap<String, Property>,
    /// Values it shall take, with their versions.
    pub desired: BTreeMap<String, Desired>,
    /// Tags it posted.
    pub tags: BTreeMap<String, String>,
    /// The last 256 events, newest last.
    pub events: Vec<Event>,
    /// Its tasks, oldest first.
    pub tasks: Vec<TaskView>,
    /// The last 1000 progress reports, newest last.
    pub progress: Vec<Progress>,
}

impl DeviceState {
    /// The newest task, if there is any.
    #[must_use]
    pub fn task(&self) -> Option<&TaskView> {
        self.tasks.last()
    }

    /// The value of a property it has posted.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.properties.get(name).map(|property| &property.value)
    }

    /// The version it reported for the default module.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.versions
            .get(crate::firmware::DEFAULT_MODULE)
            .map(String::as_str)
    }
}

/// Counters of one device, since it was created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Accepted logins.
    pub connects: u64,
    /// Refused logins that named this device.
    pub refusals: u64,
    /// Connections that ended, for whatever reason.
    pub disconnects: u64,
    /// Connections closed because the identity connected again.
    pub kicks: u64,
    /// PINGREQ packets.
    pub pings: u64,
    /// Messages from the device.
    pub published: u64,
    /// Messages to the device that its session took.
    pub delivered: u64,
}

/// A property value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Property {
    /// As it was posted.
    pub value: Value,
    /// When, in ms since 1970, by the device if it said so.
    pub time: u64,
}

/// A value the device shall take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// The value.
    pub value: Value,
    /// Counts up with each change.
    pub version: u64,
}

/// An event of the thing model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Its identifier.
    pub name: String,
    /// Its outputs, taken out of the `value` wrapper if there was one.
    pub outputs: Value,
    /// When, in ms since 1970, by the device if it said so.
    pub time: u64,
}

/// A progress report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// When it came, in ms since 1970.
    pub time: u64,
    /// The job it counted for; none if no task was open.
    pub job: Option<u64>,
    /// The module.
    pub module: String,
    /// The step, as sent.
    pub step: String,
    /// The description, as sent.
    pub description: String,
}

/// A task as seen from its device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskView {
    /// The device; tasks are also listed with their job.
    pub device: DeviceId,
    /// The job it belongs to.
    pub job: u64,
    /// The firmware package.
    pub firmware: u64,
    /// The module.
    pub module: String,
    /// Where it stands.
    pub state: TaskState,
    /// Why, where that is not plain.
    pub reason: Option<String>,
    /// The version it started from, if known.
    pub source: Option<String>,
    /// The version it leads to.
    pub target: String,
    /// The step reported last.
    pub step: Option<i64>,
    /// The description reported last.
    pub description: String,
    /// How often the offer was delivered, by push or query.
    pub deliveries: u32,
    /// The states it went through.
    pub history: Vec<Turn>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobState {
    /// Its number.
    pub id: u64,
    /// The firmware package.
    pub firmware: u64,
    /// Its tasks.
    pub tasks: Vec<TaskView>,
    /// Devices that were left out, and why.
    pub excluded: BTreeMap<String, String>,
}
