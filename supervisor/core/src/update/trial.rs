//! The new worker in the old one's place: the switch, the proving and the commit.

use worker_protocol::v1::Health;

use super::{Committing, Hands, Phase, Proving, Told, Update};
use crate::{
    event::{Tenure, Turn},
    outcome::Outcome,
    record::{Ended, Slot},
    tenure::{Death, Milestone, Role},
};

impl Update {
    pub(super) fn spend(&mut self, slot: Slot, hands: &mut Hands<'_, '_>) {
        let starts = hands.starts(&slot);
        if starts >= hands.scene.policy.tries {
            let why = format!("it was started {starts} times and never proved itself");
            self.revert(Outcome::NotProved { why }, hands);
            return;
        }
        hands.spend(&slot);
        let save = hands.ledger.save(hands.scene.out);
        self.phase = Phase::Spending(slot, save);
    }

    pub(super) fn switching_reached(
        &mut self,
        slot: &Slot,
        new: Option<Tenure>,
        tenure: Tenure,
        milestone: &Milestone,
        hands: &mut Hands<'_, '_>,
    ) {
        match milestone {
            Milestone::Active if new == Some(tenure) => {
                let until = hands.scene.now.ticks.after(hands.scene.policy.proving);
                let now = hands.scene.now.ticks;
                let gap = self.parting.take().map(|since| now.since(since));
                self.gap_ms = gap.and_then(|gap| u64::try_from(gap.as_millis()).ok());
                hands.turn(Turn::TookOver {
                    version: slot.version.clone(),
                    gap_ms: self.gap_ms,
                });
                self.phase = Phase::Proving(Proving {
                    slot: slot.clone(),
                    new: tenure,
                    until,
                    look: until,
                });
            }
            Milestone::Health(Health::Unwell { reason }) if new == Some(tenure) => {
                let why = format!("it is unwell: {reason}");
                self.revert(Outcome::NotProved { why }, hands);
            }
            Milestone::Gone(death) if new == Some(tenure) => {
                let outcome = stillborn(death);
                self.revert(outcome, hands);
            }
            Milestone::Gone(_) => self.advance(hands),
            _ => {}
        }
    }

    pub(super) fn switch(&mut self, slot: Slot, new: Option<Tenure>, hands: &mut Hands<'_, '_>) {
        hands.step(format!("the switch to version {} begins", slot.version));
        hands.crew.give_way(hands.scene.now.ticks);
        hands.crew.quiesce_all_but(new, hands.scene);
        self.parting = Some(hands.scene.now.ticks);
        self.phase = Phase::Switching(slot, new);
        self.advance(hands);
    }

    /// Makes the new worker active as soon as nobody else may hold the hardware.
    pub(super) fn advance(&mut self, hands: &mut Hands<'_, '_>) {
        let Phase::Switching(slot, new) = &mut self.phase else {
            return;
        };
        if hands.crew.hardware_held_by_other(*new) {
            return;
        }
        if let Some(new) = *new {
            hands.crew.activate(new, hands.scene);
        } else {
            *new = Some(hands.crew.start(slot.clone(), Role::Active, hands.scene));
        }
    }

    /// Asks for the record with the new worker trusted in it; nobody sees that record before it is durable.
    pub(super) fn commit(
        &mut self,
        slot: Slot,
        new: Tenure,
        failures: u32,
        hands: &mut Hands<'_, '_>,
    ) {
        let wall = hands.scene.now.wall;
        let mut record = hands.ledger.record.clone();
        // A copy of the same build, which could not be read, is nothing to go back to.
        let is_other = |it: &Slot| it.sha256 != slot.sha256;
        record.former = record.active.take().filter(is_other);
        record.active = Some(slot.clone());
        record.job = None;
        record.last_update = Some(wall);
        record.last_outcome = Some(Ended {
            version: slot.version.clone(),
            at: wall,
            outcome: None,
        });
        // The build's own strike stays until it has been trusted for a while; the one before has nothing more to prove.
        if let Some(former) = &record.former {
            record.strikes.retain(|it| it.sha256 != former.sha256);
        }
        if let Some(strike) = record
            .strikes
            .iter_mut()
            .find(|it| it.sha256 == slot.sha256)
        {
            strike.lives = 1;
        }
        let save = hands.ledger.save_as(record.clone(), hands.scene.out);
        self.phase = Phase::Committing(Committing {
            slot,
            new,
            record: Box::new(record),
            save: Some(save),
            again: None,
            failures,
            dead: None,
        });
    }

    pub(super) fn trusted(&mut self, committing: Committing, hands: &mut Hands<'_, '_>) {
        hands.turn(Turn::Trusted {
            version: committing.slot.version.clone(),
        });
        let record = &mut hands.ledger.record;
        let kept = committing.record.former.as_ref().map(|slot| slot.id);
        for slot in [record.former.take(), record.active.take()] {
            if let Some(slot) = slot.filter(|slot| Some(slot.id) != kept) {
                self.throw_away(slot.id);
            }
        }
        hands.ledger.adopt(*committing.record);
        hands.crew.trust(committing.slot, hands.scene.now.ticks);
        hands.told.push(Told::Trusted);
        self.phase = Phase::Idle;
        self.watch(hands);
    }
}

/// Why a new worker that ended before it was active is not taken.
pub(super) fn stillborn(death: &Death) -> Outcome {
    match death {
        Death::NotStartable(why) => Outcome::NotStartable { why: why.clone() },
        Death::Damaged { why, .. } => Outcome::Damaged { why: why.clone() },
        Death::Unreadable { why, .. } => Outcome::NotStartable { why: why.clone() },
        Death::NeverHello => Outcome::NeverHello,
        Death::OtherVersion(said) => Outcome::OtherVersion { said: said.clone() },
        Death::NotActivated(why) => Outcome::NotActivated { why: why.clone() },
        Death::NotReady(why) => Outcome::NotReady { why: why.clone() },
        Death::Silent | Death::Ended(_) | Death::Asked => Outcome::NotReady {
            why: format!("it {death}"),
        },
    }
}
