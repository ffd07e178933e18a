//! Why a life is over, in words that may go to the cloud and into the record.

use crate::event::{Exit, SlotId};

/// Why a life is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Death {
    /// The process could not be started.
    NotStartable(String),
    /// The process was not started: its slot is not what was once verified.
    Damaged {
        /// Which slot.
        slot: SlotId,
        /// What differs.
        why: String,
    },
    /// The process was not started: its slot could not be read.
    Unreadable {
        /// Which slot.
        slot: SlotId,
        /// What the system said.
        why: String,
    },
    /// No hello in time.
    NeverHello,
    /// Its hello says another version than its slot.
    OtherVersion(String),
    /// It did not get ready.
    NotReady(String),
    /// It did not become active.
    NotActivated(String),
    /// It fell silent.
    Silent,
    /// It ended although it should not have.
    Ended(String),
    /// It ended because it was told to.
    Asked,
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotStartable(why) => write!(f, "cannot be started: {why}"),
            Self::Damaged { why, .. } => write!(f, "is damaged: {why}"),
            Self::Unreadable { why, .. } => write!(f, "is not started: {why}"),
            Self::NeverHello => write!(f, "never said hello"),
            Self::OtherVersion(said) => write!(f, "says it is version `{said}`"),
            Self::NotReady(why) => write!(f, "did not get ready: {why}"),
            Self::NotActivated(why) => write!(f, "did not become active: {why}"),
            Self::Silent => write!(f, "fell silent"),
            Self::Ended(how) => write!(f, "{how}"),
            Self::Asked => write!(f, "ended as it was told"),
        }
    }
}

pub(super) fn told(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("ended with code {code}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
        Exit::Unknown => "ended".to_owned(),
    }
}

/// A worker's words are cut at 200 characters before they go anywhere.
pub(super) fn clip(text: &str) -> String {
    text.chars().take(200).collect()
}
