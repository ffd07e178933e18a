//! A list of steps with one line each: what was done, whether it holds, how long it took, and what to do when it does not.
//!
//! All steps of a list run, even after one has failed, so that one run tells everything. An alarm is printed and fails nothing.

use crate::{paint, run};
use std::io::{IsTerminal, Write, stdout};
use std::time::Instant;

/// A step that holds.
#[derive(Default)]
pub(crate) struct Held {
    /// What is worth knowing, in a few words.
    pub(crate) note: String,
    /// What deserves a look, one line each.
    pub(crate) alarms: Vec<String>,
}

impl Held {
    /// A step that holds, and a few words about it.
    pub(crate) fn with(note: impl Into<String>) -> Self {
        Self {
            note: note.into(),
            alarms: Vec::new(),
        }
    }
}

/// A step that does not hold.
pub(crate) struct Failure {
    /// What went wrong, as many lines as it takes.
    pub(crate) output: String,
    /// What the reader can do about it.
    pub(crate) next: String,
}

impl Failure {
    /// A failure with what went wrong and what to do next.
    pub(crate) fn new(output: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            output: output.into(),
            next: next.into(),
        }
    }

    /// A failure from an error and its sources.
    pub(crate) fn from_error(error: &dyn std::error::Error, next: impl Into<String>) -> Self {
        Self::new(run::chain(error), next)
    }
}

/// How a step ended.
pub(crate) type Outcome = Result<Held, Failure>;

/// Runs the steps of one list and remembers which failed.
pub(crate) struct Steps {
    failed: Vec<&'static str>,
    count: usize,
    started: Instant,
}

impl Steps {
    /// An empty list, its clock running.
    pub(crate) fn new() -> Self {
        Self {
            failed: Vec::new(),
            count: 0,
            started: Instant::now(),
        }
    }

    /// Runs one step, prints its line and tells whether it holds.
    pub(crate) fn step(&mut self, name: &'static str, work: impl FnOnce() -> Outcome) -> bool {
        self.count += 1;
        let live = stdout().is_terminal();
        if live {
            print!("{} {name}", paint::faint("…"));
            let _ = stdout().flush();
        }
        let start = Instant::now();
        let outcome = work();
        let time = paint::faint(&format!("{:>12}", paint::duration(start.elapsed())));
        let back = if live { "\r\u{1b}[2K" } else { "" };
        match outcome {
            Ok(held) => {
                println!(
                    "{back}{} {name:<28}{time}  {}",
                    paint::green("✓"),
                    paint::faint(&held.note)
                );
                for alarm in held.alarms {
                    println!("  {} {alarm}", paint::yellow("!"));
                }
                true
            }
            Err(failure) => {
                println!("{back}{} {name:<28}{time}", paint::red("✗"));
                for row in failure.output.lines() {
                    println!("  {} {row}", paint::red("│"));
                }
                println!("  {} {}", paint::bold("next:"), failure.next);
                self.failed.push(name);
                false
            }
        }
    }

    /// Runs a step that yields something the next ones need, with a few words about it.
    pub(crate) fn got<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<(T, String), Failure>,
    ) -> Option<T> {
        let mut got = None;
        self.step(name, || {
            let (thing, note) = work()?;
            got = Some(thing);
            Ok(Held::with(note))
        });
        got
    }

    /// Tells whether every step so far holds.
    #[must_use]
    pub(crate) fn all_hold(&self) -> bool {
        self.failed.is_empty()
    }

    /// Prints the closing line and tells whether every step held.
    #[must_use]
    pub(crate) fn finish(self, what: &str) -> bool {
        let time = paint::duration(self.started.elapsed());
        if self.failed.is_empty() {
            println!(
                "{} {what}: {} steps hold ({time})",
                paint::green("✓"),
                self.count
            );
            return true;
        }
        println!(
            "{} {what}: {} of {} steps failed: {} ({time})",
            paint::red("✗"),
            self.failed.len(),
            self.count,
            self.failed.join(", ")
        );
        false
    }
}
