//! What crosses from one life to the next, and when it may.

use super::*;

#[test]
fn a_switch_waits_for_the_door_but_not_for_a_forgotten_one() {
    let mut bench = Bench::cold();
    assert_eq!(bench.oven.consent(bench.now), Consent::Now);
    bench.toggle_door();
    bench.wait(seconds(599));
    assert!(matches!(
        bench.oven.consent(bench.now),
        Consent::Later {
            after_ms: 15_000,
            ..
        }
    ));
    bench.wait(seconds(1));
    assert_eq!(bench.oven.consent(bench.now), Consent::Now);
}

#[test]
fn a_switch_waits_for_the_last_minute_of_a_timer_and_no_longer() {
    let mut bench = Bench::cold();
    bench.timer(2).unwrap();
    bench.wait(Duration::from_millis(59_999));
    assert_eq!(bench.oven.consent(bench.now), Consent::Now);
    bench.wait(Duration::from_millis(1));
    let Consent::Later { after_ms, reason } = bench.oven.consent(bench.now) else {
        panic!("consented in the last minute");
    };
    assert_eq!(
        (after_ms, reason.as_str()),
        (62_000, "the timer ends in 60 s")
    );
    bench.wait(Duration::from_millis(after_ms));
    assert_eq!(bench.oven.consent(bench.now), Consent::Now);
}

#[test]
fn an_oven_at_180_with_12_minutes_left_goes_on_with_both() {
    let mut bench = Bench::at(180.0, 180.0);
    bench.timer(20).unwrap();
    bench.wait(seconds(8 * 60));
    let before = bench.state();
    assert_eq!(before.timer_left_ms, Some(12 * 60_000));

    let later = seconds(7); // Another process, another clock.
    let mut next = Control::resume(&before, Duration::ZERO, later);
    assert_eq!(next.state(later), before);
    assert_eq!(next.minutes_left(later), 12);
    next.settle(later + seconds(12 * 60 - 1));
    assert!(next.take_notices().is_empty());
    next.settle(later + seconds(12 * 60));
    assert_eq!(next.take_notices(), [Notice::TimerComplete]);
}

#[test]
fn the_age_of_a_state_is_taken_from_timer_and_warmth() {
    let mut bench = Bench::at(125.0, 180.0);
    bench.timer(2).unwrap();
    let next = Control::resume(&bench.state(), seconds(2), START);
    let state = next.state(START);
    assert_eq!(state.timer_left_ms, Some(118_000));
    assert!((state.temperature - 123.0).abs() < 1e-9); // One turn without heat.

    let mut late = Control::resume(&bench.state(), seconds(121), START);
    assert_eq!(late.take_notices(), [Notice::TimerComplete]);
    assert_eq!(late.state(START).target, 0.0);
}

#[test]
fn a_state_out_of_range_is_brought_into_it() {
    let state = OvenState {
        temperature: -5.0,
        target: 300.0,
        timer_left_ms: Some(u64::MAX),
        timer_minutes: -3,
        ..OvenState::default()
    };
    let state = Control::resume(&state, Duration::ZERO, START).state(START);
    assert_eq!((state.temperature, state.target), (0.0, 240.0));
    assert_eq!(state.timer_left_ms, Some(1440 * 60_000));
    assert_eq!(state.timer_minutes, 1);

    let state = OvenState {
        temperature: 249.0,
        target: 100.0,
        alarm: true,
        ..OvenState::default()
    };
    let state = Control::resume(&state, Duration::ZERO, START).state(START);
    assert_eq!((state.target, state.heater), (0.0, false));
}

#[test]
fn a_state_of_another_version_is_read_with_its_unknown_and_missing_fields() {
    let older: OvenState = serde_json::from_str(r#"{"temperature":180.5,"target":180.0}"#).unwrap();
    let expected = OvenState {
        temperature: 180.5,
        target: 180.0,
        ..OvenState::default()
    };
    assert_eq!(older, expected);
    let newer = r#"{"temperature":180.5,"target":180.0,"steam":{"level":3},"spit":true}"#;
    assert_eq!(serde_json::from_str::<OvenState>(newer).unwrap(), expected);
    let text = serde_json::to_string(&expected).unwrap();
    assert_eq!(serde_json::from_str::<OvenState>(&text).unwrap(), expected);
}

#[test]
fn a_timer_without_a_target_is_not_resumed() {
    let state = OvenState {
        timer_left_ms: Some(60_000),
        timer_minutes: 5,
        ..OvenState::default()
    };
    let mut oven = Control::resume(&state, Duration::ZERO, START);
    oven.settle(START + seconds(120));
    assert_eq!(oven.state(START), OvenState::default());
    assert!(oven.take_notices().is_empty());
}

#[test]
fn what_waits_for_an_acknowledgement_still_waits_in_the_next_life() {
    for (shut_down, timer_ended, mode) in [
        (true, false, Mode::SafetyShutdown),
        (false, true, Mode::TimerEnded),
    ] {
        let state = OvenState {
            shut_down,
            timer_ended,
            ..OvenState::default()
        };
        let oven = Control::resume(&state, Duration::ZERO, START);
        assert_eq!(oven.mode(), mode);
        assert_eq!(oven.state(START), state);
    }
}
