//! What the platform's journal tells about the round under way.

use serde_json::Value;

use crate::judge::Told;

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Is the device connected?
    pub(super) online: bool,
    /// The version it has told last.
    pub(super) informed: Option<String>,
    /// What it has told in this round, with the platform's clock.
    pub(super) told: Vec<(u64, Told)>,
    /// Body bytes of images that were sent in this round.
    pub(super) sent: u64,
    /// Strikes of faults in this round.
    pub(super) strikes: u64,
    /// Has the device said anything about an update since this was looked at last?
    pub(super) stirred: bool,
    /// The newest entry's number, and its time.
    pub(super) newest: u64,
}

impl View {
    /// A round begins.
    pub(super) fn begin(&mut self) {
        self.told.clear();
        self.sent = 0;
        self.strikes = 0;
        self.stirred = true;
    }

    /// The platform was killed, and every connection with it.
    pub(super) fn platform_gone(&mut self) {
        self.online = false;
    }

    /// Takes an entry.
    pub(super) fn take(&mut self, entry: &Value) {
        self.newest = entry["seq"].as_u64().unwrap_or(self.newest);
        let topic = entry["topic"].as_str().unwrap_or_default();
        match entry["kind"].as_str().unwrap_or_default() {
            "connect" => self.online = true,
            "disconnect" | "kick" => self.online = false,
            "strike" => self.strikes += 1,
            "sent" => self.sent += entry["bytes"].as_u64().unwrap_or(0),
            "out" if topic.ends_with("/thing/file/download_reply") => {
                self.sent += entry["bytes"].as_u64().unwrap_or(0);
            }
            "in" if topic.starts_with("/ota/") => {
                self.stirred = true;
                let payload = entry["payload"]["text"].as_str().unwrap_or_default();
                let said: Value = serde_json::from_str(payload).unwrap_or_default();
                if let Some(told) = Told::read(topic, &said["params"]) {
                    if let Told::Runs(version) = &told {
                        self.informed = Some(version.clone());
                    }
                    self.told.push((entry["time"].as_u64().unwrap_or(0), told));
                }
            }
            _ => {}
        }
    }
}
