//! What the sdk does for a device that leaves something out.

use worker_sdk::{
    Device, Fault, Kind, Model, Property, Reporter, Resume, Value, ValueMap,
    model::Service,
    testkit::{Kit, switch},
};

/// Declares more than it does.
#[derive(Default)]
struct Braggart {
    count: i64,
}

impl Device for Braggart {
    type Snapshot = i64;

    fn model(&self) -> Model {
        let count = Property::writable("count", "Count", Kind::int(0..=9, ""));
        let service = Service {
            id: "fly",
            name: "Fly",
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        Model {
            services: vec![service],
            ..Model::new("Braggart", "1.0.0").with(count)
        }
    }

    async fn activate(&mut self, report: Reporter, from: Option<Resume<i64>>) -> Result<(), Fault> {
        self.count = from.map_or(1, |it| it.state + 1);
        report.set("count", self.count);
        Ok(())
    }

    fn snapshot(&self) -> i64 {
        self.count
    }
}

#[tokio::test]
async fn what_a_device_declares_and_does_not_do_is_refused_by_name() {
    let mut kit = Kit::start(Braggart::default()).await;
    kit.ready().await;
    kit.activate().await.expect("nothing is in its way");
    let refused = kit
        .set("count", 5)
        .await
        .expect_err("it has no such method");
    assert_eq!(refused.message, "this device does not set `count`");
    let refused = kit
        .call("fly", ValueMap::new())
        .await
        .expect_err("nor this");
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (100_000, "this device does not call `fly`")
    );
}

#[tokio::test]
async fn a_device_that_says_nothing_of_a_handover_hands_over_its_snapshot() {
    let mut old = Kit::start(Braggart::default()).await;
    old.ready().await;
    old.activate().await.expect("nothing is in its way");
    let (new, _) = switch(old, Braggart::default()).await.taken();
    assert_eq!(new.properties()["count"], Value::Int(2));
}
