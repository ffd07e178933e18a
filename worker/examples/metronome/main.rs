//! A metronome: a second device, to show how little one writes. It beats a hundred times a second and counts its beats through
//! crashes, upgrades and roll-backs.
//!
//! Everything a device is lies here. What it writes down about itself (`journal`) is for `cargo xtask bench swap`, which measures
//! whether it ever misses a beat while its program is swapped.

mod journal;
#[cfg(test)]
mod tests;

use std::{process::ExitCode, time::Duration};

use serde::{Deserialize, Serialize};
use worker_sdk::{
    Device, Fault, Refusal, Reporter, Resume, Value, ValueMap,
    model::{Field, Kind, Model, Property, Service},
};

use journal::Journal;

/// This program's version: `HOTPLATE_WORKER_VERSION` at build time, so that one source yields the versions an upgrade needs.
const VERSION: &str = match option_env!("HOTPLATE_WORKER_VERSION") {
    Some(version) => version,
    None => "1.0.0",
};

/// The time between two beats.
const PERIOD: Duration = Duration::from_millis(10);

/// After so many beats the cloud is told.
const TOLD_EVERY: i64 = 10;

/// What one life hands to the next. A field that a version does not know is ignored, one that is missing has its default.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Beats {
    count: i64,
}

/// The device.
#[derive(Default)]
struct Metronome {
    beats: Beats,
    report: Option<Reporter>,
    journal: Journal,
}

impl Metronome {
    fn beat(&mut self) {
        self.beats.count = (self.beats.count + 1) % i64::from(i32::MAX);
        self.journal.note("beat", self.beats.count);
        if let Some(report) = &self.report {
            report.set("count", self.beats.count);
            if self.beats.count % TOLD_EVERY == 0 {
                report.publish();
            }
        }
    }
}

impl Device for Metronome {
    type Snapshot = Beats;

    fn model(&self) -> Model {
        let number = |id, name| Field {
            id,
            name,
            kind: Kind::Int {
                min: 0,
                max: i64::from(i32::MAX),
                unit: "",
            },
        };
        Model {
            name: "Metronome",
            version: VERSION.to_owned(),
            properties: vec![Property {
                field: number("count", "Beats"),
                writable: true,
            }],
            services: vec![Service {
                id: "echo",
                name: "Echo",
                inputs: vec![number("number", "Number")],
                outputs: vec![number("number", "Number")],
            }],
            events: vec![],
        }
    }

    async fn warm_up(&mut self) -> Result<(), Fault> {
        self.journal = Journal::open(VERSION);
        Ok(())
    }

    async fn activate(
        &mut self,
        report: Reporter,
        from: Option<Resume<Beats>>,
    ) -> Result<(), Fault> {
        self.beats = from.map(|it| it.state).unwrap_or_default();
        report.set("count", self.beats.count);
        self.report = Some(report);
        Ok(()) // The first beat follows at once.
    }

    fn period(&self) -> Option<Duration> {
        Some(PERIOD)
    }

    async fn tick(&mut self) {
        self.beat();
    }

    async fn set(&mut self, name: &str, value: Value) -> Result<(), Refusal> {
        if let (Value::Int(count), Some(report)) = (value, &self.report) {
            self.beats.count = count; // Already known to lie within the model's range.
            report.set(name, count);
            self.journal.note("set", count);
        }
        Ok(())
    }

    async fn call(&mut self, _service: &str, args: ValueMap) -> Result<ValueMap, Refusal> {
        if let Some(Value::Int(number)) = args.get("number") {
            self.journal.note("echo", *number);
        }
        Ok(args) // The model has one service alone, and it gives back what it takes.
    }

    fn snapshot(&self) -> Beats {
        self.beats.clone()
    }

    async fn quiesce(&mut self) -> Beats {
        self.beat(); // The last one of this life, so that none is late when the next life has to wait for its first.
        self.report = None;
        self.beats.clone()
    }
}

fn main() -> ExitCode {
    worker_sdk::run(Metronome::default)
}
