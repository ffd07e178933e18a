//! The oven as its supervisor sees it, on a clock that is turned by hand.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use worker_sdk::{
    check,
    model::Kind,
    testkit::{Kit, drive},
};

use super::*;

/// The oven's clock.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicU64>);

impl Hands {
    fn oven(&self) -> Oven {
        let hands = self.clone();
        Oven::with_clock(move || Duration::from_millis(hands.0.load(Ordering::Relaxed)))
    }

    /// Lets time pass with turns of the control loop, two seconds each.
    async fn pass(&self, kit: &mut Kit, seconds: u64) {
        for _ in 0..seconds / 2 {
            self.0.fetch_add(2000, Ordering::Relaxed);
            kit.turn().await;
        }
    }
}

/// An active oven.
fn active(test: impl AsyncFnOnce(&mut Kit, Hands)) {
    let hands = Hands::default();
    drive(hands.oven(), async |kit| {
        kit.ready().await;
        kit.activate().await.unwrap();
        test(kit, hands).await;
    });
}

/// An oven that goes on from a former life.
fn resumed_oven(from: &Resume<OvenState>, test: impl AsyncFnOnce(&mut Kit, Hands)) {
    let hands = Hands::default();
    drive(hands.oven(), async |kit| {
        kit.ready().await;
        kit.resume(from).await.unwrap();
        test(kit, hands).await;
    });
}

fn args(name: &str, value: impl Into<Value>) -> ValueMap {
    ValueMap::from([(name.to_owned(), value.into())])
}

fn told(kit: &Kit, name: &str) -> Value {
    kit.properties()[name].clone()
}

fn hot(cause: Cause, age: Option<Duration>) -> Resume<OvenState> {
    Resume {
        state: OvenState {
            temperature: 180.0,
            target: 180.0,
            timer_minutes: 20,
            timer_left_ms: Some(12 * 60_000),
            ..OvenState::default()
        },
        cause,
        age,
    }
}

fn seconds(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count))
}

#[test]
fn a_fresh_oven_reports_each_property_of_its_model_with_its_start_value() {
    active(async |kit, _| {
        let expected = ValueMap::from(
            [
                ("current_temperature", Value::Float(25.0)),
                ("target_temperature", Value::Float(0.0)),
                ("heater_status", Value::Bool(false)),
                ("timer_setting", Value::Int(0)),
                ("remaining_time", Value::Int(0)),
                ("door_status", Value::Bool(false)),
                ("power_consumption", Value::Float(0.0)),
                ("operation_mode", Value::Text("待机".to_owned())),
                ("internal_light", Value::Bool(false)),
                ("fan_status", Value::Bool(false)),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        assert_eq!(kit.report().await, &expected);
        let model = model::model();
        let named: BTreeSet<_> = model.properties.iter().map(|it| it.field.id).collect();
        assert_eq!(named, expected.keys().map(String::as_str).collect());
    });
}

#[test]
fn the_model_is_the_platforms() {
    let model = Oven::new().model();
    assert_eq!(model.name, "SmartOven-X1");
    let writable = model.properties.iter().filter(|it| it.writable);
    let writable: Vec<_> = writable.map(|it| it.field.id).collect();
    assert_eq!(
        writable,
        ["target_temperature", "timer_setting", "internal_light"]
    );
    let services: Vec<_> = model.services.iter().map(|it| it.id).collect();
    assert_eq!(services, ["set_temperature", "start_timer", "toggle_door"]);
    let events: Vec<_> = model.events.iter().map(|it| it.id).collect();
    assert_eq!(
        events,
        [
            "overheat_alarm",
            "timer_complete",
            "timer_cancelled",
            "state_not_resumed"
        ]
    );
    let range = |id: &str| {
        let property = model.properties.iter().find(|it| it.field.id == id);
        match property.unwrap().field.kind {
            Kind::Float { min, max, .. } => (min, max),
            Kind::Int { min, max, .. } => (min as f64, max as f64),
            _ => panic!("`{id}` has no range"),
        }
    };
    assert_eq!(range("current_temperature"), (0.0, 300.0));
    assert_eq!(range("target_temperature"), (0.0, 300.0));
    assert_eq!(range("power_consumption"), (0.0, 3000.0));
    assert_eq!(range("timer_setting"), (0.0, 1440.0));
    assert_eq!(range("remaining_time"), (0.0, 1440.0));
}

#[test]
fn the_printed_model_names_what_the_supervisor_posts_too() {
    let printed = worker_sdk::tsl::export(&model::model(), "a1");
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let properties = printed["properties"].as_array().unwrap();
    let names: Vec<_> = properties
        .iter()
        .map(|it| it["identifier"].as_str().unwrap())
        .collect();
    for name in [
        "current_temperature",
        "firmware_version",
        "ota_status",
        "ota_progress",
        "last_update_time",
    ] {
        assert!(names.contains(&name), "`{name}` is missing");
    }
    assert_eq!(names.len(), 14);
}

#[test]
fn the_version_is_the_one_it_was_built_with() {
    let version = Oven::new().model().version;
    assert_eq!(
        version,
        option_env!("HOTPLATE_WORKER_VERSION").unwrap_or("1.0.0")
    );
    assert!((1..=64).contains(&version.len()));
}

#[test]
fn a_property_set_heats_and_is_told_at_once() {
    active(async |kit, hands| {
        kit.set("target_temperature", 180_i64).await.unwrap();
        assert_eq!(told(kit, "target_temperature"), Value::Float(180.0));
        assert_eq!(told(kit, "heater_status"), Value::Bool(true));
        assert_eq!(told(kit, "operation_mode"), "预热中".into());
        hands.pass(kit, 2).await;
        kit.report().await;
        // 25 + 5 · (1 − 25/400) = 29.6875, told to a tenth.
        assert_eq!(told(kit, "current_temperature"), Value::Float(29.7));
    });
}

#[test]
fn service_and_property_obey_the_same_rules() {
    active(async |kit, _| {
        let outputs = kit
            .call("set_temperature", args("temperature", 200.0))
            .await;
        let outputs = outputs.unwrap();
        assert_eq!(outputs["success"], Value::Bool(true));
        assert_eq!(outputs["message"], "the target is 200 ℃".into());
        assert_eq!(told(kit, "target_temperature"), Value::Float(200.0));

        let code = |refusal: Refusal| {
            assert!(!refusal.message.is_empty());
            refusal.code
        };
        let door = kit.call("toggle_door", ValueMap::new()).await.unwrap();
        assert_eq!(door["door_status"], Value::Bool(true));
        assert_eq!(door["message"], "the door is open".into());
        for target in [150.0, 300.0] {
            let by_call = kit
                .call("set_temperature", args("temperature", target))
                .await
                .unwrap_err();
            let by_set = kit.set("target_temperature", target).await.unwrap_err();
            assert_eq!(code(by_call), code(by_set), "{target}");
        }
        for minutes in [1_i64, 1441] {
            let by_call = kit
                .call("start_timer", args("time", minutes))
                .await
                .unwrap_err();
            let by_set = kit.set("timer_setting", minutes).await.unwrap_err();
            assert_eq!(code(by_call), code(by_set), "{minutes}");
        }
        assert_eq!(told(kit, "target_temperature"), Value::Float(200.0));
        kit.call("set_temperature", args("temperature", 0.0))
            .await
            .unwrap();
        kit.set("timer_setting", 0_i64).await.unwrap();
    });
}

#[test]
fn what_does_not_fit_is_refused_with_a_code_and_a_sentence() {
    active(async |kit, _| {
        let before = kit.report().await.clone();
        let mut refusals = Vec::new();
        for (name, value) in [
            ("target_temperature", Value::Text("180".to_owned())),
            ("target_temperature", Value::Float(240.1)),
            ("target_temperature", Value::Float(-1.0)),
            ("timer_setting", Value::Float(1.5)),
            ("internal_light", Value::Int(2)),
            ("current_temperature", Value::Float(30.0)),
            ("firmware_version", "9".into()),
        ] {
            refusals.push(kit.set(name, value).await.unwrap_err());
        }
        for (service, args) in [
            ("set_temperature", ValueMap::new()),
            ("set_temperature", args("temperature", "warm")),
            ("start_timer", ValueMap::new()),
            ("start_timer", args("time", -1_i64)),
            ("self_clean", ValueMap::new()),
        ] {
            refusals.push(kit.call(service, args).await.unwrap_err());
        }
        for refusal in refusals {
            assert_eq!(refusal.code, check::BAD_ARGUMENT, "{refusal:?}");
            assert!(!refusal.message.is_empty());
        }
        assert_eq!(kit.report().await, &before);
    });
}

#[test]
fn the_light_can_be_set_and_is_counted() {
    active(async |kit, _| {
        kit.set("internal_light", true).await.unwrap();
        assert_eq!(told(kit, "internal_light"), Value::Bool(true));
        assert_eq!(told(kit, "power_consumption"), Value::Float(15.0));
        kit.set("internal_light", 0_i64).await.unwrap();
        assert_eq!(told(kit, "power_consumption"), Value::Float(0.0));
    });
}

#[test]
fn a_timer_hurries_while_it_runs_and_tells_its_end() {
    active(async |kit, hands| {
        let outputs = kit.call("start_timer", args("time", 1_i64)).await.unwrap();
        assert_eq!(outputs["message"], "the timer is set to 1 min".into());
        assert_eq!(kit.reasons(), &BTreeSet::from(["timer".to_owned()]));
        assert_eq!(told(kit, "remaining_time"), Value::Int(1));
        assert_eq!(told(kit, "target_temperature"), Value::Float(180.0));
        hands.pass(kit, 58).await;
        assert!(kit.events().is_empty());
        hands.pass(kit, 2).await;
        assert!(kit.event("timer_complete").await.contains_key("message"));
        assert!(kit.reasons().is_empty());
        // The full status comes with the event, without being asked for.
        assert_eq!(told(kit, "operation_mode"), "定时结束".into());
        assert_eq!(told(kit, "target_temperature"), Value::Float(0.0));
    });
}

#[test]
fn a_timer_that_has_run_out_between_two_turns_is_told_before_the_next_command_acts() {
    active(async |kit, hands| {
        kit.set("timer_setting", 1_i64).await.unwrap();
        hands.0.fetch_add(60_000, Ordering::Relaxed); // Time without a turn.
        kit.set("timer_setting", 5_i64).await.unwrap();
        assert_eq!(kit.events(), ["timer_complete"]);
        assert_eq!(told(kit, "remaining_time"), Value::Int(5));
    });
}

#[test]
fn a_cancelled_timer_no_longer_hurries_however_it_was_cancelled() {
    for by in ["door", "timer", "target"] {
        active(async |kit, _| {
            kit.set("timer_setting", 5_i64).await.unwrap();
            assert_eq!(kit.reasons().len(), 1);
            match by {
                "door" => {
                    kit.call("toggle_door", ValueMap::new()).await.unwrap();
                    let outputs = kit.event("timer_cancelled").await;
                    assert_eq!(outputs["message"], "the door was opened".into());
                }
                "timer" => kit.set("timer_setting", 0_i64).await.unwrap(),
                _ => kit.set("target_temperature", 0.0).await.unwrap(),
            }
            assert!(kit.reasons().is_empty(), "{by}");
            assert!(kit.events().is_empty(), "{by}");
            assert_eq!(told(kit, "remaining_time"), Value::Int(0));
        });
    }
}

#[test]
fn an_overheated_oven_tells_once_how_hot_it_was() {
    let mut from = hot(Cause::Upgrade, seconds(0));
    from.state.temperature = 270.0;
    resumed_oven(&from, async |kit, hands| {
        let outputs = kit.event("overheat_alarm").await;
        assert_eq!(outputs["current_temperature"], Value::Float(270.0));
        kit.event("timer_cancelled").await;
        hands.pass(kit, 4).await;
        assert!(kit.events().is_empty());
        assert_eq!(told(kit, "operation_mode"), "安全停机".into());
        let refusal = kit.set("target_temperature", 100.0).await.unwrap_err();
        assert_eq!(refusal.code, control::OVERHEATED);
    });
}

#[test]
fn an_upgrade_a_roll_back_and_a_restart_go_on_with_heat_and_timer() {
    for cause in [Cause::Upgrade, Cause::RollBack, Cause::Restart] {
        resumed_oven(&hot(cause, seconds(0)), async |kit, _| {
            assert_eq!(told(kit, "current_temperature"), Value::Float(180.0));
            assert_eq!(told(kit, "target_temperature"), Value::Float(180.0));
            assert_eq!(told(kit, "remaining_time"), Value::Int(12));
            assert_eq!(told(kit, "timer_setting"), Value::Int(20));
            assert_eq!(told(kit, "operation_mode"), "定时加热中".into());
            assert_eq!(kit.reasons().len(), 1, "{cause:?}");
            assert!(kit.events().is_empty(), "{cause:?}");
        });
    }
}

#[test]
fn a_young_state_survives_a_crash_and_an_old_or_ageless_one_does_not() {
    for cause in [Cause::Crash, Cause::SupervisorLost] {
        resumed_oven(
            &hot(cause, Some(Duration::from_millis(29_999))),
            async |kit, _| {
                assert_eq!(told(kit, "target_temperature"), Value::Float(180.0));
                assert_eq!(told(kit, "remaining_time"), Value::Int(12)); // 11.5 min, rounded up.
            },
        );
        for age in [seconds(30), None] {
            resumed_oven(&hot(cause, age), async |kit, _| {
                kit.event("state_not_resumed").await;
                assert_eq!(told(kit, "target_temperature"), Value::Float(0.0));
                assert_eq!(told(kit, "heater_status"), Value::Bool(false));
                assert_eq!(told(kit, "remaining_time"), Value::Int(0));
                assert_eq!(told(kit, "operation_mode"), "冷却中".into());
                assert!(kit.reasons().is_empty());
            });
        }
    }
}

#[test]
fn after_a_power_cut_the_oven_stays_off_and_says_so_however_short_it_was() {
    for age in [seconds(1), seconds(3600), None] {
        resumed_oven(&hot(Cause::PowerCut, age), async |kit, hands| {
            let outputs = kit.event("state_not_resumed").await;
            assert_eq!(
                outputs["message"],
                "the oven stays off after a power cut; its target was 180 ℃".into()
            );
            hands.pass(kit, 60).await;
            kit.report().await;
            assert_eq!(told(kit, "heater_status"), Value::Bool(false));
            kit.set("target_temperature", 100.0).await.unwrap();
            assert_eq!(told(kit, "target_temperature"), Value::Float(100.0));
        });
    }
}

#[test]
fn after_a_power_cut_the_warmth_the_door_and_the_light_are_as_they_are() {
    let mut from = hot(Cause::PowerCut, seconds(2));
    from.state.temperature = 125.0;
    from.state.door_open = true;
    from.state.light = true;
    resumed_oven(&from, async |kit, _| {
        // One turn with the door open: 125 − 4 % of 100.
        assert_eq!(told(kit, "current_temperature"), Value::Float(121.0));
        assert_eq!(told(kit, "door_status"), Value::Bool(true));
        assert_eq!(told(kit, "internal_light"), Value::Bool(true));
    });
}

#[test]
fn an_oven_that_was_off_has_nothing_to_say_after_a_power_cut() {
    let from = Resume {
        state: OvenState::default(),
        cause: Cause::PowerCut,
        age: None,
    };
    resumed_oven(&from, async |kit, _| {
        kit.report().await;
        assert!(kit.events().is_empty());
        assert_eq!(told(kit, "operation_mode"), "待机".into());
    });
}

#[test]
fn the_next_version_takes_over_between_two_turns_without_losing_heat_or_time() {
    let mut state = None;
    active(async |kit, hands| {
        kit.set("timer_setting", 13_i64).await.unwrap();
        hands.pass(kit, 58).await;
        hands.0.fetch_add(2000, Ordering::Relaxed); // Time without a turn.
        state = Some(kit.quiesce::<OvenState>().await);
        assert_eq!(kit.exit().await, worker_sdk::Exit::Done);
    });
    let state = state.unwrap();
    assert_eq!(state.timer_left_ms, Some(12 * 60_000));
    assert_eq!((state.target, state.heater), (180.0, true));
    // Thirty turns of full heat from 25 ℃, then of medium heat from 130 ℃ on.
    let mut expected = 25.0;
    for _ in 0..30 {
        let rate = if 180.0 - expected < 50.0 { 3.0 } else { 5.0 };
        expected += rate * (1.0 - expected / 400.0);
    }
    assert!((state.temperature - expected).abs() < 1e-9);

    let from = Resume {
        state: state.clone(),
        cause: Cause::Upgrade,
        age: seconds(0),
    };
    resumed_oven(&from, async |kit, _| {
        assert_eq!(kit.checkpoint::<OvenState>().await, state);
        assert_eq!(told(kit, "heater_status"), Value::Bool(true));
    });
}

#[test]
fn a_switch_waits_for_the_door_and_the_last_minute() {
    active(async |kit, hands| {
        assert_eq!(kit.may_switch().await, Consent::Now);
        kit.call("toggle_door", ValueMap::new()).await.unwrap();
        assert!(matches!(kit.may_switch().await, Consent::Later { .. }));
        kit.call("toggle_door", ValueMap::new()).await.unwrap();
        assert_eq!(kit.may_switch().await, Consent::Now);
        kit.set("timer_setting", 1_i64).await.unwrap();
        assert!(matches!(kit.may_switch().await, Consent::Later { .. }));
        hands.pass(kit, 60).await;
        assert_eq!(kit.may_switch().await, Consent::Now);
    });
}

#[test]
fn an_oven_that_loses_its_supervisor_ends() {
    active(async |kit, _| {
        kit.set("target_temperature", 180.0).await.unwrap();
        kit.let_go();
        assert_eq!(kit.exit().await, worker_sdk::Exit::SupervisorLost);
    });
}
