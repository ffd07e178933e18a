//! What an update acts on, and the few things it does to it everywhere.

use super::Told;
use crate::{
    alink::codec::Digest,
    crew::{Crew, Scene},
    event::{Command, FetchOrder, SlotId, Turn},
    record::{Job, Ledger, Slot, Stage},
    time::Jitter,
};

/// Everything an update acts on.
pub struct Hands<'a, 's> {
    /// Clocks, policy and where commands go.
    pub scene: &'a mut Scene<'s>,
    /// Spreads waits.
    pub jitter: &'a mut Jitter,
    /// The workers.
    pub crew: &'a mut Crew,
    /// The record.
    pub ledger: &'a mut Ledger,
    /// What the agent is to tell the cloud and the log.
    pub told: &'a mut Vec<Told>,
}

impl Hands<'_, '_> {
    pub(super) fn order_fetch(&mut self) {
        let Some(job) = &self.ledger.record.job else {
            return;
        };
        self.scene.out.push(Command::Fetch(FetchOrder {
            job: job.id,
            slot: SlotId(job.id.0),
            version: job.wanted.version.clone(),
            module: self.scene.policy.module.clone(),
            files: job.wanted.files.clone(),
            entry: self.scene.policy.entry.clone(),
        }));
    }

    pub(super) fn hold_fetch(&mut self) {
        if let Some(job) = &self.ledger.record.job {
            self.scene.out.push(Command::HoldFetch { job: job.id });
        }
    }

    /// Does an operator not want to wait for a better time?
    pub(super) fn is_at_once(&self) -> bool {
        self.ledger
            .record
            .job
            .as_ref()
            .is_some_and(|job| job.at_once)
    }

    fn digests(&self) -> Vec<Digest> {
        let job = self.ledger.record.job.as_ref();
        job.map(|job| job.wanted.digests()).unwrap_or_default()
    }

    /// How many tries of this build are spent.
    pub(super) fn starts(&self, slot: &Slot) -> u32 {
        self.ledger.starts_of(slot, &self.digests())
    }

    pub(super) fn spend(&mut self, slot: &Slot) {
        let digests = self.digests();
        self.ledger.spend(slot, &digests);
    }

    pub(super) fn stage(&mut self, stage: Stage) {
        if let Some(job) = &mut self.ledger.record.job {
            job.stage = stage;
        }
    }

    /// Tells how much is done, in percent, to whoever wanted the update: an operator looks at the status.
    pub(super) fn progress(&mut self, percent: u8) {
        let job = self.ledger.record.job.as_ref();
        if job.is_some_and(Job::is_reported) {
            self.told.push(Told::Progress(percent));
        }
    }

    pub(super) fn turn(&mut self, turn: Turn) {
        let job = self.ledger.record.job.as_ref().map(|job| job.id);
        self.told.push(Told::Turn(job.unwrap_or_default(), turn));
    }

    pub(super) fn step(&mut self, text: String) {
        let job = self.ledger.record.job.as_ref().map(|job| job.id);
        self.told.push(Told::Step(job.unwrap_or_default(), text));
    }

    pub(super) fn trouble(&mut self, text: String) {
        let job = self.ledger.record.job.as_ref().map(|job| job.id);
        self.told.push(Told::Trouble(job.unwrap_or_default(), text));
    }
}
