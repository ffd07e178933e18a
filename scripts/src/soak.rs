//! `cargo xtask soak`: updates good and bad on the real programs, while they are killed and stopped, the network fails and the clock
//! jumps; and what became of it, judged from outside.
//!
//! Several lanes run beside one another, each with a platform and a device of its own. What is done in a round of a lane follows from the
//! seed; `--lane` and `--round` have one round again. A lane in which a law was broken stops there and leaves its folder.

mod clock;
mod device;
mod diary;
mod dice;
mod forge;
mod lane;
mod laws;
mod operator;
mod plan;
mod platform;
mod processes;
mod programs;
mod pulse;
mod record;
mod report;
mod round;
mod story;
mod view;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use self::lane::{Lane, folder_of};
use self::programs::Programs;
use self::pulse::Pulse;
use self::report::Numbers;
use crate::bench::live::{stopped, watch_for_stop};
use crate::judge::Violation;
use crate::paint::{self, Live};
use crate::run::RunError;
use crate::workspace::Workspace;

/// How to soak.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many updates, in all lanes together
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    updates: u64,
    /// What is drawn follows from this; without it another one each time
    #[arg(long)]
    seed: Option<u64>,
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    json: bool,
    /// How many lanes run beside one another
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=64))]
    lanes: u64,
    /// Begin no update after so many seconds
    #[arg(long, value_name = "T")]
    seconds: Option<u64>,
    /// Play this lane alone
    #[arg(long, value_name = "L")]
    lane: Option<u64>,
    /// Begin with this round
    #[arg(long, value_name = "R", default_value_t = 0)]
    round: u64,
    /// Keep every lane's folder, not only where a law was broken
    #[arg(long)]
    keep: bool,
}

/// The soak could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SoakError {
    /// A program could not be built or run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The workspace could not be read.
    #[error(transparent)]
    Workspace(#[from] crate::workspace::WorkspaceError),
    /// A file could not be read or written, or a program not started.
    #[error("use `{what}`")]
    At {
        /// The file or program.
        what: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system does not show its processes.
    #[error("see the system's processes")]
    Processes(#[from] sysinfo::Error),
    /// The emulator did not start.
    #[error("start the emulator; it has written to `{0}`")]
    NoPlatform(PathBuf),
    /// The emulator listens elsewhere than before.
    #[error("find the emulator where it was: it was at {0} and is at {1}")]
    Moved(String, String),
    /// The emulator refuses.
    #[error(transparent)]
    Http(#[from] crate::http::HttpError),
    /// The emulator does not answer.
    #[error("get an answer from the emulator within {0:?}")]
    Unanswered(Duration),
    /// By whoever sits in front of it.
    #[error(transparent)]
    Stopped(#[from] crate::bench::live::Stopped),
    /// The supervisor does not end in order.
    #[error("end the supervisor in order")]
    StaysOn,
}

impl SoakError {
    fn at(what: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.as_ref().to_owned();
        move |source| Self::At { what, source }
    }
}

/// What the lanes share.
struct Shared {
    seed: u64,
    root: PathBuf,
    programs: Arc<Programs>,
    preload: Option<PathBuf>,
    pulse: Arc<Pulse>,
    first_round: u64,
    left: AtomicU64,
    until: Option<Instant>,
    over: AtomicBool,
    numbers: Mutex<Numbers>,
    troubles: Mutex<VecDeque<Trouble>>,
}

/// A lane that stopped.
struct Trouble {
    lane: u64,
    round: u64,
    words: Vec<String>,
    story: Option<PathBuf>,
}

/// Soaks. `false` if a law was broken.
///
/// # Errors
/// When a program cannot be built or a folder not be written.
pub(crate) fn soak(args: &Args) -> Result<bool, crate::Error> {
    Ok(run(args)?)
}

fn run(args: &Args) -> Result<bool, SoakError> {
    watch_for_stop();
    let begun = Instant::now();
    let seed = args.seed.unwrap_or_else(some_seed);
    let tell = |line: &str| match args.json {
        true => eprintln!("{line}"),
        false => println!("{line}"),
    };
    let workspace = Workspace::read()?;
    let mut folder = tempfile::Builder::new()
        .prefix("hotplate-soak-")
        .tempdir()
        .map_err(SoakError::at(std::env::temp_dir()))?;
    let programs = Programs::build(&workspace, folder.path())?;
    let preload = clock::library();
    if preload.is_none() {
        tell(&format!(
            "no clock jumps: libfaketime is not installed (Debian: apt-get install {})",
            clock::PACKAGE
        ));
    }
    let numbers: Vec<u64> = args
        .lane
        .map_or_else(|| (0..args.lanes).collect(), |lane| vec![lane]);
    tell(&format!(
        "seed {seed}: {} updates in {} lanes, built in {}",
        args.updates,
        numbers.len(),
        paint::duration(begun.elapsed())
    ));
    let started = Instant::now();
    let shared = Shared {
        seed,
        root: folder.path().to_owned(),
        programs: Arc::new(programs),
        preload,
        pulse: Arc::default(),
        first_round: args.round,
        left: AtomicU64::new(args.updates),
        until: args
            .seconds
            .map(|limit| started + Duration::from_secs(limit)),
        over: AtomicBool::new(false),
        numbers: Mutex::default(),
        troubles: Mutex::default(),
    };
    let (ended, end) = mpsc::channel();
    let (resting, beats) = (AtomicBool::new(false), folder.path().join("pulse"));
    std::thread::scope(|scope| {
        for number in &numbers {
            let (ended, shared) = (ended.clone(), &shared);
            scope.spawn(move || {
                shared.soak_in(*number);
                // Fails only when nobody counts any more.
                let _ = ended.send(());
            });
        }
        // A lane that breaks off by a mistake of ours says nothing, and is not waited for.
        drop(ended);
        scope.spawn(|| {
            while !resting.load(Ordering::Relaxed) {
                shared.pulse.beat(&beats);
            }
        });
        show(args, &shared, &end, numbers.len(), started);
        resting.store(true, Ordering::Relaxed);
    });
    let took = started.elapsed();
    let numbers = lock(&shared.numbers).clone();
    let troubles = lock(&shared.troubles);
    let too_slow = numbers.excused > 1 + numbers.updates / EXCUSED_AT_MOST;
    if too_slow {
        tell(&format!(
            "{} this machine is too slow to tell a device that fails from one that is kept waiting: {} good builds did not arrive while it \
             stood still",
            paint::red("✗"),
            numbers.excused
        ));
    }
    if !troubles.is_empty() || args.keep {
        folder.disable_cleanup(true);
        tell(&format!("kept: {}", folder.path().display()));
    }
    for trouble in troubles.iter() {
        let Trouble { lane, round, .. } = trouble;
        for word in &trouble.words {
            tell(&format!("{} {word}", paint::red("✗")));
        }
        tell(&format!(
            "  again: cargo xtask soak --seed {seed} --lane {lane} --round {round} --updates 1"
        ));
        if let Some(story) = &trouble.story {
            tell(&format!("  story: {}", story.display()));
        }
    }
    let holds = troubles.is_empty() && !too_slow;
    if args.json {
        println!("{}", numbers.json(seed, took));
    } else {
        let mark = match holds {
            true => paint::green("✓"),
            false => paint::red("✗"),
        };
        println!("{mark} soaked for {}", paint::duration(took));
        print!("{}", numbers.table(seed, took));
    }
    Ok(holds)
}

/// Tells how far it is, until every lane has ended.
fn show(args: &Args, shared: &Shared, end: &mpsc::Receiver<()>, lanes: usize, started: Instant) {
    let mut live = (paint::moves() && !args.json).then(Live::new);
    let (mut running, mut told) = (lanes, 0);
    while running > 0 {
        match end.recv_timeout(SHOW_EVERY) {
            Ok(()) => running -= 1,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if stopped().is_err() {
            shared.over.store(true, Ordering::Relaxed);
        }
        let numbers = lock(&shared.numbers).clone();
        if let Some(live) = &mut live {
            let percent = numbers.updates * 100 / args.updates;
            let percent = u8::try_from(percent).unwrap_or(100);
            live.show(&format!("{} {}", paint::bar(percent, 24), numbers.line()));
        } else if numbers.updates / LINE_EVERY > told {
            told = numbers.updates / LINE_EVERY;
            eprintln!(
                "{:>8} {}",
                paint::duration(started.elapsed()),
                numbers.line()
            );
        }
    }
    if let Some(live) = live {
        live.end();
    }
}

/// At most one update and one more in so many may be excused by a machine that stands still; a soak in which it is more proves too little.
const EXCUSED_AT_MOST: u64 = 20;

/// How often is told how far it is, on a terminal, and every how many updates elsewhere.
const SHOW_EVERY: Duration = Duration::from_millis(500);
const LINE_EVERY: u64 = 25;

impl Shared {
    /// Plays one lane to its end.
    fn soak_in(&self, number: u64) {
        let folder = folder_of(&self.root, number);
        let set = Lane::set(
            self.seed,
            number,
            self.programs.clone(),
            folder,
            self.preload.clone(),
            self.pulse.clone(),
        );
        let mut lane = match set {
            Ok(lane) => lane,
            Err(error) => return self.trouble(number, 0, vec![words(&error)], None),
        };
        let mut round = self.first_round;
        while self.take_one() {
            let since = lane.diary.now();
            let before = lane.numbers.clone();
            let (words, broken) = match lane.play(round) {
                Ok(broken) => (broken.iter().map(Violation::to_string).collect(), broken),
                // What is broken off proves nothing.
                Err(SoakError::Stopped(_)) => return,
                Err(error) => (vec![words(&error)], Vec::new()),
            };
            lane.numbers.violations += broken.len() as u64;
            self.count(&before, &lane.numbers);
            if !words.is_empty() {
                let story = lane.tell(round, since, &broken);
                return self.trouble(number, round, words, story);
            }
            round += 1;
        }
    }

    fn take_one(&self) -> bool {
        let late = self.until.is_some_and(|until| Instant::now() >= until);
        if late || self.over.load(Ordering::Relaxed) {
            return false;
        }
        let less = |left: u64| left.checked_sub(1);
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.is_ok()
    }

    /// Adds what a lane has counted since.
    fn count(&self, before: &Numbers, after: &Numbers) {
        lock(&self.numbers).add(&after.since(before));
    }

    fn trouble(&self, lane: u64, round: u64, words: Vec<String>, story: Option<PathBuf>) {
        lock(&self.troubles).push_back(Trouble {
            lane,
            round,
            words,
            story,
        });
    }
}

fn words(error: &SoakError) -> String {
    format!("failed to {}", crate::run::chain(error))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Another one each time.
fn some_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // Short enough to be typed again.
    RandomState::new().hash_one(std::time::SystemTime::now()) % 1_000_000
}
