//! How often the full status is reported: a set of reasons to hurry.
//!
//! Fast while the set is not empty, normal otherwise, so that the end of one reason never switches off another.

use std::collections::BTreeSet;

use crate::{event::Tenure, policy::Policy, time::Ticks};

/// How many reasons workers may have at once; more are ignored.
const MOST_REASONS: usize = 16;

/// How long a reason's name may be, in characters; it is cut there.
const LONGEST_REASON: usize = 32;

/// Who has a reason to hurry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// An update runs.
    Update,
    /// A worker said so, in this word.
    Worker(Tenure, String),
}

/// The set of reasons and the next report.
#[derive(Debug, Clone, Default)]
pub struct Cadence {
    reasons: BTreeSet<Reason>,
    last: Option<Ticks>,
}

impl Cadence {
    /// A reason holds from now on, or has ended.
    pub fn set(&mut self, reason: Reason, holds: bool) {
        if holds {
            self.reasons.insert(reason);
        } else {
            self.reasons.remove(&reason);
        }
    }

    /// A worker's reason holds from now on, or has ended.
    pub fn worker(&mut self, tenure: Tenure, word: &str, holds: bool) {
        let word = word.chars().take(LONGEST_REASON).collect();
        let workers = |reason: &&Reason| matches!(reason, Reason::Worker(..));
        if !holds || self.reasons.iter().filter(workers).count() < MOST_REASONS {
            self.set(Reason::Worker(tenure, word), holds);
        }
    }

    /// A worker is gone, and its reasons with it.
    pub fn forget(&mut self, tenure: Tenure) {
        self.reasons
            .retain(|reason| !matches!(reason, Reason::Worker(of, _) if *of == tenure));
    }

    /// The reasons that hold, in words.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        self.reasons
            .iter()
            .map(|reason| match reason {
                Reason::Update => "update".to_owned(),
                Reason::Worker(_, word) => word.clone(),
            })
            .collect()
    }

    /// When the next full report is due; at once if there was none.
    #[must_use]
    pub fn due(&self, policy: &Policy) -> Ticks {
        let period = if self.reasons.is_empty() {
            policy.report_normal
        } else {
            policy.report_fast
        };
        self.last.map_or(Ticks(0), |last| last.after(period))
    }

    /// A full report was made.
    pub fn reported(&mut self, now: Ticks) {
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_update_does_not_end_the_hurry_of_a_timer() {
        let policy = Policy::default();
        let mut cadence = Cadence::default();
        cadence.reported(Ticks(1000));
        assert_eq!(cadence.due(&policy), Ticks(31_000));
        cadence.worker(Tenure(1), "timer", true);
        cadence.set(Reason::Update, true);
        assert_eq!(cadence.due(&policy), Ticks(3000));
        cadence.set(Reason::Update, false);
        assert_eq!(cadence.due(&policy), Ticks(3000));
        cadence.worker(Tenure(1), "timer", false);
        assert_eq!(cadence.due(&policy), Ticks(31_000));
    }

    #[test]
    fn a_worker_that_is_gone_has_no_reasons_left() {
        let policy = Policy::default();
        let mut cadence = Cadence::default();
        cadence.reported(Ticks(0));
        cadence.worker(Tenure(1), "timer", true);
        cadence.forget(Tenure(1));
        assert_eq!(cadence.due(&policy), Ticks(30_000));
    }

    #[test]
    fn a_worker_cannot_fill_the_memory_with_reasons() {
        let mut cadence = Cadence::default();
        for n in 0..1000 {
            cadence.worker(Tenure(1), &n.to_string(), true);
        }
        assert_eq!(cadence.words().len(), MOST_REASONS);
        cadence.set(Reason::Update, true);
        assert!(cadence.words().contains(&"update".to_owned()));
    }
}
