//! The misfit as a device: it counts, and misbehaves where its orders say so.

use std::{
    future::pending,
    process::exit,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use worker_sdk::{
    Consent, Device, Fault, Health, Refusal, Reporter, Resume, Value, ValueMap,
    model::{Event, Field, Grade, Kind, Model, Property, Service},
};

use crate::{
    journal::Journal,
    orders::{Deed, Orders},
};

/// How it dies when told to.
const DIED: i32 = 4;
/// How long a blocked thread stays blocked, at most; then the process ends, so that nothing is left behind.
const LONGEST_BLOCK: Duration = Duration::from_secs(600);
const PERIOD: Duration = Duration::from_millis(50);

/// Where it stood.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Count {
    /// How many turns all lives together had, and what was added.
    count: i64,
    /// What is written instead.
    #[serde(skip)]
    instead: Option<serde_json::Value>,
}

impl Serialize for Count {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.instead {
            Some(instead) => instead.serialize(to),
            None => json!({ "count": self.count }).serialize(to),
        }
    }
}

/// The device.
pub(crate) struct Misfit {
    orders: Orders,
    journal: Journal,
    count: i64,
    raised: i64,
    live: Option<(Reporter, Instant)>,
    asked: AtomicU32,
    unwell: AtomicBool,
}

impl Misfit {
    /// One that obeys.
    pub(crate) fn new(orders: Orders, journal: Journal) -> Self {
        Self {
            orders,
            journal,
            count: 0,
            raised: 0,
            live: None,
            asked: AtomicU32::new(0),
            unwell: AtomicBool::new(false),
        }
    }

    /// Told to do this, and the time for it has come.
    fn due(&self, deed: Deed) -> bool {
        let after = Duration::from_millis(self.orders.after_ms);
        self.orders.deed == deed
            && self
                .live
                .as_ref()
                .is_some_and(|(_, since)| since.elapsed() >= after)
    }

    fn remember(&self) {
        if let Some((report, _)) = &self.live {
            report.set("count", self.count);
        }
    }

    fn tell(&self) {
        self.remember();
        if let Some((report, _)) = &self.live {
            report.publish();
        }
    }
}

impl Device for Misfit {
    type Snapshot = Count;

    fn model(&self) -> Model {
        let count = |id, name| Field {
            id,
            name,
            kind: Kind::Int {
                min: 0,
                max: i64::from(i32::MAX),
                unit: "",
            },
        };
        let said = self.orders.says.as_ref().unwrap_or(&self.orders.version);
        Model {
            name: "Misfit",
            version: said.clone(),
            properties: vec![Property {
                field: count("count", "计数"),
                writable: true,
            }],
            services: vec![Service {
                id: "add",
                name: "增加",
                inputs: vec![count("by", "增量")],
                outputs: vec![count("count", "计数")],
            }],
            events: [("handed_over", "交接"), ("counted", "计数")]
                .map(|(id, name)| Event {
                    id,
                    name,
                    grade: Grade::Info,
                    outputs: vec![count("count", "计数")],
                })
                .into(),
        }
    }

    async fn warm_up(&mut self) -> Result<(), Fault> {
        match self.orders.deed {
            Deed::Unfit => return Err(Fault(self.orders.why())),
            Deed::NeverReady => pending().await,
            _ => {}
        }
        self.journal.note("ready");
        Ok(())
    }

    async fn activate(
        &mut self,
        report: Reporter,
        from: Option<Resume<Count>>,
    ) -> Result<(), Fault> {
        match self.orders.deed {
            Deed::FailActivate => return Err(Fault(self.orders.why())),
            Deed::HangActivate => pending().await,
            _ => {}
        }
        let cause = from.as_ref().map(|from| format!("{:?}", from.cause));
        let age = from.as_ref().and_then(|from| from.age);
        let age_ms = age.and_then(|age| u64::try_from(age.as_millis()).ok());
        self.count = from.map_or(0, |from| from.state.count);
        self.live = Some((report, Instant::now()));
        self.journal.note_with(
            "active",
            json!({ "count": self.count, "cause": cause, "age_ms": age_ms }),
        );
        self.tell();
        Ok(())
    }

    fn period(&self) -> Option<Duration> {
        Some(PERIOD)
    }

    async fn tick(&mut self) {
        if self.due(Deed::DieWhileProving) {
            self.journal.note("died");
            exit(DIED);
        }
        if self.due(Deed::HangWhileProving) {
            self.journal.note("hung");
            std::thread::sleep(LONGEST_BLOCK);
            exit(DIED);
        }
        self.count = self.count.saturating_add(1).min(i64::from(i32::MAX));
        for _ in 0..self.orders.raises {
            self.raised += 1;
            if let Some((report, _)) = &self.live {
                let outputs = ValueMap::from([("count".to_owned(), self.raised.into())]);
                report.raise("counted", outputs);
            }
        }
        if self.orders.ticks {
            self.journal.tick(self.count);
        }
        self.remember();
    }

    async fn set(&mut self, name: &str, value: Value) -> Result<(), Refusal> {
        match value {
            Value::Int(count) if name == "count" => {
                self.count = count;
                self.tell();
                Ok(())
            }
            _ => Err(refused(format!("`{name}` cannot be set to that"))),
        }
    }

    async fn call(&mut self, service: &str, args: ValueMap) -> Result<ValueMap, Refusal> {
        match (service, args.get("by")) {
            ("add", Some(Value::Int(by))) => {
                self.count = self.count.saturating_add(*by).min(i64::from(i32::MAX));
                self.journal.note_with("added", json!({ "by": by }));
                self.tell();
                Ok(ValueMap::from([("count".to_owned(), self.count.into())]))
            }
            _ => Err(refused(format!("`{service}` cannot be called like that"))),
        }
    }

    fn may_switch(&self) -> Consent {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let unwilling = self.orders.times.is_none_or(|times| asked < times);
        if self.orders.deed == Deed::Later && unwilling {
            self.journal.note("later");
            return Consent::Later {
                after_ms: self.orders.after_ms,
                reason: self.orders.why(),
            };
        }
        Consent::Now
    }

    fn snapshot(&self) -> Count {
        Count {
            count: self.count,
            instead: self.orders.hands_over.clone(),
        }
    }

    async fn quiesce(&mut self) -> Count {
        if self.orders.deed == Deed::KeepHandover {
            self.journal.note("kept");
            pending::<()>().await;
        }
        if let Some((report, _)) = self.live.take()
            && self.orders.farewell
        {
            report.raise(
                "handed_over",
                ValueMap::from([("count".to_owned(), self.count.into())]),
            );
        }
        self.journal
            .note_with("quiesced", json!({ "count": self.count }));
        self.snapshot()
    }

    fn health(&self) -> Health {
        if self.due(Deed::UnwellWhileProving) {
            if !self.unwell.swap(true, Ordering::Relaxed) {
                self.journal.note("unwell");
            }
            return Health::Unwell {
                reason: self.orders.why(),
            };
        }
        Health::Well
    }
}

/// One that stays holds its process when everything else is over.
impl Drop for Misfit {
    fn drop(&mut self) {
        if self.orders.deed == Deed::Stay {
            self.journal.note("stayed");
            std::thread::sleep(LONGEST_BLOCK);
        }
    }
}

fn refused(message: String) -> Refusal {
    Refusal { code: 460, message }
}
