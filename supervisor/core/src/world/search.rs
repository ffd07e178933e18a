//! Every fault of an alphabet at every place of a life, then again at every place of what follows, and so on; each to its rest.
//!
//! A history is a run of the real brain from the first start of its device through so many faults to its rest, with every law looked at on
//! the way. At a place where the world is like one that was looked at before ([`super::likeness`]), the same faults would lead to the
//! same, so that none strikes there again; the run itself goes on to its rest. Only what follows from equal remains of a power cut is
//! run once, because nothing else is left that could differ.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    ops::AddAssign,
};

use super::{
    Behaviour, World,
    faults::{Broken, Fault},
    likeness::{Clocks, Scratch},
    recorded::{End, Scene, Span, Walk},
    rest::Rest,
};

/// How many power cuts and stops a good version bears: it has one try more.
const CUTS_BORNE: usize = 2;

/// Which faults strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// Every one.
    All,
    /// Power cuts alone.
    Cuts,
}

/// What a search amounts to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    /// Different states in which every fault of the alphabet struck, and different remains of a power cut.
    pub(super) states: u64,
    /// Runs from the first start to rest, no two of them with the same faults at the same places.
    pub(super) histories: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.states += other.states;
        self.histories += other.histories;
    }
}

/// A search from one scene.
pub(super) struct Search<'s> {
    scene: &'s Scene,
    clocks: Clocks,
    /// Which faults strike last, before that and so on.
    plan: Vec<Alphabet>,
    /// With how many faults to come each likeness was looked at.
    known: HashMap<u64, usize>,
    /// The same for what a power cut leaves.
    remains: HashMap<u64, usize>,
    scratch: Scratch,
    /// What struck on the way to here, and where.
    steps: Vec<(Span, Fault)>,
    /// Which of them may cost a good version its update.
    costly: Vec<bool>,
    histories: u64,
}

impl<'s> Search<'s> {
    /// Runs every history with at most so many faults as the plan is long. One that breaks a law is written down as a walk.
    pub(super) fn run(scene: &'s Scene, clocks: Clocks, plan: &[Alphabet]) -> Count {
        let mut search = Self {
            scene,
            clocks,
            plan: plan.iter().rev().copied().collect(),
            known: HashMap::new(),
            remains: HashMap::new(),
            scratch: Scratch::default(),
            steps: Vec::new(),
            costly: Vec::new(),
            histories: 0,
        };
        let world = scene.wake();
        let whole = std::panic::AssertUnwindSafe(|| search.explore(world, plan.len()));
        if let Err(why) = std::panic::catch_unwind(whole) {
            search.walk().write_down();
            std::panic::resume_unwind(why);
        }
        Count {
            states: (search.known.len() + search.remains.len()) as u64,
            histories: search.histories,
        }
    }

    fn walk(&self) -> Walk {
        let (wanted, good) = (self.versions(), self.scene.good());
        Walk {
            seed: None,
            scene: self.scene.clone(),
            wants: (wanted != good).then(|| wanted[0].to_owned()),
            steps: self.steps.clone(),
            end: End::Rest,
        }
    }

    /// Goes to rest from here, and then again from every new place on the way with every fault that may strike there.
    fn explore(&mut self, mut world: World, faults: usize) {
        self.histories += 1;
        let good = self.versions();
        let harmed = |(_, fault): &(Span, Fault)| matches!(fault, Fault::Damage(_));
        let rest = Rest {
            versions: &good,
            or_none: self.steps.iter().any(harmed),
        };
        if faults == 0 {
            world.go_to_rest(rest);
            return;
        }
        let alphabet = self.plan[faults - 1];
        let mut places = Vec::new();
        let (mut gone, mut is_new) = (0, false);
        loop {
            // Between two commands a place is as new as it was before the first of them.
            if alphabet == Alphabet::All && (gone == 0 || world.pending.is_empty()) {
                is_new = self.is_new(&world, faults);
            }
            for fault in strikes(alphabet, &world, is_new) {
                if !self.is_known_remains(&world, &fault, faults) {
                    places.push((gone, world.clone(), fault));
                }
            }
            if world.is_at_rest(rest) {
                break;
            }
            world.go_on();
            gone += 1;
        }
        for (gone, mut world, fault) in places {
            self.costly.push(may_cost_an_update(&fault, &world));
            self.steps.push((Span::Places(gone), fault.clone()));
            world.suffer(&fault);
            self.explore(world, faults - 1);
            self.steps.pop();
            self.costly.pop();
        }
    }

    /// The versions that may be trusted in the end: the new one, if it is good and nothing happened that costs it its update.
    fn versions(&self) -> Vec<&'s str> {
        let scene = self.scene;
        if let Some(version) = &scene.offered
            && scene.behaviours.get(version) == Some(&Behaviour::Good)
            && self.cuts() <= CUTS_BORNE
            && !self.costly.contains(&true)
        {
            return vec![version];
        }
        scene.good()
    }

    /// How often the supervisor began anew.
    fn cuts(&self) -> usize {
        let is_cut =
            |(_, fault): &&(Span, Fault)| matches!(fault, Fault::Cut | Fault::Kill | Fault::Stop);
        self.steps.iter().filter(is_cut).count()
    }

    /// Was the world never like this with as many faults to come?
    fn is_new(&mut self, world: &World, faults: usize) -> bool {
        let likeness = world.likeness(self.clocks, &mut self.scratch);
        let known = self.known.entry(likeness).or_default();
        let is_new = *known < faults;
        *known = (*known).max(faults);
        is_new
    }

    /// Has what this fault leaves been followed with as many faults to come, or will it be?
    fn is_known_remains(&mut self, world: &World, fault: &Fault, faults: usize) -> bool {
        if !matches!(fault, Fault::Cut | Fault::Kill) {
            return false;
        }
        let mut hasher = DefaultHasher::new();
        world.durable.key().hash(&mut hasher);
        if *fault == Fault::Kill {
            world.durable.kept.live_key().hash(&mut hasher);
        }
        // Which rest is a good one is another question than what happens.
        (self.costly.contains(&true), self.cuts()).hash(&mut hasher);
        let known = self.remains.entry(hasher.finish()).or_default();
        let is_known = *known >= faults;
        *known = (*known).max(faults);
        is_known
    }
}

/// What strikes at this place.
fn strikes(alphabet: Alphabet, world: &World, is_new: bool) -> Vec<Fault> {
    match alphabet {
        // What follows a power cut depends on what it leaves and on nothing else.
        Alphabet::Cuts => vec![Fault::Cut],
        Alphabet::All if is_new => world.strikes(),
        Alphabet::All => Vec::new(),
    }
}

/// May this fault, at this place, cost a good version its update?
fn may_cost_an_update(fault: &Fault, world: &World) -> bool {
    match fault {
        Fault::Cut | Fault::Kill | Fault::Stop => false,
        Fault::LoseCloud(_) | Fault::Withhold | Fault::FailCheckpoints(_) => false,
        Fault::FailFetch(Broken::Short | Broken::Expired) => false,
        Fault::Die(tenure) | Fault::Hang(tenure) | Fault::Unlink(tenure) => {
            world.processes[tenure].slot.version.as_str() != "1.0.0"
        }
        _ => true,
    }
}
