//! A trusted version that keeps dying soon after its commit, while the slot before it is still there, is taken back.
//!
//! It has failed its trial late: its strike, which is kept until it has been trusted for a while, grows by one, so that an
//! offer that installs it again and again ends in quarantine. The platform was told of a success and is now told, by informing
//! it, that the version before runs. It keeps the other place in the record: should the slot before be found damaged, one that dies
//! again and again is better than none. It is the one before that has nothing on its account: should that keep dying as well, it is
//! started again after growing waits, and the two never take each other back.
//!
//! Its lives are counted in the record, each before it begins: a version that takes the machine or the supervisor down leaves nobody to count
//! afterwards. A life that is ended in order with its supervisor is taken off again. The count is written before the worker is started
//! and not waited for, as the device is not to stand still for it; a cut in between costs the count of one life.

use worker_protocol::v1::Cause;

use super::{Hands, Phase, Told, Update};
use crate::{
    event::SaveId,
    outcome::Outcome,
    record::{Ended, Ledger, Record, Slot, SlotId},
    tenure::Death,
    time::Ticks,
};

/// A version trusted a short while ago.
#[derive(Debug, Clone)]
pub(super) struct Fresh {
    pub(super) slot: SlotId,
    pub(super) until: Ticks,
}

/// The slot before is taken back; the record is to follow.
#[derive(Debug, Clone)]
pub(super) struct Regretting {
    pub(super) bad: Slot,
    pub(super) back: Slot,
    /// What is said of the version that is left.
    outcome: Outcome,
    /// Does the worker of the version that is left still have to go?
    leaving: bool,
    record: Box<Record>,
    pub(super) save: Option<SaveId>,
    pub(super) again: Option<Ticks>,
    saved: bool,
}

impl Regretting {
    /// Nobody of the version that is left runs any more.
    fn new(bad: Slot, back: Slot, outcome: Outcome) -> Self {
        Self {
            bad,
            back,
            outcome,
            leaving: false,
            record: Box::default(),
            save: None,
            again: None,
            saved: false,
        }
    }

    /// The same, from now on. Whether the slot before can be read is seen when it is started.
    pub(super) fn begin(
        bad: Slot,
        back: Slot,
        outcome: Outcome,
        hands: &mut Hands<'_, '_>,
    ) -> Self {
        hands.ledger.can_read(back.id);
        Self::new(bad, back, outcome)
    }

    /// Its worker is to hand over first.
    pub(super) fn leaving(self) -> Self {
        Self {
            leaving: true,
            ..self
        }
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Its worker has gone. Answers whose turn it is.
    pub(super) fn arrive(&mut self) -> Slot {
        self.leaving = false;
        self.back.clone()
    }

    /// Is it an operator's wish?
    pub(super) fn is_wished(&self) -> bool {
        self.outcome == Outcome::RolledBack
    }
}

impl Update {
    /// The slot that the cloud is told to run. That is what the disk says: also where the slot before took the place of the active one, because
    /// that could not be read, and was left again before the disk had heard of it. If the one that is left cannot be read, whatever is
    /// gone back to is all there is.
    #[must_use]
    pub fn told_to_run<'l>(&'l self, ledger: &'l Ledger) -> Option<&'l Slot> {
        let running = ledger.running();
        match &self.phase {
            Phase::Regretting(it) if running.is_none() || ledger.is_durable_active(it.back.id) => {
                Some(&it.back)
            }
            _ => running,
        }
    }

    /// From now on the trusted version is watched, if there is one to go back to and its build has not been forgiven.
    pub(super) fn watch(&mut self, hands: &mut Hands<'_, '_>) {
        let record = &hands.ledger.record;
        self.fresh = None;
        let Some(active) = record.active.clone() else {
            return;
        };
        if record.former.is_none() {
            hands.ledger.forgive(&active);
        } else if hands.ledger.starts_of(&active, &[]) > 0 {
            self.fresh = Some(Fresh {
                slot: active.id,
                until: hands.scene.now.ticks.after(hands.scene.policy.loop_window),
            });
        }
    }

    /// A supervisor starts. If the version it runs was trusted a short while ago, its last life ended unseen, unless it was stopped in order.
    /// One that stands in for a slot that cannot be read is not held to account: there is nobody to go back to.
    pub(super) fn count_start(&mut self, hands: &mut Hands<'_, '_>) {
        let active = hands.ledger.record.active.clone();
        let former = hands.ledger.record.former.as_ref();
        if former.is_some_and(|it| hands.ledger.is_unreadable(it.id)) {
            return;
        }
        let (true, Some(_), Some(active)) = (self.is_idle(), &self.fresh, active) else {
            return;
        };
        let lives = hands.ledger.count_lives(&active, |lives| lives);
        if lives >= hands.scene.policy.loop_deaths {
            self.take_back(lives, Cause::PowerCut, hands);
            return;
        }
        hands
            .ledger
            .count_lives(&active, |lives| lives.saturating_add(1));
        hands.ledger.save(hands.scene.out);
    }

    /// The supervisor is being stopped in order: that is not the fault of the version it runs.
    pub fn stop(&mut self, hands: &mut Hands<'_, '_>) {
        let active = hands.ledger.record.active.clone();
        // A save must not overtake another one, which may be a commit; then this life counts.
        if let (Some(_), Some(active), true) = (&self.fresh, active, hands.ledger.is_settled()) {
            hands
                .ledger
                .count_lives(&active, |lives| lives.saturating_sub(1));
            hands.ledger.save(hands.scene.out);
        }
    }

    /// A version that was trusted for long enough is forgiven what it needed to get there.
    pub(super) fn settle_fresh(&mut self, hands: &mut Hands<'_, '_>) {
        let now = hands.scene.now.ticks;
        if self.fresh.take_if(|fresh| now >= fresh.until).is_some()
            && let Some(active) = hands.ledger.record.active.clone()
        {
            hands.ledger.forgive(&active);
        }
    }

    /// The trusted worker died while no update was under way.
    pub(super) fn died(&mut self, death: &Death, hands: &mut Hands<'_, '_>) {
        let Some(fresh) = &self.fresh else { return };
        // It could be started when it was on trial: what keeps it from that now is not its own fault.
        if matches!(
            death,
            Death::Asked
                | Death::NotStartable(_)
                | Death::Damaged { .. }
                | Death::Unreadable { .. }
        ) {
            return;
        }
        let active = hands.ledger.record.active.clone();
        let Some(active) = active.filter(|active| active.id == fresh.slot) else {
            return;
        };
        let lives = hands.ledger.count_lives(&active, |lives| lives);
        if lives >= hands.scene.policy.loop_deaths {
            self.take_back(lives, Cause::RollBack, hands);
            return;
        }
        hands
            .ledger
            .count_lives(&active, |lives| lives.saturating_add(1));
        hands.ledger.untidy();
    }

    fn take_back(&mut self, deaths: u32, cause: Cause, hands: &mut Hands<'_, '_>) {
        let record = &hands.ledger.record;
        let (Some(bad), Some(back)) = (record.active.clone(), record.former.clone()) else {
            return;
        };
        hands.told.push(Told::Regret(format!(
            "version {} died {deaths} times soon after it was trusted; version {} is taken back",
            bad.version, back.version
        )));
        self.fresh = None;
        let now = hands.scene.now.ticks;
        hands.crew.keep(Some(back.clone()), cause, now);
        hands.ledger.spend(&bad, &[]);
        hands.ledger.condemn(&bad);
        let why = "it kept dying soon after it was trusted".to_owned();
        let outcome = Outcome::NotProved { why };
        self.save_regret(Regretting::begin(bad, back, outcome, hands), hands);
    }

    /// Asks for the record with the slot before trusted in it; nobody sees that record before it is durable.
    pub(super) fn save_regret(&mut self, mut regretting: Regretting, hands: &mut Hands<'_, '_>) {
        let mut record = hands.ledger.record.clone();
        record.active = Some(regretting.back.clone());
        record.former = Some(regretting.bad.clone());
        record.last_outcome = Some(Ended {
            version: regretting.bad.version.clone(),
            at: hands.scene.now.wall,
            outcome: Some(regretting.outcome.clone()),
        });
        regretting.save = Some(hands.ledger.save_as(record.clone(), hands.scene.out));
        regretting.record = Box::new(record);
        regretting.again = None;
        self.phase = Phase::Regretting(regretting);
    }

    pub(super) fn regretted(&mut self, mut regretting: Regretting, hands: &mut Hands<'_, '_>) {
        hands.ledger.adopt(std::mem::take(&mut *regretting.record));
        (regretting.save, regretting.saved) = (None, true);
        self.phase = Phase::Regretting(regretting);
        self.end_regret(hands);
    }

    /// It is over once it is on the disk and nobody is left who could hold the hardware.
    pub(super) fn end_regret(&mut self, hands: &mut Hands<'_, '_>) {
        let Phase::Regretting(regretting) = &self.phase else {
            return;
        };
        if !regretting.saved || regretting.leaving {
            return;
        }
        if !regretting.is_wished() {
            self.show_failed(hands);
        }
        hands.told.push(Told::Trusted);
        self.phase = Phase::Idle;
    }
}
