//! What a life is ordered to do, and how it is ended when it does not.

use worker_protocol::v1::{Ask, Handover, RequestId, ToWorker};

use super::{CONSENT_ANSWER_LIMIT, Death, KILL_AGAIN, Life, Link, Role, Stage};
use crate::{event::Command, policy::LifePolicy, time::Ticks};

impl Life {
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
            // Its end is on the way: only the rest of its words is awaited.
            _ if self.exit.is_some() => {}
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
        // One that was told to go and does not do it well has gone because it was told to.
        let leaves = matches!(
            self.stage,
            Stage::Quiescing | Stage::Stopping | Stage::Leaving
        );
        self.stage = Stage::Killed;
        self.verdict = Some(if leaves { Death::Asked } else { death });
        self.consent = None;
        self.order = None;
        self.due = Some(now.after(KILL_AGAIN));
        if self.exit.is_none() {
            out.push(Command::Kill {
                tenure: self.tenure,
            });
        }
    }

    /// Sends a request that is not the life's own; its answer comes back as [`Milestone::Answered`](super::Milestone).
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
}
