//! What the tests of signatures, versions and the platform's key have in common: an image that tells of each time it is executed, and a
//! look at everything that must be as before when it was refused.

use cloud_emulator::{DeviceState, Package, Rollout, TaskState, What};
use e2e::{Image, Stand, Supervisor, until};
use serde_json::{Value, json};

/// The file in which each start of the image is noted.
pub(crate) const STARTS: &str = "starts";

/// An image that behaves and notes each of its starts.
pub(crate) fn telltale(stand: &Stand, version: &str) -> Image {
    stand.misfit(&json!({ "version": version, "journal": stand.misfit_journal_path(STARTS) }))
}

/// A device at rest, which is given images.
pub(crate) struct Site<'s> {
    pub(crate) stand: &'s Stand,
    pub(crate) supervisor: Supervisor<'s>,
    version: String,
}

/// What the firmware server did for one offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Served {
    /// How many bytes of the image were sent.
    pub(crate) bytes: u64,
    /// How often the image was asked for.
    pub(crate) requests: usize,
    /// How often its signature was asked for.
    pub(crate) signatures: usize,
}

impl Served {
    /// Neither image nor signature.
    pub(crate) const NOTHING: Self = Self {
        bytes: 0,
        requests: 0,
        signatures: 0,
    };

    /// The signature, once, and nothing of the image.
    pub(crate) const ONE_SIGNATURE: Self = Self {
        signatures: 1,
        ..Self::NOTHING
    };

    /// The whole image at once, and no signature.
    pub(crate) fn all_of(image: &Image) -> Self {
        Self {
            bytes: image.size(),
            requests: 1,
            signatures: 0,
        }
    }

    fn since(stand: &Stand, mark: u64) -> Self {
        let mut served = Self::default();
        for entry in stand.cloud.journal() {
            match entry.what {
                _ if entry.seq <= mark => {}
                What::Request { .. } => served.requests += 1,
                What::Sent { bytes, .. } => served.bytes += bytes,
                What::Minisig { .. } => served.signatures += 1,
                _ => {}
            }
        }
        served
    }
}

impl<'s> Site<'s> {
    /// A device that runs this version.
    #[track_caller]
    pub(crate) fn with(stand: &'s Stand, version: &str) -> Self {
        let supervisor = stand.run_with(&stand.good(version));
        Self {
            stand,
            supervisor,
            version: version.to_owned(),
        }
    }

    /// The same device with what is configured now.
    #[track_caller]
    pub(crate) fn again(stand: &'s Stand, version: &str) -> Self {
        let supervisor = stand.run();
        supervisor.await_rest(version);
        Self {
            stand,
            supervisor,
            version: version.to_owned(),
        }
    }

    /// The platform starts a job with a package. It must fail with this step and these words, nothing of the image may be executed or
    /// left, and the worker must not notice.
    #[track_caller]
    pub(crate) fn refuses(&self, name: &str, package: Package, step: i64, words: &str) -> Served {
        let firmware = self.stand.upload_as(package);
        self.refuses_after(name, step, words, || {
            let rollout = Rollout::new(firmware.id, &self.stand.device);
            self.stand.start(rollout);
        })
    }

    /// The same for whatever makes the platform start a job.
    #[track_caller]
    pub(crate) fn refuses_after(
        &self,
        name: &str,
        step: i64,
        words: &str,
        start: impl FnOnce(),
    ) -> Served {
        let jobs = tasks(&self.device());
        self.untouched(name, || {
            start();
            let device = self.stand.await_device(name, |device| {
                tasks(device) > jobs
                    && device
                        .task()
                        .is_some_and(|task| task.state == TaskState::Failed)
            });
            let task = device.task().expect("it was just waited for");
            assert_eq!(task.step, Some(step), "{name}: {task:?}");
            assert!(
                task.description.contains(words),
                "{name}: no `{words}` in {task:?}"
            );
        })
    }

    /// The same for an offer bound to no job.
    #[track_caller]
    pub(crate) fn refuses_offer(
        &self,
        name: &str,
        offer: &Value,
        step: i64,
        words: &str,
    ) -> Served {
        self.untouched(name, || {
            let step = step.to_string();
            let told = self.device().progress.len();
            assert!(self.stand.cloud.push_offer(&self.stand.device, offer));
            let device = self.stand.await_device(name, |device| {
                device.progress[told..]
                    .iter()
                    .any(|it| it.step.starts_with('-'))
            });
            let report = device.progress.last().expect("it was just waited for");
            assert_eq!(report.step, step, "{name}: {report:?}");
            assert!(
                report.description.contains(words),
                "{name}: no `{words}` in {report:?}"
            );
        })
    }

    /// Whatever this does, the worker does not notice, nothing is left, and the telltale was not executed once more.
    #[track_caller]
    pub(crate) fn untouched(&self, name: &str, deed: impl FnOnce()) -> Served {
        let (worker, starts) = (self.supervisor.worker(), self.starts());
        let (left, mark) = (self.left(), self.stand.cloud.journal_position());
        deed();
        let status = self.supervisor.await_rest(&self.version);
        assert_eq!(status["workers"][0]["pid"], worker, "{name}");
        // What was fetched is removed after the refusal was told.
        until(&format!("nothing is left of {name}"), || {
            let now = self.left();
            if now.iter().all(|it| left.contains(it)) {
                Ok(())
            } else {
                Err(format!("{now:?}, and before {left:?}"))
            }
        });
        assert_eq!(self.starts(), starts, "{name}: it was executed");
        assert_eq!(self.device().version(), Some(&*self.version), "{name}");
        Served::since(self.stand, mark)
    }

    /// The platform starts a job with a package, which becomes the worker.
    #[track_caller]
    pub(crate) fn takes(&mut self, name: &str, package: Package) -> Served {
        let (jobs, starts) = (tasks(&self.device()), self.starts());
        let mark = self.stand.cloud.journal_position();
        self.version.clone_from(&package.version);
        let firmware = self.stand.upload_as(package);
        self.stand
            .start(Rollout::new(firmware.id, &self.stand.device));
        let device = self.stand.await_device(name, |device| {
            tasks(device) > jobs && device.task().is_some_and(|task| task.state.is_final())
        });
        let task = device.task().expect("it was just waited for");
        assert_eq!(task.state, TaskState::Succeeded, "{name}: {task:?}");
        self.supervisor.await_rest(&self.version);
        assert!(self.starts() > starts, "{name}: a start would show");
        Served::since(self.stand, mark)
    }

    fn device(&self) -> DeviceState {
        let device = self.stand.cloud.device_state(&self.stand.device);
        device.expect("the stand has made it")
    }

    /// How often the telltale was executed.
    fn starts(&self) -> usize {
        let lives = self.stand.misfit_journal(STARTS);
        lives
            .iter()
            .filter(|line| line["event"] == "started")
            .count()
    }

    /// Names of whatever lies among slots and parts.
    fn left(&self) -> Vec<String> {
        let names = |folder: &str| {
            let entries =
                std::fs::read_dir(self.stand.path(folder)).expect("it was made at the start");
            entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
        };
        names("state/slots").chain(names("state/parts")).collect()
    }
}

fn tasks(device: &DeviceState) -> usize {
    device.tasks.len()
}
