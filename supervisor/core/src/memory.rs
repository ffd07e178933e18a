//! Where a device stood, in the words of its worker, and how far they may be relied on.
//!
//! A memory that was found on the disk keeps the reason why it had to be looked for there: whoever is given it, the first worker after that
//! loss or one that is taken back a minute later, decides knowing it. Only new words of a trusted worker replace it.

use std::time::Duration;

use worker_protocol::v1::{Cause, Handover};

use crate::{
    alink::version::Version,
    record::SlotId,
    time::{Ticks, Wall},
};

/// Where a device stood, in the words of its worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Counts the memories of this supervisor's life, from 1; 0 was found on the disk.
    pub number: u64,
    /// The slot whose worker said so.
    pub slot: SlotId,
    /// Its version, if that is known.
    pub version: Option<Version>,
    /// JSON text, as the worker wrote it.
    pub snapshot: Vec<u8>,
    /// When it was said, by the wall clock, if that is known.
    pub at: Option<Wall>,
    /// Where it comes from.
    pub source: Source,
}

/// Where a memory comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A worker of this supervisor said it at this moment.
    Heard(Ticks),
    /// It was on the disk when this supervisor started.
    Found {
        /// At which moment.
        at: Ticks,
        /// How old it was then, if that can be told.
        age: Option<Duration>,
        /// What was lost meanwhile: the supervisor, or the power.
        lost: Cause,
    },
}

impl Memory {
    /// It as it is given to a worker that starts for this reason.
    #[must_use]
    pub fn handover(&self, cause: Cause, now: Ticks) -> Handover {
        let (cause, age) = match self.source {
            Source::Heard(at) => (cause, Some(now.since(at))),
            Source::Found { at, age, lost } => (lost, age.map(|age| age + now.since(at))),
        };
        Handover {
            snapshot: self.snapshot.clone(),
            cause,
            age_ms: age.and_then(|age| u64::try_from(age.as_millis()).ok()),
        }
    }
}
