//! One worker life: from the start of its process to its end.
//!
//! A life knows its own deadlines and nothing of updates. It is told what happened to its process and its link, says what to do about
//! it, and reports milestones. It is over only when its process has been reaped *and* its link is drained, so that the last
//! words of a worker are heard before its successor acts.
//!
//! | stage | waits for | at the deadline |
//! |---|---|---|
//! | Starting | the slot verified, then hello | killed: never said hello |
//! | Warming | ready | killed: not ready |
//! | Standby | an order | - |
//! | Activating | the answer | killed: not activated |
//! | Active | - | - |
//! | Quiescing | the snapshot | killed, without a snapshot |
//! | Stopping | the answer | killed |
//! | Leaving | the exit | killed |
//! | Killed | the exit | killed again |
//!
//! A joined life that says nothing for the silence limit is killed in every stage. One whose link ended has a moment to end by itself,
//! so that the way it ended can be told, and is killed after that.

mod deadlines;
mod death;
mod orders;
#[cfg(test)]
mod tests;

use std::time::Duration;

use worker_protocol::v1::{Consent, Done, FromWorker, Health, Refusal, RequestId};

pub use self::death::Death;
use self::death::{clip, told};
use crate::{
    event::{Command, Exit, Tenure},
    policy::LifePolicy,
    record::Slot,
    time::Ticks,
};

/// How long a life's consent is awaited; after that it counts as given.
const CONSENT_ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// How many bytes of a slot are verified in a millisecond at the least; the wait for the hello begins after that.
const VERIFIED_PER_MS: u64 = 1000;

/// How long a link may outlive its process before it is closed from this side.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// How long a process may outlive its link before it is killed.
const CUT_LIMIT: Duration = Duration::from_millis(200);

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

impl Stage {
    /// What an end by itself in this stage means.
    fn ended(self, how: String) -> Death {
        match self {
            Self::Starting => Death::Ended(format!("{how} before its hello")),
            Self::Warming => Death::NotReady(how),
            Self::Activating => Death::NotActivated(how),
            Self::Quiescing | Self::Stopping | Self::Leaving | Self::Killed => Death::Asked,
            Self::Standby | Self::Active => Death::Ended(how),
        }
    }
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
    /// Why it was killed.
    verdict: Option<Death>,
    /// Why its link ended, while its process still runs.
    cut: Option<String>,
    /// When the wait of its stage has been too long.
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
        let verified_within = Duration::from_millis(slot.size / VERIFIED_PER_MS);
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
            cut: None,
            due: Some(now.after(policy.hello_limit).after(verified_within)),
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
        self.stage == Stage::Active && self.link == Link::Up && self.exit.is_none()
    }

    /// When it was last heard.
    #[must_use]
    pub fn heard(&self) -> Ticks {
        self.heard
    }

    /// May it still hold the hardware? True from the order to activate until it is over.
    #[must_use]
    pub fn holds_hardware(&self) -> bool {
        self.role == Role::Active
    }

    /// The process runs.
    pub fn spawned(&mut self, pid: u32, now: Ticks, policy: &LifePolicy) {
        self.pid = Some(pid);
        if self.stage == Stage::Starting {
            self.due = Some(now.after(policy.hello_limit));
        }
    }

    /// The process could not be started, or was given up before it was: over at once.
    pub fn spawn_failed(&mut self, why: String, out: &mut Vec<Command>) -> Milestone {
        let verdict = self.verdict.take();
        self.unborn(verdict.unwrap_or(Death::NotStartable(why)), out)
    }

    /// The slot is not what was once verified: over at once. That counts whatever else was decided about this life.
    pub fn slot_damaged(&mut self, why: String, out: &mut Vec<Command>) -> Milestone {
        let slot = self.slot.id;
        self.unborn(Death::Damaged { slot, why }, out)
    }

    /// The slot could not be read: over at once. That counts whatever else was decided about this life, too.
    pub fn slot_unreadable(&mut self, why: String, out: &mut Vec<Command>) -> Milestone {
        let slot = self.slot.id;
        self.unborn(Death::Unreadable { slot, why }, out)
    }

    fn unborn(&self, death: Death, out: &mut Vec<Command>) -> Milestone {
        out.push(Command::HangUp {
            tenure: self.tenure,
        });
        Milestone::Gone(death)
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
                let health = match health {
                    Health::Well => Health::Well,
                    Health::Unwell { reason } => Health::Unwell {
                        reason: clip(&reason),
                    },
                };
                if health == self.health {
                    return Ok(None);
                }
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
                Ok(Done::Consent(Consent::Later { after_ms, reason })) => Consent::Later {
                    after_ms,
                    reason: clip(&reason),
                },
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
            self.cut = Some(clip(why));
            self.due = Some(now.after(CUT_LIMIT));
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
        let verdict = self.verdict.take();
        let death = verdict.unwrap_or_else(|| self.stage.ended(told(exit)));
        Some(Milestone::Gone(death))
    }

    fn leave(&mut self, now: Ticks, policy: &LifePolicy) {
        self.stage = Stage::Leaving;
        self.due = Some(now.after(policy.exit_limit));
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
