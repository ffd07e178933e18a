//! What `supervisor status` shows.

use serde::{Deserialize, Serialize};

use crate::{alink::version::Version, record::Ended};

/// The supervisor's state in words that a program may read; fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// `idle`, `opening`, `fetching`, `keeping`, `warming`, `spending`, `switching`, `proving`, `committing`, `reverting`, `closing`
    /// or `regretting`; what each means stands in the table of the module `update`.
    pub phase: String,
    /// The trusted version, if a worker is installed and can be read.
    pub version: Option<String>,
    /// The version wanted by the update under way.
    pub wanted: Option<String>,
    /// Does nothing go on or begin until an operator says `resume`?
    pub paused: bool,
    /// The version of an offer that waits for its turn.
    pub waiting: Option<String>,
    /// Versions that are not taken until an operator says `release`.
    pub quarantined: Vec<Quarantined>,
    /// What the cloud is told as `ota_status`.
    pub ota_status: String,
    /// Percent of the image on the disk, 0 to 100.
    pub ota_progress: u8,
    /// Bytes of the image on the disk, while it is being fetched.
    pub fetched_bytes: Option<u64>,
    /// Bytes of the whole image, while it is being fetched.
    pub image_bytes: Option<u64>,
    /// What is awaited, and why.
    pub awaited: Option<String>,
    /// The workers alive, the active one first.
    pub workers: Vec<WorkerStatus>,
    /// Is the cloud link up?
    pub cloud_up: bool,
    /// Why it is down, or what is odd about it.
    pub cloud_word: Option<String>,
    /// How often the cloud link came up since the supervisor started.
    pub cloud_connections: u64,
    /// Reasons to report fast.
    pub hurry: Vec<String>,
    /// How the last update ended.
    pub last_outcome: Option<Ended>,
    /// When the running version was trusted, RFC 3339.
    pub last_update: Option<String>,
    /// How long nobody ran the device in the last switch, in milliseconds: from the order to hand over until the new worker was
    /// active. Unknown before the first switch.
    pub last_gap_ms: Option<u64>,
    /// The last offer that was refused, and why.
    pub last_refusal: Option<String>,
    /// How often a worker was started again after it had died.
    pub respawns: u64,
    /// What never reached the cloud, because more waited for it than is kept.
    pub dropped: Dropped,
    /// How many strangers were refused on the local socket.
    pub strangers: u64,
}

/// How the device stands, in the fewest words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The phase, as in [`Status::phase`].
    pub phase: &'static str,
    /// The version of the worker that runs the device.
    pub active: Option<&'a Version>,
    /// Is a worker installed, as far as that can be read?
    pub installed: bool,
    /// Is the cloud link up?
    pub cloud_up: bool,
}

impl Standing<'_> {
    /// Is everything up that can be: a worker runs the device, or, where none is installed, the platform can bring one?
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.active.is_some() || (!self.installed && self.cloud_up)
    }
}

/// A version that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Quarantined {
    /// Which.
    pub version: String,
    /// Why, in words.
    pub why: String,
}

/// What was dropped at a bound, by its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dropped {
    /// Outcomes of updates, also those dropped by supervisors before this one, and refusals of offers.
    pub reports: u64,
    /// Events of the device, since the supervisor started.
    pub events: u64,
    /// Values of properties that found no room or that the platform has no form for, since the supervisor started. Those that a newer
    /// value of the same property replaced do not count.
    pub properties: u64,
}

/// One life of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerStatus {
    /// Which life.
    pub tenure: u64,
    /// The version of its slot.
    pub version: String,
    /// `standby` or `active`.
    pub role: String,
    /// How far this life is, in a word.
    pub stage: String,
    /// Its process id, once it runs.
    pub pid: Option<u32>,
    /// `well`, or why not.
    pub health: String,
    /// Its resident memory in bytes, if the shell could read it.
    pub memory_bytes: Option<u64>,
    /// Its processor time in permille of one core since the last look, if the shell could read it.
    pub cpu_permille: Option<u32>,
}
