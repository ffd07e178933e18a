//! When the newest memory goes to the disk.
//!
//! At most once in [`Policy::checkpoint_every`](crate::policy::Policy::checkpoint_every), because flash wears out, and not at all while
//! nothing changed. At once when it matters: what an old worker hands over, what a version said that is trusted from now on, and the last
//! word before the supervisor ends. What is handed over waits until its worker has gone and the next one has its orders, but not for
//! long: nobody runs the device meanwhile, and a disk that syncs keeps the machine busy. One write is under way at a time. Nobody waits for
//! one but the end of the supervisor: a disk that fails or hangs costs freshness and nothing else.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Boot, Checkpoint};
use crate::{
    event::Command,
    memory::Memory,
    record::SlotId,
    time::{Now, Ticks},
};

/// How long after a failure that was told the next one is told.
const TOLD_AGAIN: Duration = Duration::from_secs(3600);

/// How long what a worker handed over waits for that worker's end.
const LONGEST_GOING: Duration = Duration::from_millis(20);

/// What is, or will be, on the disk.
type Print = (SlotId, [u8; 32]);

/// When the newest memory goes to the disk.
#[derive(Debug, Clone)]
pub struct Schedule {
    every: Duration,
    boot: Option<Boot>,
    /// The number of the memory that was looked at last.
    looked: u64,
    kept: Option<Print>,
    writing: Option<Print>,
    /// Not before then …
    next: Ticks,
    /// … unless it matters: then at this moment, be it earlier or later.
    urgent: Option<Ticks>,
    /// The last write failed.
    again: bool,
    failures: u64,
    told: Option<Ticks>,
}

impl Schedule {
    /// Nothing is on the disk yet.
    #[must_use]
    pub fn new(every: Duration) -> Self {
        Self {
            every,
            boot: None,
            looked: 0,
            kept: None,
            writing: None,
            next: Ticks(0),
            urgent: None,
            again: false,
            failures: 0,
            told: None,
        }
    }

    /// The run of the machine this is, and what was found on the disk.
    pub fn start(&mut self, boot: Option<Boot>, found: Option<&Memory>) {
        self.boot = boot;
        self.kept = found.map(print);
    }

    /// What was said last, or else is said next, is not to wait.
    pub fn hurry(&mut self) {
        self.urgent = Some(Ticks(0));
    }

    /// A worker has handed over, and goes: what it said goes to the disk as soon as it [has gone](Schedule::gone).
    pub fn handed(&mut self, now: Ticks) {
        self.urgent = Some(now.after(LONGEST_GOING));
    }

    /// A worker has gone.
    pub fn gone(&mut self, now: Ticks) {
        self.urgent = self.urgent.map(|at| at.min(now));
    }

    /// Sends the newest memory to the disk, if that is due.
    pub fn tend(&mut self, now: Now, memory: Option<&Memory>, out: &mut Vec<Command>) {
        if self.next_deadline(memory).is_some_and(|at| now.ticks >= at)
            && let Some(memory) = memory
        {
            self.write(now, memory, out);
        }
    }

    /// Sends the newest memory to the disk, unless it is there or could not be written before: the supervisor ends.
    pub fn end(&mut self, now: Now, memory: Option<&Memory>, out: &mut Vec<Command>) {
        if let Some(memory) = memory.filter(|it| it.number != self.looked)
            && self.is_settled()
        {
            self.write(now, memory, out);
        }
    }

    fn write(&mut self, now: Now, memory: &Memory, out: &mut Vec<Command>) {
        (self.looked, self.urgent, self.again) = (memory.number, None, false);
        let print = print(memory);
        if self.kept == Some(print) {
            return;
        }
        // What is no text can be no JSON: its worker could not read it either.
        let Some(checkpoint) = Checkpoint::of(memory, self.boot.clone()) else {
            return;
        };
        self.next = now.ticks.after(self.every);
        self.writing = Some(print);
        out.push(Command::SaveCheckpoint(Box::new(checkpoint)));
    }

    /// It is on the disk. Answers what to say about it, if it was not for a while.
    pub fn saved(&mut self) -> Option<String> {
        self.kept = self.writing.take();
        let failures = std::mem::take(&mut self.failures);
        self.told.take().map(|_| {
            format!("the device's state is kept on the disk again, after {failures} failures")
        })
    }

    /// It is not on the disk. Answers what to say about it, if that was not said a short while ago.
    pub fn failed(&mut self, why: &str, now: Ticks) -> Option<String> {
        // How much of it is there is not known, so that nothing counts as kept.
        (self.kept, self.writing) = (None, None);
        self.again = true;
        self.next = self.next.max(now.after(self.every));
        self.failures += 1;
        if self.told.is_some_and(|at| now < at.after(TOLD_AGAIN)) {
            return None;
        }
        self.told = Some(now);
        Some(format!(
            "the device's state could not be kept on the disk: {why}; after a power cut its worker would know only what is older"
        ))
    }

    /// Is no write under way?
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.writing.is_none()
    }

    /// When [`Schedule::tend`] has something to do.
    #[must_use]
    pub fn next_deadline(&self, memory: Option<&Memory>) -> Option<Ticks> {
        let news = memory.is_some_and(|it| it.number != self.looked);
        let waits = self.writing.is_none() && (news || self.again && memory.is_some());
        let urgent = self.urgent.filter(|_| news);
        waits.then_some(urgent.unwrap_or(self.next))
    }
}

fn print(memory: &Memory) -> Print {
    (memory.slot, Sha256::digest(&memory.snapshot).into())
}
