//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use supervisor_core::{alink::version::Version, event::Request};

use crate::service::Service;

/// Keeps a device's worker running and upgrades it over the air.
#[derive(Debug, Parser)]
#[command(name = "supervisor", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        default_value = "hotplate.toml"
    )]
    pub(crate) config: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// What can be asked of the program.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Run the worker and stay with it.
    Run,
    /// Make a program file the active worker, while no supervisor runs.
    Install {
        /// The worker's program.
        file: PathBuf,
        /// The version it is.
        #[arg(long, value_name = "VERSION")]
        version: Version,
    },
    /// Have the running supervisor upgrade the worker from a file, for example on a USB stick.
    ///
    /// It goes the same way as an update from the cloud: verified, on trial, and taken back if it is bad. The publisher's signature is
    /// looked for beside the file, with `.minisig` behind its name. With `--now` it waits neither for a maintenance window nor for the
    /// device's consent; `update --now` without a file says that of the update under way.
    Update {
        /// The worker's program.
        #[arg(required_unless_present = "now")]
        file: Option<PathBuf>,
        /// The version it is; without it, what the signature beside the file says.
        #[arg(long, value_name = "VERSION", requires = "file")]
        version: Option<Version>,
        /// Install it even if it is older than what runs.
        #[arg(long, requires = "file")]
        allow_downgrade: bool,
        /// Wait neither for a maintenance window nor for the device's consent.
        #[arg(long)]
        now: bool,
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Hold the update under way, and begin none, until `resume`.
    ///
    /// A download stops at once and keeps what it has; a new worker that warms up stays in standby. A switch that has begun ends by itself.
    /// Offers that come meanwhile are kept, the newest one. It holds across restarts and power cuts, and no time limit of the
    /// update runs out meanwhile.
    Pause {
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Go on where `pause` held it.
    Resume {
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// End the update under way, and stay with what ran before it.
    ///
    /// Before the switch the worker never notices; a new version on trial is stopped, and the one before takes over again. Once the new
    /// version is trusted it is too late, and `rollback` goes back. The platform cannot bring the cancelled version again before
    /// `release`. Ends with 1 if there was nothing to cancel.
    Cancel {
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Go back to the version that ran before.
    ///
    /// The running worker hands over, and the version before goes on where it stood. The platform cannot bring the version that was left
    /// again before `release`. During an update it is the same as `cancel`. Ends with 1 if there is no version to go back to.
    Rollback {
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Take a version again that is quarantined: one that failed too often, was cancelled, or was left by `rollback`.
    ///
    /// It is given all its tries again, and the platform is asked for it at once. Ends with 1 if nothing was held against it.
    Release {
        /// Which, as `status` shows it.
        version: Version,
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Ask the running supervisor how it is.
    Status {
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Tell the last update in plain sentences, with times, whether a supervisor runs or not.
    Explain {
        /// Tell all that is recorded, not only the last update.
        #[arg(long)]
        all: bool,
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Show every setting and where it comes from, secrets masked.
    CheckConfig,
    /// Have the system run the supervisor, from the start of the machine on.
    Service(Service),
}

impl Action {
    /// What is wished of the running supervisor, and whether the answer is for programs.
    pub(crate) fn wish(&self) -> Option<(Request, bool)> {
        Some(match self {
            Self::Pause { json } => (Request::Pause, *json),
            Self::Resume { json } => (Request::Resume, *json),
            Self::Cancel { json } => (Request::Cancel, *json),
            Self::Rollback { json } => (Request::Rollback, *json),
            Self::Release { version, json } => (Request::Release(version.clone()), *json),
            Self::Update {
                file: None, json, ..
            } => (Request::Hasten, *json),
            Self::Run
            | Self::Install { .. }
            | Self::Update { .. }
            | Self::Status { .. }
            | Self::Explain { .. }
            | Self::CheckConfig
            | Self::Service(_) => return None,
        })
    }
}
