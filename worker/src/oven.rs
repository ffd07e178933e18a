//! The oven as a device: it reads the clock, speaks with the sdk and leaves every rule to `control`, all physics to `thermal`.
//!
//! It writes nothing to disk and opens nothing: what must outlive the process is the snapshot. What is resumed is decided here:
//! an upgrade, a roll-back and a restart go on where the former life stood; so does a crash or a lost supervisor within 30 s; after
//! that, or a power cut, an oven that nobody watches stays off and says so with `state_not_resumed`.

use std::time::{Duration, Instant};

use worker_sdk::{
    Cause, Consent, Device, Fault, Refusal, Reporter, Resume, Value, ValueMap, model::Model,
};

use control::{BAD_ARGUMENT, Control, Notice, OvenState};

mod control;
mod model;
mod thermal;

/// How old a state may be to go on with after a crash.
const CRASH_GRACE: Duration = Duration::from_secs(30);
/// The reason for fast reports.
const TIMER: &str = "timer";
/// The refusal code of an oven that is not the active one; the sdk's own.
const NOT_ACTIVE: u32 = 100_000;

/// The electric oven.
pub(crate) struct Oven {
    /// Time since some fixed moment; monotonic. The physics never asks it, so that tests can turn it by hand.
    clock: Box<dyn Fn() -> Duration + Send>,
    /// There only while this worker is the active one.
    live: Option<Live>,
}

struct Live {
    control: Control,
    report: Reporter,
    hurried: bool,
}

impl Oven {
    /// An oven on the system's monotonic clock.
    pub(crate) fn new() -> Self {
        let start = Instant::now();
        Self::with_clock(move || start.elapsed())
    }

    fn with_clock(clock: impl Fn() -> Duration + Send + 'static) -> Self {
        Self {
            clock: Box::new(clock),
            live: None,
        }
    }

    /// Carries out one command on the settled oven, then keeps what has changed, even if the command was refused; the sdk
    /// publishes it with the answer.
    fn act<T>(
        &mut self,
        command: impl FnOnce(&mut Control, Duration) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let now = (self.clock)();
        let Some(live) = &mut self.live else {
            return Err(Refusal {
                code: NOT_ACTIVE,
                message: "the oven is not active".to_owned(),
            });
        };
        live.control.settle(now);
        let result = command(&mut live.control, now);
        live.tell(now);
        result
    }
}

impl Live {
    /// Properties, events and the wish for fast reports.
    fn tell(&mut self, now: Duration) {
        for (name, value) in readings(&self.control, now) {
            self.report.set(name, value);
        }
        let notices = self.control.take_notices();
        if !notices.is_empty() {
            self.report.publish();
        }
        for notice in notices {
            let (event, name, value) = match notice {
                Notice::Overheated { temperature } => (
                    "overheat_alarm",
                    "current_temperature",
                    tenth(temperature).into(),
                ),
                Notice::TimerComplete => (
                    "timer_complete",
                    "message",
                    "the timer has run out; the oven is off".into(),
                ),
                Notice::TimerCancelled { why } => ("timer_cancelled", "message", why.into()),
            };
            self.report
                .raise(event, ValueMap::from([(name.to_owned(), value)]));
        }
        let hurry = self.control.state(now).timer_left_ms.is_some();
        if hurry != self.hurried {
            self.hurried = hurry;
            if hurry {
                self.report.hurry(TIMER);
            } else {
                self.report.relax(TIMER);
            }
        }
    }
}

impl Device for Oven {
    type Snapshot = OvenState;

    fn model(&self) -> Model {
        model::model()
    }

    async fn warm_up(&mut self) -> Result<(), Fault> {
        Ok(()) // All the oven needs is in its executable, which runs.
    }

    async fn activate(
        &mut self,
        report: Reporter,
        from: Option<Resume<OvenState>>,
    ) -> Result<(), Fault> {
        let now = (self.clock)();
        let age = from.as_ref().and_then(|it| it.age).unwrap_or_default();
        let (state, lost) = match from {
            Some(resume) => resumed(resume),
            None => (OvenState::default(), None),
        };
        let mut live = Live {
            control: Control::resume(&state, age, now),
            report,
            hurried: false,
        };
        live.tell(now);
        if let Some(message) = lost {
            let outputs = ValueMap::from([("message".to_owned(), message.into())]);
            live.report.raise("state_not_resumed", outputs);
        }
        self.live = Some(live);
        Ok(())
    }

    fn period(&self) -> Option<Duration> {
        Some(thermal::TURN)
    }

    async fn tick(&mut self) {
        let now = (self.clock)();
        if let Some(live) = &mut self.live {
            live.control.settle(now);
            live.tell(now);
        }
    }

    async fn set(&mut self, name: &str, value: Value) -> Result<(), Refusal> {
        self.act(|oven, now| match (name, &value) {
            ("target_temperature", _) => oven.set_target(number(name, &value)?),
            ("timer_setting", Value::Int(minutes)) => oven.set_timer(*minutes, now),
            ("internal_light", Value::Bool(on)) => {
                oven.set_light(*on);
                Ok(())
            }
            _ => Err(bad_argument(format!("`{name}` cannot be set to that"))),
        })
    }

    async fn call(&mut self, service: &str, args: ValueMap) -> Result<ValueMap, Refusal> {
        self.act(|oven, now| match service {
            "set_temperature" => {
                let target = number("temperature", argument(&args, "temperature")?)?;
                oven.set_target(target)?;
                Ok(success(format!("the target is {target} ℃")))
            }
            "start_timer" => match argument(&args, "time")? {
                Value::Int(minutes) => {
                    oven.set_timer(*minutes, now)?;
                    Ok(success(format!("the timer is set to {minutes} min")))
                }
                _ => Err(bad_argument("`time` is not a whole number".to_owned())),
            },
            "toggle_door" => {
                let open = oven.toggle_door(now);
                let message = if open {
                    "the door is open"
                } else {
                    "the door is closed"
                };
                Ok(ValueMap::from([
                    ("door_status".to_owned(), open.into()),
                    ("message".to_owned(), message.into()),
                ]))
            }
            _ => Err(bad_argument(format!("there is no service `{service}`"))),
        })
    }

    fn may_switch(&self) -> Consent {
        self.live
            .as_ref()
            .map_or(Consent::Now, |live| live.control.consent((self.clock)()))
    }

    fn snapshot(&self) -> OvenState {
        self.live.as_ref().map_or_else(OvenState::default, |live| {
            live.control.state((self.clock)())
        })
    }

    async fn quiesce(&mut self) -> OvenState {
        let now = (self.clock)();
        match self.live.take() {
            // The state is taken with the relays as they are, so that the next life goes on in the same half of the
            // thermostat's band. With `live` goes the control and with it the heater.
            Some(mut live) => {
                live.control.settle(now);
                live.tell(now);
                live.control.state(now)
            }
            None => OvenState::default(),
        }
    }
}

/// Which state to start from, and the sentence to say if that is not where the former life stood.
fn resumed(from: Resume<OvenState>) -> (OvenState, Option<String>) {
    let fresh = from.age.is_some_and(|age| age < CRASH_GRACE);
    let why = match from.cause {
        Cause::Upgrade | Cause::RollBack | Cause::Restart => return (from.state, None),
        Cause::Crash | Cause::SupervisorLost if fresh => return (from.state, None),
        Cause::Crash => "a crash",
        Cause::SupervisorLost => "the loss of its supervisor",
        Cause::PowerCut => "a power cut",
    };
    match from.state.switched_off() {
        Some(off) => {
            let was = from.state.target;
            let message = format!("the oven stays off after {why}; its target was {was} ℃");
            (off, Some(message))
        }
        None => (from.state, None),
    }
}

/// Every property of the model, as it is now.
fn readings(control: &Control, now: Duration) -> [(&'static str, Value); 10] {
    let state = control.state(now);
    [
        ("current_temperature", tenth(state.temperature).into()),
        ("target_temperature", state.target.into()),
        ("heater_status", state.heater.into()),
        ("timer_setting", state.timer_minutes.into()),
        ("remaining_time", control.minutes_left(now).into()),
        ("door_status", state.door_open.into()),
        ("power_consumption", tenth(control.power()).into()),
        ("operation_mode", control.mode().text().into()),
        ("internal_light", state.light.into()),
        ("fan_status", state.fan.into()),
    ]
}

/// Rounded to the model's step.
fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn argument<'a>(args: &'a ValueMap, name: &str) -> Result<&'a Value, Refusal> {
    args.get(name)
        .ok_or_else(|| bad_argument(format!("`{name}` is missing")))
}

/// The sdk has made a float of every number where the model says float.
fn number(name: &str, value: &Value) -> Result<f64, Refusal> {
    match value {
        Value::Float(it) => Ok(*it),
        _ => Err(bad_argument(format!("`{name}` is not a number"))),
    }
}

fn bad_argument(message: String) -> Refusal {
    Refusal {
        code: BAD_ARGUMENT,
        message,
    }
}

fn success(message: String) -> ValueMap {
    ValueMap::from([
        ("success".to_owned(), true.into()),
        ("message".to_owned(), message.into()),
    ])
}

#[cfg(test)]
mod tests;
