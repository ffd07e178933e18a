use std::{
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};
use worker_link::{LinkEvent, Listener, Options};
use worker_protocol::{
    Value, ValueMap,
    v1::{Ask, Cause, Consent, Done, FromWorker, Handover, Health, Refusal, RequestId, ToWorker},
};

use super::*;
use crate::{
    Resume, leash,
    model::{Event, Field, Grade, Kind, Property, Service},
    run::serve,
    snapshot,
    testkit::{Kit, PATIENCE},
};

/// Longer than any limit of the runner.
const FOREVER: Duration = Duration::from_secs(3600);

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Water {
    target: f64,
    turns: u32,
    padding: String,
}

/// Where a kettle dawdles.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Slow {
    Nowhere,
    WarmUp,
    Activation,
    Turn,
    Action,
    Quiesce,
}

/// A device that does as it is told and writes down what it was asked.
struct Kettle {
    water: Water,
    report: Option<Reporter>,
    slow: Slow,
    broken: Option<&'static str>,
    well: Arc<AtomicBool>,
    diary: Arc<Mutex<Vec<String>>>,
}

impl Kettle {
    fn new() -> Self {
        Self {
            water: Water::default(),
            report: None,
            slow: Slow::Nowhere,
            broken: None,
            well: Arc::new(AtomicBool::new(true)),
            diary: Arc::default(),
        }
    }

    fn slow(slow: Slow) -> Self {
        Self {
            slow,
            ..Self::new()
        }
    }

    async fn dawdle(&self, place: Slow) {
        if self.slow == place {
            sleep(FOREVER).await;
        }
    }

    fn note(&self, line: String) {
        self.diary.lock().unwrap().push(line);
    }
}

impl Device for Kettle {
    type Snapshot = Water;

    fn model(&self) -> Model {
        let field = |id, kind| Field { id, name: id, kind };
        let degrees = || Kind::Float {
            min: 0.0,
            max: 100.0,
            step: 0.1,
            unit: "°C",
        };
        let writable = |id| Property {
            field: field(id, degrees()),
            writable: true,
        };
        Model {
            name: "Kettle",
            version: "1.0.7".to_owned(),
            properties: vec![writable("target"), writable("other")],
            services: vec![Service {
                id: "double",
                name: "Double",
                inputs: vec![field("value", degrees())],
                outputs: vec![field("value", degrees())],
            }],
            events: vec![Event {
                id: "whistle",
                name: "Whistle",
                grade: Grade::Info,
                outputs: vec![],
            }],
        }
    }

    async fn warm_up(&mut self) -> Result<(), Fault> {
        self.dawdle(Slow::WarmUp).await;
        self.note("warm up".to_owned());
        match self.broken {
            Some("warm up") => Err(Fault("the heating element is missing".to_owned())),
            _ => Ok(()),
        }
    }

    async fn activate(
        &mut self,
        report: Reporter,
        from: Option<Resume<Water>>,
    ) -> Result<(), Fault> {
        self.dawdle(Slow::Activation).await;
        if self.broken == Some("activate") {
            return Err(Fault("the relay is stuck".to_owned()));
        }
        self.note(format!(
            "activate {:?}",
            from.as_ref().map(|it| (it.cause, it.age))
        ));
        self.water = from.map(|it| it.state).unwrap_or_default();
        report.set("target", self.water.target);
        self.report = Some(report);
        Ok(())
    }

    fn period(&self) -> Option<Duration> {
        Some(Duration::from_secs(2))
    }

    async fn tick(&mut self) {
        self.dawdle(Slow::Turn).await;
        self.water.turns += 1;
    }

    async fn set(&mut self, name: &str, value: Value) -> Result<(), Refusal> {
        self.dawdle(Slow::Action).await;
        self.note(format!("set {name} {value:?}"));
        match value {
            Value::Float(target) if target < 90.0 => {
                self.water.target = target;
                self.report.as_ref().unwrap().set(name, target);
                Ok(())
            }
            _ => Err(Refusal {
                code: 100_010,
                message: "it would boil over".to_owned(),
            }),
        }
    }

    async fn call(&mut self, _service: &str, args: ValueMap) -> Result<ValueMap, Refusal> {
        self.dawdle(Slow::Action).await;
        let report = self.report.as_ref().unwrap();
        report.raise("whistle", ValueMap::new());
        let Some(Value::Float(value)) = args.get("value") else {
            panic!("{args:?} should have been checked");
        };
        Ok(ValueMap::from([("value".to_owned(), (2.0 * value).into())]))
    }

    fn may_switch(&self) -> Consent {
        Consent::Later {
            after_ms: 5,
            reason: "the water boils".to_owned(),
        }
    }

    fn snapshot(&self) -> Water {
        self.water.clone()
    }

    async fn quiesce(&mut self) -> Water {
        self.dawdle(Slow::Quiesce).await;
        self.note("quiesce".to_owned());
        self.water.clone()
    }

    fn health(&self) -> Health {
        if self.well.load(Ordering::Relaxed) {
            Health::Well
        } else {
            Health::Unwell {
                reason: "dry".to_owned(),
            }
        }
    }
}

fn target(value: f64) -> ValueMap {
    ValueMap::from([("target".to_owned(), value.into())])
}

async fn active(kettle: Kettle) -> Kit {
    let mut kit = Kit::start(kettle).await;
    kit.ready().await;
    kit.activate().await.unwrap();
    kit
}

fn told(diary: &Mutex<Vec<String>>) -> Vec<String> {
    std::mem::take(&mut *diary.lock().unwrap())
}

mod life;
mod limits;
mod sockets;
