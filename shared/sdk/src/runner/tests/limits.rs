//! What is bounded: each step of a device in time, a snapshot in length and rate; and the ends nobody asked for.

use super::*;

#[tokio::test]
async fn a_stop_ends_a_warm_up_at_once() {
    let mut kit = Kit::start(Kettle::slow(Slow::WarmUp)).await;
    assert_eq!(kit.ask(Ask::MayI).await.unwrap_err().code, WRONG_STATE);
    assert_eq!(kit.ask(Ask::Stop).await, Ok(Done::Stopping));
    assert_eq!(kit.exit().await, Exit::Done);
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_that_never_ends_makes_the_worker_unfit_and_its_heart_beats_until_then() {
    let began = Instant::now();
    let mut kit = Kit::start(Kettle::slow(Slow::WarmUp)).await;
    kit.heartbeats(25).await;
    assert!(kit.unfit().await.contains("longer than 55s"));
    assert_eq!(began.elapsed(), WARM_UP_LIMIT);
    assert_eq!(kit.exit().await, Exit::Unfit);
}

#[tokio::test(start_paused = true)]
async fn an_activation_that_never_ends_is_refused_at_its_limit() {
    let mut kit = Kit::start(Kettle::slow(Slow::Activation)).await;
    let began = Instant::now();
    assert_eq!(kit.activate().await.unwrap_err().code, TOO_LATE);
    assert_eq!(began.elapsed(), ACTIVATE_LIMIT);
    assert_eq!(kit.exit().await, Exit::Unfit);
}

#[tokio::test(start_paused = true)]
async fn an_action_that_never_ends_is_refused_at_its_limit_and_the_worker_lives_on() {
    let mut kit = active(Kettle::slow(Slow::Action)).await;
    let began = Instant::now();
    assert_eq!(kit.set("target", 1).await.unwrap_err().code, TOO_LATE);
    assert_eq!(began.elapsed(), ACT_LIMIT);
    let args = ValueMap::from([("value".to_owned(), 1.into())]);
    assert_eq!(kit.call("double", args).await.unwrap_err().code, TOO_LATE);
    let _water: Water = kit.quiesce().await;
    assert_eq!(kit.exit().await, Exit::Done);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_never_ends_is_given_up_and_the_worker_lives_on() {
    let mut kit = active(Kettle::slow(Slow::Turn)).await;
    let began = Instant::now();
    kit.turn().await;
    assert_eq!(began.elapsed(), TURN_LIMIT);
    kit.set("target", 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_device_that_does_not_become_safe_is_told_of_and_exits_as_failed() {
    for ask in [Ask::Quiesce, Ask::Stop] {
        let mut kit = active(Kettle::slow(Slow::Quiesce)).await;
        assert_eq!(kit.ask(ask).await.unwrap_err().code, TOO_LATE);
        assert_eq!(kit.exit().await, Exit::Failed);
    }
}

#[tokio::test]
async fn a_device_whose_supervisor_has_gone_makes_itself_safe() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = active(kettle).await;
    kit.let_go();
    assert_eq!(kit.exit().await, Exit::SupervisorLost);
    assert_eq!(told(&diary).last().unwrap(), "quiesce");
}

#[tokio::test(start_paused = true)]
async fn letting_go_interrupts_an_action_and_still_makes_the_device_safe() {
    let kettle = Kettle::slow(Slow::Action);
    let diary = Arc::clone(&kettle.diary);
    let mut kit = active(kettle).await;
    let began = Instant::now();
    kit.say(ToWorker::Request {
        id: RequestId(99),
        ask: Ask::Set {
            properties: target(1.0),
        },
    });
    sleep(Duration::from_secs(1)).await;
    kit.let_go();
    assert_eq!(kit.exit().await, Exit::SupervisorLost);
    assert!(began.elapsed() < ACT_LIMIT);
    assert_eq!(told(&diary).last().unwrap(), "quiesce");
}

#[tokio::test(start_paused = true)]
async fn checkpoints_come_when_the_state_changed_and_at_most_once_a_second() {
    let mut kit = active(Kettle::new()).await;
    let first: Water = kit.checkpoint().await;
    assert_eq!(first, Water::default());
    let began = Instant::now();
    for value in 1..=50 {
        kit.set("target", value).await.unwrap();
    }
    let second: Water = kit.checkpoint().await;
    assert_eq!(second.target, 50.0);
    let pause = began.elapsed();
    assert!(
        pause > Duration::from_millis(900) && pause <= Duration::from_secs(1),
        "{pause:?}"
    );
    // The same value again changes nothing, so the next one is of the turn.
    kit.set("target", 50).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    kit.turn().await;
    let third: Water = kit.checkpoint().await;
    assert_eq!(third.turns, 1);
}

#[tokio::test]
async fn a_state_too_long_for_a_snapshot_is_not_told_and_not_handed_over() {
    let mut kettle = Kettle::new();
    kettle.water.padding = "x".repeat(65_536);
    let from = Resume {
        state: kettle.water.clone(),
        cause: Cause::Restart,
        age: None,
    };
    let mut kit = Kit::start(kettle).await;
    kit.resume(&from).await.unwrap();
    assert_eq!(kit.ask(Ask::Quiesce).await.unwrap_err().code, DEVICE_FAILED);
    assert_eq!(kit.exit().await, Exit::Done);
}
