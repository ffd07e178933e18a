//! One round of Hotplate's: from the push of the offer until the image is a slot.
//!
//! Seen from outside, by what lies in the state folder, so that no log line need be trusted: a slot gets its name when the image
//! has been fetched, verified, written and synced. The image is no worker, so that the update fails after that; nobody waits for it.

use super::prepare::{Image, warm_memory};
use super::web::{self, Web};
use super::{DownloadError, Way};
use crate::bench::live::stopped;
use crate::bench::{BenchError, process};
use crate::paint;
use crate::stage::{Plan, Stage};
use serde_json::json;
use std::fs::{self, File};
use std::io::{BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Threads for blocking work end when they have rested; start-up is over after this.
const REST: Duration = Duration::from_secs(5);

/// The time between two looks at the folder: short against what is measured, long against what a look costs.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The platform's view is looked at, and progress shown, once in so many looks.
const SELDOM: u32 = 128;

/// A download that stands still for so long has failed.
const STILL: Duration = Duration::from_secs(180);

/// How much of the image is signed at once.
const PIECE: usize = 256 * 1024;

/// The version that is offered.
const VERSION: &str = "9.0.0";

/// What one download cost, in seconds and bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// From the push to the slot.
    pub(super) wall: f64,
    /// The supervisor's user and system time meanwhile.
    pub(super) cpu: f64,
    /// The part of the wall time after the last byte was written: verdict, sync, slot.
    pub(super) finish: f64,
    /// The most resident memory meanwhile, less what there was before.
    pub(super) growth: u64,
}

/// All it takes.
pub(super) struct Round<'a> {
    pub(super) plan: &'a Plan,
    pub(super) place: &'a Path,
    /// Ticks of the system's clock in a second.
    pub(super) per_second: f64,
    pub(super) image: &'a Image,
    pub(super) web: &'a Web,
    pub(super) way: Way,
}

impl Round<'_> {
    /// Plays it, telling how far it is.
    ///
    /// # Errors
    /// When the supervisor does not come to rest, or the image not into a slot.
    pub(super) fn play(&self, mut tell: impl FnMut(&str)) -> Result<Sample, BenchError> {
        tell("starting");
        let stage = Stage::set(&Plan {
            supervisor: self.plan.supervisor.clone(),
            worker: self.plan.worker.clone(),
            settings: self.settings(),
            place: Some(self.place.to_owned()),
            ..*self.plan
        })?;
        if self.way == Way::Signed {
            tell("signing");
            self.sign(&stage)?;
        }
        let rested = Instant::now() + REST;
        while Instant::now() < rested {
            stopped()?;
            std::thread::sleep(Duration::from_millis(100));
        }
        warm_memory(self.place, self.image.size)?;
        tell("downloading");
        self.measure(&stage, &mut tell)
    }

    fn measure(&self, stage: &Stage, tell: &mut dyn FnMut(&str)) -> Result<Sample, BenchError> {
        let pid = stage.pid();
        if process::forget_peak(pid).is_err() {
            tell("the peak of memory cannot be reset; its growth counts from the peak at start-up");
        }
        let ((resident, _), before) = (process::resident(pid)?, process::ticks(pid)?);
        let start = Instant::now();
        let offer = json!({
            "version": VERSION,
            "url": self.web.url(self.way),
            "size": self.image.size,
            "sign": self.image.md5,
            "md5": self.image.md5,
            "signMethod": "Md5",
        });
        if !stage.emulator().push_offer(stage.device(), &offer) {
            return Err(no_slot(stage, "the offer was not taken").into());
        }
        let (written, slot) = self.watch(stage, start, tell)?;
        let after = process::ticks(pid)?;
        let (_, peak) = process::resident(pid)?;
        let wall = start.elapsed().as_secs_f64();
        self.check(&slot)?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let cpu = (after - before) as f64 / self.per_second;
        Ok(Sample {
            wall,
            cpu,
            finish: (wall - written).max(0.0),
            growth: peak.saturating_sub(resident),
        })
    }

    /// Waits for the slot: the seconds until the last byte was written, and the slot.
    fn watch(
        &self,
        stage: &Stage,
        start: Instant,
        tell: &mut dyn FnMut(&str),
    ) -> Result<(f64, PathBuf), BenchError> {
        let state = stage
            .config()
            .parent()
            .unwrap_or(Path::new("."))
            .join("state");
        let (parts, slots) = (state.join("parts"), state.join("slots"));
        let live = std::io::stderr().is_terminal();
        let (mut looks, mut size, mut since) = (0_u32, 0, start);
        let mut written = None;
        loop {
            if let Some(slot) = slot_of(&slots) {
                let all = start.elapsed().as_secs_f64();
                return Ok((written.unwrap_or(all), slot));
            }
            let now = largest(&parts);
            if now != size {
                (size, since) = (now, Instant::now());
            }
            if now >= self.image.size && written.is_none() {
                written = Some(start.elapsed().as_secs_f64());
            }
            if looks % SELDOM == 0 {
                stopped()?;
                if live {
                    let percent = u8::try_from(size * 100 / self.image.size).unwrap_or(100);
                    tell(&format!("{} {percent} %", paint::bar(percent, 24)));
                }
                if let Some(why) = refusal(stage) {
                    return Err(no_slot(stage, &why).into());
                }
                // Fails when the supervisor has ended.
                process::ticks(stage.pid())?;
                if since.elapsed() > STILL {
                    let why = format!(
                        "nothing moved for {} at {size} bytes",
                        paint::duration(STILL)
                    );
                    return Err(no_slot(stage, &why).into());
                }
            }
            looks = looks.wrapping_add(1);
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// What this way needs beside the defaults.
    fn settings(&self) -> String {
        let way = match self.way {
            Way::Plain => "allow_http = true\nrequire = \"digest\"\n".to_owned(),
            Way::Signed => "allow_http = true\nrequire = \"signature\"\n".to_owned(),
            Way::Tls => {
                let ca = self.web.ca.display().to_string();
                format!("ca = {ca:?}\nrequire = \"digest\"\n")
            }
        };
        format!("largest_image_bytes = {}\n{way}", self.image.size)
    }

    /// Puts the signature of the one the device trusts beside the image, where it is looked for.
    fn sign(&self, stage: &Stage) -> Result<(), DownloadError> {
        let image = self.place.join(web::IMAGE);
        let signature = self.place.join(format!("{}.minisig", web::IMAGE));
        let words = format!(
            "version:{VERSION} target:{} module:default size:{}",
            env!("HOTPLATE_TARGET"),
            self.image.size
        );
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| DownloadError::File { path, source }
        };
        let read = File::open(&image).map_err(failed(&image))?;
        let text = stage
            .publisher()
            .sign(BufReader::with_capacity(PIECE, read), &words)
            .map_err(failed(&image))?;
        fs::write(&signature, text).map_err(failed(&signature))
    }

    /// The digest was the supervisor's to check; that all is there can be seen.
    fn check(&self, slot: &Path) -> Result<(), DownloadError> {
        let path = slot.join("worker");
        match fs::metadata(&path) {
            Ok(there) if there.len() == self.image.size => Ok(()),
            Ok(there) => {
                let why = format!(
                    "it has {} bytes instead of {}",
                    there.len(),
                    self.image.size
                );
                Err(DownloadError::Copy { path, why })
            }
            Err(source) => Err(DownloadError::File { path, source }),
        }
    }
}

/// A slot with the offered version; before it is whole it has another name.
fn slot_of(slots: &Path) -> Option<PathBuf> {
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && name.ends_with(&format!("-{VERSION}"))
    };
    fs::read_dir(slots)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .find(named)
}

/// The length of the largest file in a folder; a file that goes away meanwhile has none.
fn largest(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .max()
        .unwrap_or(0)
}

/// What the device told the platform when it gave up.
fn refusal(stage: &Stage) -> Option<String> {
    let state = stage.emulator().device_state(stage.device())?;
    let last = state.progress.last()?;
    last.step.starts_with('-').then(|| {
        format!(
            "the device gave up with {}: {}",
            last.step, last.description
        )
    })
}

fn no_slot(stage: &Stage, why: &str) -> DownloadError {
    DownloadError::NoSlot {
        why: why.to_owned(),
        log: stage.log(),
    }
}
