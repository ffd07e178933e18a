//! A stage for demo and benches: the emulator with TLS, and a supervisor with an active worker, in a folder of their own.
//!
//! The programs are started as a user would start them. Everything ends with the stage, also when what is played on it fails.

use crate::run;
use crate::sign;
use crate::workspace::Workspace;
use cloud_emulator::{DeviceId, Emulator, Options, SigningKey};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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
    /// The supervisor's status could not be read.
    #[error("read the answer of `supervisor status --json`")]
    Status(#[source] serde_json::Error),
    /// There is nobody to sign images.
    #[error(transparent)]
    Publisher(#[from] sign::SignError),
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

/// Who plays, and how.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The supervisor's program.
    pub(crate) supervisor: PathBuf,
    /// The worker's program.
    pub(crate) worker: PathBuf,
    /// The worker's version.
    pub(crate) version: &'static str,
    /// Port of the platform's HTTP API; 0 takes a free one.
    pub(crate) http_port: u16,
    /// A property the platform knows of as soon as the worker is active.
    pub(crate) telltale: &'static str,
    /// What the configuration's section `[update]` holds beside that which has no default, and further sections after it.
    pub(crate) settings: String,
    /// Where the folder for it all is made; without, where the system keeps what is temporary.
    pub(crate) place: Option<PathBuf>,
}

impl Plan {
    /// The release programs, freshly built, with every setting at its default.
    ///
    /// # Errors
    /// When they cannot be built.
    pub(crate) fn release(workspace: &Workspace) -> Result<Self, StageError> {
        let version = "1.0.0";
        let program = |name: &str| {
            let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
            workspace.target.join("release").join(file)
        };
        build_release(workspace, version)?;
        Ok(Self {
            supervisor: program("supervisor"),
            worker: program("worker"),
            version,
            telltale: "current_temperature",
            http_port: 0,
            settings: String::new(),
            place: None,
        })
    }
}

/// The platform by itself, before there is anything to play; its HTTP API on this port, or on a free one if that is 0.
///
/// # Errors
/// When it cannot listen.
pub(crate) fn platform(http_port: u16) -> Result<Emulator, StageError> {
    Ok(Emulator::start(Options {
        api_port: http_port,
        ..Options::with_tls()
    })?)
}

/// Builds the release programs, the worker as this version.
///
/// # Errors
/// When they cannot be built.
pub(crate) fn build_release(workspace: &Workspace, version: &str) -> Result<(), run::RunError> {
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
    run::captured(build.env("HOTPLATE_WORKER_VERSION", version)).map(drop)
}

/// The running programs.
pub(crate) struct Stage {
    supervisor: Child,
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    emulator: Emulator,
    device: DeviceId,
    publisher: SigningKey,
    key: PathBuf,
    /// Kept because it is removed with the stage.
    _folder: tempfile::TempDir,
}

impl Stage {
    /// Starts the programs, and waits until the worker's properties have reached the platform.
    ///
    /// # Errors
    /// When they cannot be started, or brought to work.
    pub(crate) fn set(plan: &Plan) -> Result<Self, StageError> {
        Self::set_with(platform(plan.http_port)?, plan)
    }

    /// The same with a platform that is there already.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn set_with(emulator: Emulator, plan: &Plan) -> Result<Self, StageError> {
        let place = plan.place.clone().unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::tempdir_in(&place).map_err(|source| StageError::Prepare {
            what: place,
            source,
        })?;
        let device = DeviceId::new("a1Sample001", "oven001");
        emulator.add_device(&device, SECRET);
        let key = sign::publisher(&folder.path().join("publisher"))?;
        let publisher = match std::fs::read_to_string(&key) {
            Ok(text) => SigningKey::from_text(&text).expect("it was made without a password"),
            Err(source) => return Err(StageError::Prepare { what: key, source }),
        };
        let settings = format!("keys = [{:?}]\n{}", publisher.public(), plan.settings);
        let config = configure(folder.path(), &emulator, &device, &settings)?;

        run::captured(
            command(&plan.supervisor, &config)
                .args(["install", "--version", plan.version])
                .arg(&plan.worker),
        )?;
        let log = folder.path().join("supervisor.log");
        let child = start(&plan.supervisor, &config, &log)?;
        let stage = Self {
            supervisor: child,
            program: plan.supervisor.clone(),
            config,
            log,
            emulator,
            device,
            publisher,
            key,
            _folder: folder,
        };
        stage.until_active(plan.version, plan.telltale)?;
        Ok(stage)
    }

    fn until_active(&self, version: &str, telltale: &str) -> Result<(), StageError> {
        let active =
            self.emulator
                .wait_until(&self.device, UNTIL_ACTIVE, "worker active", |state| {
                    state.version() == Some(version) && state.property(telltale).is_some()
                });
        self.emulator
            .block_on(active)
            .map(drop)
            .map_err(|source| StageError::Inactive {
                source,
                log: self.log(),
            })
    }

    /// Ends the supervisor as a power cut would.
    pub(crate) fn cut(&mut self) {
        // A process that is gone already needs no end.
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }

    /// Starts the supervisor again, without waiting for anything.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(&mut self) -> Result<(), StageError> {
        self.supervisor = start(&self.program, &self.config, &self.log)?;
        Ok(())
    }

    /// What the supervisor answers to `status --json`.
    ///
    /// # Errors
    /// When it does not answer, or not in JSON.
    pub(crate) fn status(&self) -> Result<serde_json::Value, StageError> {
        let printed =
            run::captured(command(&self.program, &self.config).args(["status", "--json"]))?;
        serde_json::from_str(&printed).map_err(StageError::Status)
    }

    /// The supervisor's process.
    pub(crate) fn pid(&self) -> u32 {
        self.supervisor.id()
    }

    /// The supervisor's program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The supervisor's configuration.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// What the supervisor has printed so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The platform.
    pub(crate) fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// Where the supervisor connects to.
    pub(crate) fn broker(&self) -> std::net::SocketAddr {
        self.emulator
            .mqtts_address()
            .expect("the emulator was started with TLS")
    }

    /// Whose images the device takes.
    pub(crate) fn publisher(&self) -> &SigningKey {
        &self.publisher
    }

    /// The file with the secret key of that publisher.
    pub(crate) fn key(&self) -> &Path {
        &self.key
    }

    /// The device.
    pub(crate) fn device(&self) -> &DeviceId {
        &self.device
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The worker notices the end of its leash and goes by itself.
        self.cut();
    }
}

fn command(supervisor: &Path, config: &Path) -> Command {
    let mut command = run::command(supervisor, ["--config"]);
    command.arg(config).env("HOTPLATE_DEVICE_SECRET", SECRET);
    command
}

/// Starts a supervisor whose words are added to this log.
fn start(supervisor: &Path, config: &Path, log: &Path) -> Result<Child, StageError> {
    let prepared = |what: &Path| {
        let what = what.to_path_buf();
        move |source| StageError::Prepare { what, source }
    };
    let mut options = std::fs::File::options();
    let written = options
        .create(true)
        .append(true)
        .open(log)
        .map_err(prepared(log))?;
    let copy = written.try_clone().map_err(prepared(log))?;
    command(supervisor, config)
        .arg("run")
        .stdin(Stdio::null())
        .stdout(written)
        .stderr(copy)
        .spawn()
        .map_err(prepared(supervisor))
}

/// Writes the certificate to trust, and a configuration with what has no default and these settings.
fn configure(
    folder: &Path,
    emulator: &Emulator,
    device: &DeviceId,
    settings: &str,
) -> Result<PathBuf, StageError> {
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
             tls = {{ ca = \"ca.pem\" }}\n\n[update]\n{settings}"
        ),
    )
}
