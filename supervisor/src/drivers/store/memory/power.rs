//! Power cuts: every disk that may be found afterwards.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use super::{
    Memory, ROOT, World,
    node::{Entries, Node},
};

/// So many guesses about one power cut are all gone through.
const MOST_GUESSES: usize = 4_000;

/// Where there are more, those are gone through in which at most so many things are otherwise than in the newest or in the oldest
/// state.
const MOST_OTHERWISE: usize = 2;

/// What a power cut may leave.
pub(crate) struct Cut {
    /// Every disk that may be found, each once.
    pub(crate) disks: Vec<Memory>,
    /// Was every guess gone through?
    pub(crate) is_all: bool,
}

impl Memory {
    /// What may be found after the power went out now.
    pub(crate) fn power_cut(&self) -> Cut {
        let mut found = Found::default();
        let is_all = self.guess_all(&mut found);
        if !is_all {
            for newest in [true, false] {
                let mut course = Course::new(newest, MOST_OTHERWISE);
                while course.is_under_way() {
                    found.add(self.guess(&mut course));
                }
            }
        }
        let disks = found.disks;
        Cut { disks, is_all }
    }

    /// Goes through all guesses, unless there are too many.
    fn guess_all(&self, found: &mut Found) -> bool {
        let mut course = Course::new(true, usize::MAX);
        for _ in 0..MOST_GUESSES {
            found.add(self.guess(&mut course));
            if !course.is_under_way() {
                return true;
            }
        }
        false
    }

    fn guess(&self, course: &mut Course) -> Self {
        let guess = self.0.borrow().guess(&mut |count| course.choose(count));
        course.turn();
        guess
    }

    /// Tells one disk from another by all that lies on it.
    pub(crate) fn mark(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.borrow().mark(ROOT, &mut hasher);
        hasher.finish()
    }
}

/// Disks, each once.
#[derive(Default)]
struct Found {
    seen: HashSet<u64>,
    disks: Vec<Memory>,
}

impl Found {
    fn add(&mut self, disk: Memory) {
        if self.seen.insert(disk.mark()) {
            self.disks.push(disk);
        }
    }
}

/// Goes through guesses, which are chains of choices, one after the other.
struct Course {
    /// Is a choice that is not told otherwise the newest state of a thing, or the oldest?
    newest: bool,
    /// So many choices may be told otherwise.
    most: usize,
    /// The choices of the guess at hand: how far from the plain one, and of how many.
    choices: Vec<(usize, usize)>,
    taken: usize,
    is_over: bool,
}

impl Course {
    fn new(newest: bool, most: usize) -> Self {
        Self {
            newest,
            most,
            choices: Vec::new(),
            taken: 0,
            is_over: false,
        }
    }

    fn is_under_way(&self) -> bool {
        !self.is_over
    }

    fn choose(&mut self, count: usize) -> usize {
        if self.taken == self.choices.len() {
            self.choices.push((0, count));
        }
        let (choice, _) = self.choices[self.taken];
        self.taken += 1;
        if self.newest {
            count - 1 - choice
        } else {
            choice
        }
    }

    /// Turns to the next guess: the last choice that has not been through all it could be is another one.
    fn turn(&mut self) {
        self.taken = 0;
        while let Some((choice, count)) = self.choices.pop() {
            let before = self.choices.iter().filter(|(choice, _)| *choice > 0);
            if choice + 1 < count && before.count() < self.most {
                self.choices.push((choice + 1, count));
                return;
            }
        }
        self.is_over = true;
    }
}

impl World {
    fn mark(&self, id: usize, hasher: &mut DefaultHasher) {
        match &self.nodes[id] {
            Node::File(file) => (true, file.is_program(), file.bytes()).hash(hasher),
            Node::Folder(entries) => {
                (false, entries.now.len()).hash(hasher);
                for (name, id) in &entries.now {
                    name.hash(hasher);
                    self.mark(*id, hasher);
                }
            }
        }
    }

    fn guess(&self, choose: &mut dyn FnMut(usize) -> usize) -> Memory {
        let memory = Memory::new(self.block);
        let mut places = BTreeMap::from([(ROOT, ROOT)]);
        {
            let mut world = memory.0.borrow_mut();
            world.links = self.links;
            self.guess_folder(ROOT, ROOT, &mut world, &mut places, choose);
        }
        memory
    }

    fn guess_folder(
        &self,
        from: usize,
        to: usize,
        world: &mut Self,
        places: &mut BTreeMap<usize, usize>,
        choose: &mut dyn FnMut(usize) -> usize,
    ) {
        let Node::Folder(entries) = &self.nodes[from] else {
            return;
        };
        let names = entries.now.keys().chain(entries.open.keys());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names.dedup();
        for name in names {
            let node = match entries.open.get(name) {
                Some(may) => may[choose(may.len())],
                None => entries.now.get(name).copied(),
            };
            let Some(node) = node else { continue };
            let place = match places.get(&node) {
                // No disk knows a second name for a folder.
                Some(_) if matches!(self.nodes[node], Node::Folder(_)) => continue,
                Some(place) => *place,
                None => {
                    let (place, is_folder) = match &self.nodes[node] {
                        Node::File(file) => (world.add(Node::File(file.guess(choose))), false),
                        Node::Folder(_) => (world.add(Node::Folder(Entries::default())), true),
                    };
                    places.insert(node, place);
                    if is_folder {
                        self.guess_folder(node, place, world, places, choose);
                    }
                    place
                }
            };
            if let Node::Folder(entries) = &mut world.nodes[to] {
                entries.now.insert(name.clone(), place);
            }
        }
    }
}
