//! The platform puts another job in the place of the one under way.
//!
//! It has one job at a time for a device and module, and nothing of what a device tells about that job says which job is meant: a report on
//! `progress` has a step, a text and the module. So whatever is told after the platform has put another job in place passes for that other
//! job's. From the moment the device hears of the other job, it says nothing of the one before: no progress and no failure. A success is
//! told all the same, because that is the version which runs. The other job may also have come into its place while there was no connection: on a new
//! one, nothing is told of a job from before it until the platform has been asked which job it has, and has said so, or has kept silent for too
//! long (see `outbox`).
//!
//! A job has no number on the wire, neither in a push nor in the answer to a query (the `id` there numbers messages: two pushes
//! of one job have two). What it is known by is the module, the version and the digest of what is to be fetched
//! ([`Wanted::is_same`](crate::record::Wanted::is_same)). The same offer again, by push or by answer, with whatever `id` and address, is
//! the same job, and if another was in its place meanwhile, it is the platform's job again. An offer that is for another
//! module, cannot be read, or is for the version that runs, puts nothing in the place of a job: a platform begins none for a version the
//! device says it runs.
//!
//! | phase | what becomes of the job whose place another has |
//! |---|---|
//! | Opening, Fetching, Waiting, Keeping, Warming | it ends at once, untold; its part or slot goes, as with a `cancel`, and nothing is held against its version |
//! | Spending, Switching, Proving, Committing | the trial ends by itself; a success is informed, a failure untold |
//! | Reverting | it ends by itself, untold |
//! | Closing | its outcome, which has not been told yet, is not owed any more |
//!
//! A job whose image an operator brought goes on in every phase: it is the operator's still, and only the platform does not want to hear of
//! it any more. That the job is superseded is in the record, so that a power cut in a trial does not make it one that is told of.

use super::{Hands, Phase, Told, Update};
use crate::{alink::version::Version, event::Turn, outcome::Outcome, record::Job};

impl Update {
    /// The platform put a job for this version in the place of the one it heard of so far.
    pub fn supersede(&mut self, by: &Version, hands: &mut Hands<'_, '_>) {
        // Nor does it want what it offered before that and waits for its turn.
        self.waiting.take_if(|waiting| waiting.is_reported());
        if let Phase::Closing(closing) = &mut self.phase {
            if let Some(owed) = closing.owed.take() {
                hands.ledger.forget_owed(owed.job);
            }
            return;
        }
        let Some(job) = hands.ledger.record.job.as_mut() else {
            return;
        };
        if !job.is_reported() {
            return;
        }
        job.superseded = true;
        let is_brought = job.wanted.brought;
        hands.ledger.untidy();
        hands.step(format!(
            "the platform wants version {by} now, and hears nothing more of this update"
        ));
        let may_end = self.phase.is_before_switch();
        if may_end && !is_brought {
            let by = by.clone();
            self.abandon(Outcome::Replaced { by }, hands);
        }
    }

    /// Does the platform still hear how the job under way ends?
    #[must_use]
    pub fn is_told_of(&self, job: Option<&Job>) -> bool {
        match &self.phase {
            Phase::Closing(closing) => closing.owed.is_some(),
            _ => job.is_some_and(Job::is_reported),
        }
    }
}

impl Hands<'_, '_> {
    /// How an update ended, in the log, where the platform does not hear of it.
    pub(super) fn untold(&mut self, job: &Job, outcome: &Outcome) {
        let why = outcome.to_string();
        self.told.push(Told::Turn(job.id, Turn::Failed { why }));
    }
}
