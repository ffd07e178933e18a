//! A simulated world around the real brain, under virtual time.
//!
//! Disk, processes, links, firmware server and cloud answer every command as the table of [`crate::event`] says, after small virtual
//! delays. Power may go out after any command: then every process and the brain are gone, and only the disk and the cloud
//! remain. Laws with names are checked at every command (see [`laws`]).

mod blocks;
mod checkpoints;
mod cloud;
mod course;
mod damage;
mod days;
mod deliveries;
mod disk;
mod downloads;
mod every;
mod faults;
mod hands;
mod laws;
mod likeness;
mod loops;
mod metered;
mod operator;
mod places;
mod process;
mod recorded;
mod replaced;
mod replay;
mod rest;
mod search;
mod stories;
mod sweep;
mod timing;
mod unreadable;
mod walk;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(crate) use self::{
    blocks::Blocks,
    checkpoints::Kept,
    cloud::{Cloud, Task},
    disk::{Disk, Fetches, build},
    laws::Laws,
    process::{Behaviour, Process},
};
use crate::{
    agent::{Agent, Found, Setup},
    alink::login::Identity,
    event::{Asker, Command, Event, JobId, Reply, Request, Tenure},
    policy::Policy,
    time::{Now, Ticks, Wall},
};

/// From which the brain draws its chances.
const SEED: u64 = 7;

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
    /// Where the device stood.
    pub(crate) kept: Kept,
    /// How each version behaves; versions that are not named are good.
    pub(crate) behaviours: BTreeMap<String, Behaviour>,
    /// How many `later` an old worker still has to say.
    pub(crate) later: u32,
    /// Does an operator who said `pause` come back and say `resume`, whatever happens meanwhile?
    pub(crate) resumes: bool,
}

/// The world. A copy of it goes on by itself.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) durable: Durable,
    pub(crate) policy: Policy,
    pub(crate) agent: Agent,
    pub(crate) now: u64,
    /// What the brain asked for and nobody has done yet, in order.
    pub(crate) pending: VecDeque<Command>,
    queue: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
    /// How often in a row the brain was told of one deadline.
    ticks: u32,
    pub(crate) processes: BTreeMap<Tenure, Process>,
    pub(crate) fetches: Fetches,
    /// Every notable durable state that a power cut could have left, if it is recorded.
    pub(crate) cuts: Option<Vec<Durable>>,
    pub(crate) exited: bool,
    /// What the wall clock shows at nought, once it matters; until then it stands, so that equal states are seen as equal.
    pub(crate) wall: Option<u64>,
    /// The connection is gone and the brain does not know it yet.
    losing: bool,
    /// Since when the supervisor is being stopped.
    pub(crate) stopping: Option<u64>,
    /// How many more spawns fail.
    pub(crate) failing_spawns: u32,
    /// What the brain answered to operators, the newest last.
    pub(crate) replies: Vec<Reply>,
    /// Who waits for an answer, since when, and what they asked.
    pub(crate) asked: BTreeMap<Asker, (u64, Request)>,
    /// How often the power came on.
    pub(crate) boots: u64,
    /// Log lines of the brain, the newest last, for messages of failed tests.
    pub(crate) log: Vec<String>,
    /// Are they printed as well?
    pub(crate) loud: bool,
    /// Do the brain's dice fall alike at every event? Then they tell no state from another.
    pub(crate) still: bool,
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
            unreadable,
            starts,
            rotting,
        } = &self.disk;
        let ahead = |all: &BTreeSet<u64>, now: &u64| -> Vec<u64> {
            all.iter().filter_map(|at| at.checked_sub(*now)).collect()
        };
        let (saves, starts) = (ahead(failing, saves), ahead(rotting, starts));
        let (cloud, later, laws) = (self.cloud.key(), self.later, self.laws.key());
        let images = format!("{slots:?}{parts:?}{downloads:?}{damaged:?}{unreadable:?}{starts:?}");
        let kept = self.kept.key();
        format!("{record:?}{images}{saves:?}{cloud}{later}{laws}{kept}")
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
            kept: Kept::default(),
            behaviours: BTreeMap::new(),
            later: 0,
            resumes: false,
        }
    }

    /// The power comes on.
    pub(crate) fn boot(durable: Durable, policy: &Policy) -> Self {
        let mut world = Self::wake(durable, policy);
        world.carry_out();
        world
    }

    /// The power comes on; every durable state that a power cut could leave is recorded.
    pub(crate) fn boot_recording(durable: Durable, policy: &Policy) -> Self {
        let mut world = Self::wake(durable, policy);
        world.cuts = Some(Vec::new());
        world.carry_out();
        world
    }

    /// The power comes on, and nothing that the brain asks for has been done yet.
    pub(crate) fn wake(durable: Durable, policy: &Policy) -> Self {
        let identity = Identity::new("pk", "dn").unwrap();
        let setup = Setup {
            identity,
            policy: policy.clone(),
            seed: SEED,
        };
        let mut world = Self {
            durable,
            policy: policy.clone(),
            agent: Agent::new(setup),
            now: 0,
            pending: VecDeque::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            ticks: 0,
            processes: BTreeMap::new(),
            fetches: Fetches::default(),
            cuts: None,
            exited: false,
            wall: None,
            losing: false,
            stopping: None,
            failing_spawns: 0,
            replies: Vec::new(),
            asked: BTreeMap::new(),
            boots: 0,
            log: Vec::new(),
            loud: false,
            still: false,
        };
        world.durable.laws.power_came_on();
        world.durable.cloud.named = None;
        world.durable.cloud.power_cut();
        world.durable.disk.unanswered = 0;
        let (checkpoint, boot, lost) = world.durable.kept.starts();
        world.durable.laws.recalls(checkpoint.as_ref(), lost);
        let (slots, unreadable) = world.durable.disk.look();
        for slot in &unreadable {
            let Durable { disk, laws, .. } = &mut world.durable;
            laws.found_unreadable(disk, slot.id);
        }
        let found = Found {
            record: world.durable.disk.record.clone(),
            slots,
            unreadable,
            checkpoint,
            boot: Some(boot),
            words: Vec::new(),
        };
        let pauses = world
            .durable
            .disk
            .record
            .as_ref()
            .is_some_and(|it| it.paused);
        if world.durable.resumes && pauses {
            world.resume_later();
        }
        let mut out = Vec::new();
        world.agent.start(world.clock(), found, &mut out);
        world.ask_for(out);
        world
    }

    /// The power goes out and comes on again.
    pub(crate) fn power_cut(&mut self) {
        self.wake_again();
        self.carry_out();
    }

    /// The same, and nothing that the brain asks for has been done yet.
    pub(crate) fn wake_again(&mut self) {
        let (log, cuts) = (std::mem::take(&mut self.log), self.cuts.take());
        let (loud, still) = (self.loud, self.still);
        let boots = self.boots + 1;
        *self = Self::wake(self.durable.clone(), &self.policy);
        self.boots = boots;
        self.log.splice(0..0, log);
        (self.cuts, self.loud, self.still) = (cuts, loud, still);
    }

    pub(crate) fn clock(&self) -> Now {
        Now {
            ticks: Ticks(self.now),
            wall: Wall(self.wall.map_or(WALL, |nought| nought + self.now)),
        }
    }

    /// Who lives.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Process> {
        self.processes.values().filter(|process| process.alive)
    }
}
