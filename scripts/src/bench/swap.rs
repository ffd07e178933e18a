//! `cargo xtask bench swap`: how long nobody keeps the control loop when a device's program is swapped.
//!
//! The device is the metronome: it beats a hundred times a second, once more when it is told to hand over, and again as soon as it is
//! told to begin. The gap lies between the last beat of the old program and the first of the new one, each of which the program itself
//! writes down, by the machine's clock. A beat is *missed* for each whole period in the gap: with one of less than 10 ms none is.
//!
//! | way | what is swapped | how |
//! |---|---|---|
//! | hotplate | two releases of the metronome | offered by the platform, fetched, verified, warmed up, switched, proved; over one session with TLS |
//! | floor | two bare children | one goes, its exit is seen, the other one begins; a socket and nothing else |
//! | plain | the same two releases | the old one is stopped, its state kept in a file, the new one started, given the state |
//! | origin | one program that keeps the loop and the session | stopped; the next one loads the state, connects over TLS, logs in, subscribes, begins |
//!
//! Meanwhile the platform sets a property and calls a service all the time, and the device posts its beats. The four take turns, so that
//! whatever else the machine does meets all of them alike. The origin's way is measured twice: with its platform on this machine, and
//! a round trip away, which TCP, TLS, login and subscription each take. Hotplate's session goes on meanwhile, wherever its platform is.

mod account;
mod beats;
mod device;
mod far;
mod report;
mod requests;
mod svg;

use super::BenchError;
use super::live::{self, Live, stopped};
use super::release;
use super::yardstick::Yardstick;
use crate::stage::{Plan, StageError};
use crate::workspace::Workspace;
use account::Account;
use beats::Beats;
use device::Device;
use report::Outcome;
use requests::Requests;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The two versions.
const VERSIONS: [&str; 2] = ["1.0.0", "1.0.1"];

/// How to measure.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    json: bool,
    /// How often each is swapped
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    swaps: u32,
    /// How far away the far platform is, for the origin's way: a round trip in milliseconds
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=2000))]
    rtt_ms: u16,
    /// Draw the gaps into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// A swap could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SwapError {
    /// Something that was to happen did not.
    #[error("{why} (the supervisor's log follows)\n{log}")]
    Unseen {
        /// What.
        why: String,
        /// What the supervisor printed last.
        log: String,
    },
    /// The platform does not take a version.
    #[error("have version `{0}` offered: {1}")]
    Offer(String, String),
    /// The platform for the origin's way did not start.
    #[error("start another emulator")]
    Emulator(#[from] cloud_emulator::StartError),
    /// There is no distance.
    #[error("put a platform at a distance")]
    Far(#[source] io::Error),
    /// A file could not be read or written.
    #[error("use `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A journal tells another story.
    #[error("see {wanted} swaps in `{journal}`; there are {found}")]
    Swaps {
        /// Where.
        journal: PathBuf,
        /// How many there must be.
        wanted: usize,
        /// How many there are.
        found: usize,
    },
}

/// Measures and prints.
///
/// # Errors
/// When the programs cannot be built or brought to rest, or a swap does not succeed.
pub(super) fn swap(args: &Args) -> Result<(), crate::Error> {
    let workspace = Workspace::read()?;
    let outcome = measure(args, &workspace).map_err(crate::Error::Bench)?;
    if args.json {
        println!("{}", outcome.json());
    } else {
        print!("{}", outcome.table());
    }
    Ok(())
}

fn measure(args: &Args, workspace: &Workspace) -> Result<Outcome, BenchError> {
    live::watch_for_stop();
    let mut live = Live::default();
    live.show("building the release programs ...");
    let folder = tempfile::Builder::new()
        .prefix("hotplate-swap-")
        .tempdir()
        .map_err(|source| StageError::Prepare {
            what: std::env::temp_dir(),
            source,
        })?;
    let folder = folder.path();
    let (mut plan, images, yardstick) = build(workspace, folder)?;

    live.show("starting them ...");
    let inside = |name: &str| {
        let inside = folder.join(name);
        match std::fs::create_dir(&inside) {
            Ok(()) => Ok(inside),
            Err(source) => Err(SwapError::File {
                path: inside,
                source,
            }),
        }
    };
    let journal = |name: &str| folder.join(format!("{name}.journal"));
    plan.worker.clone_from(&images[0]);
    plan.version = VERSIONS[0];
    plan.telltale = device::TELLTALE;
    plan.settings = device::settings(&journal("hotplate"));
    let device = Device::set(&plan, &images)?;
    let round_trip = Duration::from_millis(args.rtt_ms.into());
    let near = Account::open(&inside("near")?, None)?;
    let far = Account::open(&inside("far")?, Some(round_trip))?;

    let mut floor = Yardstick::start(&yardstick, ["floor".as_ref(), folder.as_os_str()], None)?;
    let words = [
        "swap".as_ref(),
        images[0].as_os_str(),
        images[1].as_os_str(),
        folder.as_os_str(),
    ];
    let mut plain = Yardstick::start(&yardstick, words, Some(&journal("plain")))?;
    let origin = |account: &Account, name: &str| {
        let words = account.words().map(AsRef::as_ref);
        let folder = folder.join(name);
        let words = ["origin".as_ref()].into_iter().chain(words);
        Yardstick::start(&yardstick, words.chain([folder.as_os_str()]), None)
    };
    let mut origins = [origin(&near, "near")?, origin(&far, "far")?];
    for yardstick in [&mut floor, &mut plain].into_iter().chain(&mut origins) {
        yardstick.answer()?;
    }

    let mut floors = Vec::new();
    let requests = std::thread::scope(|scope| {
        let requests = Requests::begin(scope, device.stage());
        for swap in 1..=args.swaps {
            stopped()?;
            live.move_to(&format!("swap {swap}/{}", args.swaps));
            device.swap(swap)?;
            floors.push(gap(&floor.round("swap")?));
            plain.round("swap")?;
            for origin in &mut origins {
                origin.round("swap")?;
            }
        }
        Ok::<_, BenchError>(requests.end())
    })?;
    live.end();

    let swaps = args.swaps as usize;
    let read = |name: &str| Beats::read(&journal(name), swaps);
    let hotplate = read("hotplate")?;
    let outcome = Outcome {
        floor: floors,
        plain: read("plain")?.gaps,
        origin: read("near/alone")?.gaps,
        far: read("far/alone")?.gaps,
        rtt_ms: args.rtt_ms,
        requests: requests.judge(&hotplate),
        hotplate,
        connections: device.connections(),
    };
    if let Some(path) = &args.svg {
        let drawn = std::fs::write(path, svg::draw(&outcome));
        drawn.map_err(|source| SwapError::File {
            path: path.clone(),
            source,
        })?;
    }
    Ok(outcome)
}

/// The supervisor, the two releases of the metronome, and the yardsticks.
fn build(
    workspace: &Workspace,
    folder: &Path,
) -> Result<(Plan, [PathBuf; 2], PathBuf), StageError> {
    let plan = Plan::release(workspace)?;
    release::build(workspace, &["-p", "yardstick"])?;
    let image = |version: &str| {
        release::build_as(
            workspace,
            &["-p", "worker", "--example", "metronome"],
            version,
        )?;
        let built = release::program(workspace, "examples/metronome");
        let image = folder.join(format!(
            "metronome-{version}{}",
            std::env::consts::EXE_SUFFIX
        ));
        match std::fs::copy(&built, &image) {
            Ok(_) => Ok(image),
            Err(source) => Err(StageError::Prepare {
                what: image,
                source,
            }),
        }
    };
    let images = [image(VERSIONS[0])?, image(VERSIONS[1])?];
    Ok((plan, images, release::program(workspace, "yardstick")))
}

/// The floor's answer: when the one went, and when the other one began.
fn gap(answer: &str) -> f64 {
    let mut moments = answer.split(' ').map(super::moment);
    match (moments.next(), moments.next()) {
        (Some(went), Some(began)) => began.since(went),
        _ => f64::NAN,
    }
}
