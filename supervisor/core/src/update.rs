//! The life of one update.
//!
//! | phase | runs | goes on when | on failure or deadline | after a power cut here | `ota_status` |
//! |---|---|---|---|---|---|
//! | Idle | old | an offer is accepted | refused by `plan` | Idle | idle |
//! | Opening | old | "job open" is saved | Idle | Idle, or Fetching | downloading |
//! | Fetching | old | the image is a slot | tried again, then Closing | fetch again | downloading, verifying |
//! | Keeping | old | "fetched, a try spent" is saved | Closing | Fetching or Keeping | updating |
//! | Warming | old, new standby | new is ready, old consents, "trial" is saved | new stopped, Closing | Keeping | updating |
//! | Spending | nobody yet | "a try spent" is saved (only after a power cut) | Reverting | Spending | restarting |
//! | Switching | old leaves, then new | new is active | Reverting | Spending | restarting |
//! | Proving | new | well for the whole window | Reverting | Spending | restarting |
//! | Committing | new | "trusted" is saved | saved again, then Reverting | Spending or Idle | restarting |
//! | Reverting | new stopped, old at once | old is active | the old one is started again | Spending or Reverting | failed |
//! | Closing | old | "closed, outcome owed" is saved | saved again | the phase before | failed |
//!
//! Going forward, it writes before it acts; going back, it acts before it writes. A try is spent and saved before every start of a
//! new worker's process, also of one that only warms up, so that a build which takes the machine down cannot loop.
//! The newest offer that arrives during a job is remembered, one at most, and judged again when the job has ended.

mod ending;
mod fetching;
mod hands;
mod resume;
mod trial;
mod warming;
mod words;

use std::time::Duration;

use worker_protocol::v1::Health;

pub use self::hands::Hands;
use crate::{
    event::{JobId, SaveId, SlotId, Tenure},
    outcome::Outcome,
    record::{Owed, Record, Slot, Wanted},
    tenure::{Life, Milestone},
    time::{Backoff, Ticks, sooner},
};

/// How long to wait before a failed save on the way back is tried again.
const SAVE_AGAIN: Duration = Duration::from_secs(2);

/// How often a commit that cannot be saved is tried again before the old worker is taken back.
const COMMIT_SAVES: u32 = 5;

/// How long after the end of its window a dying worker is looked at again.
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
    /// For the log: a step was taken or a thing is awaited.
    Step(JobId, String),
    /// For the log: something is not as it should be.
    Trouble(JobId, String),
}

#[derive(Debug, Clone)]
enum Phase {
    Idle,
    Opening(SaveId),
    Fetching(Fetching),
    Keeping(Slot, SaveId),
    Warming(Warming),
    Spending(Slot, SaveId),
    Switching(Slot, Option<Tenure>),
    Proving(Slot, Tenure, Ticks),
    Committing(Committing),
    Reverting(Outcome),
    Closing(Closing),
}

#[derive(Debug, Clone)]
struct Fetching {
    on_disk: u64,
    best: u64,
    verifying: bool,
    retry: Option<Ticks>,
    backoff: Backoff,
}

#[derive(Debug, Clone)]
struct Warming {
    slot: Slot,
    new: Option<Tenure>,
    step: Warm,
    /// Since when consent is sought.
    sought: Option<Ticks>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Warm {
    Starting,
    Asking,
    PutOff(Ticks, String),
    Marking(SaveId),
}

#[derive(Debug, Clone)]
struct Committing {
    slot: Slot,
    new: Tenure,
    record: Box<Record>,
    save: Option<SaveId>,
    again: Option<Ticks>,
    failures: u32,
    dead: Option<String>,
}

#[derive(Debug, Clone)]
struct Closing {
    save: Option<SaveId>,
    again: Option<Ticks>,
}

/// The update under way, if any.
#[derive(Debug)]
pub struct Update {
    phase: Phase,
    waiting: Option<Wanted>,
    failed_until: Option<Ticks>,
    trash: Vec<SlotId>,
}

impl Update {
    /// An offer arrived while a job is under way: remembered until its end. The newest counts.
    pub fn remember(&mut self, wanted: Wanted) {
        self.waiting = Some(wanted);
    }

    /// The remembered offer, once nothing is under way.
    pub fn next_offer(&mut self) -> Option<Wanted> {
        if matches!(self.phase, Phase::Idle) {
            self.waiting.take()
        } else {
            None
        }
    }

    /// Is nothing under way?
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// A save is durable.
    pub fn saved(&mut self, save: SaveId, hands: &mut Hands<'_, '_>) {
        match self.phase.clone() {
            Phase::Opening(awaited) if awaited == save => self.fetch(hands),
            Phase::Keeping(slot, awaited) if awaited == save => self.warm(slot, hands),
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
            Phase::Closing(closing) if closing.save == Some(save) => self.closed(hands),
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
            _ => {}
        }
    }

    /// A life reached a milestone; the crew has already seen to its part.
    pub fn reached(&mut self, tenure: Tenure, milestone: &Milestone, hands: &mut Hands<'_, '_>) {
        match (self.phase.clone(), milestone) {
            (Phase::Warming(warming), _) => self.warming_reached(warming, tenure, milestone, hands),
            (Phase::Switching(slot, new), _) => {
                self.switching_reached(&slot, new, tenure, milestone, hands);
            }
            (Phase::Proving(_, new, _), Milestone::Health(Health::Unwell { reason }))
                if new == tenure =>
            {
                let why = format!("it is unwell: {reason}");
                self.revert(Outcome::NotProved { why }, hands);
            }
            (Phase::Proving(_, new, _), Milestone::Gone(death)) if new == tenure => {
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
            Phase::Fetching(mut fetching) if fetching.retry.is_some_and(|at| now >= at) => {
                fetching.retry = None;
                fetching.on_disk = 0;
                self.phase = Phase::Fetching(fetching);
                hands.order_fetch();
            }
            Phase::Warming(warming) => {
                if let Warm::PutOff(until, _) = &warming.step
                    && now >= *until
                {
                    self.seek_consent(warming, hands);
                }
            }
            Phase::Proving(slot, new, until) if now >= until => {
                if hands.crew.life(new).is_some_and(Life::acts) {
                    self.commit(slot, new, 0, hands);
                } else {
                    // It is on its way out; its end is reported soon and decides.
                    self.phase = Phase::Proving(slot, new, now.after(LOOK_AGAIN));
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
                });
            }
            _ => {}
        }
        self.sweep(hands);
    }

    /// When [`Update::tick`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Ticks> {
        let phase = match &self.phase {
            Phase::Fetching(fetching) => fetching.retry,
            Phase::Warming(Warming {
                step: Warm::PutOff(until, _),
                ..
            })
            | Phase::Proving(_, _, until) => Some(*until),
            Phase::Committing(committing) => committing.again,
            Phase::Closing(closing) => closing.again,
            _ => None,
        };
        sooner(phase, self.failed_until)
    }
}
