//! `cargo xtask bench recovery`: how long a device is without its worker when something goes wrong.
//!
//! | what happens | measured from | to |
//! |---|---|---|
//! | the worker is killed | just before the kill, by this program | the next worker acts |
//! | a new version fails while it is proved | it dies, or finds itself unwell, by its own word | the old version acts again |
//! | the supervisor starts, as after a power cut | just before its start, by this program | its worker acts |
//! | a plain loop restarts a killed worker | just before the kill, by that loop | the next worker acts |
//!
//! "Acts" is the worker's own word: it writes the moment down in its activation, before it says so to anybody. All of them read
//! one clock, the machine's. Every program is a release build and every worker the same one; the supervisor verifies its slot before each
//! start, and speaks with the platform over TLS. The four take turns, so that whatever else the machine does meets all of them alike.

mod device;
mod lives;
mod report;

use super::BenchError;
use super::live::{self, Live, stopped};
use super::release;
use super::yardstick::Yardstick;
use crate::run;
use crate::stage::{Plan, StageError};
use crate::workspace::Workspace;
use device::{Bad, Device};
use lives::{Lives, Quiet};
use report::Samples;
use std::path::{Path, PathBuf};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    json: bool,
    /// How often each is measured
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
}

/// A recovery could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError {
    /// Something that was to happen did not.
    #[error("{why} (the supervisor's log follows)\n{log}")]
    Unseen {
        /// What.
        why: String,
        /// What the supervisor printed last.
        log: String,
    },
    /// A worker says nothing.
    #[error(transparent)]
    Quiet(#[from] Quiet),
    /// The platform does not take a version.
    #[error("have version `{0}` offered: {1}")]
    Offer(String, String),
    /// A process cannot be ended.
    #[error("kill process `{0}`")]
    Kill(u32),
    /// The system does not tell of its processes.
    #[error("look at the system's processes")]
    Processes(#[source] sysinfo::Error),
}

/// Measures and prints.
///
/// # Errors
/// When the programs cannot be built or brought to rest, or something does not recover.
pub(super) fn recovery(args: &Args) -> Result<(), crate::Error> {
    let workspace = Workspace::read()?;
    let samples = measure(args, &workspace).map_err(crate::Error::Bench)?;
    if args.json {
        println!("{}", samples.json());
    } else {
        print!("{}", samples.table());
    }
    Ok(())
}

fn measure(args: &Args, workspace: &Workspace) -> Result<Samples, BenchError> {
    live::watch_for_stop();
    let mut live = Live::default();
    live.show("building the release programs ...");
    let mut plan = Plan::release(workspace)?;
    let misfit = release::program(workspace, "examples/misfit");
    let yardstick = release::program(workspace, "yardstick");
    let built = [
        ["-p", "worker", "--example", "misfit"].as_slice(),
        ["-p", "yardstick"].as_slice(),
    ]
    .into_iter()
    .try_for_each(|what| release::build(workspace, what));
    built.map_err(StageError::Run)?;

    live.show("starting them ...");
    let folder = tempfile::Builder::new()
        .prefix("hotplate-recovery-")
        .tempdir()
        .map_err(|source| StageError::Prepare {
            what: std::env::temp_dir(),
            source,
        })?;
    let image = |name: &str| image(&misfit, folder.path(), name);
    plan.telltale = device::TELLTALE;
    plan.settings = device::SETTINGS.to_owned();

    let (worker, lives) = image("device")?;
    plan.worker = worker;
    let mut device = Device::set(&plan, lives, &misfit, folder.path())?;
    let (worker, lives) = image("started")?;
    plan.worker = worker;
    let mut started = Device::set(&plan, lives, &misfit, folder.path())?;
    let (worker, mut plain_lives) = image("plain")?;
    let words = [
        "restart".as_ref(),
        worker.as_os_str(),
        folder.path().as_os_str(),
    ];
    let mut plain = Yardstick::start(&yardstick, words, None)?;
    plain.answer()?;

    let mut samples = Samples::default();
    for round in 1..=args.rounds {
        stopped()?;
        live.move_to(&format!("round {round}/{}", args.rounds));
        samples.respawn.push(device.respawn()?);
        plain_lives.skip();
        let killed = plain.round("kill")?;
        let acts = plain_lives
            .until("active", None)
            .map_err(RecoveryError::from)?;
        samples.plain.push(acts.at.since(super::moment(&killed)));
        samples.start.push(started.start()?);
        let bad = if round % 2 == 1 {
            Bad::Dies
        } else {
            Bad::Unwell
        };
        samples.take_back(bad, device.take_back(bad, round)?);
    }
    live.end();
    Ok(samples)
}

/// A worker with a journal of its own, and that.
fn image(misfit: &Path, folder: &Path, name: &str) -> Result<(PathBuf, Lives), StageError> {
    let journal = folder.join(format!("{name}.journal"));
    let orders = serde_json::json!({"version": "1.0.0", "journal": journal});
    let image = stamp(misfit, &folder.join(name), &orders)?;
    Ok((image, Lives::of(journal)))
}

/// Makes an image of a worker that does what it is told.
fn stamp(misfit: &Path, path: &Path, orders: &serde_json::Value) -> Result<PathBuf, StageError> {
    let path = path.with_extension(std::env::consts::EXE_EXTENSION);
    let mut command = run::command(misfit, ["--stamp"]);
    run::captured(command.arg(misfit).arg(&path).arg(orders.to_string()))?;
    Ok(path)
}
