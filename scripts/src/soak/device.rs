//! The device: a supervisor as an operator runs it, which can be killed, stopped and ended in order, and asked how it is.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sysinfo::Signal;

use super::SoakError;
use super::diary::Diary;
use super::forge::Image;
use super::platform::{DEVICE, PRODUCT, SECRET};
use super::processes::{Processes, set_apart};
use crate::run;

/// How long a new worker must be well before it is trusted, in ms.
pub(super) const PROVING: u64 = 500;

/// How many starts a build gets.
pub(super) const TRIES: usize = 3;

/// Ends of a trusted version that take it back. Kills count as well, and may come several times before the next commit: by the default's
/// five a good version would be rightly taken back now and then.
const LOOP_DEATHS: usize = 10;

/// How long stopping in order may take before it is a violation: what the supervisor allows itself, and some.
const LEAVE_LIMIT: Duration = Duration::from_secs(30);

/// The supervisor and its files.
pub(super) struct Device {
    program: PathBuf,
    config: PathBuf,
    folder: PathBuf,
    environment: Vec<(&'static str, PathBuf)>,
    child: Option<Child>,
    diary: Diary,
    /// Where the workers write down their lives, and we when a supervisor's ends.
    lives: PathBuf,
}

/// How the device is set up, beside what all are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'a> {
    /// The platform's port for MQTT.
    pub(super) port: u16,
    /// Whose images it takes.
    pub(super) publisher: &'a str,
    /// Is the new worker warmed up beside the old one?
    pub(super) standby: bool,
    /// Are the bytes from the network counted?
    pub(super) metered: bool,
}

impl Device {
    /// One with its configuration and its first worker; it does not run yet.
    ///
    /// # Errors
    /// When a file cannot be written, or the worker not be installed.
    pub(super) fn install(
        program: &Path,
        folder: &Path,
        setting: Setting<'_>,
        environment: Vec<(&'static str, PathBuf)>,
        diary: Diary,
        first: &Image,
    ) -> Result<Self, SoakError> {
        let config = folder.join("hotplate.toml");
        let text = configuration(setting);
        std::fs::write(&config, text).map_err(SoakError::at(&config))?;
        let device = Self {
            program: program.to_owned(),
            config,
            folder: folder.to_owned(),
            environment,
            child: None,
            diary,
            lives: folder.join("lives.jsonl"),
        };
        let mut install = device.command();
        install.arg("install").arg(&first.path);
        run::captured(install.args(["--version", &first.version]))?;
        Ok(device)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(&self.config)
            .env("HOTPLATE_DEVICE_SECRET", SECRET)
            .stdin(Stdio::null());
        command
    }

    /// Starts it, unless it runs.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(&mut self) -> Result<(), SoakError> {
        if self.child.is_some() {
            return Ok(());
        }
        let mut command = self.command();
        command
            .arg("run")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        set_apart(&mut command);
        let mut child = command.spawn().map_err(SoakError::at(&self.program))?;
        self.diary
            .follow(child.stdout.take().expect("it was asked for"));
        self.diary
            .follow(child.stderr.take().expect("it was asked for"));
        self.child = Some(child);
        Ok(())
    }

    /// Ends it as a power cut would, and waits for that.
    ///
    /// # Errors
    /// When its end cannot be written down.
    pub(super) fn kill(&mut self) -> Result<(), SoakError> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        // Fails only when it has ended by itself.
        let _ = child.kill();
        child.wait().map_err(SoakError::at(&self.program))?;
        self.ended()
    }

    /// Asks it to end in order and waits for that; false if it takes too long, and then it is killed.
    ///
    /// # Errors
    /// When its end cannot be written down.
    pub(super) fn leave(&mut self, processes: &mut Processes) -> Result<bool, SoakError> {
        let Some(pid) = self.pid() else {
            return Ok(true);
        };
        if !processes.signal(pid, Signal::Term) {
            self.kill()?;
            return Ok(true);
        }
        let begun = Instant::now();
        while begun.elapsed() < LEAVE_LIMIT {
            if self.ended_by_itself()?.is_some() {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill()?;
        Ok(false)
    }

    /// How it ended, if it has ended without being killed since this was asked last.
    ///
    /// # Errors
    /// When its end cannot be written down.
    pub(super) fn ended_by_itself(&mut self) -> Result<Option<String>, SoakError> {
        let Some(child) = &mut self.child else {
            return Ok(None);
        };
        let Some(status) = child.try_wait().map_err(SoakError::at(&self.program))? else {
            return Ok(None);
        };
        self.child = None;
        self.ended()?;
        Ok(Some(status.to_string()))
    }

    /// Writes the end of a supervisor among the lives of its workers, where the order tells what came after it.
    fn ended(&self) -> Result<(), SoakError> {
        let line = json!({"event": "supervisor-ended", "version": "", "pid": 0});
        let mut options = std::fs::File::options();
        options
            .create(true)
            .append(true)
            .open(&self.lives)
            .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
            .map_err(SoakError::at(&self.lives))
    }

    /// Its process, if it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// What it answers to `status --json`; nothing if it does not answer.
    pub(super) fn status(&self) -> Option<Value> {
        let printed = run::captured(self.command().args(["status", "--json"])).ok()?;
        serde_json::from_str(&printed).ok()
    }

    /// What it answers to an operator; nothing if it does not answer.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(super) fn say(&self, words: &[&str]) -> Result<Option<Value>, SoakError> {
        let mut command = self.command();
        let said = command.args(words).arg("--json").output();
        let said = said.map_err(SoakError::at(&self.program))?;
        Ok(serde_json::from_slice(&said.stdout).ok())
    }

    /// Its state folder.
    pub(super) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that is stopped is ended by this as well. It fails only when it has ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// All waits are short, and long enough for a machine on which other lanes run.
fn configuration(setting: Setting<'_>) -> String {
    let Setting {
        port,
        publisher,
        standby,
        metered,
    } = setting;
    let budget = match metered {
        true => "budget_bytes = 100000000\nbudget_bytes_per_day = 100000000000\n",
        false => "",
    };
    format!(
        "[cloud]\n\
         product_key = \"{PRODUCT}\"\n\
         device_name = \"{DEVICE}\"\n\
         host = \"127.0.0.1\"\n\
         port = {port}\n\
         tls = \"off\"\n\
         reconnect_wait_s = 0.05\n\
         reconnect_longest_wait_s = 0.4\n\
         \n[update]\n\
         keys = [\"{publisher}\"]\n\
         allow_http = true\n\
         query_after_connect_s = 0.05\n\
         query_every_s = 3\n\
         fetch_retries = 20\n\
         fetch_wait_s = 0.1\n\
         fetch_longest_wait_s = 0.5\n\
         connect_limit_s = 3\n\
         stall_limit_s = 2\n\
         tries = {TRIES}\n\
         standby = {standby}\n\
         consent_limit_s = 6\n\
         proving_s = {}\n\
         loop_deaths = {LOOP_DEATHS}\n\
         {budget}\
         \n[worker]\n\
         hello_limit_s = 4\n\
         warm_up_limit_s = 4\n\
         activate_limit_s = 4\n\
         quiesce_limit_s = 2\n\
         exit_limit_s = 2\n\
         heartbeat_s = 0.3\n\
         silence_limit_s = 3\n\
         respawn_wait_s = 0.05\n\
         respawn_longest_wait_s = 0.3\n\
         \n[log]\n\
         level = \"debug\"\n",
        Duration::from_millis(PROVING).as_secs_f64()
    )
}
