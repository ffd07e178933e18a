//! A trusted slot that is found damaged when its worker is to be started gives way to the one before it, or to nobody.
//!
//! It acts first and writes after: what lies on the disk is damaged whatever the record says, so that after a power cut in
//! between the next start comes to the same conclusion. For the same reason the cloud may be told which version runs before that is on
//! the disk. The build is not to blame, and may be offered again. A slot on trial that is damaged ends its update like any other failure to start.

use worker_protocol::v1::Cause;

use super::{Hands, Phase, Told, Update};
use crate::{
    event::SlotId,
    outcome::Outcome,
    record::{Ended, Slot},
};

impl Update {
    pub(super) fn damaged(&mut self, slot: SlotId, why: &str, hands: &mut Hands<'_, '_>) {
        let Some((bad, next)) = self.forget(slot, hands) else {
            return;
        };
        // The tries it needed to be trusted do not count against it; those of a later trial of the same build do.
        if self.fresh.take().is_some_and(|fresh| fresh.slot == bad.id) {
            hands.ledger.forgive(&bad);
        }
        hands.ledger.record.last_outcome = Some(Ended {
            version: bad.version.clone(),
            at: hands.scene.now.wall,
            outcome: Some(Outcome::Damaged {
                why: why.to_owned(),
            }),
        });
        hands.ledger.untidy();
        self.throw_away(bad.id);
        let follows = match &next {
            Some(next) => format!("version {} takes its place", next.version),
            None => "no other is left, and an update is awaited".to_owned(),
        };
        hands.told.push(Told::Lost(format!(
            "version {} in slot {} is damaged: {why}; {follows}",
            bad.version, bad.id.0
        )));
        hands
            .crew
            .replace(bad.id, next.clone(), hands.scene.now.ticks);
        match &self.phase {
            // What was regretted is the best that is left; the record follows when the save under way has ended.
            Phase::Regretting(regretting) => {
                if regretting.is_leaving() {
                    hands
                        .crew
                        .keep(next, Cause::RollBack, hands.scene.now.ticks);
                }
                self.phase = Phase::Idle;
            }
            Phase::Reverting(outcome) if hands.ledger.running().is_none() => {
                self.close(outcome.clone(), hands);
            }
            _ => {}
        }
    }

    /// Takes a trusted slot out of the record. Answers it, and which one is the trusted one from now on.
    fn forget(&self, slot: SlotId, hands: &mut Hands<'_, '_>) -> Option<(Slot, Option<Slot>)> {
        let record = &mut hands.ledger.record;
        let is_bad = |it: &mut Slot| it.id == slot;
        if let Some(bad) = record.active.take_if(is_bad) {
            record.active = record.former.take();
            return Some((bad, record.active.clone()));
        }
        let bad = record.former.take_if(is_bad)?;
        Some((bad, record.active.clone()))
    }
}
