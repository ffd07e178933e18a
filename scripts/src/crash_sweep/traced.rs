//! The sweep itself: which points there are, spread over lanes.
//!
//! A counting run tells how many calls there are. Then each of them is a point: a history that is played up to it, with the supervisor killed
//! there or the call failing, a supervisor started anew, and everything looked at from outside (`laws`). Which call comes as which
//! differs a little from run to run, as threads do; a history that ends before its point is told as unreached and proves nothing.

mod call;
mod deed;
mod lane;
mod laws;
mod point;
mod programs;
mod report;
mod tracer;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Instant;

use crate::bench::live::{Stopped, stopped, watch_for_stop};

use self::deed::Deed;
use self::lane::Lane;
use self::point::{Case, History, Point, play};
use self::programs::Programs;
use self::report::Report;
use crate::workspace::Workspace;

/// A history mostly waits for its own clocks, so more of them than processors are played at a time.
const LANES_PER_PROCESSOR: usize = 3;

/// Every so many kills, the recovery is killed too.
const AGAIN_EVERY: u64 = 8;

/// Spreads the second kills over the recovery; prime, so that it meets every point in time.
const AGAIN_STEP: u64 = 7919;

/// What to sweep.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object for programs; everything for people goes to standard error
    #[arg(long)]
    json: bool,
    /// Play only every K-th point
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Play only these points
    #[arg(long, value_name = "N..M", value_parser = points)]
    points: Option<(u64, u64)>,
    /// What the supervisor is doing; everything without
    #[arg(long, value_enum)]
    case: Vec<Case>,
    /// What is done to it; everything without
    #[arg(long, value_enum)]
    deed: Vec<Deed>,
    /// Kill the recovery too, at this call of it
    #[arg(long, value_name = "N")]
    again: Option<u64>,
    /// How many histories are played at a time
    #[arg(long, value_name = "J", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
}

/// First and last, both included.
fn points(text: &str) -> Result<(u64, u64), String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let number = |text: &str| text.trim_start_matches('=').parse::<u64>();
    match (number(first), number(last)) {
        (Ok(first @ 1..), Ok(last)) if first <= last => Ok((first, last)),
        _ => Err("it is `N..M`, from 1, both included".to_owned()),
    }
}

/// The sweep cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    /// A program could not be built or run.
    #[error(transparent)]
    Run(#[from] crate::run::RunError),
    /// Something could not be written, read or started.
    #[error("prepare `{what}`")]
    Prepare {
        /// What.
        what: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The emulator did not start.
    #[error("start the emulator")]
    Emulator(#[from] cloud_emulator::StartError),
    /// The emulator did not take an image.
    #[error("give the emulator an image")]
    Package(#[from] cloud_emulator::PackageError),
    /// The emulator did not start a job.
    #[error("start a job")]
    Job(#[from] cloud_emulator::JobError),
    /// The first version could not be installed.
    #[error("install the first version; the supervisor says:\n{0}")]
    Unprepared(String),
    /// The supervisor cannot be traced.
    #[error(transparent)]
    Trace(#[from] tracer::TraceError),
    /// By Ctrl-C or a signal.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// Without anything being done to it, a history broke a law.
    #[error("play `{case}` undisturbed:\n{found}")]
    Undisturbed {
        /// Which.
        case: &'static str,
        /// What was found, and the log.
        found: String,
    },
}

impl SweepError {
    fn at(what: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.as_ref().to_owned();
        move |source| Self::Prepare { what, source }
    }
}

/// Sweeps.
///
/// # Errors
/// When it cannot be made, or a history breaks a law although nothing was done to it.
pub(crate) fn crash_sweep(args: &Args) -> Result<bool, crate::Error> {
    watch_for_stop();
    let workspace = Workspace::read()?;
    Ok(sweep(args, &workspace)?)
}

fn sweep(args: &Args, workspace: &Workspace) -> Result<bool, SweepError> {
    let mut report = Report::new(args.json);
    let programs = Arc::new(Programs::build(workspace)?);
    let jobs = args.jobs.map_or_else(
        || std::thread::available_parallelism().map_or(1, |it| it.get() * LANES_PER_PROCESSOR),
        usize::from,
    );
    let mut lanes = Vec::new();
    for _ in 0..jobs {
        lanes.push(Lane::set(Arc::clone(&programs))?);
    }
    let chosen = |point: &(Case, Deed)| {
        (args.case.is_empty() || args.case.contains(&point.0))
            && (args.deed.is_empty() || args.deed.contains(&point.1))
    };
    let pairs = Case::ALL
        .into_iter()
        .flat_map(|case| Deed::ALL.map(|deed| (case, deed)))
        .filter(chosen);
    let counting: Vec<Point> = pairs
        .map(|(case, deed)| Point {
            case,
            deed,
            at: 0,
            again: None,
        })
        .collect();
    let mut all = Vec::new();
    lanes = spread(lanes, counting, |point, history| {
        if !history.violations.is_empty() {
            return Err(SweepError::Undisturbed {
                case: point.case.name(),
                found: report::found(&history),
            });
        }
        report.counted(&point, history.calls);
        all.push((point, history.calls));
        Ok(())
    })?;
    all.sort_by_key(|(point, _)| {
        (
            Case::ALL.iter().position(|it| *it == point.case),
            point.deed.name(),
        )
    });
    let todo: Vec<Point> = all
        .iter()
        .flat_map(|(point, calls)| chosen_of(args, *point, *calls))
        .collect();
    report.begin(todo.len());
    let played = spread(lanes, todo, |point, history| {
        report.played(&point, &history);
        Ok(())
    });
    // What was found until it was stopped is worth knowing.
    let holds = report.end();
    played.map(|_| holds)
}

/// The points of one case and deed that are to be played.
fn chosen_of(args: &Args, point: Point, calls: u64) -> Vec<Point> {
    // What is named is played even if this count ended before it.
    let (first, last) = args.points.unwrap_or((1, calls));
    let steps = (first..=last).step_by(usize::try_from(args.every).unwrap_or(usize::MAX));
    let killed_again = |at: u64| {
        let is_due = point.deed == Deed::Kill && at.is_multiple_of(AGAIN_EVERY);
        // A point that is named is played as it is written.
        let by_itself = is_due && args.points.is_none();
        args.again
            .or_else(|| by_itself.then(|| at.wrapping_mul(AGAIN_STEP) % calls.max(1) + 1))
            .filter(|_| point.case.has_job())
    };
    steps
        .map(|at| Point {
            at,
            again: killed_again(at),
            ..point
        })
        .collect()
}

/// Plays points in all lanes at a time; what came out is told in the order in which it does.
fn spread(
    lanes: Vec<Lane>,
    points: Vec<Point>,
    mut tell: impl FnMut(Point, History) -> Result<(), SweepError>,
) -> Result<Vec<Lane>, SweepError> {
    let queue = Mutex::new(VecDeque::from(points));
    // Histories that have begun are played to their end, so that nothing of them is left.
    let next = || {
        stopped().ok()?;
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.pop_front()
    };
    let give_up = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.clear();
    };
    let (played, results) = mpsc::channel();
    std::thread::scope(|scope| {
        let threads: Vec<_> = lanes
            .into_iter()
            .map(|mut lane| {
                let played = played.clone();
                let next = &next;
                scope.spawn(move || {
                    while let Some(point) = next() {
                        // Fails only when a mistake was found meanwhile.
                        let _ = played.send((point, play(&mut lane, point)));
                    }
                    lane
                })
            })
            .collect();
        drop(played);
        let mut first_mistake = None;
        for (point, history) in results {
            let told = history.and_then(|history| tell(point, history));
            if let Err(why) = told {
                give_up();
                first_mistake.get_or_insert(why);
            }
        }
        let lanes = threads
            .into_iter()
            .map(|thread| thread.join().expect("a lane does not panic"))
            .collect();
        match first_mistake {
            Some(why) => Err(why),
            None => stopped().map(|()| lanes).map_err(SweepError::from),
        }
    })
}

/// The moment a sweep began.
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_named_by_their_first_and_last() {
        assert_eq!(points("137..137"), Ok((137, 137)));
        assert_eq!(points("1..=9"), Ok((1, 9)));
        assert_eq!(points("7"), Ok((7, 7)));
        for odd in ["0..3", "5..4", "..", "a..b", "1.."] {
            assert!(points(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn each_point_can_be_played_again_by_what_is_printed_of_it() {
        let point = Point {
            case: Case::FirstInstall,
            deed: Deed::Enospc,
            at: 7,
            again: Some(9),
        };
        let line =
            "cargo xtask crash-sweep --case first-install --deed enospc --points 7..7 --again 9";
        assert_eq!(point.to_string(), line);
        for case in Case::ALL {
            let known = clap::ValueEnum::to_possible_value(&case).expect("none is hidden");
            assert_eq!(known.get_name(), case.name());
        }
        for deed in Deed::ALL {
            let known = clap::ValueEnum::to_possible_value(&deed).expect("none is hidden");
            assert_eq!(known.get_name(), deed.name());
        }
    }
}
