//! Rest: what the world is like when nothing is under way any more.

use super::World;

/// A wait for rest that is longer than this is a violation: three hours.
const LONGEST_WAIT: u64 = 3 * 3600 * 1000;

impl World {
    /// Lets time pass until everything is at rest with one of these versions trusted; without any, with no worker installed.
    pub(crate) fn rest(&mut self, versions: &[&str]) {
        let until = self.now + LONGEST_WAIT;
        let mut why = String::new();
        while self.now < until {
            let before = self.now;
            self.step(until);
            if self.now > before {
                match self.unrest(versions) {
                    None => return,
                    Some(reason) => why = reason,
                }
            }
        }
        panic!("comes_to_rest: {why}\n{}", self.tail());
    }

    /// Why the world is not at rest.
    fn unrest(&self, versions: &[&str]) -> Option<String> {
        let status = self.agent.status(self.clock());
        let record = self.durable.disk.record.clone().unwrap_or_default();
        let active = record.active.as_ref();
        let mut named: Vec<_> = [active, record.former.as_ref()]
            .into_iter()
            .flatten()
            .map(|slot| slot.id)
            .collect();
        named.sort();
        let mut there: Vec<_> = self.durable.disk.slots.iter().map(|slot| slot.id).collect();
        there.sort();
        let lives: Vec<_> = self
            .alive()
            .map(|process| (process.slot.id, process.told_active))
            .collect();
        let checks = [
            (status.phase == "idle", "the phase"),
            (status.ota_status == "idle", "the status told"),
            (status.hurry.is_empty(), "the cadence"),
            (record.job.is_none(), "the job on the disk"),
            (record.owed.is_empty(), "what is owed"),
            (there == named, "the slots on the disk"),
            (self.durable.disk.parts.is_empty(), "the parts on the disk"),
            (
                active.map_or(versions.is_empty(), |slot| {
                    versions.contains(&slot.version.as_str())
                }),
                "the trusted version",
            ),
            (
                active.map_or(lives.is_empty(), |slot| lives == [(slot.id, true)]),
                "the workers alive",
            ),
            (
                status.workers.len() == lives.len()
                    && status.workers.iter().all(|it| it.stage == "active"),
                "the stage of the worker",
            ),
            (self.durable.cloud.task_is_over(), "the platform's task"),
        ];
        let what = checks.iter().find(|(holds, _)| !holds)?.1;
        Some(format!(
            "{what} never came to rest: {status:#?}\n{record:#?}\nslots {there:?}, lives {lives:?}, {:?}",
            self.durable.cloud
        ))
    }

    /// The last lines of the log.
    pub(crate) fn tail(&self) -> String {
        let from = self.log.len().saturating_sub(60);
        self.log[from..].join("\n")
    }
}
