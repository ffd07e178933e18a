//! The timer: exact, rounded up, and over when the heat is.

use super::*;

#[test]
fn opening_the_door_cancels_a_running_timer_and_says_so() {
    let mut bench = Bench::cold();
    bench.timer(10).unwrap();
    bench.toggle_door();
    let why = "the door was opened";
    assert_eq!(bench.oven.take_notices(), [Notice::TimerCancelled { why }]);
    assert_eq!(bench.minutes_left(), 0);
    assert_eq!(bench.state().timer_minutes, 0);
    assert_eq!(bench.state().target, 180.0);
}

#[test]
fn the_timer_ends_at_its_deadline_and_not_before() {
    let mut bench = Bench::cold();
    bench.wait(Duration::from_millis(700)); // Off the beat of whole minutes.
    bench.timer(3).unwrap();
    assert_eq!(bench.oven.mode(), Mode::TimedHeating);
    bench.wait(Duration::from_millis(179_999));
    assert_eq!(bench.state().timer_left_ms, Some(1));
    assert_eq!(bench.state().target, 180.0);
    assert!(bench.oven.take_notices().is_empty());
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.oven.take_notices(), [Notice::TimerComplete]);
    let state = bench.state();
    assert_eq!(
        (state.target, state.heater, state.timer_minutes),
        (0.0, false, 0)
    );
    assert_eq!(bench.oven.mode(), Mode::TimerEnded);
}

#[test]
fn the_end_of_a_timer_is_shown_until_the_door_or_a_command() {
    let ended = || {
        let mut bench = Bench::cold();
        bench.timer(1).unwrap();
        bench.wait(seconds(120));
        assert_eq!(bench.oven.mode(), Mode::TimerEnded);
        bench
    };
    let mut bench = ended();
    bench.toggle_door();
    assert_eq!(bench.oven.mode(), Mode::Cooling);
    let mut bench = ended();
    bench.oven.set_target(0.0).unwrap();
    assert_eq!(bench.oven.mode(), Mode::Cooling);
}

#[test]
fn remaining_minutes_are_rounded_up() {
    let mut bench = Bench::cold();
    bench.timer(2).unwrap();
    let mut seen = vec![bench.minutes_left()];
    for step in [1, 58, 1, 1, 58, 1] {
        bench.wait(seconds(step));
        seen.push(bench.minutes_left());
    }
    assert_eq!(seen, [2, 2, 2, 1, 1, 1, 0]);
}

#[test]
fn a_timer_keeps_a_target_that_is_there_and_brings_180_if_none_is() {
    let mut bench = Bench::at(25.0, 120.0);
    bench.timer(1).unwrap();
    assert_eq!(bench.state().target, 120.0);
    let mut bench = Bench::cold();
    bench.timer(1).unwrap();
    assert_eq!(bench.state().target, 180.0);
}

#[test]
fn a_timer_out_of_range_is_refused() {
    let mut bench = Bench::cold();
    for minutes in [-1, 1441, i64::MAX, i64::MIN] {
        assert_eq!(code(bench.timer(minutes)), BAD_ARGUMENT);
    }
    bench.timer(1440).unwrap();
    assert_eq!(bench.minutes_left(), 1440);
}

#[test]
fn a_timer_of_zero_never_heats_ends_a_timer_with_its_heat_and_else_changes_nothing() {
    let mut bench = Bench::cold();
    bench.timer(0).unwrap();
    assert_eq!(bench.state(), OvenState::default());

    bench.timer(5).unwrap();
    bench.timer(0).unwrap();
    assert_eq!(bench.state(), OvenState::default());
    assert!(
        bench.oven.take_notices().is_empty(),
        "who cancels needs no notice"
    );

    let mut bench = Bench::at(25.0, 120.0);
    bench.timer(0).unwrap();
    assert_eq!(bench.state().target, 120.0);
}

#[test]
fn a_target_of_zero_ends_the_timer_too() {
    let mut bench = Bench::cold();
    bench.timer(5).unwrap();
    bench.oven.set_target(0.0).unwrap();
    assert_eq!(bench.state().timer_left_ms, None);
    bench.wait(seconds(600));
    assert!(bench.oven.take_notices().is_empty());
}
