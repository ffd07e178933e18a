//! A lane: an emulator, a folder, and one history after another played in them.
//!
//! Each history begins with the same state folder, in which the old version is installed, and with a device the platform has never seen.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud_emulator::{
    DeviceId, DeviceState, Emulator, Options, Package, Rollout, SigningKey, What,
};
use serde_json::{Value, json};

use super::SweepError;
use super::point::Case;
use super::programs::Programs;
use super::tracer::{Running, Trap};

/// The device's secret; it opens nothing but this emulator.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The versions of the misfits.
pub(super) const OLD: &str = "1.0.0";
pub(super) const NEW: &str = "1.0.7";
pub(super) const BAD: &str = "1.0.8";

/// How often something is looked at that cannot tell by itself that it has changed.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How long a command line may take.
const CLI_LIMIT: Duration = Duration::from_secs(60);

/// How many entries the emulator's journal keeps; a history has some hundreds.
const JOURNAL: usize = 16 * 1024;

/// What is told of one status.
pub(super) type Status = Value;

/// A place for histories.
pub(super) struct Lane {
    folder: tempfile::TempDir,
    programs: Arc<Programs>,
    emulator: Emulator,
    publisher: SigningKey,
    good: u64,
    bad: u64,
    device: DeviceId,
    histories: u64,
}

impl Lane {
    /// Makes the images, and installs the old one.
    pub(super) fn set(programs: Arc<Programs>) -> Result<Self, SweepError> {
        let folder = tempfile::Builder::new()
            .prefix("sweep-")
            .tempdir()
            .map_err(SweepError::at("a temporary folder"))?;
        let emulator = Emulator::start(Options {
            journal_capacity: JOURNAL,
            ..Options::default()
        })?;
        let mut lane = Self {
            folder,
            programs,
            emulator,
            publisher: SigningKey::generate(),
            good: 0,
            bad: 0,
            device: DeviceId::new("a1Sample001", "oven0"),
            histories: 0,
        };
        let journal = lane.lives();
        let orders =
            |version: &str| json!({ "version": version, "journal": journal, "ticks": true });
        lane.stamp("old", &orders(OLD))?;
        lane.stamp("good", &orders(NEW))?;
        let mut bad = orders(BAD);
        bad["do"] = "die-while-proving".into();
        bad["after_ms"] = 60.into();
        lane.stamp("bad", &bad)?;
        lane.good = lane.upload("good", NEW)?;
        lane.bad = lane.upload("bad", BAD)?;
        lane.configure()?;
        let ended = lane.cli(&lane.install_of("old", OLD))?;
        if ended != Some(0) {
            return Err(SweepError::Unprepared(lane.log()));
        }
        let (state, template) = (lane.state(), lane.path("template"));
        fs::rename(&state, &template).map_err(SweepError::at(&template))?;
        Ok(lane)
    }

    fn stamp(&self, name: &str, orders: &Value) -> Result<(), SweepError> {
        let mut stamp = Command::new(&self.programs.misfit);
        stamp
            .arg("--stamp")
            .arg(&self.programs.misfit)
            .arg(self.path(name))
            .arg(orders.to_string());
        crate::run::captured(&mut stamp)?;
        Ok(())
    }

    fn upload(&self, name: &str, version: &str) -> Result<u64, SweepError> {
        let package = Package::from_path(version, self.path(name))
            .signed(&self.publisher, env!("HOTPLATE_TARGET"));
        Ok(self.emulator.add_firmware(package)?.id)
    }

    fn configure(&self) -> Result<(), SweepError> {
        let DeviceId {
            product_key,
            device_name,
        } = &self.device;
        let text = format!(
            "[cloud]\nproduct_key = {product_key:?}\ndevice_name = {device_name:?}\nhost = \"127.0.0.1\"\nport = {}\ntls = \"off\"\n\
             reconnect_wait_s = 0.05\nreconnect_longest_wait_s = 0.2\n\n\
             [update]\nkeys = [{:?}]\nallow_http = true\nquery_after_connect_s = 0.05\nproving_s = 0.3\nfetch_wait_s = 0.02\n\
             fetch_longest_wait_s = 0.05\n\n\
             [worker]\nrespawn_wait_s = 0.05\nrespawn_longest_wait_s = 0.2\nheartbeat_s = 0.2\n\n[log]\nlevel = \"debug\"\n",
            self.emulator.mqtt_address().port(),
            self.publisher.public(),
        );
        let config = self.config();
        fs::write(&config, text).map_err(SweepError::at(&config))
    }

    /// Everything as before the first history: the old version installed, or nothing at all, and a device that is new to the platform, to
    /// which this case's job is offered.
    pub(super) fn reset(&mut self, case: Case) -> Result<(), SweepError> {
        self.histories += 1;
        for folder in [self.state(), self.temporary()] {
            match fs::remove_dir_all(&folder) {
                Err(why) if why.kind() != io::ErrorKind::NotFound => {
                    return Err(SweepError::at(&folder)(why));
                }
                _ => {}
            }
        }
        for file in [self.lives(), self.path("log")] {
            // Most often there is one.
            let _ = fs::remove_file(file);
        }
        fs::create_dir(self.temporary()).map_err(SweepError::at(&self.temporary()))?;
        if case != Case::FirstInstall {
            let state = self.state();
            copy(&self.path("template"), &state).map_err(SweepError::at(&state))?;
        }
        self.device = DeviceId::new("a1Sample001", format!("oven{}", self.histories));
        self.emulator.add_device(&self.device, SECRET);
        self.configure()?;
        let offered = match case {
            Case::Update => self.good,
            Case::Bad => self.bad,
            Case::Install | Case::FirstInstall => return Ok(()),
        };
        self.emulator
            .start_job(Rollout::new(offered, &self.device))?;
        Ok(())
    }

    /// A command line that installs an image.
    pub(super) fn install_of(&self, image: &str, version: &str) -> Vec<OsString> {
        let words = ["install", "--version", version].map(OsString::from);
        words.into_iter().chain([self.path(image).into()]).collect()
    }

    fn arguments(&self, arguments: &[OsString]) -> Vec<OsString> {
        let config = [OsString::from("--config"), self.config().into()];
        config
            .into_iter()
            .chain(arguments.iter().cloned())
            .collect()
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("HOTPLATE_DEVICE_SECRET", SECRET.into()),
            ("TMPDIR", self.temporary().into()),
        ]
    }

    /// Starts the supervisor's program under the tracer.
    pub(super) fn traced(
        &self,
        arguments: &[OsString],
        mut trap: Trap,
    ) -> Result<Running, SweepError> {
        trap.root = self.state();
        let log = self.path("log");
        let arguments = self.arguments(arguments);
        Ok(Running::start(
            &self.programs.supervisor,
            arguments,
            self.environment(),
            &log,
            trap,
        )?)
    }

    /// Starts the supervisor as it is.
    pub(super) fn run(&self) -> Result<Life, SweepError> {
        let child = self.command(&["run".into()])?.spawn();
        let child = child.map_err(SweepError::at(&self.programs.supervisor))?;
        Ok(Life(child))
    }

    /// Runs a command line of the supervisor to its end and answers its exit code.
    pub(super) fn cli(&self, arguments: &[OsString]) -> Result<Option<i32>, SweepError> {
        let child = self.command(arguments)?.spawn();
        let mut life = Life(child.map_err(SweepError::at(&self.programs.supervisor))?);
        Ok(life.await_end(CLI_LIMIT).flatten())
    }

    fn command(&self, arguments: &[OsString]) -> Result<Command, SweepError> {
        let path = self.path("log");
        let log = fs::File::options().create(true).append(true).open(&path);
        let log = log.and_then(|log| Ok((log.try_clone()?, log)));
        let (out, err) = log.map_err(SweepError::at(&path))?;
        let mut command = Command::new(&self.programs.supervisor);
        command
            .args(self.arguments(arguments))
            .envs(self.environment())
            // Ctrl-C is for the sweep alone.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        Ok(command)
    }

    /// Is everything at rest, with the outcome told if there is a job? Answers the status, or what is amiss.
    pub(super) fn rest(&self, case: Case) -> Result<Status, String> {
        let Some(device) = self.seen() else {
            return Err("the platform does not know the device".to_owned());
        };
        if !device.online {
            return Err("the device is not online".to_owned());
        }
        if case.has_job() && !device.task().is_some_and(|task| task.state.is_final()) {
            return Err(format!(
                "the task is {:?}",
                device.task().map(|it| it.state)
            ));
        }
        let mut command = Command::new(&self.programs.supervisor);
        command
            .args(self.arguments(&["status".into(), "--json".into()]))
            .envs(self.environment());
        let printed = crate::run::captured(&mut command).map_err(|why| why.to_string())?;
        let status: Status = serde_json::from_str(&printed).map_err(|why| why.to_string())?;
        let workers = status["workers"].as_array().map_or(0, Vec::len);
        let worker = &status["workers"][0];
        let rests = status["phase"] == "idle"
            && status["cloud_up"] == true
            && workers == 1
            && worker["stage"] == "active"
            && worker["version"] == status["version"]
            && device.version().map(Value::from).as_ref() == Some(&status["version"]);
        if rests {
            Ok(status)
        } else {
            Err(format!("told {:?}: {status}", device.version()))
        }
    }

    /// Waits for that.
    pub(super) fn await_rest(
        &self,
        case: Case,
        life: &mut Life,
        limit: Duration,
    ) -> Result<Status, String> {
        let begun = Instant::now();
        loop {
            let last = match self.rest(case) {
                Ok(status) => return Ok(status),
                Err(last) => last,
            };
            if let Some(code) = life.ended() {
                return Err(format!(
                    "the supervisor ended by itself, with {code:?}; before: {last}"
                ));
            }
            if begun.elapsed() >= limit {
                return Err(last);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// The device as the platform sees it.
    pub(super) fn seen(&self) -> Option<DeviceState> {
        self.emulator.device_state(&self.device)
    }

    pub(super) fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    pub(super) fn device(&self) -> &DeviceId {
        &self.device
    }

    /// How many bytes of the image lie on the disk.
    pub(super) fn on_disk(&self) -> u64 {
        let length = |folder: PathBuf, wanted: &dyn Fn(&str) -> bool| {
            let files = fs::read_dir(folder).into_iter().flatten().flatten();
            let wanted = files.filter(|file| wanted(&file.file_name().to_string_lossy()));
            wanted
                .filter_map(|file| Some(file.metadata().ok()?.len()))
                .max()
        };
        let part = length(self.state().join("parts"), &|name| name.ends_with(".part"));
        let newest =
            [NEW, BAD].map(|version| self.state().join("slots").join(format!("2-{version}")));
        let slot = newest
            .into_iter()
            .filter_map(|slot| length(slot, &|name| name == "worker"));
        part.into_iter().chain(slot).max().unwrap_or(0)
    }

    /// From which byte on the image was asked for after a point of the journal, if it was.
    pub(super) fn asked_from(&self, mark: u64) -> Option<u64> {
        let journal = self.emulator.journal();
        journal.iter().find_map(|entry| match &entry.what {
            What::Request { range, .. } if entry.seq > mark => {
                let from = range.as_deref().and_then(|it| it.strip_prefix("bytes="));
                let from = from.and_then(|it| it.split('-').next()?.parse().ok());
                Some(from.unwrap_or(0))
            }
            _ => None,
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// What the programs take for the system's temporary folder.
    pub(super) fn temporary(&self) -> PathBuf {
        self.path("tmp")
    }

    pub(super) fn lives(&self) -> PathBuf {
        self.path("lives")
    }

    fn config(&self) -> PathBuf {
        self.path("hotplate.toml")
    }

    /// What the supervisors of this history have printed.
    pub(super) fn log(&self) -> String {
        let bytes = fs::read(self.path("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A supervisor that runs untraced. It is killed when dropped.
pub(super) struct Life(Child);

impl Life {
    /// Its exit code, if it has ended; a signal gives none.
    pub(super) fn ended(&mut self) -> Option<Option<i32>> {
        let ended = self.0.try_wait().ok().flatten()?;
        Some(ended.code())
    }

    /// Its exit code, if it ends in time.
    pub(super) fn await_end(&mut self, limit: Duration) -> Option<Option<i32>> {
        let begun = Instant::now();
        loop {
            if let Some(ended) = self.ended() {
                return Some(ended);
            }
            if begun.elapsed() >= limit {
                return None;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // Fails only when it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Programs are taken over as second names: nobody writes into them.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&from, &to)?;
        } else if entry.file_name() == "worker" {
            fs::hard_link(&from, &to)?;
        } else {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}
