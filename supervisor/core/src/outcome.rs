//! One table: the reason an update ended → the platform's step and one line of plain text.
//!
//! Steps by the platform's rules (doc 89307): -1 the upgrade failed, -2 the download failed, -3 the verification failed, -4 the
//! new program could not be put in place or started. Nothing else in the program invents such a number or such a line.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::{alink::version::Version, record::Hold};

/// Why an update ended without success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The offer itself cannot be taken.
    BadOffer {
        /// What is wrong with it.
        why: String,
    },
    /// The offer is against the rules of this device.
    AgainstPolicy {
        /// Which rule.
        why: String,
    },
    /// The image could not be had, or was not what was promised.
    Fetch(FetchFault),
    /// The device's own disk failed.
    Store {
        /// What failed.
        why: String,
    },
    /// The image is not a program for this machine, or cannot be started.
    NotStartable {
        /// What the system said.
        why: String,
    },
    /// What lies in the slot is not what was once verified.
    Damaged {
        /// What differs, with the file's name.
        why: String,
    },
    /// What lies in the slot cannot be read.
    Unreadable {
        /// What the system said, with the file's name.
        why: String,
    },
    /// The program says another version than the offer.
    OtherVersion {
        /// The version it says.
        said: String,
    },
    /// The new worker never said hello.
    NeverHello,
    /// The new worker did not get ready.
    NotReady {
        /// Why.
        why: String,
    },
    /// The new worker could not take over.
    NotActivated {
        /// Why.
        why: String,
    },
    /// The new worker died, hung or was unwell before it was trusted.
    NotProved {
        /// Why.
        why: String,
    },
    /// The build used up its tries.
    Quarantined {
        /// How often it was started.
        starts: u32,
    },
    /// An operator cancelled the update.
    Cancelled,
    /// An operator went back to the version before.
    RolledBack,
    /// The platform put another job in its place. That ends this one for the platform too, so that it is never told.
    Replaced {
        /// The version that is wanted instead.
        by: Version,
    },
    /// An operator does not want this version.
    Held {
        /// Since when.
        by: Hold,
    },
}

impl Outcome {
    /// The platform's number for it, -1 to -4.
    #[must_use]
    pub fn step(&self) -> i8 {
        match self {
            Self::Fetch(fault) => match fault {
                FetchFault::Connection(_)
                | FetchFault::Status(_)
                | FetchFault::Short { .. }
                | FetchFault::Stalled { .. }
                | FetchFault::Late { .. }
                | FetchFault::Unfit { .. }
                | FetchFault::BadBlocks { .. }
                | FetchFault::Unreadable(_)
                | FetchFault::OverBudget { .. }
                | FetchFault::DaySpent { .. }
                | FetchFault::Redirected { .. } => -2,
                FetchFault::Long { .. }
                | FetchFault::OtherDigest { .. }
                | FetchFault::BadDigestSign { .. }
                | FetchFault::Unsigned
                | FetchFault::OtherKey { .. }
                | FetchFault::BadSignature { .. }
                | FetchFault::SignedFor { .. } => -3,
                FetchFault::NoSpace { .. } | FetchFault::Disk(_) => -4,
            },
            Self::Store { .. }
            | Self::NotStartable { .. }
            | Self::Damaged { .. }
            | Self::Unreadable { .. }
            | Self::OtherVersion { .. }
            | Self::NeverHello
            | Self::NotReady { .. } => -4,
            Self::BadOffer { .. }
            | Self::AgainstPolicy { .. }
            | Self::NotActivated { .. }
            | Self::NotProved { .. }
            | Self::Quarantined { .. }
            | Self::Cancelled
            | Self::RolledBack
            | Self::Replaced { .. }
            | Self::Held { .. } => -1,
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BadOffer { why } => write!(f, "the offer cannot be taken: {why}"),
            Self::AgainstPolicy { why } => write!(f, "the offer is against the rules: {why}"),
            Self::Fetch(fault) => fault.fmt(f),
            Self::Store { why } => write!(f, "the device's disk failed: {why}"),
            Self::NotStartable { why } => write!(f, "the new program cannot be started: {why}"),
            Self::Damaged { why } => write!(f, "the installed program is damaged: {why}"),
            Self::Unreadable { why } => write!(f, "the installed program cannot be read: {why}"),
            Self::OtherVersion { said } => {
                write!(f, "the new program says it is version `{said}`")
            }
            Self::NeverHello => write!(f, "the new worker never said hello"),
            Self::NotReady { why } => write!(f, "the new worker did not get ready: {why}"),
            Self::NotActivated { why } => write!(f, "the new worker could not take over: {why}"),
            Self::NotProved { why } => write!(f, "the new worker did not prove itself: {why}"),
            Self::Quarantined { starts } => {
                write!(f, "this build failed {starts} times and is quarantined")
            }
            Self::Cancelled => write!(f, "cancelled by the operator"),
            Self::RolledBack => write!(f, "rolled back by the operator"),
            Self::Replaced { by } => {
                write!(f, "the platform wants version {by} in its place")
            }
            Self::Held { by } => write!(f, "this version is quarantined: {by}"),
        }
    }
}

/// Why an image could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FetchFault {
    /// The server could not be reached or the connection broke.
    Connection(String),
    /// The server answered with this status.
    Status(u16),
    /// The body ended early.
    Short {
        /// Bytes had.
        got: u64,
        /// Bytes promised by the offer.
        promised: u64,
    },
    /// The body, or its Content-Length, is longer than promised.
    Long {
        /// Bytes promised by the offer.
        promised: u64,
    },
    /// No byte came for too long.
    Stalled {
        /// How long, in seconds.
        seconds: u64,
    },
    /// All tries together took too long.
    Late {
        /// How long they may take, in seconds.
        seconds: u64,
    },
    /// The server's answer is not what was asked for.
    Unfit {
        /// What is wrong with it.
        why: String,
    },
    /// The right length and another digest.
    OtherDigest {
        /// By which method.
        method: String,
    },
    /// A redirect to where images may not come from.
    Redirected {
        /// Where to, cut at 64 characters.
        to: String,
    },
    /// The platform's blocks over MQTT do not come, or cannot be read.
    BadBlocks {
        /// What is wrong with them.
        why: String,
    },
    /// The operator's file cannot be read; with the path.
    Unreadable(String),
    /// More bytes would be needed than one update may take from the network.
    OverBudget {
        /// How many it may take.
        budget: u64,
    },
    /// This day's bytes are spent; it goes on tomorrow.
    DaySpent {
        /// How many there are each day.
        budget: u64,
    },
    /// The platform's signature over the digest is missing or wrong.
    BadDigestSign {
        /// Which of the two, or what is wrong with it.
        why: String,
    },
    /// There is no publisher's signature, and one is required.
    Unsigned,
    /// The publisher's signature is by a key that is not pinned.
    OtherKey {
        /// That key's id.
        key: String,
    },
    /// The publisher's signature does not hold, or cannot be read.
    BadSignature {
        /// What is wrong with it.
        why: String,
    },
    /// The publisher signed the image for something else.
    SignedFor {
        /// What differs: what the signature says, and what was wanted.
        what: String,
    },
    /// The disk has too little room for it.
    NoSpace {
        /// Bytes needed.
        needed: u64,
        /// Bytes there are.
        free: u64,
    },
    /// The disk would not take it; with the path.
    Disk(String),
}

impl FetchFault {
    /// Is another try worth it?
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Connection(_)
            | Self::Short { .. }
            | Self::Stalled { .. }
            | Self::BadBlocks { .. } => true,
            Self::Status(status) => matches!(status, 408 | 429 | 500..=599),
            Self::Long { .. }
            | Self::Late { .. }
            | Self::Unfit { .. }
            | Self::OtherDigest { .. }
            | Self::Redirected { .. }
            | Self::Unreadable(_)
            | Self::OverBudget { .. }
            | Self::DaySpent { .. }
            | Self::BadDigestSign { .. }
            | Self::Unsigned
            | Self::OtherKey { .. }
            | Self::BadSignature { .. }
            | Self::SignedFor { .. }
            | Self::NoSpace { .. }
            | Self::Disk(_) => false,
        }
    }
}

impl std::fmt::Display for FetchFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connection(why) => write!(f, "the firmware server cannot be reached: {why}"),
            Self::Status(status) => write!(f, "the firmware server answered {status}"),
            Self::Short { got, promised } => {
                write!(f, "the image ended after {got} of {promised} bytes")
            }
            Self::Long { promised } => {
                write!(f, "the image is longer than the promised {promised} bytes")
            }
            Self::Stalled { seconds } => {
                write!(f, "the firmware server sent nothing for {seconds} s")
            }
            Self::Late { seconds } => write!(f, "the image did not arrive within {seconds} s"),
            Self::Unfit { why } => {
                write!(f, "the firmware server's answer cannot be used: {why}")
            }
            Self::OtherDigest { method } => {
                write!(f, "the image does not have the promised {method} digest")
            }
            Self::Redirected { to } => write!(f, "the firmware server redirects to `{to}`"),
            Self::BadBlocks { why } => write!(f, "the platform's blocks cannot be used: {why}"),
            Self::Unreadable(why) => write!(f, "the image cannot be read: {why}"),
            Self::OverBudget { budget } => {
                write!(
                    f,
                    "the update needs more than the {budget} bytes it may fetch"
                )
            }
            Self::DaySpent { budget } => {
                write!(
                    f,
                    "the {budget} bytes that may be fetched in a day are spent"
                )
            }
            Self::BadDigestSign { why } => {
                write!(f, "the platform's signature over the digest {why}")
            }
            Self::Unsigned => write!(f, "the image has no publisher's signature"),
            Self::OtherKey { key } => {
                write!(
                    f,
                    "the image is signed by key {key}, which is not pinned here"
                )
            }
            Self::BadSignature { why } => {
                write!(f, "the publisher's signature does not hold: {why}")
            }
            Self::SignedFor { what } => write!(f, "the publisher signed something else: {what}"),
            Self::NoSpace { needed, free } => write!(
                f,
                "the disk has too little room: {needed} bytes are needed, {free} are free"
            ),
            Self::Disk(why) => write!(f, "the image cannot be stored: {why}"),
        }
    }
}
