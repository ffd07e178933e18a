//! The life of the Debian package on this very machine: installed, configured, started, its worker upgraded over the air, the package
//! upgraded, removed and purged, and nothing left of it.
//!
//! It is for machines that are thrown away, such as those of continuous integration: it refuses to begin where anything of Hotplate
//! is installed already. Where no systemd runs, the command of the installed unit is run as systemd would.

use super::debian::{CONFIG, PROGRAM, STATE, UNIT};
use crate::run;
use crate::sign;
use crate::step::{Failure, Held, Outcome, Steps};
use cloud_emulator::{
    DeviceId, DeviceState, Emulator, Options, Package, Rollout, SignMethod, SigningKey, Transport,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// What lies under these belongs to the system, and to nobody else after a purge.
const SEARCHED: [&str; 5] = ["/etc", "/usr", "/var", "/run", "/lib/systemd"];

/// The device's secret; it opens nothing but this emulator.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// How long anything may take that ends with a word at the platform.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the supervisor may take to stop; systemd would wait longer.
const STOPPING: Duration = Duration::from_secs(30);

/// What is installed, and what comes after it.
pub(super) struct Life {
    /// The package, and its next revision.
    pub(super) packages: [PathBuf; 2],
    /// The worker's next version.
    pub(super) next: PathBuf,
    /// The version the packaged worker is, and its next.
    pub(super) versions: [&'static str; 2],
}

/// Whether this machine is one to try it on.
pub(super) fn fit() -> Result<(), Failure> {
    let root = run::captured(&mut run::command("id", ["-u"])).is_ok_and(|id| id.trim() == "0");
    if !root || run::which("dpkg").is_none() {
        return Err(Failure::new(
            "packages can be installed by root on Debian and its kin only",
            "run it in a container or a machine that is thrown away afterwards",
        ));
    }
    match leftovers().first() {
        None => Ok(()),
        Some(left) => Err(Failure::new(
            format!("`{left}` is on this machine already"),
            "dpkg --purge hotplate, and remove what is left",
        )),
    }
}

impl Life {
    /// Lives it, one line for each step, and stops at the first that does not hold.
    pub(super) fn play(&self, steps: &mut Steps) -> bool {
        let emulator = match Emulator::start(Options::with_tls()) {
            Ok(emulator) => emulator,
            Err(error) => {
                return steps.step("emulator", || Err(failed(&error)));
            }
        };
        let device = DeviceId::new("a1Sample001", "oven001");
        emulator.add_device(&device, SECRET);
        let mut played = Played {
            life: self,
            emulator,
            device,
            publisher: None,
            running: None,
        };
        let lived = played.all(steps);
        if !lived {
            // The machine is left as it was, whatever the step was.
            drop(played.running.take());
            let _ = run::captured(&mut run::command("dpkg", ["--purge", "hotplate"]));
        }
        lived
    }
}

struct Played<'a> {
    life: &'a Life,
    emulator: Emulator,
    device: DeviceId,
    publisher: Option<SigningKey>,
    running: Option<Running>,
}

impl Played<'_> {
    fn all(&mut self, steps: &mut Steps) -> bool {
        let [first, second] = &self.life.packages;
        steps.step("the package is installed", || install(first))
            && steps.step("configured", || self.configure())
            && steps.step("started", || self.start(self.life.versions[0]))
            && steps.step("its worker upgraded", || self.upgrade())
            && steps.step("stopped", || self.stop())
            && steps.step("the package is upgraded", || install(second))
            && steps.step("goes on where it stood", || {
                self.start(self.life.versions[1])
            })
            && steps.step("stopped again", || self.stop())
            && steps.step("removed", removed)
            && steps.step("purged", purged)
    }

    fn configure(&mut self) -> Outcome {
        let folder = Path::new(CONFIG).parent().expect("it is in a folder");
        fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let keys = sign::publisher(&folder.join("publisher")).map_err(|error| failed(&error))?;
        let text = fs::read_to_string(&keys).map_err(|error| failed(&error))?;
        let publisher = SigningKey::from_text(&text).expect("it was made without a password");
        let port = self.emulator.mqtts_address().map_or(0, |at| at.port());
        let DeviceId {
            product_key,
            device_name,
        } = &self.device;
        let settings = format!(
            "[cloud]\nproduct_key = \"{product_key}\"\ndevice_name = \"{device_name}\"\n\
             device_secret_file = \"device.secret\"\nhost = \"localhost\"\nport = {port}\ntls = {{ ca = \"ca.pem\" }}\n\n\
             [update]\nkeys = [{:?}]\nproving_s = 1\nquery_after_connect_s = 0.5\n\n[state]\ndir = \"{STATE}\"\n",
            publisher.public()
        );
        self.publisher = Some(publisher);
        let write = |name: &str, text: &str| {
            fs::write(folder.join(name), text).map_err(|error| failed(&error))
        };
        write("ca.pem", self.emulator.ca_pem().unwrap_or_default())?;
        write("device.secret", SECRET)?;
        write("hotplate.toml", &settings)?;
        own(&folder.join("device.secret"), 0o600)?;
        // As `StateDirectory` makes it.
        fs::create_dir_all(STATE).map_err(|error| failed(&error))?;
        own(Path::new(STATE), 0o700)?;
        hotplate(&["check-config"])?;
        hotplate(&[
            "install",
            "/usr/lib/hotplate/oven",
            "--version",
            self.life.versions[0],
        ])?;
        Ok(Held::with(format!(
            "{CONFIG}, worker {}",
            self.life.versions[0]
        )))
    }

    /// Starts what the unit names, and waits until the platform knows this version to run.
    fn start(&mut self, version: &str) -> Outcome {
        let since = Instant::now();
        let before = self.emulator.device_state(&self.device);
        let before = before.as_ref().and_then(posted);
        let running = Running::start()?;
        let log = running.log.clone();
        self.running = Some(running);
        self.see(&log, "the worker at work", |state| {
            state.version() == Some(version) && posted(state) > before
        })?;
        Ok(Held::with(format!(
            "worker {version} known to the platform after {:.1} s",
            since.elapsed().as_secs_f64()
        )))
    }

    fn upgrade(&mut self) -> Outcome {
        let version = self.life.versions[1];
        let publisher = self.publisher.as_ref().expect("configured before");
        let package = Package::from_path(version, &self.life.next)
            .sign_method(SignMethod::Sha256)
            .signed(publisher, env!("HOTPLATE_TARGET"));
        let firmware = self
            .emulator
            .add_firmware(package)
            .map_err(|error| failed(&error))?;
        let rollout = Rollout {
            transport: Transport::Https,
            ..Rollout::new(firmware.id, &self.device)
        };
        let job = self
            .emulator
            .start_job(rollout)
            .map_err(|error| failed(&error))?;
        let log = self.running.as_ref().map(|it| it.log.clone());
        self.see(&log.unwrap_or_default(), "the end of the update", |state| {
            state
                .task()
                .is_some_and(|task| task.job == job && task.state.is_final())
                && state.version() == Some(version)
        })?;
        Ok(Held::with(format!(
            "{version} is what the platform knows to run"
        )))
    }

    fn stop(&mut self) -> Outcome {
        match self.running.take() {
            Some(running) => running.stop(),
            None => Err(Failure::new("nothing runs", "look at the step before")),
        }
    }

    fn see(
        &self,
        log: &Path,
        what: &'static str,
        there: impl FnMut(&DeviceState) -> bool,
    ) -> Result<(), Failure> {
        let seen = self
            .emulator
            .wait_until(&self.device, PATIENCE, what, there);
        self.emulator.block_on(seen).map(drop).map_err(|error| {
            let said = fs::read_to_string(log).unwrap_or_default();
            Failure::new(
                format!("{}\n{said}", run::chain(&error)),
                "look at what the supervisor said",
            )
        })
    }
}

/// When the worker's properties reached the platform last.
fn posted(state: &DeviceState) -> Option<u64> {
    state
        .properties
        .get("current_temperature")
        .map(|it| it.time)
}

/// The unit's command at work.
struct Running {
    child: Child,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Running {
    fn start() -> Result<Self, Failure> {
        let unit = unit()?;
        let command = unit
            .lines()
            .find_map(|row| row.strip_prefix("ExecStart="))
            .ok_or_else(|| {
                Failure::new(format!("`{UNIT}` names no command\n{unit}"), "look at it")
            })?;
        // Its paths are quoted, and hold nothing that would need more care.
        let mut words = command
            .split_whitespace()
            .map(|word| word.trim_matches('"'));
        let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
        let log = folder.path().join("log");
        let written = fs::File::create(&log).map_err(|error| failed(&error))?;
        let copy = written.try_clone().map_err(|error| failed(&error))?;
        let child = run::command(words.next().unwrap_or_default(), words)
            .env("STATE_DIRECTORY", STATE)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(written)
            .stderr(copy)
            .spawn()
            .map_err(|error| failed(&error))?;
        Ok(Self {
            child,
            log,
            _folder: folder,
        })
    }

    /// Asks it to stop as systemd does, and waits.
    fn stop(mut self) -> Outcome {
        let pid = self.child.id().to_string();
        run::captured(&mut run::command("kill", ["-TERM", &pid]))
            .map_err(|error| failed(&error))?;
        let until = Instant::now() + STOPPING;
        while Instant::now() < until {
            if let Ok(Some(status)) = self.child.try_wait() {
                return if status.success() {
                    Ok(Held::default())
                } else {
                    let said = fs::read_to_string(&self.log).unwrap_or_default();
                    Err(Failure::new(
                        format!("{status}\n{said}"),
                        "look at what it said",
                    ))
                };
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Failure::new(
            format!("still there {} s after SIGTERM", STOPPING.as_secs()),
            "look at what holds it",
        ))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A process that is gone already needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unit() -> Result<String, Failure> {
    ["/usr/lib/systemd/system", "/lib/systemd/system"]
        .iter()
        .find_map(|folder| fs::read_to_string(Path::new(folder).join(UNIT)).ok())
        .ok_or_else(|| {
            Failure::new(
                format!("no `{UNIT}` is installed"),
                "dpkg --listfiles hotplate",
            )
        })
}

fn install(package: &Path) -> Outcome {
    let mut dpkg = run::command("dpkg", ["--install"]);
    run::captured(dpkg.arg(package)).map_err(|error| failed(&error))?;
    let verified = run::captured(&mut run::command("dpkg", ["--verify", "hotplate"]))
        .map_err(|error| failed(&error))?;
    // Images for containers leave documentation out, which dpkg then finds missing.
    let changed: Vec<&str> = verified
        .lines()
        .filter(|row| !row.starts_with("missing") || !row.contains("/usr/share/"))
        .collect();
    if !changed.is_empty() {
        return Err(Failure::new(changed.join("\n"), "dpkg --verify hotplate"));
    }
    let version =
        run::captured(&mut run::command(PROGRAM, ["--version"])).map_err(|error| failed(&error))?;
    unit()?;
    let name = package.file_name().unwrap_or_default().to_string_lossy();
    Ok(Held::with(format!("{name}, {}", version.trim())))
}

fn removed() -> Outcome {
    run::captured(&mut run::command("dpkg", ["--remove", "hotplate"]))
        .map_err(|error| failed(&error))?;
    let kept = [CONFIG, STATE].iter().all(|kept| Path::new(kept).exists());
    if kept && !Path::new(PROGRAM).exists() {
        Ok(Held::with("configuration and state are kept"))
    } else {
        Err(Failure::new(
            "the program is still there, or configuration and state are not",
            "look at the maintainer scripts",
        ))
    }
}

fn purged() -> Outcome {
    run::captured(&mut run::command("dpkg", ["--purge", "hotplate"]))
        .map_err(|error| failed(&error))?;
    let left = leftovers();
    if left.is_empty() {
        Ok(Held::with(format!(
            "nothing is left under {}",
            SEARCHED.join(", ")
        )))
    } else {
        Err(Failure::new(
            left.join("\n"),
            "look at the maintainer scripts",
        ))
    }
}

/// What bears Hotplate's name where the system keeps its own. Links are not followed.
fn leftovers() -> Vec<String> {
    let mut find = run::command("find", SEARCHED);
    find.args(["-xdev", "-name", "*hotplate*", "-not", "-path", "*/cargo/*"]);
    // It ends with a failure where it may not look; what it saw counts.
    let seen = find.stdin(Stdio::null()).output().map(|it| it.stdout);
    let text = String::from_utf8_lossy(&seen.unwrap_or_default()).into_owned();
    text.lines().map(str::to_owned).collect()
}

fn own(file: &Path, rights: u32) -> Result<(), Failure> {
    let mut chmod = run::command("chmod", [format!("{rights:o}")]);
    run::captured(chmod.arg(file))
        .map(drop)
        .map_err(|error| failed(&error))
}

fn hotplate(words: &[&str]) -> Result<(), Failure> {
    let mut command = run::command(PROGRAM, ["--config", CONFIG]);
    run::captured(command.args(words))
        .map(drop)
        .map_err(|error| failed(&error))
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::from_error(error, "look at what it says")
}
