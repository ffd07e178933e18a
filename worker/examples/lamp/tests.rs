use worker_sdk::testkit::{Kit, drive, switch};

use super::*;

#[test]
fn it_takes_a_brightness_and_refuses_too_much() {
    drive(Lamp::default(), async |kit| {
        kit.ready().await;
        kit.activate().await.expect("nothing is in its way");
        kit.set("brightness", 40).await.expect("it is in range");
        assert_eq!(kit.properties()["brightness"], Value::Int(40));
        kit.set("brightness", 101)
            .await
            .expect_err("it is out of range");
    });
}

#[tokio::test]
async fn the_next_version_shines_on_and_so_does_the_one_before_if_it_is_taken_back() {
    let mut old = Kit::start(Lamp::default()).await;
    old.ready().await;
    old.activate().await.expect("nothing is in its way");
    old.set("brightness", 40).await.expect("it is in range");
    let (new, handed) = switch(old, Lamp::default()).await.taken();
    assert_eq!(new.properties()["brightness"], Value::Int(40));
    let back = handed.take_back(Lamp::default()).await;
    let light: Light = back.expect("it ran before").quiesce().await;
    assert_eq!(light.brightness, 40);
}
