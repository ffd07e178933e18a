//! The rules, each on virtual time.

use std::time::Duration;

use super::*;

mod next_life;
mod timer;

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
