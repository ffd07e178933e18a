//! What must survive a power cut, as one value.
//!
//! The brain changes its copy and asks for it to be saved; the store writes it whole, with a generation and a checksum, into one of two
//! files in turn. Unknown fields are ignored, missing ones defaulted, and a part that cannot be understood is
//! treated as missing, so that an older supervisor can read a newer one's record and the other way round: whatever it does not
//! know must never cost it the slot it could run.

pub mod frame;
mod framed;
mod held;
mod ledger;
mod name;
mod quarantine;
#[cfg(test)]
mod tests;
mod wanted;

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

pub use self::{
    held::{Held, Hold},
    ledger::Ledger,
    name::{FileName, NameFault},
    wanted::{Origin, Package, SlotFile, Source, Wanted, WantedFile},
};
use crate::{
    alink::{codec::Digest, version::Version},
    outcome::Outcome,
    time::Wall,
};

/// How many builds that failed are remembered; the oldest is forgotten first.
pub const MOST_STRIKES: usize = 32;

/// How many outcomes may be owed to the cloud; the oldest is dropped first.
pub const MOST_OWED: usize = 32;

/// How many versions an operator may hold back; the oldest is forgotten first.
pub const MOST_HELD: usize = 16;

/// The durable truth.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The trusted worker.
    #[serde(deserialize_with = "lenient")]
    pub active: Option<Slot>,
    /// The one trusted before it, kept for going back.
    #[serde(deserialize_with = "lenient")]
    pub former: Option<Slot>,
    /// The next slot's number; numbers are never used twice. A job has the number of the slot it fills.
    pub next_slot: u64,
    /// The update under way.
    #[serde(deserialize_with = "lenient")]
    pub job: Option<Job>,
    /// Builds that were started and have not proved themselves, or not for long.
    #[serde(deserialize_with = "lenient_list")]
    pub strikes: Vec<Strike>,
    /// Outcomes the cloud has not been told for certain.
    #[serde(deserialize_with = "lenient_list")]
    pub owed: Vec<Owed>,
    /// How many outcomes were dropped from these without having been told for certain.
    #[serde(skip_serializing_if = "is_none_dropped")]
    pub dropped: u64,
    /// When the running version was trusted.
    #[serde(deserialize_with = "lenient")]
    pub last_update: Option<Wall>,
    /// How the last update ended.
    #[serde(deserialize_with = "lenient")]
    pub last_outcome: Option<Ended>,
    /// Does nothing go on or begin until an operator says so?
    #[serde(
        deserialize_with = "lenient_or_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub paused: bool,
    /// What an operator brought while it could not be begun. What the platform offers meanwhile it offers again.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Wanted>,
    /// Versions that are not taken from the platform until an operator says so.
    #[serde(
        deserialize_with = "lenient_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub held: Vec<Held>,
}

/// An immutable folder with one verified worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Its number.
    pub id: SlotId,
    /// The version its image was offered as.
    pub version: Version,
    /// SHA-256 of the image, in lower-case hex; of a package, that of its list.
    pub sha256: String,
    /// The image's length in bytes; of a package, that of all files together.
    pub size: u64,
    /// The files of a package; an ordinary slot has one image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
}

/// A slot's number.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SlotId(pub u64);

/// A job's number: that of the slot it fills.
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
    /// Is it to go ahead without waiting for a maintenance window or for the device's consent?
    #[serde(default)]
    pub at_once: bool,
    /// Why it is being taken back, once that is decided.
    #[serde(default, deserialize_with = "lenient")]
    pub verdict: Option<Outcome>,
    /// Has the platform put another job in its place? What is told of this one would pass for that one's.
    #[serde(
        default,
        deserialize_with = "lenient_or_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub superseded: bool,
}

impl Job {
    /// Does the platform hear how it goes?
    #[must_use]
    pub fn is_reported(&self) -> bool {
        self.wanted.is_reported() && !self.superseded
    }
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

/// A build that was started and has not proved itself; one that was trusted a short while ago is still remembered here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// SHA-256 of the image, in lower-case hex.
    pub sha256: String,
    /// What offers called its digests, so that it is known again before it is fetched; at most eight.
    pub digests: Vec<Digest>,
    /// Its version.
    pub version: Version,
    /// How many times it was started.
    pub starts: u32,
    /// Was it trusted, and taken back because it kept dying?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept_dying: bool,
    /// Its lives since it was trusted, the present one included: all but that one ended as they should not have, or nobody saw their end.
    #[serde(default, skip_serializing_if = "is_no_life")]
    pub lives: u32,
}

/// An outcome the cloud has not been told for certain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// The job it ends.
    pub job: JobId,
    /// What happened.
    pub outcome: Outcome,
    /// The version that was wanted; missing in older records.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub version: Option<Version>,
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

/// Do two offers' digests name the same image? One equal digest is enough.
#[must_use]
pub fn same(a: &[Digest], b: &[Digest]) -> bool {
    a.iter().any(|digest| b.contains(digest))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_no_life(count: &u32) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_none_dropped(count: &u64) -> bool {
    *count == 0
}

/// A value that cannot be understood counts as missing.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    from: D,
) -> Result<Option<T>, D::Error> {
    let found = serde_json::Value::deserialize(from)?;
    Ok(serde_json::from_value(found).unwrap_or_default())
}

/// A value that cannot be understood is the default.
fn lenient_or_default<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(lenient(from)?.unwrap_or_default())
}

/// Elements that cannot be understood are left out.
fn lenient_list<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    let found = serde_json::Value::deserialize(from)?;
    let serde_json::Value::Array(elements) = found else {
        return Ok(Vec::new());
    };
    let understood = |element| serde_json::from_value(element).ok();
    Ok(elements.into_iter().filter_map(understood).collect())
}
