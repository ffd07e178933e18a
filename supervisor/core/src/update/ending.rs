//! The way back, and the end of a job that did not succeed.

use std::time::Duration;

use worker_protocol::v1::Cause;

use super::{Closing, Hands, Phase, Told, Update};
use crate::{
    event::{Command, SlotId, Tenure},
    outcome::Outcome,
    record::{Ended, Job, Owed, Stage},
};

/// How long `failed` is shown before `idle`.
const FAILED_SHOWN: Duration = Duration::from_secs(5);

impl Update {
    pub(super) fn revert(&mut self, outcome: Outcome, hands: &mut Hands<'_, '_>) {
        let now = hands.scene.now.ticks;
        hands.trouble(format!("{outcome}; the version before is taken back"));
        if let Some(new) = self.on_trial() {
            hands.crew.kill(new, hands.scene);
        }
        hands.crew.distrust();
        let old = hands.ledger.record.active.clone();
        let none_to_go_back_to = old.is_none();
        hands.crew.keep(old, Cause::RollBack, now);
        self.phase = Phase::Reverting(outcome.clone());
        if none_to_go_back_to {
            self.close(outcome, hands);
        }
    }

    pub(super) fn close(&mut self, outcome: Outcome, hands: &mut Hands<'_, '_>) {
        let wall = hands.scene.now.wall;
        if let Some(job) = hands.ledger.record.job.take() {
            if let Some(slot) = job_slot(Some(&job)) {
                self.trash.push(slot);
            }
            hands.ledger.record.last_outcome = Some(Ended {
                version: job.wanted.version,
                at: wall,
                outcome: Some(outcome.clone()),
            });
            hands.ledger.owe(Owed {
                job: job.id,
                outcome,
            });
        }
        self.phase = Phase::Closing(Closing {
            save: Some(hands.ledger.save(hands.scene.out)),
            again: None,
        });
    }

    pub(super) fn closed(&mut self, hands: &mut Hands<'_, '_>) {
        self.phase = Phase::Idle;
        self.failed_until = Some(hands.scene.now.ticks.after(FAILED_SHOWN));
        if let Some(owed) = hands.ledger.record.owed.last() {
            hands.told.push(Told::Failed(owed.clone()));
        }
    }

    pub(super) fn on_trial(&self) -> Option<Tenure> {
        match &self.phase {
            Phase::Warming(warming) => warming.new,
            Phase::Switching(_, new) => *new,
            Phase::Proving(_, new, _) => Some(*new),
            Phase::Committing(committing) => Some(committing.new),
            _ => None,
        }
    }

    /// Removes slots that nothing names any more, once nobody runs from them and the record without them is durable.
    pub(super) fn sweep(&mut self, hands: &mut Hands<'_, '_>) {
        if !matches!(self.phase, Phase::Idle) || self.trash.is_empty() {
            return;
        }
        let (stay, go): (Vec<_>, Vec<_>) =
            self.trash.iter().partition(|slot| hands.crew.runs(**slot));
        self.trash = stay;
        for slot in go {
            hands.scene.out.push(Command::RemoveSlot { slot });
        }
    }
}

pub(super) fn job_slot(job: Option<&Job>) -> Option<SlotId> {
    match &job?.stage {
        Stage::Open => None,
        Stage::Fetched { slot } | Stage::Trial { slot } => Some(slot.id),
    }
}
