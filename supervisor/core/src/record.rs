//! What must survive a power cut, as one value.
//!
//! The brain changes its copy and asks for it to be saved; the store writes it whole, with a generation and a checksum, into one of two
//! files in turn. Unknown fields are ignored and missing ones defaulted, so that an older supervisor can read a newer
//! one's record and the other way round.

use serde::{Deserialize, Serialize};

use crate::{alink::version::Version, outcome::Outcome, time::Wall};

/// How many builds that failed are remembered; the oldest is forgotten first.
pub const MOST_STRIKES: usize = 32;

/// How many outcomes may be owed to the cloud; the oldest is dropped first.
pub const MOST_OWED: usize = 32;

/// The durable truth.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The trusted worker.
    pub active: Option<Slot>,
    /// The one trusted before it, kept for going back.
    pub former: Option<Slot>,
    /// The next slot's number; numbers are never used twice.
    pub next_slot: u64,
    /// The next job's number.
    pub next_job: u64,
    /// The update under way.
    pub job: Option<Job>,
    /// Builds that were started and have not proved themselves.
    pub strikes: Vec<Strike>,
    /// Outcomes the cloud has not been told for certain.
    pub owed: Vec<Owed>,
    /// When the running version was trusted.
    pub last_update: Option<Wall>,
    /// How the last update ended.
    pub last_outcome: Option<Ended>,
}

/// An immutable folder with one verified worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Its number.
    pub id: SlotId,
    /// The version its image was offered as.
    pub version: Version,
    /// SHA-256 of the image, in lower-case hex.
    pub sha256: String,
    /// The image's length in bytes.
    pub size: u64,
}

/// A slot's number.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SlotId(pub u64);

/// A job's number, unique on this device.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct JobId(pub u64);

/// One update under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What is wanted.
    pub wanted: Wanted,
    /// How far it came.
    pub stage: Stage,
}

/// What an accepted offer wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The target version.
    pub version: Version,
    /// The image's length in bytes.
    pub size: u64,
    /// Where it is; used verbatim.
    pub url: String,
    /// What it must hash to: every one of them.
    pub digests: Vec<crate::alink::codec::Digest>,
}

/// How far a job came, as far as a power cut must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// The image is being fetched.
    Open,
    /// The image is a slot; its worker has not been made active.
    Fetched {
        /// That slot.
        slot: Slot,
    },
    /// The new worker may be the active one, and is not yet trusted.
    Trial {
        /// Its slot.
        slot: Slot,
    },
}

/// A build that was started and has not proved itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// SHA-256 of the image, in lower-case hex.
    pub sha256: String,
    /// What the offer called its digests, so that it is known again before it is fetched.
    pub digests: Vec<crate::alink::codec::Digest>,
    /// Its version.
    pub version: Version,
    /// How many times it was started.
    pub starts: u32,
}

/// An outcome the cloud has not been told for certain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// The job it ends.
    pub job: JobId,
    /// What happened.
    pub outcome: Outcome,
}

/// How an update ended, for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The version that was wanted.
    pub version: Version,
    /// When.
    pub at: Wall,
    /// `None` is success.
    pub outcome: Option<Outcome>,
}
