//! What the stand's cloud has seen of the device, and waiting for it.

use cloud_emulator::{DeviceState, Entry, Message, TaskState, What};
use serde_json::Value;

use crate::{LIMIT, Stand};

impl Stand {
    /// Waits until the cloud sees the device in a certain state.
    ///
    /// # Panics
    /// When it does not within the limit.
    #[track_caller]
    pub fn await_device(
        &self,
        what: &str,
        reached: impl FnMut(&DeviceState) -> bool,
    ) -> DeviceState {
        let waited = self.cloud.wait_until(&self.device, LIMIT, what, reached);
        self.cloud
            .block_on(waited)
            .unwrap_or_else(|why| panic!("{why}"))
    }

    /// Waits until the newest task has this state.
    ///
    /// # Panics
    /// When it does not get there within the limit.
    #[track_caller]
    pub fn await_task(&self, wanted: TaskState) -> DeviceState {
        self.await_device(&format!("the task is {wanted:?}"), |device| {
            device.task().is_some_and(|task| task.state == wanted)
        })
    }

    /// Waits for a journal entry after a position.
    ///
    /// # Panics
    /// When none comes within the limit.
    #[track_caller]
    pub fn await_entry(&self, after: u64, what: &str, wanted: impl FnMut(&Entry) -> bool) -> Entry {
        let waited = self.cloud.wait_for_entry(after, LIMIT, what, wanted);
        self.cloud
            .block_on(waited)
            .unwrap_or_else(|why| panic!("{why}"))
    }

    /// Waits for a message of the device on a topic that begins so, after a position.
    ///
    /// # Panics
    /// When none comes within the limit.
    #[track_caller]
    pub fn await_message(&self, after: u64, topic: &str) -> (Entry, Message) {
        let entry = self.await_entry(after, &format!("a message on {topic}"), |entry| {
            said(entry, topic).is_some()
        });
        let message = said(&entry, topic)
            .expect("it was just found by this")
            .clone();
        (entry, message)
    }

    /// What the device has published on topics that begin so, oldest first, with the entry's number.
    #[must_use]
    pub fn said(&self, topic: &str) -> Vec<(u64, Value)> {
        let journal = self.cloud.journal();
        journal
            .iter()
            .filter_map(|entry| Some((entry.seq, said(entry, topic)?.json())))
            .collect()
    }

    /// The topic on which offers are pushed.
    #[must_use]
    pub fn upgrade_topic(&self) -> String {
        format!(
            "/ota/device/upgrade/{}/{}",
            self.device.product_key, self.device.device_name
        )
    }

    /// The topic on which the device reports its progress.
    #[must_use]
    pub fn progress_topic(&self) -> String {
        format!(
            "/ota/device/progress/{}/{}",
            self.device.product_key, self.device.device_name
        )
    }

    /// The topic on which the device reports its version.
    #[must_use]
    pub fn inform_topic(&self) -> String {
        format!(
            "/ota/device/inform/{}/{}",
            self.device.product_key, self.device.device_name
        )
    }

    /// A topic below `/sys/{product key}/{device name}/`.
    #[must_use]
    pub fn sys_topic(&self, rest: &str) -> String {
        format!(
            "/sys/{}/{}/{rest}",
            self.device.product_key, self.device.device_name
        )
    }

    /// The steps reported so far.
    #[must_use]
    pub fn steps(&self) -> Vec<i64> {
        let said = self.said(&self.progress_topic());
        let step = |value: &Value| {
            value["params"]["step"]
                .as_str()
                .and_then(|step| step.parse().ok())
        };
        said.iter()
            .map(|(_, value)| step(value).unwrap_or_else(|| panic!("a step is text: {value}")))
            .collect()
    }

    /// The versions informed so far.
    #[must_use]
    pub fn informed(&self) -> Vec<String> {
        let said = self.said(&self.inform_topic());
        said.iter()
            .map(|(_, value)| {
                value["params"]["version"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect()
    }
}

fn said<'e>(entry: &'e Entry, topic: &str) -> Option<&'e Message> {
    match &entry.what {
        What::In(message) if message.topic.starts_with(topic) => Some(message),
        _ => None,
    }
}
