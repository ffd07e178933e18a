//! What an operator may wish, in every phase. Each wish is decided at once; what then takes time goes on by itself.
//!
//! | phase | `pause` | `cancel` | `rollback` |
//! |---|---|---|---|
//! | Idle | no offer begins | drops the offer that waits, if any | the version before takes over in order |
//! | Opening | no byte is fetched | the job ends | as `cancel` |
//! | Fetching | the download stops and keeps its part | the job ends, the part goes | as `cancel` |
//! | Waiting | it waits on | the job ends, the slot goes | as `cancel` |
//! | Keeping | goes to Waiting, its try given back unused | the same, its try given back unused | as `cancel` |
//! | Warming | the new worker stays in standby | the new worker is stopped, the job ends | as `cancel` |
//! | Warming, its mark on the way to the disk | ends by itself | as before | as `cancel` |
//! | Spending, Switching, Proving | ends by itself | Reverting | as `cancel` |
//! | Committing | ends by itself | too late | too late, and to be said again in a moment |
//! | Reverting, Closing, Regretting | ends by itself | is on its way | is on its way |
//!
//! A pause is in the record, so that it outlasts every power cut. No deadline of the job runs out meanwhile: `resume` moves them by the
//! time it took. What is past the mark of the trial ends by itself, because nobody else could run the device meanwhile. Offers that come are
//! remembered, the newest one only, and neither begun nor refused; one that an operator brought is in the record, too. After a power cut in a pause, a download and a finished slot
//! wait as before; a trial goes on.
//!
//! A version whose update from the platform was cancelled is held back: the platform may offer it again for ever, and is answered with the
//! reason, until an operator says `release` or brings it. Otherwise an update cancelled now would begin again with the next query. Other
//! versions are taken as ever. A start of the new worker has cost a try, also if the update was cancelled after it: the build may have been the
//! reason for that. `release` gives tries back, and nothing else does.
//!
//! Going back acts at once and writes after: until that is on the disk, a power cut may undo the wish, which is told to whoever had it.

use super::{Hands, Phase, Told, Update, Warm, timing::Shut};
use crate::{
    alink::version::Version,
    event::{Command, Effect},
    outcome::Outcome,
    record::{Hold, Origin, Slot, Wanted},
};

impl Update {
    /// Nothing goes on and nothing begins from now on.
    pub fn pause(&mut self, hands: &mut Hands<'_, '_>) -> Effect {
        if hands.ledger.record.paused {
            return Effect::PausedAlready;
        }
        hands.ledger.record.paused = true;
        hands.ledger.untidy();
        self.paused_at = Some(hands.scene.now.ticks);
        match &mut self.phase {
            Phase::Fetching(fetching) => {
                (fetching.block, fetching.unpaid) = (None, None);
                hands.hold_fetch();
            }
            Phase::Waiting(waiting) => waiting.shut = Shut::Paused,
            Phase::Warming(warming)
                if matches!(
                    warming.step,
                    Warm::Asking | Warm::PutOff(..) | Warm::Shut(_)
                ) =>
            {
                warming.step = Warm::Shut(Shut::Paused);
            }
            _ => {}
        }
        if self.is_held() || self.is_idle() {
            Effect::Paused
        } else {
            Effect::PausedSoon
        }
    }

    /// It goes on where it stood.
    pub fn go_on(&mut self, hands: &mut Hands<'_, '_>) -> Effect {
        let now = hands.scene.now;
        let Some(since) = self.paused_at.take() else {
            return Effect::NotPaused;
        };
        let lost = now.ticks.since(since);
        hands.ledger.record.paused = false;
        hands.ledger.untidy();
        match self.phase.clone() {
            Phase::Fetching(mut fetching) => {
                fetching.until = fetching.until.after(lost);
                // No bytes come before their day.
                let rests = fetching.tomorrow.is_some_and(|at| now.wall < at);
                if fetching.on_disk == 0 {
                    hands.progress(1);
                }
                self.phase = Phase::Fetching(fetching);
                if !rests {
                    self.fetch_again(hands);
                }
            }
            Phase::Waiting(waiting) => self.keep_fetched(waiting.slot, hands),
            Phase::Warming(mut warming) => {
                warming.sought = warming.sought.map(|since| since.after(lost));
                match warming.step {
                    Warm::Shut(_) => self.seek_consent(warming, hands),
                    _ => self.phase = Phase::Warming(warming),
                }
            }
            _ => {}
        }
        Effect::Resumed
    }

    /// The update under way ends, and what ran goes on running.
    pub fn cancel(&mut self, hands: &mut Hands<'_, '_>) -> Effect {
        let active = hands.ledger.record.active.as_ref();
        let to = active.map(|slot| slot.version.clone());
        match &self.phase {
            Phase::Idle => match self.waiting.take() {
                Some(waiting) => {
                    let quarantined = hands.hold_back(&waiting);
                    hands.ledger.wait_for(None);
                    hands.ledger.untidy();
                    Effect::Dropped {
                        version: waiting.version,
                        quarantined,
                    }
                }
                None => Effect::NothingUnderWay,
            },
            Phase::Committing(committing) => Effect::TooLate {
                version: committing.slot.version.clone(),
            },
            Phase::Regretting(regretting) => Effect::OnItsWay {
                to: Some(regretting.back.version.clone()),
            },
            Phase::Reverting(_) | Phase::Closing(_) => Effect::OnItsWay { to },
            Phase::Spending(..) | Phase::Switching(..) | Phase::Proving(_) => {
                self.end_job(hands, |it, version, quarantined, hands| {
                    it.revert(Outcome::Cancelled, hands);
                    Effect::TakenBack {
                        from: version,
                        to,
                        quarantined,
                    }
                })
            }
            Phase::Opening(_)
            | Phase::Fetching(_)
            | Phase::Waiting(_)
            | Phase::Keeping(..)
            | Phase::Warming(_) => self.end_job(hands, |it, version, quarantined, hands| {
                it.abandon(Outcome::Cancelled, hands);
                let next = it.waiting.as_ref().map(|wanted| wanted.version.clone());
                Effect::Cancelled {
                    version,
                    quarantined,
                    next,
                }
            }),
        }
    }

    /// Ends the job under way, which is not begun again.
    fn end_job(
        &mut self,
        hands: &mut Hands<'_, '_>,
        end: impl FnOnce(&mut Self, Version, bool, &mut Hands<'_, '_>) -> Effect,
    ) -> Effect {
        let Some(job) = hands.ledger.record.job.clone() else {
            return Effect::NothingUnderWay;
        };
        let quarantined = hands.hold_back(&job.wanted);
        end(self, job.wanted.version, quarantined, hands)
    }

    /// Ends a job whose new worker has not been made active.
    pub(super) fn abandon(&mut self, outcome: Outcome, hands: &mut Hands<'_, '_>) {
        match (&self.phase, &hands.ledger.record.job) {
            (Phase::Fetching(_), Some(job)) => {
                let job = job.id;
                hands.scene.out.push(Command::AbandonFetch { job });
            }
            (Phase::Keeping(slot, _), _) => hands.give_back(slot),
            _ => {}
        }
        self.give_up_warming(outcome, hands);
    }

    /// A version may be taken again, whatever was held against it. What runs and what is under way keep their tries: what they are for is
    /// not over.
    pub fn release(&mut self, version: &Version, hands: &mut Hands<'_, '_>) -> Effect {
        let lifted = hands.ledger.lift(version);
        let tries = hands.ledger.pardon(version);
        if !lifted && tries == 0 {
            return Effect::NotQuarantined;
        }
        hands.ledger.untidy();
        hands.told.push(Told::Ask(hands.scene.now.ticks));
        Effect::Released { tries }
    }

    /// The finished slot is on the record, and a try of it is spent.
    pub(super) fn kept(&mut self, slot: Slot, hands: &mut Hands<'_, '_>) {
        if self.paused_at.is_some() {
            hands.give_back(&slot);
            hands.ledger.untidy();
            self.keep_fetched(slot, hands);
        } else {
            self.warm(slot, hands);
        }
    }

    /// Is an update held by an operator's pause?
    #[must_use]
    pub fn is_held(&self) -> bool {
        let may_be = match &self.phase {
            Phase::Opening(_) | Phase::Fetching(_) | Phase::Waiting(_) | Phase::Keeping(..) => true,
            Phase::Warming(warming) => !matches!(warming.step, Warm::Marking(_)),
            _ => false,
        };
        may_be && self.paused_at.is_some()
    }
}

impl Hands<'_, '_> {
    /// The try of a slot that was to be warmed up is given back unused. Without a standby none was spent for that.
    fn give_back(&mut self, slot: &Slot) {
        if self.scene.policy.standby {
            self.ledger.give_back(slot);
        }
    }

    /// What the platform wants and an operator does not is not begun again; what an operator brought, nobody else offers. Is it quarantined?
    fn hold_back(&mut self, wanted: &Wanted) -> bool {
        let by_cloud = wanted.by == Origin::Cloud;
        if by_cloud {
            self.ledger.hold(&wanted.version, Hold::Cancelled);
        }
        by_cloud
    }
}
