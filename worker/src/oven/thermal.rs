//! The chamber's physics: how it warms, how it cools, what the oven draws.
//!
//! Pure functions of temperature and elapsed time, so that tests need no waiting. The rates are those of the origin's
//! simulation, which knew only turns of two seconds; here a turn may be of any length and two seconds give the origin's numbers.
//! No rule lives here: which relay is on is decided in `control`.

use std::time::Duration;

/// Room temperature in ℃; nothing cools below it.
pub(crate) const ROOM: f64 = 25.0;
/// What the chamber can reach at all, in ℃.
pub(crate) const HOTTEST: f64 = 300.0;
/// The turn for which the rates below are given.
pub(crate) const TURN: Duration = Duration::from_secs(2);

/// Heating counts at most this many turns at once: a process that was stopped for an hour has not heated for an hour, because
/// the oven's own relay drops out when nobody renews it.
const LONGEST_HEATING: f64 = 5.0;
/// Degrees per turn far below the target, in a cold chamber.
const FULL_HEAT: f64 = 5.0;
/// Per cent of the distance to the room lost in a turn, door closed.
const CLOSED_LOSS: f64 = 2.0;
/// The same with the door open.
const OPEN_LOSS: f64 = 4.0;

/// The temperature in ℃ after heating towards `target` for `elapsed`.
pub(crate) fn warm(mut temperature: f64, target: f64, elapsed: Duration) -> f64 {
    let mut turns = turns(elapsed).min(LONGEST_HEATING);
    while turns > 0.0 {
        let missing = target - temperature;
        let share = if missing < 20.0 {
            0.3
        } else if missing < 50.0 {
            0.6
        } else {
            1.0
        };
        temperature += FULL_HEAT * share * (1.0 - temperature / 400.0) * turns.min(1.0);
        turns -= 1.0;
    }
    temperature.min(HOTTEST)
}

/// The temperature in ℃ after `elapsed` with the heater off; exact for any length of time.
pub(crate) fn cool(temperature: f64, door_open: bool, elapsed: Duration) -> f64 {
    if temperature <= ROOM {
        return temperature;
    }
    let loss = if door_open { OPEN_LOSS } else { CLOSED_LOSS };
    ROOM + (temperature - ROOM) * (1.0 - loss / 100.0).powf(turns(elapsed))
}

/// What the oven draws now, in watts: 0 to 2,515.
pub(crate) fn power(temperature: f64, heater: bool, fan: bool, light: bool) -> f64 {
    let heat = if heater {
        2000.0 + 500.0 * (temperature / 50.0).sin() // Includes the fan.
    } else if fan {
        50.0
    } else {
        0.0
    };
    heat + if light { 15.0 } else { 0.0 }
}

fn turns(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() / TURN.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-9, "{left} is not {right}");
    }

    /// The platform's demonstration oven, one turn of two seconds, written down a second time.
    fn reference_turn(t: f64, target: f64, heater: bool, open: bool) -> f64 {
        if !heater {
            let rate = if open { 4.0 } else { 2.0 };
            return (t - rate * ((t - 25.0) / 100.0)).max(25.0);
        }
        let factor = match target - t {
            d if d < 20.0 => 0.3,
            d if d < 50.0 => 0.6,
            _ => 1.0,
        };
        (t + 5.0 * factor * (1.0 - t / 400.0)).min(300.0)
    }

    #[test]
    fn a_heating_turn_takes_the_three_rates_by_the_distance_to_the_target() {
        close(warm(100.0, 200.0, TURN), 100.0 + 5.0 * 0.75);
        close(warm(100.0, 149.0, TURN), 100.0 + 3.0 * 0.75);
        close(warm(100.0, 119.0, TURN), 100.0 + 1.5 * 0.75);
        close(warm(100.0, 96.0, TURN), 100.0 + 1.5 * 0.75);
    }

    #[test]
    fn a_cooling_turn_loses_two_per_cent_of_the_distance_and_four_with_the_door_open() {
        close(cool(125.0, false, TURN), 123.0);
        close(cool(125.0, true, TURN), 121.0);
        close(cool(25.0, true, TURN), 25.0);
    }

    #[test]
    fn two_hundred_turns_follow_the_reference_up_and_down() {
        let (mut ours, mut theirs) = (25.0, 25.0);
        for _ in 0..200 {
            ours = warm(ours, 180.0, TURN);
            theirs = reference_turn(theirs, 180.0, true, false);
            close(ours, theirs);
        }
        for turn in 0..200 {
            ours = cool(ours, turn % 2 == 0, TURN);
            theirs = reference_turn(theirs, 0.0, false, turn % 2 == 0);
            close(ours, theirs);
        }
    }

    #[test]
    fn cooling_for_an_hour_at_once_equals_cooling_turn_by_turn() {
        let mut by_turns = 240.0;
        for _ in 0..1800 {
            by_turns = reference_turn(by_turns, 0.0, false, false);
        }
        close(cool(240.0, false, Duration::from_secs(3600)), by_turns);
    }

    #[test]
    fn half_a_turn_heats_half_as_much_and_no_time_changes_nothing() {
        close(warm(100.0, 200.0, TURN / 2), 100.0 + 5.0 * 0.75 / 2.0);
        close(warm(100.0, 200.0, Duration::ZERO), 100.0);
        close(cool(100.0, false, Duration::ZERO), 100.0);
    }

    #[test]
    fn an_hour_without_control_heats_no_more_than_ten_seconds() {
        let mut five = 25.0;
        for _ in 0..5 {
            five = reference_turn(five, 240.0, true, false);
        }
        close(warm(25.0, 240.0, Duration::from_secs(3600)), five);
        assert!(warm(299.9, 300.0, Duration::from_secs(10)) <= HOTTEST);
    }

    #[test]
    fn power_counts_the_light_whether_the_heater_is_on_or_not() {
        close(power(25.0, false, false, false), 0.0);
        close(power(25.0, false, false, true), 15.0);
        close(power(25.0, false, true, true), 65.0);
        let heater = 2000.0 + 500.0 * 2.0_f64.sin();
        close(power(100.0, true, true, false), heater);
        close(power(100.0, true, true, true), heater + 15.0);
    }
}
