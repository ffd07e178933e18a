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
        // The old one is started before this is on the disk; with it there, a power cut does not give the new one another try.
        if let Some(job) = &mut hands.ledger.record.job {
            job.verdict = Some(outcome.clone());
            hands.ledger.untidy();
        }
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
        let mut told = None;
        let failed = !matches!(outcome, Outcome::Replaced { .. });
        if let Some(job) = hands.ledger.record.job.take() {
            if let Some(slot) = job_slot(Some(&job)) {
                self.throw_away(slot);
            }
            hands.ledger.record.last_outcome = Some(Ended {
                version: job.wanted.version.clone(),
                at: wall,
                outcome: Some(outcome.clone()),
            });
            if job.is_reported() {
                let owed = Owed {
                    job: job.id,
                    outcome,
                    version: Some(job.wanted.version),
                };
                hands.ledger.owe(owed.clone());
                told = Some(owed);
            } else {
                hands.untold(&job, &outcome);
            }
        }
        self.phase = Phase::Closing(Closing {
            owed: told,
            failed,
            save: Some(hands.ledger.save(hands.scene.out)),
            again: None,
        });
    }

    pub(super) fn closed(&mut self, closing: Closing, hands: &mut Hands<'_, '_>) {
        self.phase = Phase::Idle;
        if closing.failed {
            self.show_failed(hands);
        }
        hands.told.extend(closing.owed.map(Told::Failed));
    }

    pub(super) fn show_failed(&mut self, hands: &Hands<'_, '_>) {
        self.failed_until = Some(hands.scene.now.ticks.after(FAILED_SHOWN));
    }

    /// Nothing will name this slot any more.
    pub(super) fn throw_away(&mut self, slot: SlotId) {
        if !self.trash.contains(&slot) {
            self.trash.push(slot);
        }
    }

    pub(super) fn on_trial(&self) -> Option<Tenure> {
        match &self.phase {
            Phase::Warming(warming) => warming.new,
            Phase::Switching(_, new) => *new,
            Phase::Proving(proving) => Some(proving.new),
            Phase::Committing(committing) => Some(committing.new),
            _ => None,
        }
    }

    /// Removes slots that nothing names any more, once nobody runs from them and the record without them is durable.
    pub(super) fn sweep(&mut self, hands: &mut Hands<'_, '_>) {
        if !matches!(self.phase, Phase::Idle) || self.trash.is_empty() || !hands.ledger.is_durable()
        {
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
