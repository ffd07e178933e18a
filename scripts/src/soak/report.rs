//! The numbers of a soak, for programs and for people.

use std::time::Duration;

use serde_json::{Value, json};

use crate::paint;

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Numbers {
    /// Things that were done to somebody.
    pub(super) points: u64,
    /// Rounds that came to rest or broke a law.
    pub(super) updates: u64,
    /// Of these, with a good build.
    pub(super) good: u64,
    /// With any other.
    pub(super) bad: u64,
    /// Good builds that arrived.
    pub(super) arrived: u64,
    /// SIGKILLs, of whomever.
    pub(super) kills: u64,
    /// Of these, of the platform.
    pub(super) emulator_kills: u64,
    /// SIGSTOPs.
    pub(super) stops: u64,
    /// Jumps of the device's clock.
    pub(super) clock_jumps: u64,
    /// Things an operator said.
    pub(super) wishes: u64,
    /// Of the answers to them the one that took longest, the program for it included.
    pub(super) longest_answer: Duration,
    /// Good builds that did not arrive while the machine stood still; nothing is concluded from them.
    pub(super) excused: u64,
    /// The longest the machine kept somebody waiting who had next to nothing to do.
    pub(super) slowest_beat: Duration,
    /// Strikes of the emulator's faults, and connections it ended.
    pub(super) faults: u64,
    /// Laws that were broken.
    pub(super) violations: u64,
    /// The longest it took to come to rest, with nothing more being done.
    pub(super) longest_rest: Duration,
    /// Bytes of images that were sent more than once.
    pub(super) refetched_bytes: u64,
}

impl Numbers {
    /// The same with another lane's.
    pub(super) fn add(&mut self, other: &Self) {
        self.points += other.points;
        self.updates += other.updates;
        self.good += other.good;
        self.bad += other.bad;
        self.arrived += other.arrived;
        self.kills += other.kills;
        self.emulator_kills += other.emulator_kills;
        self.stops += other.stops;
        self.clock_jumps += other.clock_jumps;
        self.wishes += other.wishes;
        self.longest_answer = self.longest_answer.max(other.longest_answer);
        self.excused += other.excused;
        self.slowest_beat = self.slowest_beat.max(other.slowest_beat);
        self.faults += other.faults;
        self.violations += other.violations;
        self.longest_rest = self.longest_rest.max(other.longest_rest);
        self.refetched_bytes += other.refetched_bytes;
    }

    /// What was counted since an earlier moment of the same lane.
    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            points: self.points - before.points,
            updates: self.updates - before.updates,
            good: self.good - before.good,
            bad: self.bad - before.bad,
            arrived: self.arrived - before.arrived,
            kills: self.kills - before.kills,
            emulator_kills: self.emulator_kills - before.emulator_kills,
            stops: self.stops - before.stops,
            clock_jumps: self.clock_jumps - before.clock_jumps,
            wishes: self.wishes - before.wishes,
            longest_answer: self.longest_answer,
            excused: self.excused - before.excused,
            slowest_beat: self.slowest_beat,
            faults: self.faults - before.faults,
            violations: self.violations - before.violations,
            longest_rest: self.longest_rest,
            refetched_bytes: self.refetched_bytes - before.refetched_bytes,
        }
    }

    /// For programs.
    pub(super) fn json(&self, seed: u64, took: Duration) -> Value {
        json!({
            "points": self.points,
            "updates": self.updates,
            "good": self.good,
            "bad": self.bad,
            "arrived": self.arrived,
            "kills": self.kills,
            "emulator_kills": self.emulator_kills,
            "stops": self.stops,
            "clock_jumps": self.clock_jumps,
            "wishes": self.wishes,
            "longest_answer_s": hundredths(self.longest_answer),
            "faults": self.faults,
            "violations": self.violations,
            "longest_rest_s": tenths(self.longest_rest),
            "refetched_bytes": self.refetched_bytes,
            "excused": self.excused,
            "slowest_beat_s": hundredths(self.slowest_beat),
            "seed": seed,
            "seconds": tenths(took),
        })
    }

    /// For people.
    pub(super) fn table(&self, seed: u64, took: Duration) -> String {
        let per_hour = self.updates as f64 * 3600.0 / took.as_secs_f64().max(0.001);
        let rows = [
            (
                "updates",
                format!("{}, {per_hour:.0} an hour", self.updates),
            ),
            (
                "of them good",
                format!("{}, {} arrived", self.good, self.arrived),
            ),
            ("of them bad", self.bad.to_string()),
            ("things done", self.points.to_string()),
            (
                "kills",
                format!(
                    "{}, {} of them of the platform",
                    self.kills, self.emulator_kills
                ),
            ),
            ("stops", self.stops.to_string()),
            ("clock jumps", self.clock_jumps.to_string()),
            (
                "an operator spoke",
                format!(
                    "{} times, answered within {:.2} s",
                    self.wishes,
                    self.longest_answer.as_secs_f64()
                ),
            ),
            ("network faults", self.faults.to_string()),
            (
                "longest way to rest",
                format!("{:.1} s", self.longest_rest.as_secs_f64()),
            ),
            (
                "bytes fetched again",
                format!("{:.1} MB", paint::giga(self.refetched_bytes) * 1000.0),
            ),
            (
                "the machine stood still",
                format!(
                    "{:.2} s at a time, which excuses {} updates",
                    self.slowest_beat.as_secs_f64(),
                    self.excused
                ),
            ),
            ("seed", seed.to_string()),
            ("laws broken", self.violations.to_string()),
        ];
        rows.iter()
            .map(|(name, value)| format!("  {name:<22}{value}\n"))
            .collect()
    }

    /// One line under way.
    pub(super) fn line(&self) -> String {
        format!(
            "{} updates, {} kills, {} stops, {} faults, {} laws broken, longest rest {:.1} s",
            self.updates,
            self.kills,
            self.stops,
            self.faults,
            self.violations,
            self.longest_rest.as_secs_f64()
        )
    }
}

fn hundredths(span: Duration) -> f64 {
    (span.as_secs_f64() * 100.0).round() / 100.0
}

fn tenths(span: Duration) -> f64 {
    (span.as_secs_f64() * 10.0).round() / 10.0
}
