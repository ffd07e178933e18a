//! What must hold after every history, whatever was done to the supervisor in it. The names of the laws are those of the judge.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::deed::Deed;
use super::lane::{BAD, Lane, NEW, OLD, Status};
use super::point::{Case, Point};
use super::tracer::Traced;
use crate::judge::{
    Told, Violation, misbehaved_late, old_state_kept, one_active, read_lives, starts, told_truth,
};

/// How long what is left over may take to be removed once everything is at rest.
const TIDY_LIMIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How often a build may be started before it has proved itself: the default of `update.tries`.
const TRIES: usize = 3;

/// How long the bad version behaves at most, in ms: what it is told, a turn of its loop, and some; well below the proving window.
const BEHAVES_AT_MOST: u64 = 200;

/// What a supervisor may not say in any history.
const NEVER_SAID: [&str; 2] = ["panicked at", "unreachable"];

/// A supervisor one of whose calls failed may go on, or end with a code and a reason; it may not be ended by its own mistake.
pub(super) fn died_well(life: &Traced) -> Option<Violation> {
    // 101 is the code of a panic; the signal of a kill is the sweep's own, when it did not come to rest.
    let died = life.signal.is_some_and(|it| it != Signal::SIGKILL as i32) || life.code == Some(101);
    let how = format!(
        "it ended with code {:?}, signal {:?}",
        life.code, life.signal
    );
    died.then(|| Violation::of("dies_in_order", how))
}

/// Everything that must hold once everything is at rest.
pub(super) fn at_rest(
    lane: &Lane,
    point: Point,
    status: &Status,
    supervisor: u32,
) -> Vec<Violation> {
    let runs = status["version"].as_str().unwrap_or_default();
    let lives = read_lives(&lane.lives());
    let mut found: Vec<Violation> = [one_active(&lives), old_state_kept(&lives)]
        .into_iter()
        .flatten()
        .collect();
    let bad_starts = starts(&lives, BAD);
    if bad_starts > TRIES {
        let what = format!("the bad version was started {bad_starts} times");
        found.push(Violation::of("tries_bounded", what));
    }
    if runs == BAD {
        let what = "the bad version is trusted".to_owned();
        found.push(Violation::of("bad_never_committed", what));
    }
    let new = match point.case {
        Case::Update => Some(NEW),
        Case::Bad => Some(BAD),
        Case::Install | Case::FirstInstall => None,
    };
    if let Some(new) = new {
        let told = Told::by(&lane.emulator().journal(), lane.device(), 0);
        found.extend(told_truth(&told, new, runs));
    }
    let worker = status["workers"][0]["pid"].as_u64().unwrap_or_default();
    let mut left = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < TIDY_LIMIT {
        left = left_over(lane, worker, supervisor);
        if left.is_empty() {
            break;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    found.extend(left);
    found
}

/// Has the bad version behaved for longer than it was told?
pub(super) fn dies_late(lane: &Lane) -> bool {
    misbehaved_late(&read_lives(&lane.lives()), BAD, BEHAVES_AT_MOST)
}

/// The new version runs where nothing speaks against it, and the old one where the new one is bad.
pub(super) fn as_asked(point: Point, first: &Traced, status: &Status) -> Option<Violation> {
    let runs = status["version"].as_str().unwrap_or_default();
    let may_run: &[&str] = match point.case {
        // A failing call is a reason to refuse an update; a kill is none.
        Case::Update if point.deed == Deed::Kill => &[NEW],
        Case::Update => &[OLD, NEW],
        Case::Bad => &[OLD],
        Case::Install if first.code == Some(0) => &[NEW],
        Case::Install => &[OLD, NEW],
        Case::FirstInstall => &[NEW],
    };
    let what = format!("version {runs} runs, and not one of {may_run:?}");
    (!may_run.contains(&runs)).then(|| Violation::of("as_asked", what))
}

/// What is there that nobody needs any more.
fn left_over(lane: &Lane, worker: u64, supervisor: u32) -> Vec<Violation> {
    let state = lane.state();
    let run = state.join("run");
    let mut left = Vec::new();
    let mut leak = |what: String| left.push(Violation::of("nothing_leaks", what));
    let parts = names(&state.join("parts"));
    if !parts.is_empty() {
        leak(format!("parts: {parts:?}"));
    }
    let slots = names(&state.join("slots"));
    if slots.len() > 2
        || slots
            .iter()
            .any(|slot| slot.starts_with('.') || slot.ends_with(BAD))
    {
        leak(format!("slots: {slots:?}"));
    }
    for folder in ["link", "control"] {
        let files = names(&run.join(folder));
        if files.iter().filter(|file| file.ends_with(".sock")).count() != 1 {
            leak(format!("sockets: {files:?}"));
        }
    }
    let pids = names(&run.join("pids"));
    if pids != [worker.to_string()] {
        leak(format!("pid files: {pids:?}, and the worker is {worker}"));
    }
    let temporary = names(&lane.temporary());
    if !temporary.is_empty() {
        leak(format!("temporary files: {temporary:?}"));
    }
    for process in processes(lane) {
        if process != worker && process != u64::from(supervisor) {
            leak(format!("process {process}"));
        }
    }
    left
}

/// What must hold after a supervisor was stopped in order.
pub(super) fn after_the_end(lane: &Lane) -> Vec<Violation> {
    let run = lane.state().join("run");
    let mut left = Vec::new();
    for folder in ["link", "control", "pids"] {
        let files = names(&run.join(folder));
        left.extend(files.into_iter().filter(|file| file != "active.lock"));
    }
    left.extend(
        names(&run)
            .into_iter()
            .filter(|file| file == "control.address"),
    );
    left.extend(
        processes(lane)
            .into_iter()
            .map(|it| format!("process {it}")),
    );
    if left.is_empty() {
        return Vec::new();
    }
    vec![Violation::of(
        "nothing_leaks",
        format!("after the end: {left:?}"),
    )]
}

/// What the supervisors may not have said.
pub(super) fn in_words(log: &str) -> Option<Violation> {
    let line = log
        .lines()
        .find(|line| NEVER_SAID.iter().any(|words| line.contains(words)))?;
    Some(Violation::of("dies_in_order", line))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The processes whose program lies in the lane's folder: its workers.
fn processes(lane: &Lane) -> Vec<u64> {
    let folder = lane.path("");
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let program = fs::read_link(entry.path().join("exe")).ok()?;
            program.starts_with(&folder).then_some(pid)
        })
        .collect()
}
