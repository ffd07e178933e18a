//! The phases of an update, with what each of them must know.

use super::{awaited::Awaited, regret::Regretting, timing::Shut};
use crate::{
    event::{SaveId, Tenure},
    outcome::{FetchFault, Outcome},
    record::{Owed, Record, Slot},
    time::{Backoff, Ticks, Wall},
};

#[derive(Debug, Clone)]
pub(super) enum Phase {
    Idle,
    Opening(SaveId),
    Fetching(Fetching),
    Waiting(Waiting),
    Keeping(Slot, SaveId),
    Warming(Warming),
    Spending(Slot, SaveId),
    Switching(Slot, Option<Tenure>),
    Proving(Proving),
    Committing(Committing),
    Reverting(Outcome),
    Closing(Closing),
    Regretting(Regretting),
}

impl Phase {
    /// Is there a job whose new worker has not been told to act?
    pub(super) fn is_before_switch(&self) -> bool {
        matches!(
            self,
            Self::Opening(_)
                | Self::Fetching(_)
                | Self::Waiting(_)
                | Self::Keeping(..)
                | Self::Warming(_)
        )
    }
}

#[derive(Debug, Clone)]
pub(super) struct Fetching {
    pub(super) on_disk: u64,
    pub(super) best: u64,
    pub(super) verifying: bool,
    pub(super) retry: Option<Ticks>,
    pub(super) backoff: Backoff,
    /// When it is given up whatever comes.
    pub(super) until: Ticks,
    /// Until when an address is waited for, after the platform's storage called the one at hand too old.
    pub(super) stale: Option<Ticks>,
    /// How often the platform was asked for another address, since the last wait for another day.
    pub(super) asked: u32,
    /// Why it was.
    pub(super) refusal: FetchFault,
    /// The block that the download waits for.
    pub(super) block: Option<Awaited>,
    /// The one that it is to pay for again.
    pub(super) unpaid: Option<Awaited>,
    /// When another day's bytes are there, if they are waited for; `retry` says the same by the clock that never jumps.
    pub(super) tomorrow: Option<Wall>,
    /// How many days were waited for.
    pub(super) days: u32,
}

impl Fetching {
    /// When there is something to do although nothing happens.
    pub(super) fn next_deadline(&self) -> Ticks {
        let block = self.block.as_ref().and_then(|block| block.until);
        [self.retry, self.stale, block]
            .into_iter()
            .flatten()
            .fold(self.until, Ticks::min)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) slot: Slot,
    pub(super) shut: Shut,
}

#[derive(Debug, Clone)]
pub(super) struct Warming {
    pub(super) slot: Slot,
    pub(super) new: Option<Tenure>,
    pub(super) step: Warm,
    /// Since when consent is sought.
    pub(super) sought: Option<Ticks>,
}

impl Warming {
    /// When to seek consent again.
    pub(super) fn look(&self) -> Option<Ticks> {
        match &self.step {
            Warm::PutOff(until, _) => Some(*until),
            Warm::Shut(shut) => shut.look(),
            Warm::Starting | Warm::Asking | Warm::Marking(_) => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Warm {
    Starting,
    Asking,
    PutOff(Ticks, String),
    /// No switch may happen any more.
    Shut(Shut),
    Marking(SaveId),
}

#[derive(Debug, Clone)]
pub(super) struct Proving {
    pub(super) slot: Slot,
    pub(super) new: Tenure,
    /// The end of its window. It must be heard after that, so that one which hangs in the window is never trusted.
    pub(super) until: Ticks,
    pub(super) look: Ticks,
}

#[derive(Debug, Clone)]
pub(super) struct Committing {
    pub(super) slot: Slot,
    pub(super) new: Tenure,
    pub(super) record: Box<Record>,
    pub(super) save: Option<SaveId>,
    pub(super) again: Option<Ticks>,
    pub(super) failures: u32,
    pub(super) dead: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Closing {
    pub(super) owed: Option<Owed>,
    /// Is that a failure, or was the job only given up for another one?
    pub(super) failed: bool,
    pub(super) save: Option<SaveId>,
    pub(super) again: Option<Ticks>,
}
