//! Rest: what the world is like when nothing is under way any more (laws `comes_to_rest`, `nothing_leaks` and `told_truth`).

use super::{Happening, World};
use crate::{
    event::{Event, SlotId},
    record::Record,
};

/// A wait for rest that is longer than this is a violation: three hours.
const LONGEST_WAIT: u64 = 3 * 3600 * 1000;

/// How long the supervisor may take to stop in order: as long as the shell waits for it.
const STOP_LIMIT: u64 = 15_000;

/// Which rest is a good one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rest<'v> {
    /// One of these versions is trusted and active.
    pub(crate) versions: &'v [&'v str],
    /// Or no worker is installed.
    pub(crate) or_none: bool,
}

fn is_wish(happening: &Happening) -> bool {
    matches!(happening, Happening::Tell(Event::Asked { .. }))
}

impl World {
    /// Lets time pass until everything is at rest with one of these versions trusted; without any, with no worker installed.
    pub(crate) fn rest(&mut self, versions: &[&str]) {
        let or_none = versions.is_empty();
        let rest = Rest { versions, or_none };
        let until = self.now + LONGEST_WAIT;
        while self.now < until {
            let before = self.now;
            self.step(until);
            if self.now > before && self.unrest(rest).is_none() {
                return;
            }
        }
        self.restless(rest);
    }

    /// One command, one event or one start of the supervisor further.
    pub(crate) fn go_on(&mut self) {
        if self.exited {
            let left = self.alive().count();
            assert_eq!(left, 0, "nothing_leaks: a worker outlived its supervisor");
            self.wake_again();
            return;
        }
        if let Some(since) = self.stopping {
            let took = self.now - since;
            assert!(
                took <= STOP_LIMIT,
                "comes_to_rest: the supervisor does not stop"
            );
        }
        self.keep_nobody_waiting();
        self.advance(u64::MAX);
    }

    /// The same as [`World::rest`], from anywhere: a supervisor that ends is started again.
    pub(crate) fn go_to_rest(&mut self, rest: Rest<'_>) {
        let until = self.now + LONGEST_WAIT;
        while !self.is_at_rest(rest) {
            self.go_on();
            if self.now > until {
                self.restless(rest);
            }
        }
    }

    /// Is everything at rest, with whatever was asked for done?
    pub(crate) fn is_at_rest(&self, rest: Rest<'_>) -> bool {
        self.pending.is_empty()
            && self.stopping.is_none()
            && !self.exited
            && self.asked.is_empty()
            && !self.queue.values().any(is_wish)
            && self.unrest(rest).is_none()
    }

    fn restless(&self, rest: Rest<'_>) -> ! {
        let why = self.unrest(rest).unwrap_or("comes_to_rest: the rest");
        let status = self.agent.status(self.clock());
        let cloud = &self.durable.cloud;
        panic!(
            "{why} never came right\n{status:#?}\n{:#?}\nslots {:?}, lives {:?}, {cloud:?}\n{}",
            self.durable.disk.record,
            self.durable.disk.slots,
            self.processes,
            self.tail()
        );
    }

    /// Why the world is not at rest: the law, and what is against it.
    fn unrest(&self, rest: Rest<'_>) -> Option<&'static str> {
        let nothing = Record::default();
        let record = self.durable.disk.record.as_ref().unwrap_or(&nothing);
        let cloud = &self.durable.cloud;
        if record.job.is_some() {
            return Some("comes_to_rest: the job on the disk");
        } else if !record.owed.is_empty() {
            return Some("told_truth: what is owed to the cloud");
        } else if !cloud.task_is_over() {
            return Some("told_truth: the platform's task");
        } else if !cloud.connected {
            return Some("comes_to_rest: the cloud link");
        }
        let active = record.active.as_ref();
        let version = active.map(|slot| slot.version.as_str());
        if version.map_or(!rest.or_none, |it| !rest.versions.contains(&it)) {
            return Some("comes_to_rest: the trusted version");
        } else if cloud.informed.last().map(String::as_str) != Some(version.unwrap_or("none")) {
            return Some("told_truth: the version informed");
        }
        let named = [active, record.former.as_ref()];
        let mut named: Vec<SlotId> = named.into_iter().flatten().map(|slot| slot.id).collect();
        named.sort();
        let mut there: Vec<SlotId> = self.durable.disk.slots.iter().map(|slot| slot.id).collect();
        there.sort();
        let (parts, fetches) = (&self.durable.disk.parts, &self.fetches.under_way);
        if there != named {
            return Some("nothing_leaks: the slots on the disk");
        } else if !parts.is_empty() || !fetches.is_empty() {
            return Some("nothing_leaks: the parts on the disk");
        }
        let works = |it: &super::Process| it.told_active && it.hears();
        let mut lives = self.alive();
        let (one, more) = (lives.next(), lives.next());
        if more.is_some() || (active.is_none() && one.is_some()) {
            return Some("nothing_leaks: the workers alive");
        } else if let Some(active) = active
            && !one.is_some_and(|it| it.slot.id == active.id && works(it))
        {
            return Some("comes_to_rest: the active worker");
        }
        let status = self.agent.status(self.clock());
        let is_active = |it: &crate::status::WorkerStatus| it.stage == "active";
        if status.phase != "idle" {
            Some("comes_to_rest: the phase")
        } else if status.ota_status != "idle" {
            Some("comes_to_rest: the status told")
        } else if !status.hurry.is_empty() {
            Some("comes_to_rest: the cadence")
        } else if status.workers.len() != usize::from(active.is_some())
            || !status.workers.iter().all(is_active)
        {
            Some("nothing_leaks: the workers known")
        } else {
            self.durable.laws.at_rest();
            None
        }
    }

    /// The last lines of the log.
    pub(crate) fn tail(&self) -> String {
        let from = self.log.len().saturating_sub(60);
        self.log[from..].join("\n")
    }
}
