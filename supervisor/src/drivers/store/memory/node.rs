//! Files and folders of which a part is not durable yet.

use std::{collections::BTreeMap, ffi::OsString};

/// A file or a folder.
#[derive(Debug, Clone)]
pub(super) enum Node {
    File(Stored),
    Folder(Entries),
}

/// The names in a folder.
#[derive(Debug, Clone, Default)]
pub(super) struct Entries {
    /// As every reader sees them.
    pub(super) now: BTreeMap<OsString, usize>,
    /// Every name that was given, changed or taken since the last sync, with all it may stand for.
    pub(super) open: BTreeMap<OsString, Vec<Option<usize>>>,
}

impl Entries {
    pub(super) fn set(&mut self, name: OsString, node: Option<usize>) {
        let before = self.now.get(&name).copied();
        let open = self
            .open
            .entry(name.clone())
            .or_insert_with(|| vec![before]);
        add(open, node);
        match node {
            Some(node) => self.now.insert(name, node),
            None => self.now.remove(&name),
        };
    }

    pub(super) fn settle(&mut self) {
        self.open.clear();
    }
}

/// Adds what is the newest now.
fn add<T: PartialEq>(all: &mut Vec<T>, newest: T) {
    all.retain(|other| *other != newest);
    all.push(newest);
}

/// What a file holds.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    /// As every reader sees it.
    now: Vec<u8>,
    program: bool,
    /// The size of a block in bytes.
    block: usize,
    /// What each block may hold on the disk, filled up with zeros.
    blocks: Vec<Block>,
    /// Where the file may end on the disk; this and the like go from the oldest to the newest.
    ends: Vec<usize>,
    /// Whether it may be a program on the disk.
    programs: Vec<bool>,
    /// Was its end dropped by a sync that failed?
    end_dropped: bool,
}

#[derive(Debug, Clone)]
struct Block {
    may: Vec<Vec<u8>>,
    /// Was what was written to it dropped by a sync that failed?
    dropped: bool,
}

impl Stored {
    pub(super) fn new(block: usize) -> Self {
        Self {
            now: Vec::new(),
            program: false,
            block,
            blocks: Vec::new(),
            ends: vec![0],
            programs: vec![false],
            end_dropped: false,
        }
    }

    /// A file that is durable as it is.
    pub(super) fn durable(block: usize, now: Vec<u8>, program: bool) -> Self {
        let mut file = Self::new(block);
        (file.now, file.program) = (now, program);
        file.settle();
        file
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.now
    }

    pub(super) fn is_program(&self) -> bool {
        self.program
    }

    pub(super) fn make_program(&mut self, program: bool) {
        self.program = program;
        add(&mut self.programs, program);
    }

    pub(super) fn empty(&mut self) {
        self.now.clear();
        add(&mut self.ends, 0);
        self.end_dropped = false;
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        let first = self.now.len() / self.block;
        self.now.extend_from_slice(bytes);
        add(&mut self.ends, self.now.len());
        self.end_dropped = false;
        for place in first..self.now.len().div_ceil(self.block) {
            if place == self.blocks.len() {
                self.blocks.push(Block {
                    may: vec![vec![0; self.block]],
                    dropped: false,
                });
            }
            let written = self.block_now(place);
            let block = &mut self.blocks[place];
            if !block.may.contains(&vec![0; self.block]) {
                block.may.insert(0, vec![0; self.block]);
            }
            add(&mut block.may, written);
            block.dropped = false;
        }
    }

    fn block_now(&self, place: usize) -> Vec<u8> {
        let start = (place * self.block).min(self.now.len());
        let end = (start + self.block).min(self.now.len());
        let mut block = self.now[start..end].to_vec();
        block.resize(self.block, 0);
        block
    }

    /// Makes durable whatever no failed sync has dropped.
    pub(super) fn sync(&mut self) {
        self.programs = vec![self.program];
        if !self.end_dropped {
            self.ends = vec![self.now.len()];
        }
        for place in 0..self.now.len().div_ceil(self.block) {
            let now = self.block_now(place);
            if !self.blocks[place].dropped {
                self.blocks[place].may = vec![now];
            }
        }
    }

    pub(super) fn settle(&mut self) {
        self.end_dropped = false;
        let block = self.block;
        let count = self.now.len().div_ceil(block);
        let fresh = || Block {
            may: Vec::new(),
            dropped: false,
        };
        self.blocks = (0..count).map(|_| fresh()).collect();
        self.sync();
    }

    /// A sync has failed: nobody will write what is not durable yet.
    pub(super) fn drop_unsynced(&mut self) {
        self.end_dropped |= self.ends.len() > 1;
        for block in &mut self.blocks {
            block.dropped |= block.may.len() > 1;
        }
    }

    /// What is left of it after a power cut; `choose` picks one of so many guesses.
    pub(super) fn guess(&self, choose: &mut dyn FnMut(usize) -> usize) -> Self {
        let last = self.ends.iter().max().copied().unwrap_or(0);
        let mut ends = self.ends.clone();
        if ends.len() > 1 {
            let edges = (0..last).step_by(self.block);
            let edges = edges.filter(|edge| !self.ends.contains(edge));
            ends.splice(1..1, edges);
        }
        let end = ends[choose(ends.len())];
        let mut now = Vec::new();
        for block in &self.blocks[..end.div_ceil(self.block)] {
            now.extend_from_slice(&block.may[choose(block.may.len())]);
        }
        now.truncate(end);
        let program = self.programs[choose(self.programs.len())];
        Self::durable(self.block, now, program)
    }
}
