//! The stage of a bench: the emulator with TLS, and the release supervisor with an active release worker, in a folder of their own.
//!
//! The programs are started as a user would start them. Everything ends with the stage, also when a bench fails.

use crate::run;
use crate::workspace::Workspace;
use cloud_emulator::{DeviceId, Emulator, Options};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The version of the worker on stage.
const VERSION: &str = "1.0.0";

/// The device's secret; it opens nothing but this emulator.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// How long the programs may take until the platform knows the worker's properties.
const UNTIL_ACTIVE: Duration = Duration::from_secs(60);

/// The stage could not be set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    /// A program could not be built or run.
    #[error(transparent)]
    Run(#[from] run::RunError),
    /// A file could not be written, or a program not started.
    #[error("prepare `{what}`")]
    Prepare {
        /// The file or program.
        what: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The emulator did not start.
    #[error("start the emulator")]
    Emulator(#[from] cloud_emulator::StartError),
    /// The supervisor ended, or never got its worker to work.
    #[error("see the worker active (the supervisor's log follows)\n{log}")]
    Inactive {
        /// What was waited for, and what was there last.
        source: cloud_emulator::NotReached,
        /// What the supervisor printed.
        log: String,
    },
}

/// The running programs.
pub(super) struct Stage {
    supervisor: Child,
    program: PathBuf,
    emulator: Emulator,
    /// Kept because it is removed with the stage.
    _folder: tempfile::TempDir,
}

impl Stage {
    /// Builds the programs, starts them, and waits until the worker's properties have reached the platform.
    ///
    /// # Errors
    /// When they cannot be built, started, or brought to work.
    pub(super) fn set(workspace: &Workspace) -> Result<Self, StageError> {
        let program = |name: &str| {
            workspace
                .target
                .join("release")
                .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
        };
        let (supervisor, worker) = (program("supervisor"), program("worker"));
        let mut build = workspace.cargo(&[
            "build",
            "--release",
            "--locked",
            "--quiet",
            "-p",
            "supervisor",
            "-p",
            "worker",
            "--bins",
        ]);
        run::captured(build.env("HOTPLATE_WORKER_VERSION", VERSION))?;

        let folder = tempfile::tempdir().map_err(|source| StageError::Prepare {
            what: std::env::temp_dir(),
            source,
        })?;
        let emulator = Emulator::start(Options::with_tls())?;
        let device = DeviceId::new("a1Sample001", "oven001");
        emulator.add_device(&device, SECRET);
        let config = configure(folder.path(), &emulator, &device)?;

        run::captured(
            command(&supervisor, &config)
                .args(["install", "--version", VERSION])
                .arg(worker),
        )?;
        let log = folder.path().join("supervisor.log");
        let written = std::fs::File::create(&log).map_err(|source| StageError::Prepare {
            what: log.clone(),
            source,
        })?;
        let copy = written.try_clone().map_err(|source| StageError::Prepare {
            what: log.clone(),
            source,
        })?;
        let child = command(&supervisor, &config)
            .arg("run")
            .stdin(Stdio::null())
            .stdout(written)
            .stderr(copy)
            .spawn()
            .map_err(|source| StageError::Prepare {
                what: supervisor.clone(),
                source,
            })?;
        let stage = Self {
            supervisor: child,
            program: supervisor,
            emulator,
            _folder: folder,
        };
        stage.until_active(&device, &log)?;
        Ok(stage)
    }

    fn until_active(&self, device: &DeviceId, log: &Path) -> Result<(), StageError> {
        let active = self
            .emulator
            .wait_until(device, UNTIL_ACTIVE, "worker active", |state| {
                state.version() == Some(VERSION) && state.property("current_temperature").is_some()
            });
        self.emulator
            .block_on(active)
            .map(drop)
            .map_err(|source| StageError::Inactive {
                source,
                log: std::fs::read_to_string(log).unwrap_or_default(),
            })
    }

    /// The supervisor's process.
    pub(super) fn pid(&self) -> u32 {
        self.supervisor.id()
    }

    /// The supervisor's program.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The worker notices the end of its leash and goes by itself. A process that is gone already needs no end.
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

fn command(supervisor: &Path, config: &Path) -> Command {
    let mut command = run::command(supervisor, ["--config"]);
    command.arg(config).env("HOTPLATE_DEVICE_SECRET", SECRET);
    command
}

/// Writes the certificate to trust and a configuration with nothing but what has no default.
fn configure(folder: &Path, emulator: &Emulator, device: &DeviceId) -> Result<PathBuf, StageError> {
    let write = |name: &str, text: &str| {
        let what = folder.join(name);
        match std::fs::write(&what, text) {
            Ok(()) => Ok(what),
            Err(source) => Err(StageError::Prepare { what, source }),
        }
    };
    write(
        "ca.pem",
        emulator
            .ca_pem()
            .expect("the emulator was started with TLS"),
    )?;
    let port = emulator
        .mqtts_address()
        .expect("the emulator was started with TLS")
        .port();
    let DeviceId {
        product_key,
        device_name,
    } = device;
    write(
        "hotplate.toml",
        &format!(
            "[cloud]\nproduct_key = \"{product_key}\"\ndevice_name = \"{device_name}\"\nhost = \"localhost\"\nport = {port}\n\
             tls = {{ ca = \"ca.pem\" }}\n"
        ),
    )
}
