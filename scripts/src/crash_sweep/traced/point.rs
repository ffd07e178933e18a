//! One history: a supervisor that is killed at a point, or has one call fail there, and what becomes of it all.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::SweepError;
use super::deed::Deed;
use super::lane::{Lane, NEW};
use super::laws;
use super::tracer::{Traced, Trap};
use crate::judge::Violation;

/// How long everything may take to come to rest: more than twice the longest wait of a supervisor, 30 s for a platform that acknowledges
/// nothing, so that a machine with much else to do breaks no law.
const REST_LIMIT: Duration = Duration::from_secs(90);

/// How long stopping in order may take.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How long a fault that lasts is borne before the supervisor is asked to stop; an update takes less.
const BORNE: Duration = Duration::from_secs(2);

/// How often a traced supervisor is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What a kill may cost of an image at most, in bytes: what the supervisor holds of it in memory.
const BLOCK: u64 = 64 * 1024;

/// What the supervisor is doing when it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub(super) enum Case {
    /// It starts, takes an update to a good version, and is stopped in order.
    Update,
    /// The same with a version that dies while it proves itself, and is taken back.
    Bad,
    /// A version is installed by hand over another one.
    Install,
    /// A version is installed by hand where none was.
    FirstInstall,
}

impl Case {
    pub(super) const ALL: [Self; 4] = [Self::Update, Self::Bad, Self::Install, Self::FirstInstall];

    pub(super) fn has_job(self) -> bool {
        matches!(self, Self::Update | Self::Bad)
    }

    /// As it is written on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Bad => "bad",
            Self::Install => "install",
            Self::FirstInstall => "first-install",
        }
    }
}

/// Where it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) case: Case,
    pub(super) deed: Deed,
    /// At which call, from 1.
    pub(super) at: u64,
    /// At which call of the recovery it is killed again, if it is.
    pub(super) again: Option<u64>,
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (case, deed, at) = (self.case.name(), self.deed.name(), self.at);
        write!(
            f,
            "cargo xtask crash-sweep --case {case} --deed {deed} --points {at}..{at}"
        )?;
        match self.again {
            Some(again) => write!(f, " --again {again}"),
            None => Ok(()),
        }
    }
}

/// How a history came out.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The calls at which it happened; none if the end came first.
    pub(super) sprung: Vec<String>,
    /// How many calls counted, when nothing happened.
    pub(super) calls: u64,
    /// How long the last supervisor took to come to rest.
    pub(super) rest: Duration,
    /// How many bytes were fetched again.
    pub(super) refetched: u64,
    /// Whether the new version runs in the end.
    pub(super) is_good: bool,
    /// How much of the image lay on the disk after each kill, and how long the platform's journal was.
    interruptions: Vec<(u64, u64)>,
    /// Kills of supervisors.
    pub(super) kills: u64,
    pub(super) violations: Vec<Violation>,
    /// The bad version behaved for so long on a machine that kept it waiting that it proved itself; that proves nothing.
    pub(super) is_late: bool,
    /// What the supervisors printed, if a law was broken.
    pub(super) log: String,
}

/// Plays a history. Without a point of its own (`at` is 0) it only counts.
pub(super) fn play(lane: &mut Lane, point: Point) -> Result<History, SweepError> {
    lane.reset(point.case)?;
    let mut history = History::default();
    let first = first_life(lane, point, &mut history)?;
    history.calls = first.calls;
    if let Some(again) = point.again
        && history.kills > 0
        && point.case.has_job()
    {
        let trap = Trap::at(Deed::Kill, again);
        let second = run_traced(lane, point.case, trap, &mut history)?;
        reckon(&mut history, second);
    }
    if point.case == Case::FirstInstall && first.code != Some(0) {
        let code = lane.cli(&lane.install_of("good", NEW))?;
        if code != Some(0) {
            let what = format!("`install` ended with {code:?} when it was tried again");
            history
                .violations
                .push(Violation::of("comes_to_rest", what));
        }
    }
    last_life(lane, point, &first, &mut history)?;
    if point.case == Case::Bad && laws::dies_late(lane) {
        history.violations.clear();
        history.is_late = true;
    }
    if !history.violations.is_empty() {
        history.log = lane.log();
    }
    Ok(history)
}

/// The life in which it happens.
fn first_life(lane: &Lane, point: Point, history: &mut History) -> Result<Traced, SweepError> {
    let trap = Trap::at(point.deed, point.at);
    let first = if point.case.has_job() {
        run_traced(lane, point.case, trap, history)?
    } else {
        let running = lane.traced(&lane.install_of("good", NEW), trap)?;
        let begun = Instant::now();
        while !running.has_ended() && begun.elapsed() < STOP_LIMIT {
            std::thread::sleep(LOOK_AGAIN);
        }
        if !running.has_ended() {
            signal(running.pid, Signal::SIGKILL);
            let what = format!("`install` did not end within {STOP_LIMIT:?}");
            history
                .violations
                .push(Violation::of("comes_to_rest", what));
        }
        running.join()?
    };
    reckon(history, first.clone());
    if point.deed != Deed::Kill {
        history.violations.extend(laws::died_well(&first));
    }
    Ok(first)
}

fn reckon(history: &mut History, life: Traced) {
    history.kills += u64::from(life.signal == Some(Signal::SIGKILL as i32));
    history.sprung.extend(life.sprung);
}

/// Runs a supervisor under the tracer until it ends; once it is at rest it is asked to.
fn run_traced(
    lane: &Lane,
    case: Case,
    trap: Trap,
    history: &mut History,
) -> Result<Traced, SweepError> {
    let lasts = trap.deed.lasts();
    let running = lane.traced(&["run".into()], trap)?;
    let begun = Instant::now();
    let mut asked: Option<Instant> = None;
    let mut borne: Option<Instant> = None;
    let mut last = String::new();
    while !running.has_ended() {
        if lasts && running.has_sprung() {
            borne.get_or_insert_with(Instant::now);
        }
        match asked {
            None => match lane.rest(case) {
                Ok(_) => {
                    history.rest = history.rest.max(begun.elapsed());
                    signal(running.pid, Signal::SIGTERM);
                    asked = Some(Instant::now());
                }
                Err(_) if borne.is_some_and(|since| since.elapsed() >= BORNE) => {
                    signal(running.pid, Signal::SIGTERM);
                    asked = Some(Instant::now());
                }
                Err(why) => last = why,
            },
            Some(when) if when.elapsed() >= STOP_LIMIT => {
                let what = format!("it did not stop in order within {STOP_LIMIT:?}");
                history
                    .violations
                    .push(Violation::of("comes_to_rest", what));
                break;
            }
            Some(_) => {}
        }
        if begun.elapsed() >= REST_LIMIT && asked.is_none() {
            let what = format!("not within {REST_LIMIT:?} after the fault: {last}");
            history
                .violations
                .push(Violation::of("comes_to_rest", what));
            break;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    if !running.has_ended() {
        signal(running.pid, Signal::SIGKILL);
    }
    let traced = running.join()?;
    if traced.signal.is_some() {
        let interruption = (lane.on_disk(), lane.emulator().journal_position());
        history.interruptions.push(interruption);
    }
    Ok(traced)
}

/// Fails only when the process has ended.
fn signal(pid: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
}

/// The life after all that, and what is found in it.
fn last_life(
    lane: &Lane,
    point: Point,
    first: &Traced,
    history: &mut History,
) -> Result<(), SweepError> {
    let mut life = lane.run()?;
    let begun = Instant::now();
    match lane.await_rest(point.case, &mut life, REST_LIMIT) {
        Ok(status) => {
            history.rest = history.rest.max(begun.elapsed());
            history.is_good = status["version"] == NEW;
            let found = laws::at_rest(lane, point, &status, life.pid());
            history.violations.extend(found);
            history
                .violations
                .extend(laws::as_asked(point, first, &status));
        }
        Err(last) => {
            let what = format!("not within {REST_LIMIT:?}: {last}");
            history
                .violations
                .push(Violation::of("comes_to_rest", what));
        }
    }
    history.refetched = refetched(lane, &history.interruptions);
    if history.refetched > BLOCK * history.kills.max(1) {
        let what = format!(
            "{} bytes were fetched again for {} kills",
            history.refetched, history.kills
        );
        history
            .violations
            .push(Violation::of("refetched_bounded", what));
    }
    signal(life.pid(), Signal::SIGTERM);
    match life.await_end(STOP_LIMIT) {
        Some(Some(0)) => history.violations.extend(laws::after_the_end(lane)),
        Some(code) => history.violations.push(Violation::of(
            "comes_to_rest",
            format!("it ended with {code:?} when it was asked to stop"),
        )),
        None => history.violations.push(Violation::of(
            "comes_to_rest",
            format!("it did not stop in order within {STOP_LIMIT:?}"),
        )),
    }
    history.violations.extend(laws::in_words(&lane.log()));
    Ok(())
}

/// What lay on the disk and was asked for all the same.
fn refetched(lane: &Lane, interruptions: &[(u64, u64)]) -> u64 {
    interruptions
        .iter()
        .filter_map(|(on_disk, mark)| Some(on_disk.saturating_sub(lane.asked_from(*mark)?)))
        .sum()
}
