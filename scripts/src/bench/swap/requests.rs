//! The platform at work meanwhile: one thread sets a property, one calls a service, again and again, each with a number of its own.

use super::beats::Beats;
use crate::stage::Stage;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// The pause between an answer and the next request.
const PAUSE: Duration = Duration::from_millis(8);

/// An answer that takes longer is late: a person has noticed.
const LATE: Duration = Duration::from_secs(1);

/// Requests under way.
pub(super) struct Requests<'scope> {
    go_on: Arc<AtomicBool>,
    threads: Vec<ScopedJoinHandle<'scope, Made>>,
}

/// What became of requests, as the platform saw it.
#[derive(Debug, Default)]
pub(super) struct Made {
    made: BTreeSet<u64>,
    unanswered: BTreeSet<u64>,
    late: usize,
    slowest: Duration,
}

/// What became of all of them, as platform and device saw it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Judged {
    pub(super) made: usize,
    /// Not answered with success, or answered and never carried out.
    pub(super) lost: usize,
    /// Carried out more than once.
    pub(super) doubled: usize,
    /// Answered after more than a second.
    pub(super) late: usize,
    /// The longest wait for an answer, in milliseconds.
    pub(super) slowest: f64,
}

impl<'scope> Requests<'scope> {
    /// Begins.
    pub(super) fn begin<'env>(scope: &'scope Scope<'scope, 'env>, stage: &'env Stage) -> Self {
        let go_on = Arc::new(AtomicBool::new(true));
        let numbers = Arc::new(AtomicU64::new(0));
        let threads = [set, call].map(|ask| {
            let (go_on, numbers) = (Arc::clone(&go_on), Arc::clone(&numbers));
            scope.spawn(move || make(stage, &go_on, &numbers, ask))
        });
        Self {
            go_on,
            threads: threads.into(),
        }
    }

    /// Waits for the last answers.
    pub(super) fn end(mut self) -> Made {
        self.go_on.store(false, Ordering::Relaxed);
        let mut all = Made::default();
        for thread in self.threads.drain(..) {
            let made = thread.join().unwrap_or_default();
            all.made.extend(made.made);
            all.unanswered.extend(made.unanswered);
            all.late += made.late;
            all.slowest = all.slowest.max(made.slowest);
        }
        all
    }
}

impl Drop for Requests<'_> {
    fn drop(&mut self) {
        // The scope waits for the threads.
        self.go_on.store(false, Ordering::Relaxed);
    }
}

impl Made {
    /// Compares what was asked with what was done.
    pub(super) fn judge(&self, beats: &Beats) -> Judged {
        let done = |number: &u64| beats.carried_out.get(number).copied().unwrap_or(0);
        let lost = |number: &&u64| self.unanswered.contains(*number) || done(number) == 0;
        Judged {
            made: self.made.len(),
            lost: self.made.iter().filter(lost).count(),
            doubled: self.made.iter().filter(|number| done(number) > 1).count(),
            late: self.late,
            slowest: self.slowest.as_secs_f64() * 1000.0,
        }
    }
}

/// Sets the count to the request's number, and waits for the answer.
fn set(stage: &Stage, number: u64) -> bool {
    let emulator = stage.emulator();
    let asked = emulator.set_property(stage.device(), json!({"count": number}));
    emulator
        .block_on(asked)
        .is_ok_and(|answer| answer.code == 200)
}

/// Has the request's number echoed, and waits for the answer.
fn call(stage: &Stage, number: u64) -> bool {
    let emulator = stage.emulator();
    let asked = emulator.call_service(stage.device(), "echo", json!({"number": number}));
    let answer = emulator.block_on(asked);
    answer.is_ok_and(|answer| answer.code == 200 && answer.data["number"] == number)
}

fn make(
    stage: &Stage,
    go_on: &AtomicBool,
    numbers: &AtomicU64,
    ask: fn(&Stage, u64) -> bool,
) -> Made {
    let mut made = Made::default();
    while go_on.load(Ordering::Relaxed) {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        if !ask(stage, number) {
            made.unanswered.insert(number);
        }
        let took = begun.elapsed();
        made.made.insert(number);
        made.late += usize::from(took > LATE);
        made.slowest = made.slowest.max(took);
        std::thread::sleep(PAUSE);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_answered_or_not_done_is_lost_and_what_was_done_twice_is_doubled() {
        let made = Made {
            made: BTreeSet::from([1, 2, 3, 4]),
            unanswered: BTreeSet::from([2]),
            late: 1,
            slowest: Duration::from_millis(1500),
        };
        let beats = Beats {
            carried_out: [(1, 1), (2, 1), (4, 2)].into(),
            ..Beats::default()
        };
        let judged = made.judge(&beats);
        assert_eq!((judged.made, judged.lost, judged.doubled), (4, 2, 1));
        assert_eq!(judged.late, 1);
    }
}
