//! What the workers do: every event of a life on its way to the rooms that must know.

use super::{Agent, note, scene};
use crate::{
    event::{Command, Event, Grade, Tenure},
    tenure::Milestone,
    time::Now,
};

impl Agent {
    /// Whatever a life did.
    pub(super) fn worker(&mut self, event: Event, now: Now, out: &mut Vec<Command>) {
        let (ticks, life_policy) = (now.ticks, &self.policy.life);
        let (tenure, milestone) = match event {
            Event::Spawned { tenure, pid } => {
                if let Some(life) = self.crew.life_mut(tenure) {
                    life.spawned(pid, ticks, life_policy);
                    let text = format!("worker {} started, pid {pid}", life.slot.version);
                    note(out, Grade::Info, Some(tenure), None, text);
                }
                return self.with_update(now, out, |it, hands| it.spawned(tenure, hands));
            }
            Event::SpawnFailed { tenure, why } => {
                let life = self.crew.life_mut(tenure);
                (tenure, life.map(|life| life.spawn_failed(why, out)))
            }
            Event::SlotDamaged { tenure, why } => {
                let life = self.crew.life_mut(tenure);
                (tenure, life.map(|life| life.slot_damaged(why, out)))
            }
            Event::SlotUnreadable { tenure, why } => {
                let life = self.crew.life_mut(tenure);
                (tenure, life.map(|life| life.slot_unreadable(why, out)))
            }
            Event::Exited { tenure, exit } => {
                let life = self.crew.life_mut(tenure);
                (tenure, life.and_then(|life| life.exited(exit, ticks, out)))
            }
            Event::Parted { tenure, why } => {
                let life = self.crew.life_mut(tenure);
                (tenure, life.and_then(|life| life.parted(&why, ticks, out)))
            }
            Event::Joined {
                tenure, version, ..
            } => {
                if let Some(life) = self.crew.life_mut(tenure) {
                    life.joined(&version, ticks, life_policy, out);
                }
                return;
            }
            Event::Said { tenure, message } => {
                let Some(life) = self.crew.life_mut(tenure) else {
                    return;
                };
                match life.said(message, ticks, life_policy, out) {
                    Ok(milestone) => (tenure, milestone),
                    Err(message) => return self.telemetry(tenure, message, now, out),
                }
            }
            _ => return,
        };
        if let Some(milestone) = milestone {
            self.reached(tenure, milestone, now, out);
        }
    }

    pub(super) fn reached(
        &mut self,
        tenure: Tenure,
        milestone: Milestone,
        now: Now,
        out: &mut Vec<Command>,
    ) {
        if let Milestone::Answered(id, result) = milestone {
            self.mailbox.answered(tenure, id, result, out);
            return;
        }
        self.tell_milestone(tenure, &milestone, now, out);
        let mut scene = scene(now, &self.policy, out);
        self.crew
            .reached(tenure, &milestone, &mut scene, &mut self.jitter);
        if let Milestone::Handed(_) = milestone {
            self.checkpoints.handed(now.ticks);
        }
        if let Milestone::Gone(_) = milestone {
            self.checkpoints.gone(now.ticks);
            self.mailbox.gone(tenure, out);
            self.cadence.forget(tenure);
        }
        self.with_update(now, out, |it, hands| it.reached(tenure, &milestone, hands));
        if milestone == Milestone::Active {
            self.cadence.reported(now.ticks);
        }
    }
}
