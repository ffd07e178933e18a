//! A simulated world around the real brain, under virtual time.
//!
//! Disk, processes, links, firmware server and cloud answer every command as the table of [`crate::event`] says, after small virtual
//! delays. Power may go out after any command: then every process and the brain are gone, and only the disk and the cloud
//! remain. Laws with names are checked at every command (see [`laws`]).

mod blocks;
mod cloud;
mod damage;
mod days;
mod disk;
mod downloads;
mod hands;
mod laws;
mod metered;
mod process;
mod stories;
mod sweep;
mod timing;
mod walk;

use std::collections::BTreeMap;

pub(crate) use self::{
    blocks::Blocks,
    cloud::{Cloud, Task},
    disk::{Disk, Fetches, build},
    laws::Laws,
    process::{Behaviour, Process},
};
use crate::{
    agent::{Agent, Found, Setup},
    alink::login::Identity,
    event::{CloudLoss, Command, Event, JobId, Tenure},
    policy::Policy,
    time::{Now, Ticks, Wall},
};

/// A wait for rest that is longer than this is a violation: three hours.
const LONGEST_WAIT: u64 = 3 * 3600 * 1000;

/// What the wall clock shows: 2023-11-14T22:13:20Z, in milliseconds since 1970.
pub(crate) const WALL: u64 = 1_700_000_000_000;

/// What happens later.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Happening {
    /// The brain is told.
    Tell(Event),
    /// A worker says that it is alive.
    Beat(Tenure),
    /// A worker's process ends with this code.
    End(Tenure, i32),
    /// An image gets on.
    FetchStep(JobId, u8),
    /// An image in blocks gets on.
    BlockStep(JobId),
    /// The machine goes down because of a worker.
    MachineDown(Tenure),
}

/// What survives a power cut.
#[derive(Debug, Clone)]
pub(crate) struct Durable {
    pub(crate) disk: Disk,
    pub(crate) cloud: Cloud,
    pub(crate) laws: Laws,
    /// How each version behaves; versions that are not named are good.
    pub(crate) behaviours: BTreeMap<String, Behaviour>,
    /// How many `later` an old worker still has to say.
    pub(crate) later: u32,
}

/// The world.
pub(crate) struct World {
    pub(crate) durable: Durable,
    pub(crate) policy: Policy,
    pub(crate) agent: Agent,
    pub(crate) now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
    pub(crate) processes: BTreeMap<Tenure, Process>,
    pub(crate) fetches: Fetches,
    /// Every notable durable state that a power cut could have left, if it is recorded.
    pub(crate) cuts: Option<Vec<Durable>>,
    pub(crate) exited: bool,
    /// What the wall clock shows at nought, once it matters; until then it stands, so that equal states are seen as equal.
    pub(crate) wall: Option<u64>,
    /// The connection is gone and the brain does not know it yet.
    losing: bool,
    /// How many more spawns fail.
    pub(crate) failing_spawns: u32,
    /// Log lines of the brain, the newest last, for messages of failed tests.
    pub(crate) log: Vec<String>,
}

impl Durable {
    /// Equal keys have equal futures.
    pub(crate) fn key(&self) -> String {
        let Disk {
            record,
            slots,
            parts,
            saves,
            failing,
            downloads,
            unanswered: _,
            damaged,
            starts,
            rotting,
        } = &self.disk;
        let saves = failing.iter().any(|at| at > saves).then_some(saves);
        let starts = rotting.iter().any(|at| at > starts).then_some(starts);
        let (cloud, later, laws) = (self.cloud.key(), self.later, self.laws.key());
        let images = format!("{slots:?}{parts:?}{downloads:?}{damaged:?}{starts:?}");
        format!("{record:?}{images}{saves:?}{cloud}{later}{laws}")
    }
}

impl World {
    /// A device that runs version 1.0.0 and was offered 1.0.7, which behaves like this.
    pub(crate) fn offered(behaviour: Behaviour) -> Durable {
        let mut durable = Self::idle();
        durable.behaviours.insert("1.0.7".to_owned(), behaviour);
        durable.cloud.offer("1.0.7");
        durable
    }

    /// A device that runs version 1.0.0.
    pub(crate) fn idle() -> Durable {
        Durable {
            disk: Disk::installed("1.0.0"),
            cloud: Cloud::default(),
            laws: Laws::default(),
            behaviours: BTreeMap::new(),
            later: 0,
        }
    }

    /// The power comes on.
    pub(crate) fn boot(durable: Durable, policy: &Policy) -> Self {
        Self::boot_with(durable, policy, None)
    }

    /// The power comes on; every durable state that a power cut could leave is recorded.
    pub(crate) fn boot_recording(durable: Durable, policy: &Policy) -> Self {
        Self::boot_with(durable, policy, Some(Vec::new()))
    }

    fn boot_with(durable: Durable, policy: &Policy, cuts: Option<Vec<Durable>>) -> Self {
        let identity = Identity::new("pk", "dn").unwrap();
        let setup = Setup {
            identity,
            policy: policy.clone(),
            seed: 7,
        };
        let mut world = Self {
            durable,
            policy: policy.clone(),
            agent: Agent::new(setup),
            now: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            processes: BTreeMap::new(),
            fetches: Fetches::default(),
            cuts,
            exited: false,
            wall: None,
            losing: false,
            failing_spawns: 0,
            log: Vec::new(),
        };
        world.durable.laws.power_came_on();
        world.durable.cloud.power_cut();
        world.durable.disk.unanswered = 0;
        let found = Found {
            record: world.durable.disk.record.clone(),
            slots: world.durable.disk.slots.clone(),
            words: Vec::new(),
        };
        let mut out = Vec::new();
        world.agent.start(world.clock(), found, &mut out);
        world.carry_out(out);
        world
    }

    /// The power goes out and comes on again.
    pub(crate) fn power_cut(&mut self) {
        let log = std::mem::take(&mut self.log);
        let cuts = self.cuts.take();
        *self = Self::boot_with(self.durable.clone(), &self.policy, cuts);
        self.log.splice(0..0, log);
    }

    pub(crate) fn clock(&self) -> Now {
        Now {
            ticks: Ticks(self.now),
            wall: Wall(self.wall.map_or(WALL, |nought| nought + self.now)),
        }
    }

    pub(crate) fn later(&mut self, delay: u64, happening: Happening) {
        self.queue
            .insert((self.now + delay, self.sequence), happening);
        self.sequence += 1;
    }

    pub(crate) fn tell_later(&mut self, delay: u64, event: Event) {
        self.later(delay, Happening::Tell(event));
    }

    /// The brain is told at once.
    pub(crate) fn tell(&mut self, event: Event) {
        let mut out = Vec::new();
        self.agent.handle(self.clock(), event, &mut out);
        self.carry_out(out);
    }

    /// The next thing happens, at the latest at this moment.
    pub(crate) fn step(&mut self, until: u64) {
        let next = self.queue.keys().next().map(|(at, _)| *at);
        let deadline = self.agent.next_deadline().map(|at| at.0.max(self.now));
        let at = [next, deadline].into_iter().flatten().min();
        let Some(at) = at.filter(|at| *at <= until) else {
            self.now = until;
            return;
        };
        self.now = at;
        if next == Some(at) {
            let Some((_, happening)) = self.queue.pop_first() else {
                return;
            };
            self.happen(happening);
            return;
        }
        // A deadline that was handled lies ahead afterwards; a few rounds may be needed when one thing leads to the next.
        for _ in 0..4 {
            self.tell(Event::Tick);
            if self.agent.next_deadline().is_none_or(|next| next.0 > at) {
                return;
            }
        }
        let status = self.agent.status(self.clock());
        panic!("time_advances: the deadline {at} is still there after it was handled; {status:?}");
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Tell(event) => {
                self.heed(&event);
                self.tell(event);
            }
            Happening::Beat(tenure) => self.beat(tenure),
            Happening::End(tenure, code) => self.end(tenure, code),
            Happening::FetchStep(job, step) => self.fetch_step(job, step),
            Happening::BlockStep(job) => self.block_step(job),
            Happening::MachineDown(tenure) => {
                if self.processes.get(&tenure).is_some_and(|it| it.alive) {
                    self.power_cut();
                }
            }
        }
        self.note_cut();
    }

    /// What the world itself changes when an event reaches the brain.
    fn heed(&mut self, event: &Event) {
        if let Event::CloudDown { .. } = event {
            self.losing = false;
        }
        if let Event::Saved { .. } | Event::SaveFailed { .. } = event {
            self.durable.disk.unanswered -= 1;
        }
        if let Event::CloudUp = event {
            self.durable.cloud.connected = true;
            if let Some(topic_and_payload) = self.durable.cloud.push() {
                let (topic, payload) = topic_and_payload;
                self.tell_later(20, Event::Arrived { topic, payload });
            }
        }
    }

    /// The cloud goes away or comes back; a connection that stands is lost in this way.
    pub(crate) fn cloud_is(&mut self, up: bool, loss: CloudLoss) {
        self.durable.cloud.up = up;
        if self.durable.cloud.connected {
            self.durable.cloud.power_cut();
            let lost = |happening: &Happening| {
                matches!(
                    happening,
                    Happening::Tell(Event::Published { .. } | Event::Arrived { .. })
                )
            };
            self.queue.retain(|_, happening| !lost(happening));
            self.losing = true;
            self.tell_later(1, Event::CloudDown { loss });
        }
    }

    pub(crate) fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            if let Command::Note(note) = &command {
                self.log.push(format!("{} {}", self.now, note.text));
                if std::env::var_os("WALK").is_some() {
                    println!("{} {:?} {}", self.now, note.tenure, note.text);
                }
                continue;
            }
            self.obey(command);
            self.note_cut();
        }
    }

    fn note_cut(&mut self) {
        if let Some(cuts) = &mut self.cuts {
            cuts.push(self.durable.clone());
        }
    }

    /// The supervisor alone stands still for so long; whatever happens meanwhile reaches it afterwards.
    pub(crate) fn freeze(&mut self, span: u64) {
        let until = self.now + span;
        let missed: Vec<_> = self
            .queue
            .keys()
            .copied()
            .filter(|key| key.0 < until)
            .collect();
        for (at, sequence) in missed {
            if let Some(happening) = self.queue.remove(&(at, sequence)) {
                self.queue.insert((until, sequence), happening);
            }
        }
        self.now = until;
    }

    /// Who lives.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Process> {
        self.processes.values().filter(|process| process.alive)
    }

    /// Lets so many milliseconds pass.
    pub(crate) fn run(&mut self, span: u64) {
        let until = self.now + span;
        while self.now < until && !self.exited {
            self.step(until);
        }
    }

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
