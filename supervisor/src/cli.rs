//! The command line: every word that can be said to the program, and what its help says.
//!
//! What is given on it is parsed by the types of the module `given` beside this one, and nothing else is named here: `cargo xtask completions`
//! reads this very file for the manual and for what shells complete, and has types of its own in their place.

#[path = "cli/examples.rs"]
mod examples;
#[path = "cli/service.rs"]
pub(crate) mod service;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use self::service::Service;
use super::given::{Version, version};

/// The configuration that is meant where none is named.
pub(crate) const DEFAULT: &str = "hotplate.toml";

/// The exit codes with their meanings, as the help, the manual and the README have them.
pub(crate) const EXIT_CODES: [(u8, &str); 5] = [
    (0, "done; of `doctor`: all is well"),
    (
        1,
        "something unexpected, no supervisor runs, what was wished could not be done, or `doctor` found a fault",
    ),
    (2, "wrong usage or configuration"),
    (3, "damaged state"),
    (4, "another supervisor runs on the same state folder"),
];

/// Keeps a device's worker running and upgrades it over the air.
#[derive(Debug, Parser)]
#[command(name = "supervisor", version, disable_help_subcommand = true, after_help = examples::top())]
pub(crate) struct Cli {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        default_value = DEFAULT
    )]
    pub(crate) config: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// What can be asked of the program.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Write a configuration and the device's secret, by a few questions.
    #[command(after_help = examples::INIT)]
    Init(Init),
    /// Look at everything a device needs, and say what is wrong and what to do about it.
    ///
    /// Nothing is changed on the device. While a supervisor runs, its own word is taken for the login, as a second one with the same
    /// identity would throw it out. Ends with 1 if something failed.
    #[command(after_help = examples::DOCTOR)]
    Doctor {
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Run the worker and stay with it.
    #[command(after_help = examples::RUN)]
    Run,
    /// Make a program file the active worker, while no supervisor runs.
    #[command(after_help = examples::INSTALL)]
    Install {
        /// The worker's program.
        file: PathBuf,
        /// The version it is.
        #[arg(long, value_name = "VERSION", value_parser = version)]
        version: Version,
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Have the running supervisor upgrade the worker from a file, for example on a USB stick, or from a web server.
    ///
    /// It goes the same way as an update from the cloud: verified, on trial, and taken back if it is bad. The publisher's signature is
    /// looked for beside the file, with `.minisig` behind its name; beside an address also its SHA-256, with `.sha256`. With `--now` it waits neither for a maintenance window nor for the
    /// device's consent; `update --now` without a file says that of the update under way.
    #[command(after_help = examples::UPDATE)]
    Update {
        /// The worker's program, or an address that begins with https://.
        #[arg(required_unless_present = "now", value_name = "FILE|URL")]
        file: Option<PathBuf>,
        /// The version it is; without it, what the signature beside the file says.
        #[arg(long, value_name = "VERSION", requires = "file", value_parser = version)]
        version: Option<Version>,
        /// What an image at an address must hash to, in hexadecimal digits; without it, what lies beside it says so.
        #[arg(long, value_name = "DIGITS", requires = "file")]
        sha256: Option<String>,
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
    #[command(after_help = examples::PAUSE)]
    Pause {
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Go on where `pause` held it.
    #[command(after_help = examples::RESUME)]
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
    #[command(after_help = examples::CANCEL)]
    Cancel {
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Go back to the version that ran before.
    ///
    /// The running worker hands over, and the version before goes on where it stood. The platform cannot bring the version that was left
    /// again before `release`. During an update it is the same as `cancel`. Ends with 1 if there is no version to go back to.
    #[command(after_help = examples::ROLLBACK)]
    Rollback {
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Take a version again that is quarantined: one that failed too often, was cancelled, or was left by `rollback`.
    ///
    /// It is given all its tries again, and the platform is asked for it at once. Ends with 1 if nothing was held against it.
    #[command(after_help = examples::RELEASE)]
    Release {
        /// Which, as `status` shows it.
        #[arg(value_parser = version)]
        version: Version,
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Ask the running supervisor how it is.
    ///
    /// With `--watch` it is asked again and again: on a terminal one page is drawn in place until Ctrl-C, into a pipe goes one line for each
    /// change, and with `--json` one object for each change. A supervisor that goes away is waited for, which is told as
    /// `{"waiting": "why"}`.
    #[command(after_help = examples::STATUS)]
    Status {
        /// Stay, and show what changes.
        #[arg(long)]
        watch: bool,
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Tell the last update in plain sentences, with times, whether a supervisor runs or not.
    #[command(after_help = examples::EXPLAIN)]
    Explain {
        /// Tell all that is recorded, not only the last update.
        #[arg(long)]
        all: bool,
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Show every setting and where it comes from, secrets masked.
    #[command(after_help = examples::CHECK_CONFIG)]
    CheckConfig {
        /// For programs to read.
        #[arg(long)]
        json: bool,
    },
    /// Have the system run the supervisor, from the start of the machine on.
    #[command(after_help = examples::SERVICE)]
    Service(Service),
}

/// What a configuration must say. What is not given is asked for: at the terminal, or as lines of standard input in this order.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The product's key, from the platform's console.
    #[arg(long, value_name = "KEY")]
    pub(crate) product_key: Option<String>,
    /// The device's name, from the platform's console.
    #[arg(long, value_name = "NAME")]
    pub(crate) device_name: Option<String>,
    /// The file with the device's secret, relative to the configuration. One that is there is taken as it is; otherwise the secret is asked
    /// for, without being shown, and written there.
    #[arg(long, value_name = "PATH", default_value = "device.secret")]
    pub(crate) secret_file: PathBuf,
    /// The instance the device belongs to: an enterprise or a new public one.
    #[arg(long, value_name = "ID", group = "place")]
    pub(crate) instance: Option<String>,
    /// The region of an old public instance.
    #[arg(long, value_name = "REGION", group = "place")]
    pub(crate) region: Option<String>,
    /// Any other broker.
    #[arg(long, value_name = "NAME", group = "place")]
    pub(crate) host: Option<String>,
    /// The broker's port; without it, the usual one.
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Who vouches for the broker: `system`, `off` for plain TCP, or a file of certificates, relative to the configuration.
    #[arg(long, value_name = "WHO", default_value = "system")]
    pub(crate) tls: String,
    /// The public key of whoever signs the device's images; may be given several times.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Vec<String>,
    /// Let any image run that has the digest of its offer, whoever made it. For trying things out.
    #[arg(long, conflicts_with = "key")]
    pub(crate) unsigned: bool,
    /// The state folder; without it `state` beside the configuration, or `/var/lib/NAME` for a configuration in `/etc/NAME`.
    #[arg(long, value_name = "PATH")]
    pub(crate) state: Option<PathBuf>,
    /// For programs to read.
    #[arg(long)]
    pub(crate) json: bool,
}
