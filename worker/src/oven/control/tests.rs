//! The rules, each on virtual time.

use std::time::Duration;

use super::*;

const START: Duration = Duration::from_secs(1000);

/// An oven with a clock that is turned by hand, two seconds a turn as the device does.
struct Bench {
    oven: Control,
    now: Duration,
}

impl Bench {
    fn new(state: &OvenState) -> Self {
        Self {
            oven: Control::resume(state, Duration::ZERO, START),
            now: START,
        }
    }

    fn cold() -> Self {
        Self::new(&OvenState::default())
    }

    fn at(temperature: f64, target: f64) -> Self {
        Self::new(&OvenState {
            temperature,
            target,
            ..OvenState::default()
        })
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = end.min(self.now + thermal::TURN);
            self.oven.settle(self.now);
        }
    }

    fn timer(&mut self, minutes: i64) -> Result<(), Refusal> {
        self.oven.set_timer(minutes, self.now)
    }

    fn toggle_door(&mut self) -> bool {
        self.oven.toggle_door(self.now)
    }

    fn state(&self) -> OvenState {
        self.oven.state(self.now)
    }

    fn minutes_left(&self) -> i64 {
        self.oven.minutes_left(self.now)
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn code(result: Result<(), Refusal>) -> u32 {
    result.expect_err("should be refused").code
}

#[test]
fn a_fresh_oven_stands_by_cold_and_dark() {
    let bench = Bench::cold();
    assert_eq!(bench.state(), OvenState::default());
    assert_eq!(bench.state().temperature, 25.0);
    assert_eq!(bench.oven.mode(), Mode::Standby);
    assert_eq!(bench.oven.power(), 0.0);
}

#[test]
fn the_modes_bear_the_platforms_words() {
    let words = [
        (Mode::Standby, "待机"),
        (Mode::Preheating, "预热中"),
        (Mode::Heating, "加热中"),
        (Mode::Holding, "保温中"),
        (Mode::TimedHeating, "定时加热中"),
        (Mode::Cooling, "冷却中"),
        (Mode::PausedDoorOpen, "暂停（门开）"),
        (Mode::TimerEnded, "定时结束"),
        (Mode::SafetyShutdown, "安全停机"),
    ];
    for (mode, word) in words {
        assert_eq!(mode.text(), word);
        assert!(word.len() <= 32, "`{word}` is longer than the model says");
    }
}

#[test]
fn the_mode_follows_the_distance_to_the_target() {
    for (temperature, target, mode) in [
        (25.0, 75.1, Mode::Preheating),
        (25.0, 75.0, Mode::Heating),
        (174.9, 180.0, Mode::Heating),
        (175.0, 180.0, Mode::Holding),
        (185.0, 180.0, Mode::Holding),
        (185.1, 180.0, Mode::Heating),
        (50.1, 0.0, Mode::Cooling),
        (50.0, 0.0, Mode::Standby),
    ] {
        let bench = Bench::at(temperature, target);
        assert_eq!(bench.oven.mode(), mode, "{temperature} to {target}");
    }
}

#[test]
fn the_thermostat_switches_outside_its_band_and_leaves_the_relays_alone_inside() {
    let relays = |temperature, heater, fan| {
        let state = Bench::new(&OvenState {
            temperature,
            target: 180.0,
            heater,
            fan,
            ..OvenState::default()
        })
        .state();
        (state.heater, state.fan)
    };
    assert_eq!(relays(174.9, false, false), (true, true));
    assert_eq!(relays(185.1, true, true), (false, true));
    for before in [(false, false), (false, true), (true, true)] {
        assert_eq!(relays(175.0, before.0, before.1), before);
        assert_eq!(relays(185.0, before.0, before.1), before);
    }
}

#[test]
fn an_hour_at_180_follows_an_independent_model_of_chamber_and_thermostat() {
    let mut bench = Bench::cold();
    bench.oven.set_target(180.0).unwrap();
    let (mut t, mut heater): (f64, bool) = (25.0, false);
    for turn in 0..1800 {
        if t < 175.0 {
            heater = true;
        } else if t > 185.0 {
            heater = false;
        }
        t += match (heater, 180.0 - t) {
            (false, _) => -(t - 25.0) * 0.02,
            (true, d) if d < 20.0 => 1.5 * (400.0 - t) / 400.0,
            (true, d) if d < 50.0 => 3.0 * (400.0 - t) / 400.0,
            (true, _) => 5.0 * (400.0 - t) / 400.0,
        };
        bench.wait(thermal::TURN);
        let ours = bench.state().temperature;
        assert!((ours - t).abs() < 1e-6, "turn {turn}: {ours} is not {t}");
    }
    assert!((170.0..190.0).contains(&t), "{t} is far from the target");
}

#[test]
fn a_target_above_240_is_refused_and_changes_nothing() {
    let mut bench = Bench::at(100.0, 150.0);
    let before = bench.state();
    for target in [240.1, 245.0, 300.0, -0.1, f64::NAN, f64::INFINITY] {
        assert_eq!(
            code(bench.oven.set_target(target)),
            BAD_ARGUMENT,
            "{target}"
        );
    }
    assert_eq!(bench.state(), before);
}

#[test]
fn the_highest_target_never_raises_the_alarm_even_with_late_turns() {
    for turn in [2, 3, 7, 10, 60] {
        let mut bench = Bench::cold();
        bench.oven.set_target(HIGHEST_TARGET).unwrap();
        let mut hottest = 0.0_f64;
        for _ in 0..2000 {
            bench.now += seconds(turn);
            bench.oven.settle(bench.now);
            hottest = hottest.max(bench.state().temperature);
        }
        assert!((240.0..250.0).contains(&hottest), "{turn} s: {hottest}");
        assert!(bench.oven.take_notices().is_empty());
    }
}

#[test]
fn a_target_that_rounds_to_nothing_is_off() {
    let mut bench = Bench::cold();
    bench.oven.set_target(0.04).unwrap();
    assert!(!bench.state().heater);
    assert_eq!(bench.oven.mode(), Mode::Standby);
}

#[test]
fn an_overheated_oven_says_so_once_and_shuts_down() {
    let mut bench = Bench::at(100.0, 200.0);
    bench.timer(30).unwrap();
    bench.oven.temperature = 280.0; // A sensor jump: no accepted target leads here.
    bench.wait(seconds(6));
    let notices = bench.oven.take_notices();
    assert!(
        matches!(
            notices.as_slice(),
            [Notice::TimerCancelled { why: "the oven overheated" }, Notice::Overheated { temperature }]
                if *temperature > 250.0
        ),
        "{notices:?}"
    );
    let state = bench.state();
    assert_eq!(
        (state.target, state.heater, state.timer_left_ms),
        (0.0, false, None)
    );
    assert_eq!(bench.oven.mode(), Mode::SafetyShutdown);
}

#[test]
fn the_alarm_holds_until_below_240_and_refuses_heat_till_then() {
    let mut bench = Bench::at(251.0, 0.0);
    assert_eq!(bench.oven.take_notices().len(), 1);
    while bench.state().temperature >= 240.0 {
        assert!(bench.state().alarm);
        assert_eq!(code(bench.oven.set_target(100.0)), OVERHEATED);
        assert_eq!(code(bench.timer(1)), OVERHEATED);
        bench.oven.set_target(0.0).unwrap();
        assert_eq!(bench.oven.mode(), Mode::SafetyShutdown);
        bench.wait(thermal::TURN);
    }
    assert!(!bench.state().alarm);
    assert_eq!(bench.oven.mode(), Mode::Cooling);
    assert!(
        bench.oven.take_notices().is_empty(),
        "the alarm was repeated"
    );
    bench.oven.set_target(100.0).unwrap();
}

#[test]
fn a_safety_shutdown_is_shown_until_a_command_acknowledges_it() {
    let mut bench = Bench::at(251.0, 0.0);
    bench.wait(seconds(3600));
    assert!(!bench.state().alarm);
    bench.toggle_door();
    bench.toggle_door();
    bench.oven.set_light(true);
    assert_eq!(bench.oven.mode(), Mode::SafetyShutdown);
    bench.oven.set_target(0.0).unwrap();
    assert_eq!(bench.oven.mode(), Mode::Standby);
}

#[test]
fn a_second_overheating_raises_a_second_alarm() {
    let mut bench = Bench::at(251.0, 0.0);
    bench.wait(seconds(60));
    bench.oven.temperature = 280.0;
    bench.wait(seconds(60));
    let alarms = bench.oven.take_notices();
    assert_eq!(alarms.len(), 2, "{alarms:?}");
}

#[test]
fn an_oven_that_is_off_cools_and_then_stands_by() {
    let mut bench = Bench::at(200.0, 180.0);
    bench.oven.set_target(0.0).unwrap();
    assert_eq!(bench.oven.mode(), Mode::Cooling);
    bench.wait(seconds(600));
    assert!(bench.state().temperature <= 50.0);
    assert_eq!(bench.oven.mode(), Mode::Standby);
}

#[test]
fn an_open_door_refuses_heat_however_it_is_asked_for_and_never_refuses_off() {
    let mut bench = Bench::cold();
    assert!(bench.toggle_door());
    assert_eq!(code(bench.oven.set_target(100.0)), DOOR_OPEN);
    assert_eq!(code(bench.timer(1)), DOOR_OPEN);
    bench.oven.set_target(0.0).unwrap();
    bench.timer(0).unwrap();
    assert_eq!(bench.state().target, 0.0);
}

#[test]
fn opening_the_door_pauses_the_heat_and_closing_it_heats_on() {
    let mut bench = Bench::at(100.0, 180.0);
    assert!(bench.state().heater);
    assert!(bench.toggle_door());
    for _ in 0..5 {
        let state = bench.state();
        assert_eq!((state.heater, state.fan, state.light), (false, false, true));
        assert_eq!(state.target, 180.0);
        assert_eq!(bench.oven.mode(), Mode::PausedDoorOpen);
        bench.wait(thermal::TURN);
    }
    assert!(!bench.toggle_door());
    let state = bench.state();
    assert_eq!((state.heater, state.light), (true, false));
    assert_eq!(bench.oven.mode(), Mode::Preheating);
    assert!(bench.oven.take_notices().is_empty());
}

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
fn no_sequence_of_five_commands_heats_an_open_an_unset_or_an_alarmed_oven() {
    const COMMANDS: usize = 8;
    for sequence in 0..COMMANDS.pow(5) {
        let mut bench = Bench::cold();
        let mut rest = sequence;
        for _ in 0..5 {
            let command = rest % COMMANDS;
            rest /= COMMANDS;
            // Refusals are part of the walk; what they leave behind is checked below.
            let _ = match command {
                0 => bench.oven.set_target(0.0),
                1 => bench.oven.set_target(240.0),
                2 => bench.timer(0),
                3 => bench.timer(1),
                4 => {
                    bench.toggle_door();
                    Ok(())
                }
                5 => {
                    bench.wait(seconds(40));
                    Ok(())
                }
                6 => {
                    bench.oven.temperature = 280.0;
                    bench.wait(thermal::TURN);
                    Ok(())
                }
                _ => {
                    let state = bench.state();
                    bench.oven = Control::resume(&state, seconds(1), bench.now);
                    Ok(())
                }
            };
            let state = bench.state();
            let may_heat = !state.door_open && !state.alarm && state.target > 0.0;
            assert!(!state.heater || may_heat, "{sequence}: {state:?}");
            assert!(
                state.timer_left_ms.is_none() || state.target > 0.0,
                "{sequence}: {state:?}"
            );
            assert!((25.0..=300.0).contains(&state.temperature));
            assert!((0.0..=3000.0).contains(&bench.oven.power()));
            assert!((0..=1440).contains(&bench.minutes_left()));
        }
    }
}
