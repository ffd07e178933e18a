//! Hotplate's scripts: `cargo xtask <what>`.
//!
//! They are written in Rust so that they run alike on Linux, macOS and Windows. One file per subcommand; what they share is
//! how programs are run (`run`), how steps are told (`step`) and how it looks (`paint`). Nothing here is shipped.

mod arm64;
mod bench;
mod check;
mod completions;
mod console;
mod crash_sweep;
mod cross;
mod demo;
mod docs;
mod fuzz;
mod http;
mod interop;
mod judge;
mod mutants;
mod needs;
mod ota;
mod package;
mod paint;
mod replay;
mod run;
mod sign;
mod soak;
mod stage;
mod step;
mod systems;
mod tail;
mod windows;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Hotplate's scripts.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Format, lints, docs, walls between packages, purity, lockfile, licences and bans
    Check(check::Args),
    /// The supervisor killed, and failed by the system, at every call that changes something
    CrashSweep(crash_sweep::Args),
    /// Numbers the README promises, measured here
    Bench(bench::Args),
    /// The whole story: an oven upgrades itself while it heats, and a bad build is taken back
    Demo(demo::Args),
    /// The emulator's console in a real browser: what it shows, what it does, how it looks
    Console(console::Args),
    /// What shells complete, and the manual, from the definition of the command line
    Completions(completions::Args),
    /// Every command in the documents, run in its order
    Docs(docs::Args),
    /// Packages for people: a `.deb`, a `.tar.gz`, a `.zip`
    Package(package::Args),
    /// Give a device a new version
    Ota(ota::Args),
    /// Make a publisher's keys, and sign images with them
    Sign(sign::Args),
    /// Made-up bytes for every reader of foreign bytes, 60 s each
    Fuzz(fuzz::Args),
    /// Mistakes made in the core on purpose, each of which its laws must catch
    Mutants(mutants::Args),
    /// A recorded walk through the core's world, step by step
    Replay(replay::Args),
    /// The product against Mosquitto, nginx, minisign and the official device SDK
    Interop(interop::Args),
    /// Updates good and bad for as long as you like, with kills, stops, failing networks and jumping clocks
    Soak(soak::Args),
    /// The end-to-end suite on this system, and the table of what was run on which system
    Systems(systems::Args),
    /// Supervisor and worker built for Windows, and the suite run under Wine
    Windows(windows::Args),
    /// Supervisor and worker built for Linux on 64-bit ARM, and the suite run under QEMU
    Arm64(arm64::Args),
}

/// Why a script could not do its work; a check that found something is not an error but a `false`.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The command line asks for something that is not there.
    #[error("{0}")]
    Usage(String),
    /// The workspace could not be read.
    #[error("read the workspace")]
    Workspace(#[from] workspace::WorkspaceError),
    /// The story could not be told to its end.
    #[error("tell the story: {0}")]
    Demo(#[from] demo::DemoError),
    /// A device could not be given its new version.
    #[error(transparent)]
    Ota(#[from] ota::OtaError),
    /// A package could not be made.
    #[error(transparent)]
    Package(#[from] package::PackageError),
    /// The completions or the manual could not be written.
    #[error(transparent)]
    Completions(#[from] completions::WriteError),
    /// A key pair or a signature could not be made.
    #[error(transparent)]
    Sign(#[from] sign::SignError),
    /// The fuzzer could not do its work.
    #[error(transparent)]
    Fuzz(#[from] fuzz::FuzzError),
    /// The supervisor could not be swept.
    #[error(transparent)]
    Sweep(#[from] crash_sweep::SweepError),
    /// The soak could not do its work.
    #[error(transparent)]
    Soak(#[from] soak::SoakError),
    /// The core could not be tried with mistakes in it.
    #[error(transparent)]
    Mutants(#[from] mutants::MutantsError),
    /// A walk could not be walked again.
    #[error(transparent)]
    Replay(#[from] replay::ReplayError),
    /// There is no table of the systems.
    #[error("print the table")]
    Systems(#[from] systems::ReportError),
    /// A number could not be measured.
    #[error(transparent)]
    Bench(#[from] bench::BenchError),
}

impl Error {
    /// Is it about what was asked for, and not about how it went?
    fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) => true,
            Self::Replay(error) => error.is_usage(),
            _ => false,
        }
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().what {
        What::Check(args) => check::check(&args),
        What::CrashSweep(args) => crash_sweep::crash_sweep(&args),
        What::Bench(args) => bench::bench(&args),
        What::Console(args) => console::console(&args),
        What::Demo(args) => demo::demo(&args),
        What::Docs(args) => docs::docs(&args),
        What::Ota(args) => ota::ota(&args),
        What::Completions(args) => completions::completions(&args),
        What::Package(args) => package::package(&args),
        What::Sign(args) => sign::sign(&args),
        What::Fuzz(args) => fuzz::fuzz(&args),
        What::Mutants(args) => mutants::mutants(&args),
        What::Replay(args) => replay::replay(&args),
        What::Interop(args) => interop::interop(&args),
        What::Soak(args) => soak::soak(&args),
        What::Systems(args) => systems::systems(&args),
        What::Windows(args) => windows::windows(&args),
        What::Arm64(args) => arm64::arm64(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{} failed to {}", paint::red("✗"), run::chain(&error));
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}
