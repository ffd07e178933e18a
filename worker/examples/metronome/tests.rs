//! The metronome in the sdk's box: no process, no cloud, and beats by hand.

use worker_sdk::testkit::{Kit, drive, switch};

use super::*;

fn number(number: i64) -> ValueMap {
    ValueMap::from([("number".to_owned(), number.into())])
}

#[test]
fn it_counts_its_beats_and_takes_up_any_count() {
    drive(Metronome::default(), async |kit| {
        kit.ready().await;
        kit.activate().await.expect("nothing is in its way");
        kit.turn().await;
        assert_eq!(kit.report().await["count"], Value::Int(1));
        kit.set("count", 59).await.expect("it is in range");
        kit.turn().await;
        // The sixtieth is one of those that are told unasked.
        assert_eq!(kit.properties()["count"], Value::Int(60));
        kit.set("count", -1).await.expect_err("it is out of range");
    });
}

#[test]
fn it_echoes() {
    drive(Metronome::default(), async |kit| {
        kit.ready().await;
        kit.activate().await.expect("nothing is in its way");
        let answer = kit.call("echo", number(7)).await;
        assert_eq!(answer.expect("it is in range"), number(7));
    });
}

#[tokio::test]
async fn the_next_version_goes_on_counting_and_so_does_the_one_before_if_it_is_taken_back() {
    let mut old = Kit::start(Metronome::default()).await;
    old.ready().await;
    old.set("count", 0).await.expect_err("it is not active yet");
    old.activate().await.expect("nothing is in its way");
    old.set("count", 100).await.expect("it is in range");
    let (mut new, handed) = switch(old, Metronome::default()).await.taken();
    new.turn().await;
    // One beat of the old one's before it went, and one of its own.
    assert_eq!(new.report().await["count"], Value::Int(102));
    let back = handed.take_back(Metronome::default()).await;
    let beats: Beats = back.expect("it ran before").quiesce().await;
    assert_eq!(beats, Beats { count: 102 });
}
