//! A whole switch in the box: the new device warms up beside the old one, takes over from where that stood, or is taken back.
//!
//! The order of steps is the supervisor's: ready, consent, hand-over, the old one's end, activation. What is left out are the limits
//! on time and the trial's length: a test says itself when the new one has failed.

use std::time::Duration;

use worker_protocol::v1::{Ask, Cause, Consent, Done, Handover, Refusal};

use super::Kit;
use crate::device::Device;

/// What an old device handed over, in its own words; kept until the new one is trusted.
#[derive(Debug, Clone)]
pub struct Handed(Vec<u8>);

/// How a switch went.
#[derive(Debug)]
pub enum Switched {
    /// The new device is active.
    Taken {
        /// It.
        new: Kit,
        /// With what it began.
        handed: Handed,
    },
    /// The new device's warm-up failed. The old one never noticed.
    Unfit {
        /// Why, in its words.
        why: String,
        /// The old device, at work.
        old: Kit,
    },
    /// The old device wants to be asked again later. It never stopped.
    PutOff {
        /// In how long.
        after: Duration,
        /// Why, in its words.
        reason: String,
        /// The old device, at work.
        old: Kit,
    },
    /// The new device did not take over, and the old one has ended.
    Refused {
        /// Why, in the new one's words.
        why: Refusal,
        /// With what the old one is to go on: see [`Handed::take_back`].
        handed: Handed,
    },
}

/// Switches from an active device to a new one.
pub async fn switch<D: Device>(mut old: Kit, new: D) -> Switched {
    let mut new = Kit::start(new).await;
    if let Some(why) = new.warmed_up().await {
        return Switched::Unfit { why, old };
    }
    if let Consent::Later { after_ms, reason } = old.may_switch().await {
        let after = Duration::from_millis(after_ms);
        return Switched::PutOff { after, reason, old };
    }
    let handed = match old.ask(Ask::Quiesce).await {
        Ok(Done::Snapshot(snapshot)) => Handed(snapshot),
        other => panic!("{other:?} instead of a snapshot"),
    };
    old.exit().await;
    match handed.give(&mut new, Cause::Upgrade).await {
        Ok(()) => Switched::Taken { new, handed },
        Err(why) => Switched::Refused { why, handed },
    }
}

impl Switched {
    /// The new device and what it began with.
    ///
    /// # Panics
    /// When it was not taken.
    #[track_caller]
    #[must_use]
    pub fn taken(self) -> (Kit, Handed) {
        match self {
            Self::Taken { new, handed } => (new, handed),
            other => panic!("the new device was not taken: {other:?}"),
        }
    }
}

impl Handed {
    /// Starts the old device anew, as a roll-back does, from where it stood.
    ///
    /// # Errors
    /// Its refusal.
    pub async fn take_back<D: Device>(&self, old: D) -> Result<Kit, Refusal> {
        let mut kit = Kit::start(old).await;
        kit.ready().await;
        self.give(&mut kit, Cause::RollBack).await?;
        Ok(kit)
    }

    async fn give(&self, kit: &mut Kit, cause: Cause) -> Result<(), Refusal> {
        let from = Handover {
            snapshot: self.0.clone(),
            cause,
            age_ms: Some(0),
        };
        kit.act(Ask::Activate { from: Some(from) }).await.map(drop)
    }
}
