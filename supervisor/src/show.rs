//! What people read: the status, the settings in force, and what went wrong.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
};

use supervisor_core::{
    alink::version::Version,
    event::Answered,
    status::{Dropped, Status, WorkerStatus},
};

use crate::{advice::Mistake, config::Effective, drivers::host::Footprint};

/// What an operator must know who lets digests be enough.
pub(crate) const UNSIGNED: &str = "WARNING: `update.require` is \"digest\": whoever can offer this device an update can make it run \
     anything; pin your publisher's key in `update.keys` and set `require = \"signature\"`";

/// What becomes of an image an operator brought.
pub(crate) fn answered(version: &Version, answered: &Answered) -> String {
    let words = match answered {
        Answered::Begun => "is being installed; `supervisor status` shows how it goes",
        Answered::Running => "runs already",
        Answered::UnderWay => "is being installed already; `supervisor status` shows how it goes",
        Answered::Waits => "is looked at when the update under way has ended",
        Answered::Paused => "is looked at after `supervisor resume`",
        Answered::Refused { why } => why,
    };
    format!("version {version} {words}\n")
}

/// Writes to standard output. A reader that went away early is no fault of ours.
pub(crate) fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Writes a line to standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The status as a table.
pub(crate) fn status(status: &Status, supervisor: &Footprint) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    let phase = match &status.wanted {
        Some(wanted) => format!("{}, to {wanted}, {} %", status.phase, status.ota_progress),
        None => status.phase.clone(),
    };
    rows.push(("phase", phase));
    if status.paused {
        let goes_on = "updates are paused; `supervisor resume` goes on";
        rows.push(("paused", goes_on.to_owned()));
    }
    rows.push((
        "version",
        or_none(status.version.as_deref(), "no worker is installed"),
    ));
    if let Some(awaited) = &status.awaited {
        rows.push(("awaited", awaited.clone()));
    }
    if let Some(waiting) = &status.waiting {
        rows.push(("waiting", format!("version {waiting}, for its turn")));
    }
    for worker in &status.workers {
        rows.push(("worker", life(worker)));
    }
    let cloud = if status.cloud_up { "up" } else { "down" };
    let mut cloud = format!(
        "{}, connected {}",
        coloured(cloud, status.cloud_up),
        times(status.cloud_connections)
    );
    if let Some(word) = &status.cloud_word {
        let _ = write!(cloud, ": {word}");
    }
    rows.push(("cloud", cloud));
    if let Some(ended) = &status.last_outcome {
        let how = match &ended.outcome {
            None => coloured("done", true),
            Some(outcome) => format!("{}: {outcome}", coloured("failed", false)),
        };
        rows.push((
            "last update",
            format!("{} at {}, {how}", ended.version, ended.at.rfc3339()),
        ));
    }
    let outcome = status.last_outcome.as_ref();
    let outcome = outcome.and_then(|ended| ended.outcome.as_ref());
    if let Some(mistake) = outcome.and_then(Mistake::behind) {
        rows.push(("next", mistake.cure().to_owned()));
    }
    if let Some(gap) = status.last_gap_ms {
        rows.push(("last switch", format!("{gap} ms without a worker")));
    }
    if let Some(refusal) = &status.last_refusal {
        rows.push(("refused", refusal.clone()));
        if let Some(mistake) = Mistake::behind_refusal(refusal) {
            rows.push(("next", mistake.cure().to_owned()));
        }
    }
    for it in &status.quarantined {
        let (version, why) = (&it.version, &it.why);
        rows.push((
            "quarantined",
            format!("{version}: {why}; `supervisor release {version}` lets it in again"),
        ));
    }
    if status.respawns > 0 {
        rows.push(("respawns", status.respawns.to_string()));
    }
    if let Some(dropped) = dropped(status.dropped) {
        rows.push(("never told", dropped));
    }
    if status.strangers > 0 {
        rows.push(("strangers", status.strangers.to_string()));
    }
    let own = footprint(supervisor.memory_bytes, supervisor.cpu_permille);
    rows.push(("supervisor", format!("process {}{own}", supervisor.pid)));
    if let Some(word) = &supervisor.configuration {
        rows.push(("configuration", coloured(word, false)));
    }
    table(&rows)
}

/// What never reached the cloud, if anything.
fn dropped(dropped: Dropped) -> Option<String> {
    let kinds = [
        (dropped.reports, "outcomes or refusals"),
        (dropped.events, "events"),
        (dropped.properties, "values of properties"),
    ];
    let some = kinds.iter().filter(|(count, _)| *count > 0);
    let words: Vec<_> = some
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn life(worker: &WorkerStatus) -> String {
    let mut text = format!(
        "{} {}, {}, {}",
        worker.role, worker.version, worker.stage, worker.health
    );
    if let Some(pid) = worker.pid {
        let _ = write!(text, ", process {pid}");
    }
    text + &footprint(worker.memory_bytes, worker.cpu_permille)
}

fn footprint(memory: Option<u64>, cpu: Option<u32>) -> String {
    let mut text = String::new();
    if let Some(bytes) = memory {
        let _ = write!(text, ", {:.1} MB", bytes as f64 / 1e6);
    }
    if let Some(permille) = cpu {
        let _ = write!(text, ", {:.1} % of a core", f64::from(permille) / 10.0);
    }
    text
}

fn times(count: u64) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

fn or_none(text: Option<&str>, none: &str) -> String {
    text.unwrap_or(none).to_owned()
}

fn coloured(text: &str, good: bool) -> String {
    if !io::stdout().is_terminal() {
        return text.to_owned();
    }
    let colour = if good { 32 } else { 31 };
    format!("\x1b[{colour}m{text}\x1b[0m")
}

fn table(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name:width$}  {value}");
        text
    })
}

/// Every setting, its value and where it came from.
pub(crate) fn settings(effective: &[Effective]) -> String {
    let key = effective.iter().map(|it| it.key.len()).max().unwrap_or(0);
    let value = effective
        .iter()
        .map(|it| it.value.chars().count())
        .max()
        .unwrap_or(0)
        .min(60);
    effective.iter().fold(String::new(), |mut text, it| {
        let _ = writeln!(
            text,
            "{:key$} = {:value$}  # {}",
            it.key, it.value, it.origin
        );
        text
    })
}

/// The same for programs, with what is wrong and what is only odd.
pub(crate) fn settings_object(
    effective: &[Effective],
    faults: &[String],
    warnings: &[String],
) -> serde_json::Value {
    let settings: Vec<_> = effective
        .iter()
        .map(|it| serde_json::json!({"key": it.key, "value": it.value, "origin": it.origin}))
        .collect();
    serde_json::json!({
        "usable": faults.is_empty(),
        "settings": settings,
        "faults": faults,
        "warnings": warnings,
    })
}
