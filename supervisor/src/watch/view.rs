//! What `status --watch` shows: a page for people at a terminal, and a line for those who read a pipe.

use std::time::Duration;

use supervisor_core::status::{Status, WorkerStatus};

use super::pace::Pace;
use crate::{
    advice::Mistake,
    drivers::host::Footprint,
    terminal::{Colour, Row},
};

/// How wide the names in front are.
const NAMES: usize = 12;

/// How wide the bar is, without its ends.
const BAR: u64 = 30;

/// The whole page.
pub(super) fn page(status: &Status, supervisor: &Footprint, pace: &Pace) -> Vec<Row> {
    let mut rows = vec![named("phase").and(phase_colour(status), phase(status))];
    if let Some((on_disk, size)) = status.fetched_bytes.zip(status.image_bytes) {
        rows.push(
            named("")
                .and(Colour::Green, bar(on_disk, size))
                .and(Colour::Plain, format!(" {} %", percent(on_disk, size))),
        );
        rows.push(named("").and(Colour::Plain, progress(on_disk, size, pace)));
    }
    if status.paused {
        let words = "updates are paused; `supervisor resume` goes on";
        rows.push(named("paused").and(Colour::Yellow, words));
    }
    if let Some(awaited) = &status.awaited {
        rows.push(named("awaited").and(Colour::Yellow, awaited));
    }
    if let Some(waiting) = &status.waiting {
        let words = format!("version {waiting}, for its turn");
        rows.push(named("waiting").and(Colour::Plain, words));
    }
    rows.push(Row::default());
    rows.extend(workers(status));
    rows.push(Row::default());
    rows.push(cloud(status));
    if let Some(last) = last(status) {
        rows.push(last);
    }
    let outcome = status.last_outcome.as_ref();
    let outcome = outcome.and_then(|ended| ended.outcome.as_ref());
    if let Some(mistake) = outcome.and_then(Mistake::behind) {
        rows.push(named("next").and(Colour::Plain, mistake.cure()));
    }
    if let Some(refusal) = &status.last_refusal {
        rows.push(named("refused").and(Colour::Plain, refusal));
        if let Some(mistake) = Mistake::behind_refusal(refusal) {
            rows.push(named("next").and(Colour::Plain, mistake.cure()));
        }
    }
    for it in &status.quarantined {
        let words = format!("{}: {}", it.version, it.why);
        rows.push(named("quarantined").and(Colour::Yellow, words));
    }
    let own = figures(supervisor.memory_bytes, supervisor.cpu_permille);
    let words = format!("process {}{own}", supervisor.pid);
    rows.push(named("supervisor").and(Colour::Plain, words));
    if let Some(word) = &supervisor.configuration {
        rows.push(named("configured").and(Colour::Red, word));
    }
    rows.push(Row::default());
    rows.push(Row::of(
        Colour::Dim,
        "Ctrl-C ends this view and nothing else",
    ));
    rows
}

/// The page while no supervisor answers, with what was heard last.
pub(super) fn absent(why: &str, last: Option<(&Status, Duration)>) -> Vec<Row> {
    let mut rows = vec![
        named("phase").and(
            Colour::Red,
            "the supervisor does not answer; waiting for it",
        ),
        named("why").and(Colour::Plain, why),
    ];
    if let Some((status, ago)) = last {
        let heard = format!("{} s ago: {}", ago.as_secs(), phase(status));
        rows.push(named("last heard").and(Colour::Dim, heard));
    }
    rows.push(Row::default());
    rows.push(Row::of(Colour::Dim, "Ctrl-C ends this view"));
    rows
}

/// All that matters in one line, without what is another at every look.
pub(super) fn line(status: &Status, supervisor: &Footprint) -> String {
    let mut line = phase(status);
    if let Some((on_disk, size)) = status.fetched_bytes.zip(status.image_bytes) {
        line += &format!(", {} % of {}", percent(on_disk, size), bytes(size));
    }
    if status.paused {
        line += ", paused";
    }
    if let Some(awaited) = &status.awaited {
        line += &format!(", awaited: {awaited}");
    }
    for worker in &status.workers {
        let trial = match is_on_trial(worker, status) {
            true => "on trial: ",
            false => "",
        };
        line += &format!("; {trial}{}", life(worker));
    }
    line += match status.cloud_up {
        true => "; cloud up",
        false => "; cloud down",
    };
    if let Some(word) = &status.cloud_word {
        line += &format!(": {word}");
    }
    if let Some(ended) = &status.last_outcome {
        let how = match &ended.outcome {
            None => "done".to_owned(),
            Some(outcome) => outcome.to_string(),
        };
        line += &format!("; last update: {} {how}", ended.version);
    }
    if let Some(word) = &supervisor.configuration {
        line += &format!("; {word}");
    }
    // What a worker says of itself must not begin a line of its own.
    line.chars().filter(|it| !it.is_control()).collect()
}

/// The phase in plain words.
fn phase(status: &Status) -> String {
    let to = match &status.wanted {
        Some(version) => format!("version {version}"),
        None => "the new version".to_owned(),
    };
    let back = match &status.version {
        Some(version) => format!("version {version}"),
        None => "the version before".to_owned(),
    };
    match status.phase.as_str() {
        "idle" if status.version.is_none() => {
            "no worker is installed; waiting for the first".to_owned()
        }
        "idle" => format!("at rest with {back}"),
        "opening" => format!("an update to {to} begins"),
        "fetching" if status.ota_status == "verifying" => format!("verifying {to}"),
        "fetching" => format!("fetching {to}"),
        "waiting" => format!("{to} is here and waits for its time"),
        "keeping" => format!("{to} is here"),
        "warming" => format!("{to} warms up beside the running one"),
        "spending" => format!("{to} is about to take over"),
        "switching" => format!("switching to {to}"),
        "proving" => format!("{to} is on trial"),
        "committing" => format!("{to} has proved itself"),
        "reverting" => format!("going back to {back}"),
        "closing" => format!("the update to {to} ends"),
        "regretting" => format!("leaving {back}, which keeps dying, for the one before"),
        "rolling-back" => format!("rolling back from {back}"),
        // A supervisor of a later version may know more of them.
        other => other.to_owned(),
    }
}

fn phase_colour(status: &Status) -> Colour {
    match status.phase.as_str() {
        "idle" => Colour::Plain,
        "reverting" | "regretting" => Colour::Red,
        _ => Colour::Green,
    }
}

fn bar(on_disk: u64, size: u64) -> String {
    let filled = u64::from(percent(on_disk, size)) * BAR / 100;
    let dots = |sign: &str, count: u64| sign.repeat(usize::try_from(count).unwrap_or(0));
    format!("[{}{}]", dots("#", filled), dots(".", BAR - filled))
}

fn percent(on_disk: u64, size: u64) -> u8 {
    let percent = u128::from(on_disk) * 100 / u128::from(size.max(1));
    u8::try_from(percent.min(100)).unwrap_or(100)
}

fn progress(on_disk: u64, size: u64, pace: &Pace) -> String {
    let mut text = format!("{} of {}", bytes(on_disk), bytes(size));
    if let Some(rate) = pace.rate() {
        text += &format!(", {}/s", bytes(rate));
    }
    if let Some(left) = pace.left().filter(|_| on_disk < size) {
        text += &format!(", {} left", span(left));
    }
    text
}

/// In the unit that leaves one to three digits in front.
fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.2} GB", count as f64 / 1e9),
    }
}

fn span(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min {} s", seconds % 60),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => "more than a day".to_owned(),
    }
}

fn workers(status: &Status) -> Vec<Row> {
    if status.workers.is_empty() {
        let (colour, words) = match &status.version {
            Some(version) => (
                Colour::Red,
                format!("nothing; version {version} is installed"),
            ),
            None => (Colour::Plain, "nothing".to_owned()),
        };
        return vec![named("running").and(colour, words)];
    }
    let row = |worker: &WorkerStatus| {
        let colour = match worker.health.as_str() {
            "well" => Colour::Plain,
            _ => Colour::Red,
        };
        let mut words = life(worker);
        if let Some(pid) = worker.pid {
            words += &format!(", process {pid}");
        }
        words += &figures(worker.memory_bytes, worker.cpu_permille);
        let name = match is_on_trial(worker, status) {
            true => "on trial",
            false => "running",
        };
        named(name).and(colour, words)
    };
    status.workers.iter().map(row).collect()
}

fn is_on_trial(worker: &WorkerStatus, status: &Status) -> bool {
    let version = Some(&worker.version);
    worker.role == "standby"
        || (status.version.as_ref() != version && status.wanted.as_ref() == version)
}

/// A worker in words; what it says of its health when it is not well.
fn life(worker: &WorkerStatus) -> String {
    format!("{} {}, {}", worker.version, worker.stage, worker.health)
}

fn figures(memory: Option<u64>, cpu: Option<u32>) -> String {
    let mut text = String::new();
    if let Some(memory) = memory {
        text += &format!(", {:.1} MB", memory as f64 / 1e6);
    }
    if let Some(cpu) = cpu {
        text += &format!(", {:.1} % of a core", f64::from(cpu) / 10.0);
    }
    text
}

fn cloud(status: &Status) -> Row {
    let row = match status.cloud_up {
        true => named("cloud").and(Colour::Green, "up"),
        false => named("cloud").and(Colour::Red, "down"),
    };
    let mut words = match status.cloud_connections {
        0 => ", never connected yet".to_owned(),
        1 => ", connected once".to_owned(),
        count => format!(", connected {count} times"),
    };
    if let Some(word) = &status.cloud_word {
        words += &format!(": {word}");
    }
    row.and(Colour::Plain, words)
}

fn last(status: &Status) -> Option<Row> {
    let ended = status.last_outcome.as_ref()?;
    let what = format!("{} at {}, ", ended.version, ended.at.rfc3339());
    let row = named("last update").and(Colour::Plain, what);
    Some(match &ended.outcome {
        None => row.and(Colour::Green, "done"),
        Some(outcome) => row
            .and(Colour::Red, "failed")
            .and(Colour::Plain, format!(": {outcome}")),
    })
}

fn named(name: &str) -> Row {
    Row::of(Colour::Dim, format!("{name:NAMES$}"))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn fetching() -> Status {
        Status {
            phase: "fetching".to_owned(),
            version: Some("1.0.0".to_owned()),
            wanted: Some("1.0.7".to_owned()),
            ota_status: "downloading".to_owned(),
            fetched_bytes: Some(5_200_000),
            image_bytes: Some(10_000_000),
            workers: vec![WorkerStatus {
                version: "1.0.0".to_owned(),
                role: "active".to_owned(),
                stage: "active".to_owned(),
                health: "well".to_owned(),
                ..WorkerStatus::default()
            }],
            ..Status::default()
        }
    }

    fn text(rows: &[Row]) -> String {
        let rows: Vec<_> = rows.iter().map(|row| row.cut(80, false)).collect();
        rows.join("\n")
    }

    #[test]
    fn a_download_shows_its_bar_its_bytes_its_rate_and_the_time_left() {
        let mut pace = Pace::default();
        let start = Instant::now();
        pace.look(start, Some((4_200_000, 10_000_000)));
        pace.look(
            start + Duration::from_secs(1),
            Some((5_200_000, 10_000_000)),
        );
        let page = text(&page(&fetching(), &Footprint::default(), &pace));
        for words in [
            "fetching version 1.0.7",
            "[###############...............] 52 %",
            "5.2 MB of 10.0 MB, 1.0 MB/s, 5 s left",
            "running     1.0.0 active, well",
            "cloud       down, never connected yet",
        ] {
            assert!(page.contains(words), "no `{words}` in\n{page}");
        }
    }

    #[test]
    fn a_line_has_no_figures_that_change_at_every_look_and_stays_one_line() {
        let mut status = fetching();
        status.workers[0].memory_bytes = Some(1);
        status.workers[0].health = "too\nhot".to_owned();
        let line = line(&status, &Footprint::default());
        assert_eq!(
            line,
            "fetching version 1.0.7, 52 % of 10.0 MB; 1.0.0 active, toohot; cloud down"
        );
    }

    #[test]
    fn a_worker_of_another_version_than_the_trusted_one_is_on_trial() {
        let mut status = fetching();
        status.phase = "proving".to_owned();
        status.workers[0].version = "1.0.7".to_owned();
        let page = text(&page(&status, &Footprint::default(), &Pace::default()));
        assert!(page.contains("on trial    1.0.7 active, well"), "{page}");
    }

    #[test]
    fn spans_and_sizes_are_told_in_the_unit_that_suits_them() {
        assert_eq!(
            [span(59), span(61), span(3700)],
            ["59 s", "1 min 1 s", "1 h 1 min"]
        );
        assert_eq!(
            [
                bytes(999),
                bytes(1500),
                bytes(9_900_000),
                bytes(2_000_000_000)
            ],
            ["999 B", "1.5 kB", "9.9 MB", "2.00 GB"]
        );
    }
}
