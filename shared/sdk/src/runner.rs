//! One life of a device, from its warm-up to its hand-over, in one task.
//!
//! | state | Activate | Set, Call, MayI | Quiesce | Stop | leash or link ends |
//! |---|---|---|---|---|---|
//! | warming up | kept until ready | refused | warm-up given up, quiesce, reply, exit | warm-up given up, reply, exit | exit |
//! | standby | activate, reply | refused | quiesce, reply, exit | reply, exit | exit |
//! | active | refused | carried out, reply | quiesce, reply, exit | quiesce, reply, exit | quiesce, exit |
//!
//! The device and the heartbeat share this task, so that a device that blocks falls silent and is found out. Each step of the
//! device has a time limit, a little shorter than the supervisor's own, so that the answer says what was late.

use std::{sync::Arc, time::Duration};

use worker_link::Connection;
use worker_protocol::{
    handshake::Welcome,
    v1::{Ask, Done, FromWorker, Health, Refusal, RequestId, ToWorker},
};

pub(crate) use line::Turns;
use line::{Cut, Ended, Heard, Line};

use crate::{
    device::{Device, Fault},
    exit::Exit,
    guard::Guard,
    leash::Ends,
    log,
    model::Model,
    reporter::Reporter,
    snapshot::Checkpoints,
};

mod line;
mod request;

/// How long a warm-up may take.
pub(crate) const WARM_UP_LIMIT: Duration = Duration::from_secs(55);
/// How long an activation may take.
pub(crate) const ACTIVATE_LIMIT: Duration = Duration::from_secs(8);
/// How long one request to set properties or to call a service may take.
pub(crate) const ACT_LIMIT: Duration = Duration::from_secs(5);
/// How long one turn of the control loop may take.
pub(crate) const TURN_LIMIT: Duration = Duration::from_secs(5);
/// How long the device may take to become safe.
pub(crate) const QUIESCE_LIMIT: Duration = Duration::from_secs(4);

/// The refusal's code when the worker is not in the right state.
pub(crate) const WRONG_STATE: u32 = 100_000;
/// The refusal's code when the device was too slow.
pub(crate) const TOO_LATE: u32 = 100_001;
/// The refusal's code when the device itself failed.
pub(crate) const DEVICE_FAILED: u32 = 100_002;

/// A device and everything it is run with.
pub(crate) struct Runner<D: Device> {
    device: D,
    model: Arc<Model>,
    line: Line,
    reporter: Reporter,
    turns: Turns,
    checkpoints: Checkpoints,
    largest_snapshot: usize,
    guard: Guard,
    active: bool,
    health: Option<Health>,
}

impl<D: Device> Runner<D> {
    pub(crate) fn new(
        device: D,
        connection: Connection,
        welcome: &Welcome,
        ends: Ends,
        turns: Turns,
    ) -> Self {
        let model = Arc::new(device.model());
        Self {
            device,
            reporter: Reporter::new(Arc::clone(&model), connection.sender.clone()),
            model,
            line: Line::new(connection, welcome, ends),
            turns,
            checkpoints: Checkpoints::new(),
            largest_snapshot: usize::try_from(welcome.largest_snapshot).unwrap_or(usize::MAX),
            guard: Guard::default(),
            active: false,
            health: None,
        }
    }

    /// Acts only while it holds this lock.
    pub(crate) fn guarded(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// The whole life.
    pub(crate) async fn live(mut self) -> Exit {
        let exit = match self.warm_up().await {
            Ok(first) => self.serve(first).await,
            Err(exit) => exit,
        };
        self.line.finish().await;
        exit
    }

    /// Warms up; a request that has to wait for it is returned.
    async fn warm_up(&mut self) -> Result<Option<ToWorker>, Exit> {
        let mut first = None;
        let warmed = {
            let work = tokio::time::timeout(WARM_UP_LIMIT, self.device.warm_up());
            tokio::pin!(work);
            loop {
                tokio::select! {
                    biased;
                    warmed = &mut work => {
                        let late = || Fault(format!("warm-up took longer than {WARM_UP_LIMIT:?}"));
                        break warmed.unwrap_or_else(|_elapsed| Err(late()));
                    }
                    heard = self.line.next() => match heard {
                        Heard::Ended(ended) => return Err(ended.into()),
                        Heard::Said(message) => match &message {
                            ToWorker::Request { ask: Ask::Stop | Ask::Quiesce, .. } => {
                                return Ok(Some(message));
                            }
                            ToWorker::Request { ask: Ask::Activate { .. }, .. } if first.is_none() => {
                                first = Some(message);
                            }
                            ToWorker::Request { id, .. } => {
                                self.line.reply(*id, Err(not_active()));
                            }
                            ToWorker::ReportAll | ToWorker::Heartbeat { .. } => {}
                        },
                    },
                }
            }
        };
        match warmed {
            Ok(()) => {
                self.guard.prepare();
                self.line.say(FromWorker::Ready);
                Ok(first)
            }
            Err(Fault(reason)) => {
                log::error(format_args!("unfit: {reason}"));
                self.line.say(FromWorker::Unfit { reason });
                Err(Exit::Unfit)
            }
        }
    }

    async fn serve(&mut self, first: Option<ToWorker>) -> Exit {
        if let Some(message) = first
            && let Some(exit) = self.hear(message).await
        {
            return exit;
        }
        loop {
            let ended = tokio::select! {
                heard = self.line.next() => match heard {
                    Heard::Said(message) => self.hear(message).await,
                    Heard::Ended(ended) => Some(self.make_safe(ended).await),
                },
                taken = self.turns.next(), if self.active => {
                    let ended = self.turn().await;
                    // A test that no longer waits for its turn is no matter.
                    let _ = taken.map(|it| it.send(()));
                    ended
                }
                () = self.checkpoints.due(), if self.active => {
                    self.checkpoint();
                    None
                }
            };
            if let Some(exit) = ended {
                return exit;
            }
        }
    }

    async fn hear(&mut self, message: ToWorker) -> Option<Exit> {
        match message {
            ToWorker::Request { id, ask } => self.request(id, ask).await,
            ToWorker::ReportAll => {
                if self.active {
                    self.reporter.publish();
                }
                None
            }
            ToWorker::Heartbeat { .. } => None,
        }
    }

    async fn turn(&mut self) -> Option<Exit> {
        match self.line.attend(TURN_LIMIT, self.device.tick()).await {
            Ok(()) => {}
            Err(Cut::Late) => {
                log::error(format_args!(
                    "a turn took longer than {TURN_LIMIT:?} and was given up"
                ));
            }
            Err(Cut::Ended(ended)) => return Some(self.make_safe(ended).await),
        }
        self.stirred();
        None
    }

    /// The device did something: tell a change of health, and look for a checkpoint soon.
    fn stirred(&mut self) {
        let health = self.device.health();
        if self.health.as_ref() != Some(&health) {
            self.health = Some(health.clone());
            self.line.say(FromWorker::Health(health));
        }
        self.checkpoints.stir();
    }

    fn checkpoint(&mut self) {
        let state = self.device.snapshot();
        self.say_checkpoint(&state);
    }

    fn say_checkpoint(&mut self, state: &D::Snapshot) {
        if let Some(snapshot) = self.checkpoints.take(state, self.largest_snapshot) {
            self.line.say(FromWorker::Checkpoint { snapshot });
        }
    }

    /// Nobody is there to hand over to.
    async fn make_safe(&mut self, ended: Ended) -> Exit {
        if self.active {
            log::warn(format_args!("{ended}; making the device safe"));
            if self.quiesce().await.is_none() {
                return Exit::Failed;
            }
        }
        ended.into()
    }

    async fn quiesce(&mut self) -> Option<D::Snapshot> {
        let state = self
            .line
            .attend_to_the_end(QUIESCE_LIMIT, self.device.quiesce())
            .await;
        self.active = false;
        if state.is_none() {
            log::error(format_args!(
                "the device did not become safe within {QUIESCE_LIMIT:?}"
            ));
        }
        state
    }

    fn refuse(&self, id: RequestId, code: u32, message: String) {
        self.line.reply(id, Err(Refusal { code, message }));
    }

    fn done(&self, id: RequestId, done: Done) {
        self.line.reply(id, Ok(done));
    }
}

fn not_active() -> Refusal {
    Refusal {
        code: WRONG_STATE,
        message: "this worker is not the active one".to_owned(),
    }
}

impl From<Ended> for Exit {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::SupervisorLost => Self::SupervisorLost,
            Ended::Terminated => Self::Done,
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SupervisorLost => "the supervisor has gone",
            Self::Terminated => "this process was told to end",
        })
    }
}

#[cfg(test)]
mod tests;
