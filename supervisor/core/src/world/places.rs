//! Where a fault may strike, and which.
//!
//! Between two events everything may happen that concerns somebody who is there. Between two commands of one event the brain is busy: there
//! the power may go out, and whoever the next command is for may fail it. Whatever else happens then is the same as if it had happened
//! a moment later.

use super::{
    World,
    faults::{Broken, Fault},
};
use crate::event::{Command, Request, Tenure};

/// A good version that is offered meanwhile.
pub(super) const BETTER: &str = "1.0.8";

/// A bad version that is offered meanwhile.
pub(super) const WORSE: &str = "1.0.9";

/// How downloads fail, where it matters: in passing, for want of a fresh address, for good, and for want of room.
const BROKEN: [Broken; 4] = [Broken::Short, Broken::Expired, Broken::Other, Broken::Room];

impl World {
    /// What may go wrong here.
    pub(crate) fn strikes(&self) -> Vec<Fault> {
        if self.exited {
            Vec::new()
        } else if let Some(next) = self.pending.front() {
            self.strikes_before(next)
        } else {
            self.strikes_between_events()
        }
    }

    fn strikes_before(&self, next: &Command) -> Vec<Fault> {
        let mut strikes = vec![Fault::Cut];
        match next {
            Command::Save { .. } => strikes.push(Fault::FailSaves(1)),
            Command::SaveCheckpoint(_) => strikes.push(Fault::FailCheckpoints(1)),
            Command::Spawn { slot, .. } => {
                strikes.push(Fault::FailSpawns(1));
                if !self.durable.disk.damaged.contains(&slot.id) {
                    strikes.push(Fault::Damage(slot.id));
                }
                strikes.push(Fault::Unread(slot.id, 1));
            }
            Command::Send { tenure, .. } => self.strikes_of_worker(*tenure, &mut strikes),
            Command::Publish { .. } if self.durable.cloud.connected => {
                strikes.push(Fault::LoseCloud(0));
            }
            _ => {}
        }
        strikes
    }

    fn strikes_of_worker(&self, tenure: Tenure, strikes: &mut Vec<Fault>) {
        let Some(process) = self.processes.get(&tenure).filter(|it| it.alive) else {
            return;
        };
        strikes.push(Fault::Die(tenure));
        if process.hears() {
            strikes.extend([Fault::Hang(tenure), Fault::Unlink(tenure)]);
        }
    }

    fn strikes_between_events(&self) -> Vec<Fault> {
        let mut strikes = vec![Fault::Cut, Fault::Kill];
        if self.stopping.is_none() {
            strikes.push(Fault::Stop);
        }
        for tenure in self.processes.keys() {
            self.strikes_of_worker(*tenure, &mut strikes);
        }
        if !self.fetches.under_way.is_empty() {
            strikes.extend(BROKEN.map(Fault::FailFetch));
        }
        if self.durable.cloud.connected {
            strikes.push(Fault::LoseCloud(0));
            if !self.durable.cloud.silent {
                strikes.push(Fault::Withhold);
            }
        }
        if self.durable.cloud.refusals == 0 {
            strikes.push(Fault::LoseCloud(3));
        }
        for version in [BETTER, WORSE] {
            if !self.durable.cloud.wants(version) {
                strikes.push(Fault::Offer(version.to_owned()));
            }
        }
        strikes.extend([Request::Pause, Request::Cancel, Request::Rollback].map(Fault::Ask));
        strikes
    }
}
