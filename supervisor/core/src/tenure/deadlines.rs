//! What a life does when nothing is heard: heartbeats, and what follows when a wait has been too long.

use std::time::Duration;

use worker_protocol::v1::{Consent, ToWorker};

use super::{DRAIN_LIMIT, Death, KILL_AGAIN, Life, Link, Milestone, Stage};
use crate::{
    event::Command,
    policy::LifePolicy,
    time::{Ticks, sooner},
};

impl Life {
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
        if let Some(why) = self.cut.take() {
            let death = self.stage.ended(format!("lost its link: {why}"));
            self.kill(death, now, out);
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

    /// The supervisor itself was not running for so long: what it did not hear in that time proves nothing, and every wait begins
    /// that much later.
    pub fn excuse(&mut self, lost: Duration) {
        self.heard = self.heard.after(lost);
        self.due = self.due.map(|due| due.after(lost));
        self.consent = self.consent.map(|(id, due)| (id, due.after(lost)));
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
}
