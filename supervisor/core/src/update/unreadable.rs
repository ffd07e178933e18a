//! A trusted slot that cannot be read gives its turn to the one before it, and is kept: what cannot be read today may be whole.
//!
//! Nobody knows what became of it, so that nothing is held against its build, and nothing of it is removed. If another trusted slot is
//! there, the two change places in the record, and that one runs until something better comes. If none is, or neither can be
//! read, they are tried in turn, each try after the crew's growing wait and at every start of the supervisor. Meanwhile the cloud is told that
//! nothing runs, and any version is taken.
//!
//! As with a damaged slot it acts first and writes after. A slot on trial that cannot be read ends its update like any other failure to start.

use worker_protocol::v1::Cause;

use super::{Hands, Phase, Told, Update};
use crate::{
    event::{SlotId, Tenure},
    outcome::Outcome,
    record::{Ended, Slot},
};

impl Update {
    pub(super) fn unreadable(&mut self, slot: SlotId, why: &str, hands: &mut Hands<'_, '_>) {
        let now = hands.scene.now.ticks;
        let record = &hands.ledger.record;
        let [is_active, is_former] =
            [&record.active, &record.former].map(|it| it.as_ref().is_some_and(|it| it.id == slot));
        if !is_active && !is_former {
            return;
        }
        let is_news = hands.ledger.cannot_read(slot, why);
        if is_active && hands.ledger.record.former.is_some() {
            self.give_turn(why, hands);
        } else {
            // What is on its way to the disk may say otherwise.
            hands.ledger.untidy();
        }
        let next = hands.ledger.record.active.clone();
        let next = next.filter(|it| it.id != slot);
        match next {
            Some(next) if !hands.ledger.is_unreadable(next.id) => {
                hands.crew.replace(slot, Some(next), now);
            }
            Some(next) => hands.crew.put_in_turn(slot, next),
            None => {}
        }
        if is_news {
            self.tell_unreadable(slot, hands);
        }
        match &self.phase {
            // What was regretted is the best that is left; the record follows when the save under way has ended.
            Phase::Regretting(regretting) => {
                if regretting.is_leaving() {
                    let next = hands.ledger.record.active.clone();
                    hands.crew.keep(next, Cause::RollBack, now);
                }
                self.phase = Phase::Idle;
            }
            Phase::Reverting(outcome) if hands.ledger.running().is_none() => {
                self.close(outcome.clone(), hands);
            }
            _ => {}
        }
    }

    /// The active slot and the one before it change places.
    fn give_turn(&mut self, why: &str, hands: &mut Hands<'_, '_>) {
        let record = &mut hands.ledger.record;
        std::mem::swap(&mut record.active, &mut record.former);
        let (Some(next), Some(unread)) = (record.active.clone(), record.former.clone()) else {
            return;
        };
        if hands.ledger.is_unreadable(next.id) {
            // They only take turns, which is not worth a write each time.
            return;
        }
        // The tries it needed to be trusted do not count against it; those of a later trial of the same build do.
        if self.fresh.take().is_some_and(|it| it.slot == unread.id) {
            hands.ledger.forgive(&unread);
        }
        has_given_way(&unread, why, hands);
    }

    /// Says what cannot be read, and what runs in its place.
    fn tell_unreadable(&self, slot: SlotId, hands: &mut Hands<'_, '_>) {
        let record = &hands.ledger.record;
        let mut named = [&record.active, &record.former].into_iter().flatten();
        let Some(unread) = named.find(|it| it.id == slot) else {
            return;
        };
        let why = hands.ledger.why_unreadable(slot).unwrap_or_default();
        let follows = match hands.ledger.running() {
            Some(next) => format!("version {} takes its place", next.version),
            None => "no other is left; it is tried again, and an update is awaited".to_owned(),
        };
        hands.told.push(Told::Lost(format!(
            "version {} in slot {} cannot be read and is kept: {why}; {follows}",
            unread.version, slot.0
        )));
    }

    /// A process runs: its slot was read.
    pub fn spawned(&self, tenure: Tenure, hands: &mut Hands<'_, '_>) {
        let Some(life) = hands.crew.life(tenure) else {
            return;
        };
        let (id, version) = (life.slot.id, &life.slot.version);
        if hands.ledger.is_unreadable(id) {
            hands.told.push(Told::Recovered(format!(
                "version {version} in slot {} could be read again",
                id.0
            )));
            hands.ledger.can_read(id);
            // Which of two had their turn was not written until now.
            hands.ledger.untidy();
        }
    }
}

/// What is said of a slot of the record that could not be looked at when the supervisor started.
const UNSEEN: &str = "its files could not be looked at";

/// These slots of the record could not be looked at when the supervisor started. If one of them was `before` the active one and is not any
/// more, another runs in its place.
pub(super) fn take_note(unseen: &[Slot], before: Option<&Slot>, hands: &mut Hands<'_, '_>) {
    for slot in unseen {
        hands.ledger.cannot_read(slot.id, UNSEEN);
        hands.told.push(Told::Found(format!(
            "slot {} with version {} cannot be read at the moment; it is kept, and tried again",
            slot.id.0, slot.version
        )));
        if before == Some(slot) && hands.ledger.running().is_some() {
            has_given_way(slot, UNSEEN, hands);
        }
    }
}

/// For the record: this version runs no more.
fn has_given_way(slot: &Slot, why: &str, hands: &mut Hands<'_, '_>) {
    hands.ledger.record.last_outcome = Some(Ended {
        version: slot.version.clone(),
        at: hands.scene.now.wall,
        outcome: Some(Outcome::Unreadable {
            why: why.to_owned(),
        }),
    });
    hands.ledger.untidy();
}
