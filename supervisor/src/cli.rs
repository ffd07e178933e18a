//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use supervisor_core::alink::version::Version;

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
    /// looked for beside the file, with `.minisig` behind its name.
    Update {
        /// The worker's program.
        file: PathBuf,
        /// The version it is; without it, what the signature beside the file says.
        #[arg(long, value_name = "VERSION")]
        version: Option<Version>,
        /// Install it even if it is older than what runs.
        #[arg(long)]
        allow_downgrade: bool,
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
    /// Show every setting and where it comes from, secrets masked.
    CheckConfig,
}
