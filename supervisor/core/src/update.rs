//! The life of one update.
//!
//! | phase | runs | goes on when | on failure or deadline | after a power cut here | `ota_status` |
//! |---|---|---|---|---|---|
//! | Idle | old | an offer is accepted | refused by `plan`; Regretting if the trusted version keeps dying soon after its commit | Idle, or Regretting | idle |
//! | Opening | old | "job open" is saved | Idle | Idle, or Fetching | downloading |
//! | Fetching | old | the image is a slot | goes on with the part, with another address or on another day if need be, then Closing | goes on with the part | downloading, verifying |
//! | Waiting | old | a maintenance window opens, or an operator does not want to wait | - | Waiting | updating |
//! | Keeping | old | "fetched, a try spent" is saved | Closing | Keeping | updating |
//! | Warming | old, new standby | new is ready, a window is open, old consents, "trial" is saved | new stopped, Closing | Keeping, or Spending | updating |
//! | Spending | nobody yet | "a try spent" is saved (only after a power cut) | Reverting | Spending | restarting |
//! | Switching | old leaves, then new | new is active | Reverting | Spending | restarting |
//! | Proving | new | well for the whole window, and heard after it | Reverting | Spending | restarting |
//! | Committing | new | "trusted" is saved | saved again, then Reverting | Spending or Idle | restarting |
//! | Reverting | new stopped, old at once | old is active | the old one is started again | Reverting, or Spending if the verdict was not on the disk yet | failed |
//! | Closing | old | "closed, outcome owed" is saved | saved again | the phase before, or Idle | failed |
//! | Regretting | the one before, at once | "the one before is trusted" is saved | saved again | Regretting, or Idle with the one before trusted | failed |
//!
//! Going forward, it writes before it acts; going back, it acts before it writes. A try is spent and saved before every start of a
//! new worker's process, also of one that only warms up, so that a build which takes the machine down cannot loop.
//! Nor is a try given back when the supervisor is stopped in order: a build may be the reason for that, too.
//! Without a standby nothing runs in Warming: only the consent is sought, and the try is spent with the mark of the trial.
//! Stopped in order, an update only hears how the saves of Committing, Closing and Regretting end; every other phase is taken up
//! by the next start, as after a power cut.
//! In any phase, a trusted slot that is found damaged when a worker is to be started from it gives way at once (see the module `damage`),
//! and so does one that cannot be read, which is kept (see the module `unreadable`).
//! The newest offer that arrives during a job is remembered, one at most, and judged again when the job has ended. If it is the platform's, and
//! so was the job, then the job gives way to it (see the module `replaced`).
//! What an operator may wish in each phase, and what becomes of it, stands in the module `wishes`.

mod awaited;
mod blocks;
mod damage;
mod ending;
mod fetching;
mod hands;
mod phase;
mod regret;
mod replaced;
mod resume;
mod rollback;
mod timing;
mod trial;
mod unreadable;
mod warming;
mod wishes;
mod words;

use std::time::Duration;

use worker_protocol::v1::Health;

pub use self::hands::Hands;
use self::{
    phase::{Closing, Committing, Fetching, Phase, Proving, Waiting, Warm, Warming},
    regret::{Fresh, Regretting},
};
use crate::{
    event::{JobId, SaveId, SlotId, Tenure, Turn},
    outcome::Outcome,
    plan::Busy,
    record::{Owed, Wanted},
    tenure::{Death, Milestone},
    time::{TARDY, Ticks, sooner},
};

/// How long to wait before a failed save on the way back is tried again.
const SAVE_AGAIN: Duration = Duration::from_secs(2);

/// How often a commit that cannot be saved is tried again before the old worker is taken back.
const COMMIT_SAVES: u32 = 5;

/// How long after the end of its window a worker that was not heard since is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What an update has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// So much is done, in percent, 1 to 100.
    Progress(u8),
    /// It ended without success; the outcome is durable and owed.
    Failed(Owed),
    /// A version is trusted, durably.
    Trusted,
    /// The platform is to be asked for an offer at this moment.
    Ask(Ticks),
    /// For the log, and for the story of the update: it went on, or ended.
    Turn(JobId, Turn),
    /// For the log: a step was taken or a thing is awaited.
    Step(JobId, String),
    /// For the log: something is not as it should be.
    Trouble(JobId, String),
    /// For the log: something about the slots is not as it should be.
    Found(String),
    /// For the log: a trusted version is taken back.
    Regret(String),
    /// For the log: a trusted slot is damaged or cannot be read; from now on another version is the one that runs, or none is.
    Lost(String),
    /// For the log: a trusted slot that could not be read runs again.
    Recovered(String),
}

/// The update under way, if any.
#[derive(Debug, Clone)]
pub struct Update {
    phase: Phase,
    waiting: Option<Wanted>,
    /// Since when an operator holds what can be held.
    paused_at: Option<Ticks>,
    failed_until: Option<Ticks>,
    fresh: Option<Fresh>,
    /// When the last switch began, until it has ended.
    parting: Option<Ticks>,
    gap_ms: Option<u64>,
    trash: Vec<SlotId>,
}

impl Update {
    /// An offer arrived while a job is under way: remembered until its end. The newest counts.
    pub fn remember(&mut self, wanted: Wanted, hands: &mut Hands<'_, '_>) {
        hands.ledger.wait_for(Some(&wanted));
        self.waiting = Some(wanted);
    }

    /// The remembered offer, once nothing is under way.
    pub fn next_offer(&mut self) -> Option<Wanted> {
        if self.is_idle() && self.paused_at.is_none() {
            self.waiting.take()
        } else {
            None
        }
    }

    /// The version of the remembered offer.
    #[must_use]
    pub fn waiting_for(&self) -> Option<String> {
        let waiting = self.waiting.as_ref();
        waiting.map(|wanted| wanted.version.to_string())
    }

    /// Does an offer of the platform wait for its turn?
    #[must_use]
    pub fn is_offer_waiting(&self) -> bool {
        self.waiting.as_ref().is_some_and(Wanted::is_reported)
    }

    /// Is nothing under way?
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// What is under way, for whoever weighs an offer.
    #[must_use]
    pub fn busy(&self) -> Busy {
        match self.phase {
            Phase::Idle => Busy::Idle,
            Phase::Regretting(_) => Busy::Leaving,
            _ => Busy::Job,
        }
    }

    /// Does it only wait for the disk, with its decision made? Such a phase ends even while the supervisor is being stopped.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        matches!(
            self.phase,
            Phase::Committing(_) | Phase::Closing(_) | Phase::Regretting(_)
        )
    }

    /// The supervisor itself was not running for so long: nobody watched the new worker in that time.
    pub fn excuse(&mut self, lost: Duration) {
        match &mut self.phase {
            Phase::Proving(proving) => {
                proving.until = proving.until.after(lost);
                proving.look = proving.look.after(lost);
            }
            Phase::Fetching(fetching) => {
                fetching.until = fetching.until.after(lost);
                fetching.stale = fetching.stale.map(|until| until.after(lost));
                if let Some(block) = &mut fetching.block {
                    block.until = block.until.map(|until| until.after(lost));
                }
            }
            _ => {}
        }
    }

    /// A save is durable.
    pub fn saved(&mut self, save: SaveId, hands: &mut Hands<'_, '_>) {
        match self.phase.clone() {
            Phase::Opening(awaited) if awaited == save => self.fetch(hands),
            Phase::Keeping(slot, awaited) if awaited == save => self.kept(slot, hands),
            Phase::Warming(warming) if warming.step == Warm::Marking(save) => {
                self.switch(warming.slot, warming.new, hands);
            }
            Phase::Spending(slot, awaited) if awaited == save => {
                self.phase = Phase::Switching(slot, None);
                self.advance(hands);
            }
            Phase::Committing(committing) if committing.save == Some(save) => {
                self.trusted(committing, hands);
            }
            Phase::Closing(closing) if closing.save == Some(save) => self.closed(closing, hands),
            Phase::Regretting(regretting) if regretting.save == Some(save) => {
                self.regretted(regretting, hands);
            }
            _ => {}
        }
    }

    /// A save is not durable: the step it was for is refused.
    pub fn save_failed(&mut self, save: SaveId, why: &str, hands: &mut Hands<'_, '_>) {
        let store = || Outcome::Store {
            why: why.to_owned(),
        };
        let again = Some(hands.scene.now.ticks.after(SAVE_AGAIN));
        match &mut self.phase {
            Phase::Opening(awaited) | Phase::Keeping(_, awaited) if *awaited == save => {
                self.close(store(), hands);
            }
            Phase::Warming(warming) if warming.step == Warm::Marking(save) => {
                self.give_up_warming(store(), hands);
            }
            Phase::Spending(_, awaited) if *awaited == save => self.revert(store(), hands),
            Phase::Committing(committing) if committing.save == Some(save) => {
                committing.save = None;
                committing.failures += 1;
                committing.again = again;
                if committing.failures >= COMMIT_SAVES {
                    self.revert(store(), hands);
                }
            }
            Phase::Closing(closing) if closing.save == Some(save) => {
                closing.save = None;
                closing.again = again;
            }
            Phase::Regretting(regretting) if regretting.save == Some(save) => {
                regretting.save = None;
                regretting.again = again;
            }
            _ => {}
        }
    }

    /// A life reached a milestone; the crew has already seen to its part.
    pub fn reached(&mut self, tenure: Tenure, milestone: &Milestone, hands: &mut Hands<'_, '_>) {
        if let Milestone::Gone(Death::Damaged { slot, why }) = milestone {
            self.damaged(*slot, why, hands);
        }
        if let Milestone::Gone(Death::Unreadable { slot, why }) = milestone {
            self.unreadable(*slot, why, hands);
        }
        match (self.phase.clone(), milestone) {
            (Phase::Warming(warming), _) => self.warming_reached(warming, tenure, milestone, hands),
            (Phase::Switching(slot, new), _) => {
                self.switching_reached(&slot, new, tenure, milestone, hands);
            }
            (Phase::Idle, Milestone::Gone(death)) => self.died(death, hands),
            (Phase::Regretting(_), Milestone::Gone(_)) => self.leave(hands),
            (Phase::Proving(proving), Milestone::Health(Health::Unwell { reason }))
                if proving.new == tenure =>
            {
                let why = format!("it is unwell: {reason}");
                self.revert(Outcome::NotProved { why }, hands);
            }
            (Phase::Proving(proving), Milestone::Gone(death)) if proving.new == tenure => {
                let why = format!("it {death}");
                self.revert(Outcome::NotProved { why }, hands);
            }
            (Phase::Committing(mut committing), Milestone::Gone(death))
                if committing.new == tenure =>
            {
                committing.dead = Some(format!("it {death}"));
                self.phase = Phase::Committing(committing);
            }
            (Phase::Reverting(outcome), Milestone::Active) => {
                let active = hands.ledger.record.active.as_ref().map(|slot| slot.id);
                let back = hands.crew.life(tenure).map(|life| life.slot.id);
                if back.is_some() && back == active {
                    self.close(outcome, hands);
                }
            }
            _ => {}
        }
        self.sweep(hands);
    }

    /// Time has passed.
    pub fn tick(&mut self, hands: &mut Hands<'_, '_>) {
        let now = hands.scene.now.ticks;
        if self.failed_until.is_some_and(|until| now >= until) {
            self.failed_until = None;
        }
        match self.phase.clone() {
            Phase::Fetching(_) => self.tick_fetching(hands),
            Phase::Waiting(waiting) if waiting.shut.look().is_some_and(|look| now >= look) => {
                self.keep_fetched(waiting.slot, hands);
            }
            Phase::Warming(warming) if warming.look().is_some_and(|look| now >= look) => {
                self.seek_consent(warming, hands);
            }
            Phase::Proving(mut proving) if now >= proving.until => {
                let life = hands.crew.life(proving.new);
                if life
                    .is_some_and(|life| life.acts() && life.heard() >= proving.until.after(TARDY))
                {
                    self.commit(proving.slot, proving.new, 0, hands);
                } else if now >= proving.look {
                    // It says something soon, or it is silent for too long, or its end is reported: one of them decides.
                    proving.look = now.after(LOOK_AGAIN);
                    self.phase = Phase::Proving(proving);
                }
            }
            Phase::Committing(committing) if committing.again.is_some_and(|at| now >= at) => {
                if let Some(why) = committing.dead {
                    self.revert(Outcome::NotProved { why }, hands);
                } else {
                    self.commit(committing.slot, committing.new, committing.failures, hands);
                }
            }
            Phase::Closing(closing) if closing.again.is_some_and(|at| now >= at) => {
                self.phase = Phase::Closing(Closing {
                    save: Some(hands.ledger.save(hands.scene.out)),
                    again: None,
                    ..closing
                });
            }
            Phase::Regretting(regretting) if regretting.again.is_some_and(|at| now >= at) => {
                self.save_regret(regretting, hands);
            }
            _ => {}
        }
        self.settle_fresh(hands);
        self.sweep(hands);
    }

    /// When [`Update::tick`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Ticks> {
        let phase = match &self.phase {
            Phase::Fetching(_) if self.paused_at.is_some() => None,
            Phase::Fetching(fetching) => Some(fetching.next_deadline()),
            Phase::Waiting(waiting) => waiting.shut.look(),
            Phase::Warming(warming) => warming.look(),
            Phase::Proving(proving) => Some(proving.look),
            Phase::Committing(committing) => committing.again,
            Phase::Closing(closing) => closing.again,
            Phase::Regretting(regretting) => regretting.again,
            _ => None,
        };
        let fresh = self.fresh.as_ref().map(|fresh| fresh.until);
        sooner(sooner(phase, fresh), self.failed_until)
    }
}
