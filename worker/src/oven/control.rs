//! The oven's rules: heat, door, timer, mode and alarm, with time as an argument.
//!
//! It refuses, with a code and a sentence, to heat with the door open, above [`HIGHEST_TARGET`] or after an overheat alarm;
//! switching off is never refused. Nothing here reads a clock or speaks to anybody: what must be told lies in the notices.
//!
//! The origin's model has traps. What it did, what we do, why:
//! - It accepted 300 ℃ and then always ran into its own alarm at 250. We refuse targets above 240: the thermostat's band of 5
//!   and one late turn stay below the alarm, and the alarm stays where the thing model says.
//! - It raised the alarm on every turn. We raise it once and hold it until the chamber is below 240, so that it means something.
//! - 安全停机 lasted one turn. We show it until the alarm has cleared and a heat or timer command acknowledges it.
//! - 冷却中 never ended. Our mode is computed from the state, so at 50 ℃ it becomes 待机.
//! - 暂停（门开） was overwritten while a target was set. We look at the door before the target.
//! - `start_timer` with 0 heated for ever, `timer_setting` 0 heated on under 待机. For us a timer turned to 0 switches the oven
//!   off, as the knob of a real one does; with no timer running it changes nothing.
//! - The door forbade heat to the service and allowed it to the property. We ask in one place for both.
//! - A timer outlived a target of 0 and an alarm. Off is off: both end the timer.
//! - Minutes came from a free-running ticker and were cut off. We keep the deadline and round up, so 0 means over.
//! - The light was not counted while heating. We always count it (`thermal`).
//! - One fast-mode flag had two writers. The oven only tells its own reason, `timer` (`oven`).
//! - A refused set was answered 200. Each refusal is an error to the sdk (`oven`).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use worker_sdk::{Consent, Refusal};

use super::thermal;

/// The highest target in ℃ that the alarm leaves room for.
pub(crate) const HIGHEST_TARGET: f64 = 240.0;
/// The longest timer, in minutes.
pub(crate) const LONGEST_TIMER: i64 = 1440;
/// A timer without a target heats to this, in ℃.
const TIMER_TARGET: f64 = 180.0;
/// The thermostat's half band, in ℃; also what counts as "at the target".
const BAND: f64 = 5.0;
/// The alarm is raised above this and clears below [`ALARM_CLEARS`], both in ℃.
const ALARM: f64 = 250.0;
const ALARM_CLEARS: f64 = 240.0;
/// Above this, in ℃, an oven that is off still cools.
const COOL_ENOUGH: f64 = 50.0;
/// In the last minute of a timer a switch waits for its end.
const LAST_MINUTE: Duration = Duration::from_secs(60);
/// An open door holds a switch back this long at most, and is asked about this often.
const DOOR_PATIENCE: Duration = Duration::from_secs(600);
const DOOR_AGAIN: Duration = Duration::from_secs(15);

/// Refusal codes: the platform's for a bad argument, then our own, beyond those of the sdk.
pub(crate) const BAD_ARGUMENT: u32 = 460;
pub(crate) const DOOR_OPEN: u32 = 100_101;
pub(crate) const OVERHEATED: u32 = 100_102;

/// What the oven is doing, as `operation_mode` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Standby,
    Preheating,
    Heating,
    Holding,
    TimedHeating,
    Cooling,
    PausedDoorOpen,
    TimerEnded,
    SafetyShutdown,
}

impl Mode {
    /// The platform's word for it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Standby => "待机",
            Self::Preheating => "预热中",
            Self::Heating => "加热中",
            Self::Holding => "保温中",
            Self::TimedHeating => "定时加热中",
            Self::Cooling => "冷却中",
            Self::PausedDoorOpen => "暂停（门开）",
            Self::TimerEnded => "定时结束",
            Self::SafetyShutdown => "安全停机",
        }
    }
}

/// Something the cloud is told beside the properties.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Notice {
    Overheated { temperature: f64 },
    TimerComplete,
    TimerCancelled { why: &'static str },
}

/// The oven's whole state, as it crosses lives and versions.
///
/// The timer is kept as what is left of it: a wall-clock deadline would be wrong after every correction of the clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OvenState {
    /// ℃.
    pub(crate) temperature: f64,
    /// ℃, 0 = off.
    pub(crate) target: f64,
    pub(crate) heater: bool,
    pub(crate) fan: bool,
    pub(crate) light: bool,
    pub(crate) door_open: bool,
    /// What the running timer was set to, in minutes; 0 when none runs.
    pub(crate) timer_minutes: i64,
    /// What is left of it; `None` when no timer runs.
    pub(crate) timer_left_ms: Option<u64>,
    /// The overheat alarm holds.
    pub(crate) alarm: bool,
    /// 安全停机 has not been acknowledged.
    pub(crate) shut_down: bool,
    /// 定时结束 has not been acknowledged.
    pub(crate) timer_ended: bool,
}

impl Default for OvenState {
    fn default() -> Self {
        Self {
            temperature: thermal::ROOM,
            target: 0.0,
            heater: false,
            fan: false,
            light: false,
            door_open: false,
            timer_minutes: 0,
            timer_left_ms: None,
            alarm: false,
            shut_down: false,
            timer_ended: false,
        }
    }
}

impl OvenState {
    /// The same oven switched off; door, light, alarm and warmth are as they are. `None` if it was off already.
    pub(crate) fn switched_off(&self) -> Option<Self> {
        let off = Self {
            target: 0.0,
            heater: false,
            fan: false,
            timer_minutes: 0,
            timer_left_ms: None,
            ..self.clone()
        };
        (self.target > 0.0 || self.timer_left_ms.is_some()).then_some(off)
    }
}

/// A running timer.
#[derive(Debug, Clone, Copy)]
struct Timer {
    ends: Duration,
    minutes: i64,
}

/// The oven at work. All times are on one monotonic clock that starts with the process.
pub(crate) struct Control {
    temperature: f64,
    target: f64,
    heater: bool,
    fan: bool,
    light: bool,
    /// Since when the door is open.
    door_open: Option<Duration>,
    timer: Option<Timer>,
    alarm: bool,
    shut_down: bool,
    timer_ended: bool,
    /// Until when the physics is computed.
    settled: Duration,
    /// At most three per turn, taken after each.
    notices: Vec<Notice>,
}

impl Control {
    /// Goes on from `state`, which was true `age` ago; the heater was off since. Numbers out of range, as another version
    /// may have written them, are brought into it.
    pub(crate) fn resume(state: &OvenState, age: Duration, now: Duration) -> Self {
        let temperature = in_range(state.temperature, thermal::HOTTEST);
        let timer = state.timer_left_ms.map(|left| {
            let left = Duration::from_millis(left).min(minutes(LONGEST_TIMER));
            Timer {
                ends: now + left.saturating_sub(age),
                minutes: state.timer_minutes.clamp(1, LONGEST_TIMER),
            }
        });
        let mut oven = Self {
            temperature: thermal::cool(temperature, state.door_open, age),
            target: in_range(state.target, HIGHEST_TARGET),
            heater: state.heater,
            fan: state.fan,
            light: state.light,
            door_open: state.door_open.then_some(now),
            timer: None,
            alarm: state.alarm,
            shut_down: state.shut_down,
            timer_ended: state.timer_ended,
            settled: now,
            notices: Vec::new(),
        };
        // No timer runs without heat, nor any heat while the alarm holds, whoever wrote the snapshot.
        if oven.alarm {
            oven.target = 0.0;
        }
        if oven.target > 0.0 {
            oven.timer = timer;
        }
        oven.settle(now);
        oven
    }

    /// Brings physics, timer, alarm and relays up to `now`. Called before every command and on every turn.
    pub(crate) fn settle(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.settled);
        self.settled = now;
        self.temperature = if self.heater {
            thermal::warm(self.temperature, self.target, elapsed)
        } else {
            thermal::cool(self.temperature, self.door_open.is_some(), elapsed)
        };
        if self.timer.is_some_and(|timer| timer.ends <= now) {
            self.switch_off();
            self.timer_ended = true;
            self.notices.push(Notice::TimerComplete);
        }
        if self.temperature > ALARM && !self.alarm {
            self.alarm = true;
            self.cancel_timer("the oven overheated");
            self.switch_off();
            self.shut_down = true;
            self.notices.push(Notice::Overheated {
                temperature: self.temperature,
            });
        } else if self.temperature < ALARM_CLEARS {
            self.alarm = false;
        }
        self.switch_relays();
    }

    /// Heats to `target` ℃; 0 switches the oven off, its timer too. One rule for the service and for the property.
    pub(crate) fn set_target(&mut self, target: f64) -> Result<(), Refusal> {
        // Rounded to the model's step first, so that nothing heats towards a target that is reported as 0.
        let target = (target * 10.0).round() / 10.0;
        if !(0.0..=HIGHEST_TARGET).contains(&target) {
            return Err(refusal(
                BAD_ARGUMENT,
                format!("a target of {target} ℃ is not between 0 and {HIGHEST_TARGET} ℃"),
            ));
        }
        if target > 0.0 {
            self.may_heat()?;
            self.target = target;
        } else {
            self.switch_off();
        }
        self.acknowledge();
        Ok(())
    }

    /// Starts the timer, at 180 ℃ if there is no target; 0 ends a running timer and its heating.
    pub(crate) fn set_timer(&mut self, wanted: i64, now: Duration) -> Result<(), Refusal> {
        if !(0..=LONGEST_TIMER).contains(&wanted) {
            return Err(refusal(
                BAD_ARGUMENT,
                format!("a timer of {wanted} min is not between 0 and {LONGEST_TIMER} min"),
            ));
        }
        if wanted > 0 {
            self.may_heat()?;
            self.timer = Some(Timer {
                ends: now + minutes(wanted),
                minutes: wanted,
            });
            if self.target <= 0.0 {
                self.target = TIMER_TARGET;
            }
        } else if self.timer.is_some() {
            self.switch_off();
        }
        self.acknowledge();
        Ok(())
    }

    /// Switches the light.
    pub(crate) fn set_light(&mut self, on: bool) {
        self.light = on;
    }

    /// Opens or closes the door; true = it is open now. The target survives, so closing heats on; a timer does not.
    pub(crate) fn toggle_door(&mut self, now: Duration) -> bool {
        self.door_open = match self.door_open {
            Some(_) => None,
            None => Some(now),
        };
        let open = self.door_open.is_some();
        self.light = open;
        if open {
            self.cancel_timer("the door was opened");
            self.timer_ended = false;
        }
        self.switch_relays();
        open
    }

    /// What has happened since it was last asked.
    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The state, for the next life and for the properties.
    pub(crate) fn state(&self, now: Duration) -> OvenState {
        OvenState {
            temperature: self.temperature,
            target: self.target,
            heater: self.heater,
            fan: self.fan,
            light: self.light,
            door_open: self.door_open.is_some(),
            timer_minutes: self.timer.map_or(0, |timer| timer.minutes),
            timer_left_ms: self.timer.map(|timer| {
                let left = timer.ends.saturating_sub(now);
                u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
            }),
            alarm: self.alarm,
            shut_down: self.shut_down,
            timer_ended: self.timer_ended,
        }
    }

    /// Whether another version may take over: not with the door open, for somebody stands there, nor in the last minute of a
    /// timer. Both are bounded: ten minutes of open door are a forgotten door.
    pub(crate) fn consent(&self, now: Duration) -> Consent {
        let later = |after: Duration, reason: String| Consent::Later {
            after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
            reason,
        };
        if let Some(since) = self.door_open
            && now.saturating_sub(since) < DOOR_PATIENCE
        {
            return later(DOOR_AGAIN, "the door is open".to_owned());
        }
        if let Some(timer) = self.timer {
            let left = timer.ends.saturating_sub(now);
            if left <= LAST_MINUTE {
                return later(
                    left + thermal::TURN,
                    format!("the timer ends in {} s", left.as_secs()),
                );
            }
        }
        Consent::Now
    }

    /// What the oven is doing.
    pub(crate) fn mode(&self) -> Mode {
        let missing = self.target - self.temperature;
        if self.alarm || self.shut_down {
            Mode::SafetyShutdown
        } else if self.target <= 0.0 {
            if self.timer_ended {
                Mode::TimerEnded
            } else if self.temperature > COOL_ENOUGH {
                Mode::Cooling
            } else {
                Mode::Standby
            }
        } else if self.door_open.is_some() {
            Mode::PausedDoorOpen
        } else if self.timer.is_some() {
            Mode::TimedHeating
        } else if missing.abs() <= BAND {
            Mode::Holding
        } else if missing > 50.0 {
            Mode::Preheating
        } else {
            Mode::Heating
        }
    }

    /// What the oven draws now, in watts.
    pub(crate) fn power(&self) -> f64 {
        thermal::power(self.temperature, self.heater, self.fan, self.light)
    }

    /// What is left of the timer in minutes, rounded up: 0 means over.
    pub(crate) fn minutes_left(&self, now: Duration) -> i64 {
        self.timer.map_or(0, |timer| {
            let left = timer.ends.saturating_sub(now).as_millis().div_ceil(60_000);
            i64::try_from(left).unwrap_or(LONGEST_TIMER)
        })
    }

    fn may_heat(&self) -> Result<(), Refusal> {
        if self.door_open.is_some() {
            return Err(refusal(DOOR_OPEN, "the door is open".to_owned()));
        }
        if self.alarm {
            return Err(refusal(
                OVERHEATED,
                format!("the oven overheated and is not below {ALARM_CLEARS} ℃ yet"),
            ));
        }
        Ok(())
    }

    /// The door is asked before the target, and in the band the relays stay as they are.
    fn switch_relays(&mut self) {
        if self.door_open.is_some() || self.target <= 0.0 {
            self.heater = false;
            self.fan = false;
        } else if self.temperature < self.target - BAND {
            self.heater = true;
            self.fan = true;
        } else if self.temperature > self.target + BAND {
            self.heater = false;
            self.fan = true;
        }
    }

    fn switch_off(&mut self) {
        self.target = 0.0;
        self.timer = None;
    }

    fn cancel_timer(&mut self, why: &'static str) {
        if self.timer.take().is_some() {
            self.notices.push(Notice::TimerCancelled { why });
        }
    }

    /// An accepted heat or timer command ends what was shown until somebody came.
    fn acknowledge(&mut self) {
        self.shut_down = false;
        self.timer_ended = false;
        self.switch_relays();
    }
}

fn refusal(code: u32, message: String) -> Refusal {
    Refusal { code, message }
}

fn minutes(count: i64) -> Duration {
    Duration::from_secs(count.unsigned_abs() * 60)
}

/// `value` within 0 to `most`; what is not a number counts as 0.
fn in_range(value: f64, most: f64) -> f64 {
    if value.is_nan() {
        0.0
    } else {
        value.clamp(0.0, most)
    }
}

#[cfg(test)]
mod tests;
