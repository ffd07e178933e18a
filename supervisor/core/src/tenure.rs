//! One worker life: from the start of its process to its end.
//!
//! A life knows its own deadlines and nothing of updates. It is told what happened to its process and its link, says what to do about
//! it, and reports milestones. It is over only when its process has been reaped *and* its link is drained, so that the last
//! words of a worker are heard before its successor acts.
//!
//! | stage | waits for | at the deadline |
//! |---|---|---|
//! | Starting | hello | killed: never said hello |
//! | Warming | ready | killed: not ready |
//! | Standby | an order | - |
//! | Activating | the answer | killed: not activated |
//! | Active | - | - |
//! | Quiescing | the snapshot | killed, without a snapshot |
//! | Stopping | the answer | killed |
//! | Leaving | the exit | killed |
//! | Killed | the exit | killed again |
//!
//! A joined life that says nothing for the silence limit is killed in every stage.

use std::time::Duration;

use worker_protocol::v1::{
    Ask, Consent, Done, FromWorker, Handover, Health, Refusal, RequestId, ToWorker,
};

use crate::{
    event::{Command, Exit, Tenure},
    policy::LifePolicy,
    record::Slot,
    time::{Ticks, sooner},
};

/// How long a life's consent is awaited; after that it counts as given.
const CONSENT_ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// How long a link may outlive its process before it is closed from this side.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// How often a process that will not die is killed again.
const KILL_AGAIN: Duration = Duration::from_secs(2);

/// What a life is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Warmed up beside the active one; touches no hardware.
    Standby,
    /// Runs the device, or is on its way to.
    Active,
}

/// How far a life is; the table stands above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the module's table says what each stage means")]
pub enum Stage {
    Starting,
    Warming,
    Standby,
    Activating,
    Active,
    Quiescing,
    Stopping,
    Leaving,
    Killed,
}

/// What a life reports to whoever started it.
#[derive(Debug, Clone, PartialEq)]
pub enum Milestone {
    /// Warmed up.
    Ready,
    /// Runs the device.
    Active,
    /// Its answer to "may I?".
    Consent(Consent),
    /// Its snapshot; the exit comes next.
    Handed(Vec<u8>),
    /// Its health changed.
    Health(Health),
    /// An answer to a request that is not the life's own.
    Answered(RequestId, Result<Done, Refusal>),
    /// Over: reaped and drained.
    Gone(Death),
}

/// Why a life is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Death {
    /// The process could not be started.
    NotStartable(String),
    /// No hello in time.
    NeverHello,
    /// Its hello says another version than its slot.
    OtherVersion(String),
    /// It did not get ready.
    NotReady(String),
    /// It did not become active.
    NotActivated(String),
    /// It fell silent.
    Silent,
    /// It ended although it should not have.
    Ended(String),
    /// It ended because it was told to.
    Asked,
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotStartable(why) => write!(f, "cannot be started: {why}"),
            Self::NeverHello => write!(f, "never said hello"),
            Self::OtherVersion(said) => write!(f, "says it is version `{said}`"),
            Self::NotReady(why) => write!(f, "did not get ready: {why}"),
            Self::NotActivated(why) => write!(f, "did not become active: {why}"),
            Self::Silent => write!(f, "fell silent"),
            Self::Ended(how) => write!(f, "{how}"),
            Self::Asked => write!(f, "ended as it was told"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Never,
    Up,
    Down,
}

/// One life of one worker process.
#[derive(Debug, Clone)]
pub struct Life {
    /// Its number.
    pub tenure: Tenure,
    /// What it runs.
    pub slot: Slot,
    /// What it is for.
    pub role: Role,
    /// How far it is.
    pub stage: Stage,
    /// Its process id, once known.
    pub pid: Option<u32>,
    /// What it last said of its health.
    pub health: Health,
    /// Since when it has been active.
    pub active_since: Option<Ticks>,
    link: Link,
    exit: Option<Exit>,
    verdict: Option<Death>,
    due: Option<Ticks>,
    consent: Option<(RequestId, Ticks)>,
    order: Option<RequestId>,
    requests: u32,
    heard: Ticks,
    beat_at: Ticks,
    beats: u64,
}

impl Life {
    /// Starts a process.
    pub fn start(
        tenure: Tenure,
        slot: Slot,
        role: Role,
        now: Ticks,
        policy: &LifePolicy,
        out: &mut Vec<Command>,
    ) -> Self {
        out.push(Command::Spawn {
            tenure,
            slot: slot.clone(),
        });
        Self {
            tenure,
            slot,
            role,
            stage: Stage::Starting,
            pid: None,
            health: Health::Well,
            active_since: None,
            link: Link::Never,
            exit: None,
            verdict: None,
            due: Some(now.after(policy.hello_limit)),
            consent: None,
            order: None,
            requests: 0,
            heard: now,
            beat_at: now,
            beats: 0,
        }
    }

    /// Is it the device's running worker, able to act and answer?
    #[must_use]
    pub fn acts(&self) -> bool {
        self.stage == Stage::Active && self.link == Link::Up
    }

    /// May it still hold the hardware? True from the order to activate until it is over.
    #[must_use]
    pub fn holds_hardware(&self) -> bool {
        self.role == Role::Active
    }

    /// The process runs.
    pub fn spawned(&mut self, pid: u32) {
        self.pid = Some(pid);
    }

    /// The process could not be started: over at once.
    pub fn spawn_failed(&mut self, why: String, out: &mut Vec<Command>) -> Milestone {
        out.push(Command::HangUp {
            tenure: self.tenure,
        });
        Milestone::Gone(Death::NotStartable(why))
    }

    /// The worker said hello.
    pub fn joined(
        &mut self,
        version: &str,
        now: Ticks,
        policy: &LifePolicy,
        out: &mut Vec<Command>,
    ) {
        self.link = Link::Up;
        self.heard = now;
        self.beat_at = now.after(policy.heartbeat);
        if version != self.slot.version.as_str() {
            self.kill(Death::OtherVersion(clip(version)), now, out);
        } else if self.stage == Stage::Starting {
            self.stage = Stage::Warming;
            self.due = Some(now.after(policy.warm_up_limit));
        }
    }

    /// The worker said something. Words that are not the life's own business come back as they are.
    pub fn said(
        &mut self,
        message: FromWorker,
        now: Ticks,
        policy: &LifePolicy,
        out: &mut Vec<Command>,
    ) -> Result<Option<Milestone>, FromWorker> {
        self.heard = now;
        match message {
            FromWorker::Heartbeat { .. } => Ok(None),
            FromWorker::Ready if self.stage == Stage::Warming => {
                self.stage = Stage::Standby;
                self.due = None;
                Ok(Some(Milestone::Ready))
            }
            FromWorker::Ready => Ok(None),
            FromWorker::Unfit { reason } => {
                self.kill(Death::NotReady(clip(&reason)), now, out);
                Ok(None)
            }
            FromWorker::Health(health) => {
                self.health = health.clone();
                Ok(Some(Milestone::Health(health)))
            }
            FromWorker::Reply { id, result } => Ok(self.answered(id, result, now, policy, out)),
            other => Err(other),
        }
    }

    fn answered(
        &mut self,
        id: RequestId,
        result: Result<Done, Refusal>,
        now: Ticks,
        policy: &LifePolicy,
        out: &mut Vec<Command>,
    ) -> Option<Milestone> {
        if self.consent.is_some_and(|(asked, _)| asked == id) {
            self.consent = None;
            return Some(Milestone::Consent(match result {
                Ok(Done::Consent(consent)) => consent,
                _ => Consent::Now,
            }));
        }
        if self.order != Some(id) {
            return Some(Milestone::Answered(id, result));
        }
        self.order = None;
        match (self.stage, result) {
            (Stage::Activating, Ok(Done::Active)) => {
                self.stage = Stage::Active;
                self.active_since = Some(now);
                self.due = None;
                Some(Milestone::Active)
            }
            (Stage::Activating, Ok(other)) => {
                let why = format!("answered {} to the order", name(&other));
                self.kill(Death::NotActivated(why), now, out);
                None
            }
            (Stage::Activating, Err(refusal)) => {
                self.kill(Death::NotActivated(clip(&refusal.message)), now, out);
                None
            }
            (Stage::Quiescing, Ok(Done::Snapshot(snapshot))) => {
                self.leave(now, policy);
                Some(Milestone::Handed(snapshot))
            }
            (Stage::Stopping, Ok(Done::Stopping)) => {
                self.leave(now, policy);
                None
            }
            (Stage::Quiescing | Stage::Stopping, _) => {
                self.kill(Death::Asked, now, out);
                None
            }
            _ => None,
        }
    }

    /// The link is gone.
    pub fn parted(&mut self, why: &str, now: Ticks, out: &mut Vec<Command>) -> Option<Milestone> {
        if self.link == Link::Up {
            self.link = Link::Down;
        }
        if self.exit.is_none() && !matches!(self.stage, Stage::Leaving | Stage::Killed) {
            let death = match self.stage {
                Stage::Starting => Death::NeverHello,
                Stage::Quiescing | Stage::Stopping => Death::Asked,
                _ => Death::Ended(clip(&format!("its link ended: {why}"))),
            };
            self.kill(death, now, out);
        }
        self.over(out)
    }

    /// The process was reaped.
    pub fn exited(&mut self, exit: Exit, now: Ticks, out: &mut Vec<Command>) -> Option<Milestone> {
        self.exit = Some(exit);
        self.due = Some(now.after(DRAIN_LIMIT));
        self.over(out)
    }

    fn over(&mut self, out: &mut Vec<Command>) -> Option<Milestone> {
        let exit = self.exit?;
        if self.link == Link::Up {
            return None;
        }
        out.push(Command::HangUp {
            tenure: self.tenure,
        });
        let death = self.verdict.take().unwrap_or_else(|| match self.stage {
            Stage::Starting => Death::Ended(format!("{} before its hello", told(exit))),
            Stage::Warming => Death::NotReady(told(exit)),
            Stage::Activating => Death::NotActivated(told(exit)),
            Stage::Quiescing | Stage::Stopping | Stage::Leaving | Stage::Killed => Death::Asked,
            Stage::Standby | Stage::Active => Death::Ended(told(exit)),
        });
        Some(Milestone::Gone(death))
    }

    /// Orders a warmed-up life to take over (one that is on its way out is left to go); it counts as holding the hardware from here on.
    pub fn activate(
        &mut self,
        from: Option<Handover>,
        now: Ticks,
        policy: &LifePolicy,
        out: &mut Vec<Command>,
    ) {
        if self.stage != Stage::Standby {
            return;
        }
        self.role = Role::Active;
        self.stage = Stage::Activating;
        self.due = Some(now.after(policy.activate_limit));
        self.order = Some(self.ask(Ask::Activate { from }, out));
    }

    /// Asks for consent to a switch.
    pub fn may_i(&mut self, now: Ticks, out: &mut Vec<Command>) {
        let id = self.ask(Ask::MayI, out);
        self.consent = Some((id, now.after(CONSENT_ANSWER_LIMIT)));
    }

    /// Orders the life to hand over and go; one that cannot be asked is killed.
    pub fn quiesce(&mut self, now: Ticks, policy: &LifePolicy, out: &mut Vec<Command>) {
        if self.acts() {
            self.stage = Stage::Quiescing;
            self.due = Some(now.after(policy.quiesce_limit));
            self.order = Some(self.ask(Ask::Quiesce, out));
        } else {
            self.stop(now, policy, out);
        }
    }

    /// Orders the life to go with no successor waiting; one that cannot be asked is killed.
    pub fn stop(&mut self, now: Ticks, policy: &LifePolicy, out: &mut Vec<Command>) {
        match self.stage {
            Stage::Quiescing | Stage::Stopping | Stage::Leaving | Stage::Killed => {}
            _ if self.link == Link::Up => {
                self.stage = Stage::Stopping;
                self.due = Some(now.after(policy.quiesce_limit));
                self.order = Some(self.ask(Ask::Stop, out));
            }
            _ => self.kill(Death::Asked, now, out),
        }
    }

    /// Ends the process at once, for this reason.
    pub fn kill(&mut self, death: Death, now: Ticks, out: &mut Vec<Command>) {
        if self.stage == Stage::Killed {
            return;
        }
        self.stage = Stage::Killed;
        self.verdict = Some(death);
        self.consent = None;
        self.order = None;
        self.due = Some(now.after(KILL_AGAIN));
        if self.exit.is_none() {
            out.push(Command::Kill {
                tenure: self.tenure,
            });
        }
    }

    /// Sends a request that is not the life's own; its answer comes back as [`Milestone::Answered`].
    pub fn ask(&mut self, ask: Ask, out: &mut Vec<Command>) -> RequestId {
        let id = RequestId(self.requests);
        self.requests = self.requests.wrapping_add(1);
        self.send(ToWorker::Request { id, ask }, out);
        id
    }

    /// Says something that is not answered.
    pub fn send(&self, message: ToWorker, out: &mut Vec<Command>) {
        out.push(Command::Send {
            tenure: self.tenure,
            message,
        });
    }

    /// Looks at the deadlines.
    pub fn tick(
        &mut self,
        now: Ticks,
        policy: &LifePolicy,
        out: &mut Vec<Command>,
    ) -> Option<Milestone> {
        if let Some((_, due)) = self.consent
            && now >= due
        {
            self.consent = None;
            return Some(Milestone::Consent(Consent::Now));
        }
        if self.due.is_some_and(|due| now >= due) {
            self.late(now, out);
        }
        if self.link == Link::Up && self.exit.is_none() && self.stage != Stage::Killed {
            if now >= self.heard.after(policy.silence_limit) {
                self.kill(Death::Silent, now, out);
            } else if now >= self.beat_at {
                self.beat_at = now.after(policy.heartbeat);
                let beat = self.beats;
                self.beats += 1;
                self.send(ToWorker::Heartbeat { beat }, out);
            }
        }
        None
    }

    fn late(&mut self, now: Ticks, out: &mut Vec<Command>) {
        if self.exit.is_some() {
            self.due = Some(now.after(DRAIN_LIMIT));
            out.push(Command::HangUp {
                tenure: self.tenure,
            });
            return;
        }
        let in_time = "not in time".to_owned();
        match self.stage {
            Stage::Starting => self.kill(Death::NeverHello, now, out),
            Stage::Warming => self.kill(Death::NotReady(in_time), now, out),
            Stage::Activating => self.kill(Death::NotActivated(in_time), now, out),
            Stage::Quiescing | Stage::Stopping | Stage::Leaving => {
                self.kill(Death::Asked, now, out);
            }
            Stage::Killed => {
                self.due = Some(now.after(KILL_AGAIN));
                out.push(Command::Kill {
                    tenure: self.tenure,
                });
            }
            Stage::Standby | Stage::Active => self.due = None,
        }
    }

    /// The supervisor itself was not running for a while: what it did not hear in that time proves nothing.
    pub fn excuse(&mut self, now: Ticks) {
        self.heard = now;
    }

    /// When [`Life::tick`] has something to do.
    #[must_use]
    pub fn next_deadline(&self, policy: &LifePolicy) -> Option<Ticks> {
        let mut next = sooner(self.due, self.consent.map(|(_, due)| due));
        if self.link == Link::Up && self.exit.is_none() && self.stage != Stage::Killed {
            next = sooner(next, Some(self.beat_at));
            next = sooner(next, Some(self.heard.after(policy.silence_limit)));
        }
        next
    }

    fn leave(&mut self, now: Ticks, policy: &LifePolicy) {
        self.stage = Stage::Leaving;
        self.due = Some(now.after(policy.exit_limit));
    }
}

fn told(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("ended with code {code}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
        Exit::Unknown => "ended".to_owned(),
    }
}

fn name(done: &Done) -> &'static str {
    match done {
        Done::Active => "`active`",
        Done::Snapshot(_) => "`snapshot`",
        Done::Consent(_) => "`consent`",
        Done::Accepted => "`accepted`",
        Done::Outputs(_) => "`outputs`",
        Done::Stopping => "`stopping`",
    }
}

/// A worker's words are cut at 200 characters before they go anywhere.
fn clip(text: &str) -> String {
    text.chars().take(200).collect()
}
