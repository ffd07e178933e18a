//! A life as it should go, and what is refused on the way.

use super::*;

#[tokio::test]
async fn a_device_goes_from_warm_up_to_hand_over() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = active(kettle).await;
    assert_eq!(kit.properties(), &target(0.0));
    kit.health(&Health::Well).await;
    kit.set("target", 60).await.unwrap();
    assert_eq!(kit.properties(), &target(60.0));
    let outputs = kit
        .call("double", ValueMap::from([("value".to_owned(), 7.into())]))
        .await;
    assert_eq!(
        outputs,
        Ok(ValueMap::from([("value".to_owned(), 14.0.into())]))
    );
    kit.event("whistle").await;
    assert!(matches!(
        kit.may_switch().await,
        Consent::Later { after_ms: 5, .. }
    ));
    let water: Water = kit.quiesce().await;
    assert_eq!(water.target, 60.0);
    assert_eq!(kit.exit().await, Exit::Done);
    assert_eq!(
        told(&diary),
        [
            "warm up",
            "activate None",
            "set target Float(60.0)",
            "quiesce"
        ]
    );
}

#[tokio::test]
async fn a_former_life_is_resumed_with_its_cause_and_age() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = Kit::start(kettle).await;
    kit.ready().await;
    let from = Resume {
        state: Water {
            target: 80.0,
            ..Water::default()
        },
        cause: Cause::Crash,
        age: Some(Duration::from_millis(1500)),
    };
    kit.resume(&from).await.unwrap();
    assert_eq!(kit.properties(), &target(80.0));
    assert_eq!(told(&diary)[1], "activate Some((Crash, Some(1.5s)))");
}

#[tokio::test]
async fn a_snapshot_of_another_version_is_read_as_far_as_it_goes() {
    let mut kit = Kit::start(Kettle::new()).await;
    let from = Handover {
        snapshot: br#"{"target":40.0,"colour":"red"}"#.to_vec(),
        cause: Cause::RollBack,
        age_ms: None,
    };
    let activate = Ask::Activate { from: Some(from) };
    assert_eq!(kit.ask(activate).await, Ok(Done::Active));
    assert_eq!(kit.report().await, &target(40.0));
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_read_means_a_cold_start() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = Kit::start(kettle).await;
    for snapshot in [&b"\xff\x00"[..], b"", b"7", br#"{"target":"hot"}"#] {
        let from = Handover {
            snapshot: snapshot.to_vec(),
            cause: Cause::Upgrade,
            age_ms: Some(1),
        };
        assert!(snapshot::read::<Water>(&from).is_none());
    }
    let from = Handover {
        snapshot: b"{".to_vec(),
        cause: Cause::Upgrade,
        age_ms: Some(1),
    };
    let activate = Ask::Activate { from: Some(from) };
    assert_eq!(kit.ask(activate).await, Ok(Done::Active));
    assert_eq!(told(&diary)[1], "activate None");
}

#[tokio::test]
async fn all_settings_are_checked_before_one_is_made() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = active(kettle).await;
    told(&diary);
    let properties = ValueMap::from([
        ("other".to_owned(), 10.into()),
        ("target".to_owned(), 101.into()),
    ]);
    let refusal = kit.ask(Ask::Set { properties }).await.unwrap_err();
    assert_eq!(refusal.code, 460);
    assert!(refusal.message.contains("`target`"), "{}", refusal.message);
    assert_eq!(told(&diary), [""; 0]);
}

#[tokio::test]
async fn settings_are_made_in_the_order_of_their_names_and_the_first_refusal_ends_it() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = active(kettle).await;
    told(&diary);
    let properties = |other: f64| {
        ValueMap::from([
            ("target".to_owned(), 20.into()),
            ("other".to_owned(), other.into()),
        ])
    };
    kit.ask(Ask::Set {
        properties: properties(10.0),
    })
    .await
    .unwrap();
    assert_eq!(
        told(&diary),
        ["set other Float(10.0)", "set target Float(20.0)"]
    );
    let refused = kit
        .ask(Ask::Set {
            properties: properties(95.0),
        })
        .await;
    let expected = Refusal {
        code: 100_010,
        message: "`other`: it would boil over".to_owned(),
    };
    assert_eq!(refused, Err(expected));
    assert_eq!(told(&diary), ["set other Float(95.0)"]);
}

#[tokio::test]
async fn calls_that_do_not_fit_the_model_never_reach_the_device() {
    let mut kit = active(Kettle::new()).await;
    for (service, args) in [
        ("fly", ValueMap::new()),
        ("double", ValueMap::new()),
        ("double", ValueMap::from([("value".to_owned(), "x".into())])),
    ] {
        let refusal = kit.call(service, args).await.unwrap_err();
        assert_eq!(refusal.code, 460);
    }
    assert!(kit.events().is_empty());
}

#[tokio::test]
async fn outputs_that_break_the_model_are_left_out_of_an_answer_that_stays_good() {
    let mut kit = active(Kettle::new()).await;
    let outputs = kit
        .call("double", ValueMap::from([("value".to_owned(), 60.into())]))
        .await;
    assert_eq!(outputs, Ok(ValueMap::new()));
    kit.event("whistle").await;
}

#[tokio::test]
async fn before_activation_only_activation_and_the_end_are_accepted() {
    let mut kit = Kit::start(Kettle::new()).await;
    kit.ready().await;
    for ask in [
        Ask::MayI,
        Ask::Set {
            properties: target(1.0),
        },
        Ask::Call {
            service: "double".to_owned(),
            args: ValueMap::new(),
        },
    ] {
        let refusal = kit.ask(ask).await.unwrap_err();
        assert_eq!(refusal.code, WRONG_STATE);
    }
    kit.activate().await.unwrap();
    let again = kit.ask(Ask::Activate { from: None }).await.unwrap_err();
    assert_eq!(again.code, WRONG_STATE);
}

#[tokio::test]
async fn a_standby_that_is_stopped_touches_nothing() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = Kit::start(kettle).await;
    kit.ready().await;
    assert_eq!(kit.ask(Ask::Stop).await, Ok(Done::Stopping));
    assert_eq!(kit.exit().await, Exit::Done);
    assert_eq!(told(&diary), ["warm up"]);
}

#[tokio::test]
async fn an_active_worker_that_is_stopped_makes_its_device_safe() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = active(kettle).await;
    assert_eq!(kit.ask(Ask::Stop).await, Ok(Done::Stopping));
    assert_eq!(kit.exit().await, Exit::Done);
    assert_eq!(told(&diary).last().unwrap(), "quiesce");
}

#[tokio::test]
async fn an_active_worker_that_is_stopped_says_where_its_device_stood_in_the_end() {
    let mut kit = active(Kettle::new()).await;
    kit.checkpoint::<Water>().await;
    kit.set("target", 60).await.unwrap();
    // Within the second in which no further checkpoint would be due.
    assert_eq!(kit.ask(Ask::Stop).await, Ok(Done::Stopping));
    let last: Water = kit.checkpoint().await;
    assert_eq!(last.target, 60.0);
}

#[tokio::test]
async fn a_failed_warm_up_is_told_and_ends_the_worker() {
    let kettle = Kettle {
        broken: Some("warm up"),
        ..Kettle::new()
    };
    let mut kit = Kit::start(kettle).await;
    assert_eq!(kit.unfit().await, "the heating element is missing");
    assert_eq!(kit.exit().await, Exit::Unfit);
}

#[tokio::test]
async fn a_failed_activation_is_told_made_safe_and_ends_the_worker() {
    let kettle = Kettle {
        broken: Some("activate"),
        ..Kettle::new()
    };
    let diary = Arc::clone(&kettle.diary);
    let mut kit = Kit::start(kettle).await;
    let refusal = kit.activate().await.unwrap_err();
    assert_eq!(refusal.message, "the relay is stuck");
    assert_eq!(kit.exit().await, Exit::Unfit);
    assert_eq!(told(&diary), ["warm up", "quiesce"]);
}

#[tokio::test]
async fn a_change_of_health_is_told_after_the_turn_that_brought_it() {
    let kettle = Kettle::new();
    let well = Arc::clone(&kettle.well);
    let mut kit = active(kettle).await;
    kit.health(&Health::Well).await;
    well.store(false, Ordering::Relaxed);
    kit.turn().await;
    let reason = "dry".to_owned();
    kit.health(&Health::Unwell { reason }).await;
    well.store(true, Ordering::Relaxed);
    kit.turn().await;
    kit.health(&Health::Well).await;
}
