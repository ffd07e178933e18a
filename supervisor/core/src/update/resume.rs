//! After a power cut: what the record says was under way goes on.

use worker_protocol::v1::Cause;

use super::{Hands, Phase, Update, ending::job_slot};
use crate::{
    outcome::Outcome,
    record::{Slot, Stage},
};

impl Update {
    /// Takes up what the record says was under way.
    pub fn resume(hands: &mut Hands<'_, '_>, found: &[Slot]) -> Self {
        let mut update = Self {
            phase: Phase::Idle,
            waiting: None,
            failed_until: None,
            trash: Vec::new(),
        };
        fall_back(hands, found);
        let record = &hands.ledger.record;
        let (active, job) = (record.active.clone(), record.job.clone());
        let lost = "its slot is missing or damaged".to_owned();
        let kept = active.clone();
        let mut keep_old = || {
            hands
                .crew
                .keep(kept.clone(), Cause::PowerCut, hands.scene.now.ticks);
        };
        match job {
            None => keep_old(),
            Some(job) => match job.stage {
                Stage::Trial { slot } if found.contains(&slot) => update.spend(slot, hands),
                Stage::Trial { .. } => update.revert(Outcome::NotProved { why: lost }, hands),
                Stage::Fetched { slot } if found.contains(&slot) => {
                    keep_old();
                    update.keep_fetched(slot, hands);
                }
                Stage::Fetched { .. } | Stage::Open => {
                    keep_old();
                    // A slot is born only when verified; one with the job's number was finished just before the end.
                    let born = found.iter().find(|slot| {
                        slot.id.0 == job.id.0
                            && slot.version == job.wanted.version
                            && slot.size == job.wanted.size
                    });
                    match born {
                        Some(slot) => update.keep_fetched(slot.clone(), hands),
                        None => update.fetch(hands),
                    }
                }
            },
        }
        let record = &hands.ledger.record;
        let named = [
            record.active.as_ref().map(|slot| slot.id),
            record.former.as_ref().map(|slot| slot.id),
            job_slot(record.job.as_ref()),
        ];
        let unnamed = found.iter().map(|slot| slot.id);
        update
            .trash
            .extend(unnamed.filter(|slot| !named.contains(&Some(*slot))));
        update
    }
}

/// A trusted slot that is missing or damaged gives way to the one before it.
pub(super) fn fall_back(hands: &mut Hands<'_, '_>, found: &[Slot]) {
    while let Some(slot) = hands.ledger.record.active.clone() {
        if found.contains(&slot) {
            return;
        }
        let (number, version) = (slot.id.0, slot.version);
        hands.trouble(format!(
            "slot {number} with version {version} is missing or damaged"
        ));
        hands.ledger.record.active = hands.ledger.record.former.take();
        hands.ledger.untidy();
    }
}
