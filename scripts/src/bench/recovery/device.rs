//! A device under measurement: a platform, a supervisor and a worker that writes down when it acts.

use super::lives::{Line, Lives};
use super::{RecoveryError, stamp};
use crate::bench::BenchError;
use crate::bench::clock::Moment;
use crate::stage::{Plan, Stage};
use cloud_emulator::{Package, Rollout, SignMethod, TaskState, Transport};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use sysinfo::{Pid, ProcessesToUpdate, System};

/// The property the worker tells first.
pub(super) const TELLTALE: &str = "count";

/// A worker that lived for so long is started again at once, by this configuration.
const CALM: Duration = Duration::from_millis(50);
/// For what is counted by several clocks.
const MARGIN: Duration = Duration::from_millis(25);

/// What is not at its default: how long a worker must have lived to be started again at once, so that a round need not last for a minute.
pub(super) const SETTINGS: &str = "\n[worker]\nrespawn_calm_s = 0.05\n";

/// How long an offer may take until the platform knows what became of it.
const OFFER_LIMIT: Duration = Duration::from_secs(60);

/// The version that works.
const GOOD: &str = "1.0.0";

/// How many lines of a log are shown.
const SHOWN: usize = 40;

/// How a new version fails while it is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// It ends.
    Dies,
    /// It finds that it is not well; it must be ended.
    Unwell,
}

impl Bad {
    fn deed(self) -> &'static str {
        match self {
            Self::Dies => "die-while-proving",
            Self::Unwell => "unwell-while-proving",
        }
    }

    /// What it writes down when the verdict falls.
    fn word(self) -> &'static str {
        match self {
            Self::Dies => "died",
            Self::Unwell => "unwell",
        }
    }
}

/// A device, and what its workers write down.
pub(super) struct Device {
    stage: Stage,
    lives: Lives,
    misfit: PathBuf,
    folder: PathBuf,
    system: System,
    /// The worker that acts.
    worker: Line,
}

impl Device {
    /// Brings one to rest.
    ///
    /// # Errors
    /// When that fails.
    pub(super) fn set(
        plan: &Plan,
        mut lives: Lives,
        misfit: &Path,
        folder: &Path,
    ) -> Result<Self, BenchError> {
        let stage = Stage::set(plan)?;
        let worker = lives.until("active", None).map_err(RecoveryError::from)?;
        Ok(Self {
            stage,
            lives,
            misfit: misfit.to_owned(),
            folder: folder.to_owned(),
            system: System::new().map_err(RecoveryError::Processes)?,
            worker,
        })
    }

    /// Kills the worker: the milliseconds until the next one acts.
    ///
    /// # Errors
    /// When it cannot be killed, or none follows.
    pub(super) fn respawn(&mut self) -> Result<f64, BenchError> {
        self.calm_down();
        self.lives.skip();
        let pid = Pid::from_u32(self.worker.pid);
        self.system
            .refresh_processes(ProcessesToUpdate::Some(&[pid]), true);
        let process = self.system.process(pid);
        let process = process.ok_or(RecoveryError::Kill(self.worker.pid))?;
        let killed = Moment::now();
        if !process.kill() {
            return Err(RecoveryError::Kill(self.worker.pid).into());
        }
        self.worker = self.see("active", Some(GOOD))?;
        Ok(self.worker.at.since(killed))
    }

    /// Cuts the supervisor off and starts it again when its worker has gone: the milliseconds until the next worker acts.
    ///
    /// # Errors
    /// When it does not start, or no worker acts.
    pub(super) fn start(&mut self) -> Result<f64, BenchError> {
        self.stage.cut();
        self.see("exited", Some(GOOD))?;
        self.lives.skip();
        let begun = Moment::now();
        self.stage.start()?;
        self.worker = self.see("active", Some(GOOD))?;
        Ok(self.worker.at.since(begun))
    }

    /// Offers a version that fails while it is proved: the milliseconds from its verdict until the old one acts again.
    ///
    /// # Errors
    /// When it is not taken back.
    pub(super) fn take_back(&mut self, bad: Bad, round: u32) -> Result<f64, BenchError> {
        // Each one is another build: what has failed once would be refused.
        let version = format!("2.0.{round}");
        let orders = json!({"version": version, "do": bad.deed(), "journal": self.lives.path()});
        let image = stamp(&self.misfit, &self.folder.join("bad"), &orders)?;
        self.lives.skip();
        let job = self.offer(&version, &image)?;
        let verdict = self.see(bad.word(), Some(&version))?.at;
        self.worker = self.see("active", Some(GOOD))?;
        let taken_back = self.worker.at.since(verdict);
        let ended = self.stage.emulator().wait_until(
            self.stage.device(),
            OFFER_LIMIT,
            "the job's end",
            |state| {
                let task = state.task();
                task.is_some_and(|task| task.job == job && task.state == TaskState::Failed)
            },
        );
        match self.stage.emulator().block_on(ended) {
            Ok(_) => Ok(taken_back),
            Err(why) => Err(self.unseen(why.to_string()).into()),
        }
    }

    fn offer(&self, version: &str, image: &Path) -> Result<u64, RecoveryError> {
        let refused = |why: String| RecoveryError::Offer(version.to_owned(), why);
        let emulator = self.stage.emulator();
        let package = Package::from_path(version, image)
            .sign_method(SignMethod::Sha256)
            .signed(self.stage.publisher(), env!("HOTPLATE_TARGET"));
        let firmware = emulator
            .add_firmware(package)
            .map_err(|why| refused(why.to_string()))?;
        let rollout = Rollout {
            transport: Transport::Https,
            ..Rollout::new(firmware.id, self.stage.device())
        };
        emulator
            .start_job(rollout)
            .map_err(|why| refused(why.to_string()))
    }

    /// A worker that dies soon after its start is not started again at once; that is not measured.
    fn calm_down(&self) {
        let lived = Moment::now().since(self.worker.at);
        let left = (CALM + MARGIN).as_secs_f64() - lived / 1000.0;
        std::thread::sleep(Duration::try_from_secs_f64(left).unwrap_or_default());
    }

    fn see(&mut self, event: &str, version: Option<&str>) -> Result<Line, RecoveryError> {
        match self.lives.until(event, version) {
            Err(why @ super::lives::Quiet::Unseen { .. }) => Err(self.unseen(why.to_string())),
            seen => Ok(seen?),
        }
    }

    fn unseen(&self, why: String) -> RecoveryError {
        let log = self.stage.log();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(SHOWN);
        RecoveryError::Unseen {
            why,
            log: lines[from..].join("\n"),
        }
    }
}
