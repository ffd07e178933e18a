//! A lane: a platform, a device and a folder of their own, in which one round after the other is played.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloud_emulator::SigningKey;
use serde_json::Value;
use sysinfo::Signal;

use super::SoakError;
use super::clock::Clock;
use super::device::{Device, Setting};
use super::diary::Diary;
use super::dice::Dice;
use super::forge::{Forge, Image};
use super::laws::Judge;
use super::operator::Operator;
use super::plan::{Build, Deed, Whom, is_metered};
use super::platform::Platform;
use super::processes::{Found, MARK, Processes};
use super::programs::Programs;
use super::pulse::Pulse;
use super::report::Numbers;
use super::view::View;
use crate::judge::Line;
use crate::tail::Tail;

/// The version that is installed by hand.
const FIRST: &str = "1.0.0";

/// A place for rounds.
pub(super) struct Lane {
    pub(super) seed: u64,
    pub(super) number: u64,
    pub(super) programs: Arc<Programs>,
    pub(super) folder: PathBuf,
    pub(super) diary: Diary,
    pub(super) forge: Forge,
    pub(super) platform: Platform,
    pub(super) device: Device,
    pub(super) processes: Processes,
    pub(super) clock: Option<Clock>,
    pub(super) judge: Judge,
    pub(super) view: View,
    pub(super) operator: Operator,
    pub(super) pulse: Arc<Pulse>,
    pub(super) lives: Tail,
    /// What the workers wrote down and was not judged yet.
    pub(super) unjudged: Vec<Line>,
    pub(super) numbers: Numbers,
    /// The last build that did not succeed: its package, version, size and kind.
    pub(super) failed: Option<Failed>,
    /// Workers that stand still.
    stopped: Vec<u32>,
    platform_stopped: bool,
}

/// A build that may be offered again.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    pub(super) firmware: u64,
    pub(super) image: Image,
    pub(super) build: Build,
}

impl Lane {
    /// Sets one up in a folder, and starts platform and device.
    ///
    /// # Errors
    /// When a file cannot be written, or a program not be started.
    pub(super) fn set(
        seed: u64,
        number: u64,
        programs: Arc<Programs>,
        folder: PathBuf,
        preload: Option<PathBuf>,
        pulse: Arc<Pulse>,
    ) -> Result<Self, SoakError> {
        let temporary = folder.join("tmp");
        let images = folder.join("images");
        for made in [&folder, &temporary, &images] {
            std::fs::create_dir_all(made).map_err(SoakError::at(made))?;
        }
        let diary = Diary::begin(&folder).map_err(SoakError::at(&folder))?;
        let clock = preload
            .map(|preload| Clock::set(preload, folder.join("clock")))
            .transpose()
            .map_err(SoakError::at(&folder))?;
        let mut environment = vec![(MARK, folder.clone()), ("TMPDIR", temporary)];
        let mut platform = Platform::new(
            &programs.emulator,
            folder.join("platform"),
            folder.join("platform.log"),
            environment.clone(),
        )?;
        platform.start()?;
        environment.extend(clock.iter().flat_map(Clock::environment));
        let forge = Forge {
            folder: images,
            publisher: SigningKey::generate(),
            stranger: SigningKey::generate(),
        };
        let mut dice = Dice::of(&[seed, number]);
        let lives = folder.join("lives.jsonl");
        let first = forge
            .make(&Build::first(), FIRST, &programs.misfit, &lives, &mut dice)
            .map_err(SoakError::at(&folder))?;
        let publisher = forge.publisher.public();
        let setting = Setting {
            port: platform.port(),
            publisher: &publisher,
            standby: number % 4 != 3,
            metered: is_metered(number),
        };
        let mut device = Device::install(
            &programs.supervisor,
            &folder,
            setting,
            environment,
            diary.clone(),
            &first,
        )?;
        device.start()?;
        Ok(Self {
            seed,
            number,
            programs,
            processes: Processes::of(&folder)?,
            lives: Tail::of(lives),
            folder,
            diary,
            forge,
            platform,
            device,
            clock,
            judge: Judge::new(FIRST),
            view: View::default(),
            operator: Operator::default(),
            pulse,
            unjudged: Vec::new(),
            numbers: Numbers::default(),
            failed: None,
            stopped: Vec::new(),
            platform_stopped: false,
        })
    }

    /// Where workers write down their lives.
    pub(super) fn lives_path(&self) -> PathBuf {
        self.folder.join("lives.jsonl")
    }

    /// Does something. What cannot be done at the moment is left out.
    ///
    /// # Errors
    /// When a program cannot be started, or the platform does not answer.
    pub(super) fn act(&mut self, deed: &Deed) -> Result<(), SoakError> {
        let done = self.try_to(deed)?;
        let word = if done { "done" } else { "left out" };
        self.diary.done(&format!("{word}: {deed:?}"));
        self.numbers.points += u64::from(done);
        Ok(())
    }

    fn try_to(&mut self, deed: &Deed) -> Result<bool, SoakError> {
        let listens = self.platform.pid().is_some() && !self.platform_stopped;
        match deed {
            Deed::Kill(Whom::Supervisor) => {
                if self.device.pid().is_none() {
                    return Ok(false);
                }
                self.device.kill()?;
                self.numbers.kills += 1;
            }
            Deed::Kill(Whom::Platform) => {
                if self.platform.pid().is_none() {
                    return Ok(false);
                }
                self.platform.kill();
                self.platform_stopped = false;
                self.view.platform_gone();
                self.numbers.kills += 1;
                self.numbers.emulator_kills += 1;
            }
            Deed::Kill(Whom::Worker { last }) => {
                let Some(worker) = self.worker(*last) else {
                    return Ok(false);
                };
                if !self.processes.signal(worker.pid, Signal::Kill) {
                    return Ok(false);
                }
                self.diary.done(&format!("killed {worker:?}"));
                self.numbers.kills += 1;
            }
            Deed::Start(Whom::Supervisor) => self.device.start()?,
            Deed::Start(Whom::Platform) => self.platform.start()?,
            Deed::Start(Whom::Worker { .. }) => return Ok(false),
            Deed::Stop(whom) => return self.stop(*whom),
            Deed::Continue(whom) => return Ok(self.go_on(*whom)),
            Deed::Leave => {
                if self.device.pid().is_none() {
                    return Ok(false);
                }
                // One that stands still hears nothing.
                self.go_on(Whom::Supervisor);
                if !self.device.leave(&mut self.processes)? {
                    return Err(SoakError::StaysOn);
                }
            }
            Deed::Clock(seconds) => {
                let Some(clock) = &self.clock else {
                    return Ok(false);
                };
                clock.jump(*seconds).map_err(SoakError::at(&self.folder))?;
                self.numbers.clock_jumps += 1;
            }
            Deed::Fault(_) | Deed::Kick | Deed::Drop if !listens => return Ok(false),
            Deed::Fault(fault) => self.platform.fault(fault)?,
            Deed::Kick => {
                self.platform.part("kick")?;
                self.numbers.faults += 1;
            }
            Deed::Drop => {
                self.platform.part("drop")?;
                self.numbers.faults += 1;
            }
            Deed::Say(wish) => return self.say(*wish),
        }
        Ok(true)
    }

    fn stop(&mut self, whom: Whom) -> Result<bool, SoakError> {
        let pid = match whom {
            Whom::Supervisor => self.device.pid(),
            Whom::Platform => self.platform.pid(),
            Whom::Worker { last } => self.worker(last).map(|worker| worker.pid),
        };
        let Some(pid) = pid.filter(|pid| self.processes.signal(*pid, Signal::Stop)) else {
            return Ok(false);
        };
        match whom {
            Whom::Worker { .. } => self.stopped.push(pid),
            Whom::Platform => self.platform_stopped = true,
            Whom::Supervisor => {}
        }
        self.diary.done(&format!("stopped process {pid}"));
        self.numbers.stops += 1;
        Ok(true)
    }

    fn go_on(&mut self, whom: Whom) -> bool {
        let pids = match whom {
            Whom::Supervisor => self.device.pid().into_iter().collect(),
            Whom::Platform => {
                self.platform_stopped = false;
                self.platform.pid().into_iter().collect()
            }
            Whom::Worker { .. } => std::mem::take(&mut self.stopped),
        };
        let mut done = false;
        for pid in pids {
            done |= self.processes.signal(pid, Signal::Continue);
        }
        done
    }

    /// Nobody is hindered any more: everything runs, and no fault is set.
    ///
    /// # Errors
    /// When a program cannot be started, or the platform does not answer.
    pub(super) fn calm(&mut self, faults: &[&str]) -> Result<(), SoakError> {
        for whom in [
            Whom::Supervisor,
            Whom::Platform,
            Whom::Worker { last: true },
        ] {
            self.go_on(whom);
        }
        self.platform.start()?;
        for fault in faults {
            self.platform.clear(fault)?;
        }
        self.device.start()
    }

    /// All processes of the lane.
    pub(super) fn found(&mut self) -> Vec<Found> {
        self.processes.find(self.device.pid())
    }

    fn worker(&mut self, last: bool) -> Option<Found> {
        let others = [self.device.pid(), self.platform.pid()];
        let mut workers = self.processes.find(None);
        workers.retain(|found| !others.contains(&Some(found.pid)));
        if last {
            workers.pop()
        } else {
            workers.into_iter().next()
        }
    }

    /// Reads what was written since the last time, into `unjudged` and the view.
    pub(super) fn read(&mut self) {
        self.unjudged.extend(self.lives.read::<Line>());
        for entry in self.platform.journal.read::<Value>() {
            self.view.take(&entry);
        }
    }

    /// Keeps the folder from growing: images that are not needed any more, and what was printed long ago.
    pub(super) fn tidy(&self) {
        self.diary.shorten(MOST_PRINTED);
        let kept = self.failed.as_ref().map(|failed| &failed.image.path);
        let images = std::fs::read_dir(&self.forge.folder);
        for image in images.into_iter().flatten().flatten() {
            if Some(&image.path()) != kept {
                // One that stays is removed after the next round.
                let _ = std::fs::remove_file(image.path());
            }
        }
    }

    /// The folder for what the programs call temporary.
    pub(super) fn temporary(&self) -> PathBuf {
        self.folder.join("tmp")
    }
}

/// How much of what programs printed is kept, in bytes.
const MOST_PRINTED: u64 = 16 * 1024 * 1024;

impl Drop for Lane {
    fn drop(&mut self) {
        // A worker that stands still would outlive its supervisor, and one that does not end by itself for ten minutes.
        for whom in [
            Whom::Worker { last: true },
            Whom::Supervisor,
            Whom::Platform,
        ] {
            self.go_on(whom);
        }
        // Whether it is written down or not.
        let _ = self.device.kill();
        self.platform.kill();
        for found in self.processes.find(None) {
            self.processes.signal(found.pid, Signal::Kill);
        }
    }
}

/// The paths a lane has.
pub(super) fn folder_of(root: &Path, number: u64) -> PathBuf {
    root.join(format!("lane-{number}"))
}
