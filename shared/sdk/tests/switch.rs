//! Switches in the box: taken, unfit, put off, refused, and taken back, also where two versions know different things.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use worker_sdk::{
    Consent, Device, Fault, Refusal, Reporter, Resume, Value, ValueMap,
    model::Model,
    testkit::{Kit, PATIENCE, Switched, switch},
};

/// A lamp of the first version.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Light {
    brightness: i64,
    /// Gone in the second version.
    flicker: bool,
}

/// A lamp of the second version.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Coloured {
    brightness: i64,
    /// Not there in the first version.
    colour: Option<String>,
}

/// What a test wants of a lamp.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Good,
    Unfit,
    Busy,
    Broken,
}

struct Lamp<S> {
    state: S,
    mood: Mood,
    report: Option<Reporter>,
}

fn lamp<S>(state: S, mood: Mood) -> Lamp<S> {
    let report = None;
    Lamp {
        state,
        mood,
        report,
    }
}

impl<S> Device for Lamp<S>
where
    S: Serialize + for<'de> Deserialize<'de> + Clone + Send + Sync + 'static,
{
    type Snapshot = S;

    fn model(&self) -> Model {
        Model {
            version: "1.0.0".to_owned(),
            ..Model::default()
        }
    }

    async fn warm_up(&mut self) -> Result<(), Fault> {
        match self.mood {
            Mood::Unfit => Err(Fault("no bulb".to_owned())),
            _ => Ok(()),
        }
    }

    async fn activate(&mut self, report: Reporter, from: Option<Resume<S>>) -> Result<(), Fault> {
        if self.mood == Mood::Broken {
            return Err(Fault("the socket is burnt".to_owned()));
        }
        if let Some(from) = from {
            self.state = from.state;
        }
        self.report = Some(report);
        Ok(())
    }

    async fn set(&mut self, _: &str, _: Value) -> Result<(), Refusal> {
        Ok(())
    }

    async fn call(&mut self, _: &str, _: ValueMap) -> Result<ValueMap, Refusal> {
        Ok(ValueMap::new())
    }

    fn may_switch(&self) -> Consent {
        match self.mood {
            Mood::Busy => Consent::Later {
                after_ms: 1500,
                reason: "somebody reads".to_owned(),
            },
            _ => Consent::Now,
        }
    }

    fn snapshot(&self) -> S {
        self.state.clone()
    }

    async fn quiesce(&mut self) -> S {
        self.report = None;
        self.state.clone()
    }
}

async fn at_work(mood: Mood) -> Kit {
    let light = Light {
        brightness: 70,
        flicker: true,
    };
    let mut kit = Kit::start(lamp(light, mood)).await;
    kit.ready().await;
    kit.activate().await.expect("nothing stands in its way");
    kit
}

fn new(mood: Mood) -> Lamp<Coloured> {
    lamp(Coloured::default(), mood)
}

#[tokio::test]
async fn a_new_version_goes_on_where_the_old_one_stood_and_the_old_one_can_be_taken_back() {
    let (mut second, handed) = switch(at_work(Mood::Good).await, new(Mood::Good))
        .await
        .taken();
    let stands: Coloured = second.quiesce().await;
    assert_eq!((stands.brightness, stands.colour), (70, None));
    let back = lamp(Light::default(), Mood::Good);
    let mut back = handed.take_back(back).await.unwrap();
    let stands: Light = back.quiesce().await;
    assert!(stands.flicker && stands.brightness == 70, "{stands:?}");
}

#[tokio::test]
async fn a_downgrade_reads_what_it_knows_of_a_newer_ones_words() {
    let coloured = Coloured {
        brightness: 30,
        colour: Some("red".to_owned()),
    };
    let mut second = Kit::start(lamp(coloured, Mood::Good)).await;
    second.ready().await;
    second.activate().await.unwrap();
    let first = lamp(Light::default(), Mood::Good);
    let (mut first, _) = switch(second, first).await.taken();
    let stands: Light = first.quiesce().await;
    assert_eq!((stands.brightness, stands.flicker), (30, false));
}

#[tokio::test]
async fn a_new_version_that_is_unfit_leaves_the_old_one_at_work() {
    let switched = switch(at_work(Mood::Good).await, new(Mood::Unfit)).await;
    let Switched::Unfit { why, mut old } = switched else {
        panic!("{switched:?}");
    };
    assert_eq!(why, "no bulb");
    assert_eq!(old.quiesce::<Light>().await.brightness, 70);
}

#[tokio::test]
async fn a_device_that_is_busy_puts_the_switch_off_with_its_reason() {
    let switched = switch(at_work(Mood::Busy).await, new(Mood::Good)).await;
    let Switched::PutOff {
        after,
        reason,
        mut old,
    } = switched
    else {
        panic!("{switched:?}");
    };
    assert_eq!(
        (after, &*reason),
        (Duration::from_millis(1500), "somebody reads")
    );
    assert!(after < PATIENCE);
    assert_eq!(old.quiesce::<Light>().await.brightness, 70);
}

#[tokio::test]
async fn a_new_version_that_cannot_take_over_is_followed_by_the_old_one_with_its_state() {
    let switched = switch(at_work(Mood::Good).await, new(Mood::Broken)).await;
    let Switched::Refused { why, handed } = switched else {
        panic!("{switched:?}");
    };
    assert!(why.message.contains("the socket is burnt"), "{why:?}");
    let mut back = handed
        .take_back(lamp(Light::default(), Mood::Good))
        .await
        .unwrap();
    assert_eq!(back.quiesce::<Light>().await.brightness, 70);
}
