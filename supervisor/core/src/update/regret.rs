//! A trusted version that keeps dying soon after its commit, while the slot before it is still there, is taken back.
//!
//! It has failed its trial late: its strike, which is kept until it has been trusted for a while, grows by one, so that an
//! offer that installs it again and again ends in quarantine. The platform was told of a success and is now told, by informing
//! it, that the version before runs. It keeps the other place in the record: should the slot before be found damaged, one that dies
//! again and again is better than none.

use worker_protocol::v1::Cause;

use super::{Hands, Phase, Told, Update};
use crate::{
    event::SaveId,
    outcome::Outcome,
    record::{Ended, Record, Slot, SlotId},
    tenure::Death,
    time::Ticks,
};

/// A version trusted a short while ago.
#[derive(Debug, Clone)]
pub(super) struct Fresh {
    pub(super) slot: SlotId,
    pub(super) until: Ticks,
    deaths: u32,
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
    pub(super) fn new(bad: Slot, back: Slot, outcome: Outcome) -> Self {
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
                deaths: 0,
            });
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
        let Some(fresh) = &mut self.fresh else { return };
        // It could be started when it was on trial: what keeps it from that now is not its own fault.
        if matches!(
            death,
            Death::Asked | Death::NotStartable(_) | Death::Damaged { .. }
        ) {
            return;
        }
        fresh.deaths += 1;
        let (slot, deaths) = (fresh.slot, fresh.deaths);
        let record = &hands.ledger.record;
        if deaths < hands.scene.policy.loop_deaths {
            return;
        }
        let (Some(bad), Some(back)) = (record.active.clone(), record.former.clone()) else {
            return;
        };
        if bad.id != slot {
            return;
        }
        hands.told.push(Told::Regret(format!(
            "version {} died {deaths} times soon after it was trusted; version {} is taken back",
            bad.version, back.version
        )));
        self.fresh = None;
        let now = hands.scene.now.ticks;
        hands.crew.keep(Some(back.clone()), Cause::RollBack, now);
        hands.ledger.spend(&bad, &[]);
        hands.ledger.condemn(&bad);
        let why = "it kept dying soon after it was trusted".to_owned();
        let outcome = Outcome::NotProved { why };
        self.save_regret(Regretting::new(bad, back, outcome), hands);
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
