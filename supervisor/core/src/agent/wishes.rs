//! What an operator wishes, on its way to the room that decides and back to whoever asked.
//!
//! A wish is decided at once and answered when it is on the disk; where that takes too long or fails, it is answered with that. Nobody is told
//! a wish is kept that a power cut would undo.

use std::time::Duration;

use super::Agent;
use crate::{
    event::{Asker, Command, Effect, Grade, Reply},
    operator::Wish,
    time::{Now, Ticks},
};

/// How long an answer waits for the disk at most. Whoever asked waits a second altogether.
const DISK_LIMIT: Duration = Duration::from_millis(500);

/// How many answers may wait for the disk; further ones are given at once. The shell lets in half as many.
const MOST_WAITING: usize = 8;

/// An answer that waits for the disk.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    asker: Asker,
    effect: Effect,
    until: Ticks,
}

impl Agent {
    pub(super) fn wished(&mut self, asker: Asker, wish: &Wish, now: Now, out: &mut Vec<Command>) {
        let why = "the supervisor is stopping; say it again once it runs".to_owned();
        let mut effect = Effect::Refused { why };
        let mut until = now.ticks;
        if !self.stopping {
            until = now.ticks.after(DISK_LIMIT);
            let text = format!("an operator says {wish}");
            self.chatter.note(now.ticks, Grade::Info, None, text, out);
            self.with_update(now, out, |it, hands| {
                effect = match wish {
                    Wish::Pause => it.pause(hands),
                    Wish::Resume => it.go_on(hands),
                    Wish::Cancel => it.cancel(hands),
                    Wish::Rollback => it.roll_back(hands),
                    Wish::Release(version) => it.release(version, hands),
                    Wish::Hasten => it.hasten(hands),
                };
            });
            self.hear_told(out);
        }
        self.wishes.push(Pending {
            asker,
            effect,
            until,
        });
    }

    /// Answers whom nothing keeps waiting any more. To be called when everything that is to be saved has been asked for.
    pub(super) fn answer_wishes(&mut self, now: Ticks, out: &mut Vec<Command>) {
        let on_disk = self.ledger.is_durable();
        let over = self.wishes.len().saturating_sub(MOST_WAITING);
        let mut place = 0;
        self.wishes.retain(|pending| {
            place += 1;
            if !on_disk && now < pending.until && place > over {
                return true;
            }
            let (asker, effect) = (pending.asker, pending.effect.clone());
            let reply = Reply::Wish { effect, on_disk };
            out.push(Command::Answer { asker, reply });
            false
        });
    }

    /// The disk did not take it: nobody is kept waiting for that any longer.
    pub(super) fn wishes_unsaved(&mut self, now: Ticks) {
        for pending in &mut self.wishes {
            pending.until = now;
        }
    }

    /// When [`Agent::answer_wishes`] has something to do.
    pub(super) fn wishes_due(&self) -> Option<Ticks> {
        self.wishes.iter().map(|pending| pending.until).min()
    }
}
