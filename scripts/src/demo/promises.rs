//! The verdict: what was promised, judged by what arrived at the platform and when.

use cloud_emulator::{Message, TaskState, What};

use super::{DemoError, story::Story};
use crate::stage::Stage;

/// The proving window of the story's configuration, in milliseconds.
const PROVING_MS: u64 = 2000;

/// One promise and what was seen of it.
pub(super) struct Promise {
    /// What was promised.
    pub(super) name: &'static str,
    /// Was it kept?
    pub(super) kept: bool,
    /// What was seen.
    pub(super) evidence: String,
}

/// A message of the device as it arrived.
struct Heard {
    seq: u64,
    time: u64,
    topic: String,
    params: serde_json::Value,
}

/// Judges the story.
///
/// # Errors
/// When the supervisor does not answer.
pub(super) fn judge(stage: &Stage, story: &Story) -> Result<Vec<Promise>, DemoError> {
    let heard = heard(stage);
    let status = stage.status()?;
    Ok(vec![
        success_after_proof(stage, &heard),
        one_connection(stage),
        heating_went_on(&heard, story),
        timer_went_on(&heard, story),
        progress_is_true(stage),
        bad_one_is_taken_back(stage),
        bad_one_never_told(&heard),
        one_worker(&status),
    ])
}

fn heard(stage: &Stage) -> Vec<Heard> {
    let up = |entry: cloud_emulator::Entry| match &entry.what {
        What::In(message) => Some(Heard {
            seq: entry.seq,
            time: entry.time,
            topic: message.topic.clone(),
            params: Message::json(message)["params"].clone(),
        }),
        _ => None,
    };
    stage
        .emulator()
        .journal()
        .into_iter()
        .filter_map(up)
        .collect()
}

fn success_after_proof(stage: &Stage, heard: &[Heard]) -> Promise {
    let active = heard
        .iter()
        .find(|message| message.params["ota_status"]["value"] == "restarting");
    let informed = informs(heard).find(|(_, version)| version == "1.0.7");
    let succeeded = stage
        .emulator()
        .device_state(stage.device())
        .is_some_and(|state| {
            let good = state.tasks.iter().find(|task| task.target == "1.0.7");
            good.is_some_and(|task| task.state == TaskState::Succeeded)
        });
    let proved = match (active, &informed) {
        (Some(active), Some((informed, _))) => informed.time.checked_sub(active.time),
        _ => None,
    };
    Promise {
        name: "success is told only after the proof",
        kept: succeeded && proved.is_some_and(|proved| proved >= PROVING_MS),
        evidence: proved.map_or_else(
            || "1.0.7 was never told".to_owned(),
            |proved| format!("1.0.7 told {proved} ms after the switch began"),
        ),
    }
}

fn one_connection(stage: &Stage) -> Promise {
    let counters = stage
        .emulator()
        .device_state(stage.device())
        .map(|state| state.counters)
        .unwrap_or_default();
    Promise {
        name: "the cloud link never drops",
        kept: counters.connects == 1 && counters.disconnects == 0,
        evidence: format!(
            "{} connection, {} losses, {} messages",
            counters.connects, counters.disconnects, counters.published
        ),
    }
}

/// Until the good version is trusted the chamber only gets warmer, and the target stays what was asked for.
fn heating_went_on(heard: &[Heard], story: &Story) -> Promise {
    let after = |message: &&Heard| message.seq > story.heating_since;
    let chamber: Vec<f64> = heard
        .iter()
        .filter(after)
        .filter(|message| message.seq <= story.upgraded_at)
        .filter_map(|message| value(message, "current_temperature"))
        .collect();
    let targets: Vec<f64> = heard
        .iter()
        .filter(after)
        .filter_map(|message| value(message, "target_temperature"))
        .collect();
    let warmer = chamber.windows(2).all(|pair| pair[1] >= pair[0]);
    let (first, last) = (chamber.first().copied(), chamber.last().copied());
    Promise {
        name: "the oven heats all the while",
        kept: warmer && last > first && targets.iter().all(|target| (*target - 180.0).abs() < 0.01),
        evidence: format!(
            "{:.1} → {:.1} °C in {} reports, target 180 °C in {}",
            first.unwrap_or_default(),
            last.unwrap_or_default(),
            chamber.len(),
            targets.len()
        ),
    }
}

fn timer_went_on(heard: &[Heard], story: &Story) -> Promise {
    let minutes: Vec<f64> = heard
        .iter()
        .filter(|message| message.seq > story.heating_since)
        .filter_map(|message| value(message, "remaining_time"))
        .collect();
    let (first, last) = (minutes.first().copied(), minutes.last().copied());
    Promise {
        name: "the timer goes on through both switches",
        kept: minutes.windows(2).all(|pair| pair[1] <= pair[0])
            && last.is_some_and(|left| left > 0.0),
        evidence: format!(
            "{:.0} → {:.0} min in {} reports",
            first.unwrap_or_default(),
            last.unwrap_or_default(),
            minutes.len()
        ),
    }
}

fn progress_is_true(stage: &Stage) -> Promise {
    let state = stage.emulator().device_state(stage.device());
    let job = state
        .iter()
        .flat_map(|state| &state.tasks)
        .find(|task| task.target == "1.0.7")
        .map(|task| task.job);
    let steps: Vec<i64> = state
        .iter()
        .flat_map(|state| &state.progress)
        .filter(|progress| progress.job == job)
        .filter_map(|progress| progress.step.parse().ok())
        .collect();
    let rising = steps.windows(2).all(|pair| pair[1] > pair[0]);
    Promise {
        name: "progress only grows, and ends at 100",
        kept: rising
            && steps.first().is_some_and(|first| *first >= 1)
            && steps.last() == Some(&100),
        evidence: format!(
            "{} steps from {} to {}",
            steps.len(),
            steps.first().unwrap_or(&0),
            steps.last().unwrap_or(&0)
        ),
    }
}

fn bad_one_is_taken_back(stage: &Stage) -> Promise {
    let state = stage.emulator().device_state(stage.device());
    let bad = state
        .iter()
        .flat_map(|state| &state.tasks)
        .find(|task| task.target == "1.0.8");
    Promise {
        name: "a bad build is taken back, with a reason",
        kept: bad.is_some_and(|task| task.state == TaskState::Failed && task.step == Some(-1)),
        evidence: bad.map_or_else(String::new, |task| {
            format!(
                "step {}: {}",
                task.step.unwrap_or_default(),
                task.description
            )
        }),
    }
}

fn bad_one_never_told(heard: &[Heard]) -> Promise {
    let versions: Vec<String> = informs(heard).map(|(_, version)| version).collect();
    Promise {
        name: "a version that is not trusted is never told",
        kept: versions.first().is_some_and(|first| first == "1.0.0")
            && versions.iter().all(|version| version != "1.0.8"),
        evidence: format!("told: {}", versions.join(", ")),
    }
}

fn one_worker(status: &serde_json::Value) -> Promise {
    let workers = status["workers"].as_array().map_or(0, Vec::len);
    let (version, stage) = (
        &status["workers"][0]["version"],
        &status["workers"][0]["stage"],
    );
    Promise {
        name: "one worker is left, and it is active",
        kept: workers == 1 && version == "1.0.7" && stage == "active",
        evidence: format!(
            "{workers} worker, {} {}",
            version.as_str().unwrap_or("?"),
            stage.as_str().unwrap_or("?")
        ),
    }
}

fn informs(heard: &[Heard]) -> impl Iterator<Item = (&Heard, String)> {
    heard
        .iter()
        .filter(|message| message.topic.starts_with("/ota/device/inform/"))
        .filter_map(|message| Some((message, message.params["version"].as_str()?.to_owned())))
}

/// A posted value, with or without its time.
fn value(message: &Heard, name: &str) -> Option<f64> {
    if !message.topic.ends_with("/thing/event/property/post") {
        return None;
    }
    let value = &message.params[name];
    value["value"].as_f64().or_else(|| value.as_f64())
}
