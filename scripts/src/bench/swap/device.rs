//! The device whose program is swapped: a platform, a supervisor, and two releases of the metronome.

use super::{SwapError, VERSIONS};
use crate::bench::BenchError;
use crate::stage::{Plan, Stage};
use cloud_emulator::{Firmware, Package, Rollout, SignMethod, TaskState, Transport};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The property the metronome tells.
pub(super) const TELLTALE: &str = "count";

/// How long a swap may take, from the offer until the new version is trusted.
const SWAP_LIMIT: Duration = Duration::from_secs(60);

/// How many lines of a log are shown.
const SHOWN: usize = 40;

/// What is not at its default: the way back to the older version is allowed, and a version is trusted after 0.3 s, so that 200 swaps
/// take minutes and not hours.
pub(super) fn settings(journal: &Path) -> String {
    let journal = journal.display().to_string();
    format!(
        "allow_downgrade = true\nproving_s = 0.3\n\n[worker]\nenv = {{ METRONOME_JOURNAL = {journal:?} }}\n"
    )
}

/// The device, and the two releases as the platform has them.
pub(super) struct Device {
    stage: Stage,
    firmware: [Firmware; 2],
}

impl Device {
    /// Brings it to rest with the first of both.
    ///
    /// # Errors
    /// When that fails.
    pub(super) fn set(plan: &Plan, images: &[PathBuf; 2]) -> Result<Self, BenchError> {
        let stage = Stage::set(plan)?;
        let upload = |at: usize| {
            let package = Package::from_path(VERSIONS[at], &images[at])
                .sign_method(SignMethod::Sha256)
                .signed(stage.publisher(), env!("HOTPLATE_TARGET"));
            let added = stage.emulator().add_firmware(package);
            added.map_err(|why| SwapError::Offer(VERSIONS[at].to_owned(), why.to_string()))
        };
        let firmware = [upload(0)?, upload(1)?];
        Ok(Self { stage, firmware })
    }

    pub(super) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Offers the version that does not run, and waits until it is trusted. Odd swaps lead to the second version, even ones back.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn swap(&self, swap: u32) -> Result<(), SwapError> {
        let at = usize::from(swap % 2 == 1);
        let emulator = self.stage.emulator();
        let rollout = Rollout {
            transport: Transport::Https,
            ..Rollout::new(self.firmware[at].id, self.stage.device())
        };
        let job = emulator
            .start_job(rollout)
            .map_err(|why| SwapError::Offer(VERSIONS[at].to_owned(), why.to_string()))?;
        let of_job = |state: &cloud_emulator::DeviceState| {
            let task = state.task().filter(|task| task.job == job);
            task.map(|task| task.state)
        };
        let what = format!("version {} trusted", VERSIONS[at]);
        let ended = emulator.wait_until(self.stage.device(), SWAP_LIMIT, &what, |state| {
            of_job(state).is_some_and(TaskState::is_final)
        });
        match emulator.block_on(ended) {
            Ok(state) if of_job(&state) == Some(TaskState::Succeeded) => Ok(()),
            Ok(state) => {
                let why = state.task().map(|task| task.description.clone());
                Err(self.unseen(format!("see {what}: {}", why.unwrap_or_default())))
            }
            Err(why) => Err(self.unseen(why.to_string())),
        }
    }

    /// How often it has logged in.
    pub(super) fn connections(&self) -> u64 {
        let state = self.stage.emulator().device_state(self.stage.device());
        state.map_or(0, |state| state.counters.connects)
    }

    fn unseen(&self, why: String) -> SwapError {
        let log = self.stage.log();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(SHOWN);
        SwapError::Unseen {
            why,
            log: lines[from..].join("\n"),
        }
    }
}
