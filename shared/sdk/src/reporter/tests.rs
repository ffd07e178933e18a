use std::time::Duration;

use tokio::sync::mpsc;
use worker_link::{LinkEvent, Listener, Options, connect_over};

use super::*;
use crate::{
    model::{Event, Field, Grade, Kind, Property},
    run::facts,
};

const PATIENCE: Duration = Duration::from_secs(10);

struct Ear {
    _listener: Listener,
    events: mpsc::Receiver<LinkEvent>,
}

impl Ear {
    async fn next(&mut self) -> FromWorker {
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
            match event.unwrap().unwrap() {
                LinkEvent::Said { message, .. } => return message,
                LinkEvent::Joined { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn field(id: &'static str) -> Field {
    let kind = Kind::Float {
        min: 0.0,
        max: 100.0,
        step: 0.1,
        unit: "",
    };
    Field { id, name: id, kind }
}

async fn reporter() -> (Reporter, Ear) {
    let property = |id| Property {
        field: field(id),
        writable: false,
    };
    let model = Model {
        version: "1".to_owned(),
        properties: vec![property("a"), property("b")],
        events: vec![Event {
            id: "bell",
            name: "Bell",
            grade: Grade::Info,
            outputs: vec![field("loud")],
        }],
        ..Model::default()
    };
    let (listener, events) = Listener::unbound(Options::default());
    let leash = listener.expect(1).unwrap();
    let (ours, theirs) = tokio::io::duplex(4096);
    listener.attach(ours);
    let joined = connect_over(theirs, &leash, &facts(&model), PATIENCE).await;
    let (connection, _) = joined.unwrap();
    // The receiving end must live for the connection to live.
    let mut receiver = connection.receiver;
    tokio::spawn(async move { while receiver.next().await.is_some() {} });
    let ear = Ear {
        _listener: listener,
        events,
    };
    (Reporter::new(Arc::new(model), connection.sender), ear)
}

fn values<const N: usize>(values: [(&str, f64); N]) -> ValueMap {
    values
        .map(|(name, value)| (name.to_owned(), Value::Float(value)))
        .into()
}

#[tokio::test]
async fn the_newest_value_of_each_property_is_told_when_published() {
    let (reporter, mut ear) = reporter().await;
    reporter.publish(); // There is nothing to tell yet.
    reporter.set("a", 1.0);
    reporter.set("b", 2);
    reporter.clone().set("a", 3.0);
    reporter.publish();
    let both = FromWorker::Properties(values([("a", 3.0), ("b", 2.0)]));
    assert_eq!(ear.next().await, both);
    reporter.publish();
    assert_eq!(ear.next().await, both);
}

#[tokio::test]
async fn what_does_not_fit_the_model_leaves_the_value_before_it() {
    let (reporter, mut ear) = reporter().await;
    reporter.set("a", 1.0);
    for wrong in [f64::NAN, f64::INFINITY, -1.0, 101.0] {
        reporter.set("a", wrong);
    }
    reporter.set("a", "hot");
    reporter.set("c", 1.0);
    reporter.publish();
    assert_eq!(
        ear.next().await,
        FromWorker::Properties(values([("a", 1.0)]))
    );
}

#[tokio::test]
async fn events_are_told_at_once_with_their_time_and_only_if_the_model_has_them() {
    let (reporter, mut ear) = reporter().await;
    let before = now_ms();
    reporter.raise("siren", ValueMap::new());
    reporter.raise("bell", values([("loud", 101.0)]));
    reporter.raise("bell", values([("loud", 7.0)]));
    match ear.next().await {
        FromWorker::Raised {
            event,
            outputs,
            at_ms,
        } => {
            assert_eq!(event, "bell");
            assert_eq!(outputs, values([("loud", 7.0)]));
            assert!((before..=now_ms()).contains(&at_ms));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_reason_is_told_when_it_begins_and_when_it_ends_and_not_between() {
    let (reporter, mut ear) = reporter().await;
    let timer = || "timer".to_owned();
    reporter.relax("timer");
    reporter.hurry("timer");
    reporter.hurry("timer");
    assert_eq!(ear.next().await, FromWorker::Hurry { reason: timer() });
    reporter.relax("timer");
    reporter.relax("timer");
    assert_eq!(ear.next().await, FromWorker::Relax { reason: timer() });
    reporter.raise("bell", ValueMap::new());
    assert!(matches!(ear.next().await, FromWorker::Raised { .. }));
}

#[tokio::test]
async fn only_so_many_reasons_hold_at_once() {
    let (reporter, mut ear) = reporter().await;
    for number in 0..100 {
        reporter.hurry(&number.to_string());
    }
    reporter.relax("99");
    reporter.raise("bell", ValueMap::new());
    for number in 0..MOST_REASONS {
        let reason = number.to_string();
        assert_eq!(ear.next().await, FromWorker::Hurry { reason });
    }
    assert!(matches!(ear.next().await, FromWorker::Raised { .. }));
}

#[tokio::test]
async fn reporting_into_a_link_that_has_gone_does_no_harm() {
    let (reporter, ear) = reporter().await;
    drop(ear);
    reporter.set("a", 1.0);
    for _ in 0..1000 {
        reporter.publish();
        reporter.raise("bell", ValueMap::new());
        tokio::task::yield_now().await;
    }
    assert_eq!(reporter.kept().values, values([("a", 1.0)]));
}
