//! The newest memory of the device on the disk, for when the supervisor itself is lost.
//!
//! | what happened | cause given to the next worker | age |
//! |---|---|---|
//! | the supervisor died or was stopped in order, and the machine ran on | supervisor lost | by the wall clock |
//! | the machine was off, or that cannot be told | power cut | by the wall clock, if both times can be true |
//! | the clock went back meanwhile | as above | unknown |
//!
//! A supervisor that is stopped in order and started again is no reason of its own: it may be the next moment or a week later, with
//! nobody at the device, and a worker takes an operator's restart for a reason to go on whatever the age is.
//!
//! The frame's format is a promise, the JSON inside may grow: unknown fields are ignored, missing ones defaulted. The snapshot is not
//! looked into.

mod schedule;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use worker_protocol::v1::Cause;

pub use self::schedule::Schedule;
use crate::{
    alink::version::Version,
    memory::{Memory, Source},
    record::{
        SlotId,
        frame::{Frame, Framed},
        lenient,
    },
    time::{Now, Wall},
};

/// A clock that shows less than 2020-01-01T00:00:00Z was never set.
const SET: Wall = Wall(1_577_836_800_000);

/// How far two looks at the same start of the machine may lie apart, in seconds: some systems compute it from two clocks.
const WOBBLE: u64 = 1;

/// A memory as it lies on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The slot whose worker said it.
    pub slot: SlotId,
    /// Its version.
    #[serde(default, deserialize_with = "lenient")]
    pub version: Option<Version>,
    /// When it was said.
    #[serde(default, deserialize_with = "lenient")]
    pub at: Option<Wall>,
    /// In which run of the machine.
    #[serde(default, deserialize_with = "lenient")]
    pub boot: Option<Boot>,
    /// The snapshot: JSON text, as the worker wrote it.
    pub snapshot: String,
}

/// What tells one run of the machine from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Boot {
    /// A name that the system made up when it started.
    Named(String),
    /// When the system started, in seconds since 1970 UTC.
    Since(u64),
}

impl Boot {
    /// A run known by the time of its start; nothing if the clock was not set, because then every run starts alike.
    #[must_use]
    pub fn since(seconds: u64) -> Option<Self> {
        (seconds >= SET.0 / 1000).then_some(Self::Since(seconds))
    }

    /// Is it the same run of the machine?
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Named(one), Self::Named(other)) => one == other && !one.is_empty(),
            (Self::Since(one), Self::Since(other)) => one.abs_diff(*other) <= WOBBLE,
            (Self::Named(_), Self::Since(_)) | (Self::Since(_), Self::Named(_)) => false,
        }
    }
}

impl Checkpoint {
    /// A memory for the disk; `None` if its snapshot is no text, and then no JSON either.
    #[must_use]
    pub fn of(memory: &Memory, boot: Option<Boot>) -> Option<Self> {
        Some(Self {
            slot: memory.slot,
            version: memory.version.clone(),
            at: memory.at,
            boot,
            snapshot: String::from_utf8(memory.snapshot.clone()).ok()?,
        })
    }

    /// The memory it is at the start of a supervisor in this run of the machine.
    #[must_use]
    pub fn recall(self, boot: Option<&Boot>, now: Now) -> Memory {
        let ran_on = self
            .boot
            .as_ref()
            .zip(boot)
            .is_some_and(|(then, now)| then.is(now));
        let clocks = self
            .at
            .filter(|at| ran_on || (*at >= SET && now.wall >= SET));
        let age = clocks.and_then(|at| now.wall.0.checked_sub(at.0));
        Memory {
            number: 0,
            slot: self.slot,
            version: self.version,
            snapshot: self.snapshot.into_bytes(),
            at: self.at,
            source: Source::Found {
                at: now.ticks,
                age: age.map(Duration::from_millis),
                lost: if ran_on {
                    Cause::SupervisorLost
                } else {
                    Cause::PowerCut
                },
            },
        }
    }
}

impl Framed for Checkpoint {
    const FRAME: Frame = Frame {
        magic: *b"hotstate",
        format: 1,
    };

    // The longest snapshot that is carried has 192 KiB, and as text in JSON at most six times as many.
    const LONGEST: usize = 1280 * 1024;

    fn body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a checkpoint holds nothing JSON has no form for")
    }

    fn of_body(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}
