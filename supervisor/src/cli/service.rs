//! The words of `service …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::super::given::Name;

/// What to do with the service.
#[derive(Debug, Args)]
pub(crate) struct Service {
    /// The service's name.
    #[arg(long, global = true, value_name = "NAME", default_value = "hotplate")]
    pub(crate) name: Name,
    #[command(subcommand)]
    pub(crate) deed: Deed,
}

/// What can be done with it.
#[derive(Debug, Subcommand)]
pub(crate) enum Deed {
    /// Have the system run the supervisor whenever the machine runs; as root or administrator.
    ///
    /// The definition names this program and the configuration by their whole paths, so that both must stay where they are. What would be
    /// installed is shown by `service print`. Installing again replaces the definition.
    Install {
        /// Start it as well.
        #[arg(long)]
        now: bool,
        /// Only write the definition, below this folder, as for a package or an image; the system is told nothing.
        #[cfg(not(windows))]
        #[arg(long, value_name = "FOLDER", conflicts_with = "now")]
        root: Option<PathBuf>,
    },
    /// Stop it and remove the definition. The state folder stays.
    Uninstall {
        /// Only remove the definition, below this folder.
        #[cfg(not(windows))]
        #[arg(long, value_name = "FOLDER")]
        root: Option<PathBuf>,
    },
    /// Start it, and wait some seconds for it to be up.
    Start,
    /// Stop it in order; it starts again with the machine.
    Stop,
    /// Ask the system how it is; ends with 1 if it does not run.
    Status {
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Show what `install` would install, without touching anything.
    Print {
        /// For which system; without it, this one.
        #[arg(long, value_enum)]
        system: Option<System>,
        /// Where the supervisor's program lies; without it, this one.
        #[arg(long, value_name = "PATH")]
        program: Option<PathBuf>,
    },
    /// Run as the service that Windows started.
    #[cfg(windows)]
    #[command(hide = true)]
    Run,
}

/// The systems that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum System {
    /// Linux.
    Systemd,
    /// Windows.
    Windows,
    /// macOS.
    Launchd,
}
