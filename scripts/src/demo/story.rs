//! What happens, in order, each step awaited from the platform's side.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use cloud_emulator::{DeviceState, Rollout, RrpcForm, TaskState};
use serde_json::json;

use super::{
    DemoError, done, gap,
    images::{self, Images},
};
use crate::{paint, stage::Stage};

/// How long any one step may take.
const STEP_LIMIT: Duration = Duration::from_secs(90);

/// How wide the progress bar is, in cells.
const BAR: usize = 24;

/// What the story leaves to be judged.
pub(super) struct Story {
    /// The journal's position when the oven had been told what to do.
    pub(super) heating_since: u64,
    /// The journal's position when the good version had been told as success.
    pub(super) upgraded_at: u64,
    /// The switch's gap as the supervisor measured it, in milliseconds.
    pub(super) gap_ms: Option<u64>,
}

/// Tells it.
///
/// # Errors
/// When a step fails or does not happen in time.
pub(super) fn tell(stage: &Stage, images: &Images, begun: Instant) -> Result<Story, DemoError> {
    let online = see(stage, "the oven on line with 1.0.0", |state| {
        state.online && state.version() == Some("1.0.0")
    })?;
    done(
        "on line",
        &format!("version {}", online.version().unwrap_or_default()),
        begun,
    );

    call(stage, "set_temperature", &json!({"temperature": 180}))?;
    call(stage, "start_timer", &json!({"time": 12}))?;
    let heating_since = stage.emulator().journal_position();
    let heating = see(stage, "the oven getting warm", |state| {
        number(state, "current_temperature").is_some_and(|chamber| chamber > 30.0)
    })?;
    done("heating", &oven(&heating), begun);

    let upgraded = upgrade(stage, "1.0.7", &images.good)?;
    let upgraded_at = stage.emulator().journal_position();
    let gap_ms = gap::mark(stage)?;
    let gap = gap_ms.map_or_else(String::new, |gap| format!("{gap} ms without a worker; "));
    done(
        "upgraded",
        &format!("to 1.0.7; {gap}{}", oven(&upgraded)),
        begun,
    );

    let failed = upgrade(stage, "1.0.8", &images.bad)?;
    let why = failed
        .task()
        .map(|task| task.description.clone())
        .unwrap_or_default();
    let back = see(stage, "1.0.7 at work again", |state| {
        text(state, "ota_status") == Some("idle")
            && text(state, "firmware_version") == Some("1.0.7")
    })?;
    done("taken back", &format!("1.0.8: {why}"), begun);
    done("at work", &format!("1.0.7 again; {}", oven(&back)), begun);
    Ok(Story {
        heating_since,
        upgraded_at,
        gap_ms,
    })
}

/// Gives the oven a version and watches until the platform's task has ended, well or badly.
fn upgrade(stage: &Stage, version: &'static str, image: &Path) -> Result<DeviceState, DemoError> {
    let emulator = stage.emulator();
    let firmware = images::publish(stage, version, image)?;
    let rollout = Rollout {
        transport: cloud_emulator::Transport::Https,
        ..Rollout::new(firmware.id, stage.device())
    };
    let job = emulator
        .start_job(rollout)
        .map_err(|error| DemoError::Offer(version, error))?;
    let mut live = paint::Live::new();
    let mut told = String::new();
    let ended = see(stage, "the end of the update", |state| {
        // In a log one line for each step says enough; on a terminal the bar moves.
        let step = text(state, "ota_status").unwrap_or_default();
        if paint::moves() || told != step {
            step.clone_into(&mut told);
            live.show(&format!("  {version}  {}", line(state)));
        }
        state
            .task()
            .is_some_and(|task| task.job == job && task.state.is_final())
    })?;
    live.end();
    Ok(ended)
}

/// The update and the oven in one line.
fn line(state: &DeviceState) -> String {
    let percent = state
        .task()
        .and_then(|task| task.step)
        .map_or(0, |step| step.clamp(0, 100));
    let bar = paint::bar(u8::try_from(percent).unwrap_or(0), BAR);
    let told = state.task().map_or("", |task| match task.state {
        TaskState::Succeeded => "succeeded",
        TaskState::Failed => "failed",
        _ => text(state, "ota_status").unwrap_or(""),
    });
    format!("{bar} {percent:>3} %  {told:<12} {}", oven(state))
}

/// The oven in a few words.
fn oven(state: &DeviceState) -> String {
    format!(
        "chamber {:.1} °C on the way to {:.0} °C, {:.0} min on the timer",
        number(state, "current_temperature").unwrap_or_default(),
        number(state, "target_temperature").unwrap_or_default(),
        number(state, "remaining_time").unwrap_or_default(),
    )
}

fn call(stage: &Stage, service: &'static str, args: &serde_json::Value) -> Result<(), DemoError> {
    let call = stage
        .emulator()
        .call_sync(stage.device(), RrpcForm::System, service, args.clone());
    let answer = stage
        .emulator()
        .block_on(call)
        .map_err(|error| DemoError::Call(service, error))?;
    if answer.code == 200 {
        return Ok(());
    }
    let word = answer.message.unwrap_or_default();
    Err(DemoError::Refused(
        service,
        format!("{} {word}", answer.code),
    ))
}

fn see(
    stage: &Stage,
    what: &str,
    reached: impl FnMut(&DeviceState) -> bool,
) -> Result<DeviceState, DemoError> {
    let seen = stage
        .emulator()
        .wait_until(stage.device(), STEP_LIMIT, what, reached);
    stage
        .emulator()
        .block_on(seen)
        .map_err(|source| DemoError::Unseen {
            source,
            log: stage.log(),
        })
}

fn number(state: &DeviceState, name: &str) -> Option<f64> {
    state.property(name)?.as_f64()
}

fn text<'a>(state: &'a DeviceState, name: &str) -> Option<&'a str> {
    state.property(name)?.as_str()
}
