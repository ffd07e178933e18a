//! What the tests' world sees of the brain beside its commands: enough to tell one state of it from another.

use std::fmt::Debug;

use super::Agent;
use crate::time::Jitter;

impl Agent {
    /// Everything that decides what the brain will do, but for what is set at its birth and for its dice.
    pub(crate) fn moving(&self) -> impl Debug + '_ {
        let Self {
            policy: _,
            topics: _,
            jitter: _,
            session,
            crew,
            ledger,
            update,
            mailbox,
            outbox,
            cadence,
            told,
            query_at,
            posted,
            last_refusal: _,
            strangers: _,
            dropped_told: _,
            uninformed,
            stopping,
            exited,
            chatter: _,
            checkpoints,
            wishes,
            // What the log says decides nothing.
            log_upload: _,
        } = self;
        let rooms = (session, crew, ledger, update, mailbox, outbox, cadence);
        let rest = (
            told,
            query_at,
            posted,
            uninformed,
            stopping,
            exited,
            checkpoints,
            wishes,
        );
        (rooms, rest)
    }

    /// From here on the dice fall as they do at a birth with this seed.
    pub(crate) fn throw_dice(&mut self, seed: u64) {
        self.jitter = Jitter::new(seed);
    }
}
