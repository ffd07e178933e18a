//! A device's mouth: property values, events, and reasons to be reported on fast.
//!
//! Values are kept, newest per name, until they are published; then the supervisor gets all of them. What does not fit the
//! model is left out with a line in the log, because a device at work must not fail over a number it wanted to tell.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use worker_link::{Placed, Sender};
use worker_protocol::{Value, ValueMap, v1::FromWorker};

use crate::{check, log, model::Model};

/// How many reasons to hurry may hold at once; further ones are ignored.
const MOST_REASONS: usize = 8;

/// How many different mistakes are told of in the log.
const MOST_COMPLAINTS: usize = 32;

/// Reports on a device. Clones share what is kept; all methods return at once.
#[derive(Clone)]
pub struct Reporter {
    shared: Arc<Shared>,
}

struct Shared {
    model: Arc<Model>,
    sender: Sender,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// At most one value per property of the model.
    values: ValueMap,
    reasons: BTreeSet<String>,
    complaints: BTreeSet<String>,
}

impl Reporter {
    pub(crate) fn new(model: Arc<Model>, sender: Sender) -> Self {
        Self {
            shared: Arc::new(Shared {
                model,
                sender,
                kept: Mutex::default(),
            }),
        }
    }

    /// Keeps a property's newest value for the next time all are published: after activation, after each accepted set or
    /// call, whenever the supervisor asks, and by [`Reporter::publish`].
    ///
    /// A value that does not fit the model is not kept; the one before it stays.
    pub fn set(&self, name: &str, value: impl Into<Value>) {
        match check::reading(&self.shared.model, name, value.into()) {
            Ok(value) => {
                self.kept().values.insert(name.to_owned(), value);
            }
            Err(why) => self.complain(name, format_args!("property `{name}` {why}")),
        }
    }

    /// Tells all kept values now. Every change that somebody waits for deserves it; a sensor's noise does not.
    pub fn publish(&self) {
        let values = self.kept().values.clone();
        if !values.is_empty() {
            self.say(FromWorker::Properties(values));
        }
    }

    /// Tells that something happened, with its outputs, now. Events keep their order.
    ///
    /// An event that does not fit the model is not told.
    pub fn raise(&self, event: &str, outputs: ValueMap) {
        match check::event(&self.shared.model, event, outputs) {
            Ok(outputs) => self.say(FromWorker::Raised {
                event: event.to_owned(),
                outputs,
                at_ms: now_ms(),
            }),
            Err(refusal) => {
                self.complain(event, format_args!("event `{event}`: {}", refusal.message));
            }
        }
    }

    /// From now on there is a reason for fast reports, until [`Reporter::relax`] names it. At most eight hold at once.
    pub fn hurry(&self, reason: &str) {
        let mut kept = self.kept();
        if kept.reasons.contains(reason) {
            return;
        }
        if kept.reasons.len() >= MOST_REASONS {
            drop(kept);
            self.complain(reason, format_args!("reason `{reason}` is one too many"));
            return;
        }
        kept.reasons.insert(reason.to_owned());
        drop(kept);
        self.say(FromWorker::Hurry {
            reason: reason.to_owned(),
        });
    }

    /// That reason has ended.
    pub fn relax(&self, reason: &str) {
        if self.kept().reasons.remove(reason) {
            self.say(FromWorker::Relax {
                reason: reason.to_owned(),
            });
        }
    }

    fn say(&self, message: FromWorker) {
        match self.shared.sender.send(message) {
            Ok(Placed::Waits) => {}
            Ok(Placed::Displaced) => {
                self.complain(
                    "",
                    format_args!("events are lost: the supervisor does not read"),
                );
            }
            // The runner notices the end of the connection by itself.
            Err(_full) => {}
        }
    }

    /// One line per subject, so that a fault in each turn does not fill the log.
    fn complain(&self, subject: &str, sentence: fmt::Arguments<'_>) {
        let mut kept = self.kept();
        if kept.complaints.len() < MOST_COMPLAINTS && kept.complaints.insert(subject.to_owned()) {
            drop(kept);
            log::warn(sentence);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // No panic can leave the maps half changed.
        self.shared
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter")
            .field("values", &self.kept().values)
            .finish_non_exhaustive()
    }
}

fn now_ms() -> u64 {
    // A clock before 1970 or after the year 584,000,000 is told as the nearest end.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
