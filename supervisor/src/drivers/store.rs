//! The state folder: the instance lock, the record, the slots.
//!
//! Opening it takes the lock and looks at everything; from then on one task carries out writes in the order they were asked for,
//! each on a blocking thread, so that the spine never waits for a disk. Checkpoints have a task of their own.

pub(crate) mod birth;
mod checkpoint;
pub(crate) mod disk;
pub(crate) mod folder;
pub(crate) mod layout;
mod lock;
#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod pair;
mod scan;
#[cfg(test)]
mod tests;
pub(crate) mod verify;

use std::{
    io,
    path::{Path, PathBuf},
};

use supervisor_core::{
    checkpoint::Checkpoint,
    event::{Event, SaveId, SlotId},
    record::{Record, Slot},
};
use tokio::sync::mpsc;

pub(crate) use self::disk::at;
use self::{
    checkpoint::{Checkpoints, Desk},
    disk::Real,
    folder::Folder,
    layout::Layout,
    lock::Lock,
};
use super::{Events, report};

/// How many writes may wait. The brain has at most a save and a few removals under way; at the bound a write fails at once.
const MOST_WRITES: usize = 32;

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Another process holds the lock.
    #[error("the state folder `{folder}` is in use by another supervisor{}; `supervisor status` asks that one, and it must end before this can be done", holder(.pid))]
    Held {
        /// Which folder.
        folder: PathBuf,
        /// Whose it is, if that could be read.
        pid: Option<u32>,
    },
    /// Something in it cannot be read or made.
    #[error(
        "the state folder `{folder}` cannot be used; see that it is on a writable disk and belongs to this user"
    )]
    Unusable {
        /// Which folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

/// The state folder, locked.
#[derive(Debug)]
pub(crate) struct State {
    folder: Folder<Real>,
    checkpoints: Option<Checkpoints<Real>>,
    _lock: Lock,
}

/// What was found in it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Contents {
    /// The newest whole record.
    pub(crate) record: Option<Record>,
    /// Whole slots, by number.
    pub(crate) slots: Vec<Slot>,
    /// Slots of the record that cannot be looked at.
    pub(crate) unreadable: Vec<Slot>,
    /// The newest whole checkpoint.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// What was damaged, one line each.
    pub(crate) words: Vec<String>,
}

impl State {
    /// Takes the lock and looks at everything.
    pub(crate) fn open(root: &Path) -> Result<(Self, Contents), OpenError> {
        let unusable = |source| OpenError::Unusable {
            folder: root.to_owned(),
            source,
        };
        let mut words = Vec::new();
        let layout = Layout::make_on(&Real, root, &mut words).map_err(unusable)?;
        let lock = Lock::take(&layout, &mut words)?;
        let (folder, mut contents) = Folder::open(Real, layout, words).map_err(unusable)?;
        let files = folder.layout().checkpoints();
        let (checkpoints, newest) = Checkpoints::open(Real, files, &mut contents.words);
        contents.checkpoint = newest;
        let state = Self {
            folder,
            checkpoints: Some(checkpoints),
            _lock: lock,
        };
        Ok((state, contents))
    }

    pub(crate) fn layout(&self) -> &Layout {
        self.folder.layout()
    }

    /// Everything in it that is written durably.
    pub(crate) fn folder(&mut self) -> &mut Folder<Real> {
        &mut self.folder
    }

    /// Writes the record, durably.
    #[cfg(test)]
    pub(crate) fn save(&mut self, record: &Record) -> io::Result<()> {
        self.folder.save(record)
    }
}

/// A write that waits for its turn.
#[derive(Debug)]
enum Work {
    Save(SaveId, Box<Record>),
    Remove(SlotId),
}

/// Carries out writes, one after the other.
#[derive(Debug)]
pub(crate) struct Store {
    queue: mpsc::Sender<Work>,
    desk: Desk,
    events: Events,
}

impl Store {
    /// Takes over the open state folder.
    pub(crate) fn start(mut state: State, events: Events) -> Self {
        let (queue, waiting) = mpsc::channel(MOST_WRITES);
        let files = state.checkpoints.take();
        let files = files.expect("a state that was just opened has its checkpoints");
        let desk = Desk::open(files, events.clone());
        tokio::spawn(write_in_turn(state, waiting, events.clone()));
        Self {
            queue,
            desk,
            events,
        }
    }

    /// Answered by `CheckpointSaved` or `CheckpointFailed`; keeps no save waiting.
    pub(crate) fn save_checkpoint(&self, checkpoint: Box<Checkpoint>) {
        self.desk.hand_in(checkpoint);
    }

    /// Answered by `Saved` or `SaveFailed`.
    pub(crate) fn save(&self, save: SaveId, record: Box<Record>) {
        if self.queue.try_send(Work::Save(save, record)).is_err() {
            let why = format!("more than {MOST_WRITES} writes wait for the disk");
            report(&self.events, Event::SaveFailed { save, why });
        }
    }

    /// Answered by `RemoveFailed` if it fails.
    pub(crate) fn remove(&self, slot: SlotId) {
        if self.queue.try_send(Work::Remove(slot)).is_err() {
            let why = format!("more than {MOST_WRITES} writes wait for the disk");
            report(&self.events, Event::RemoveFailed { slot, why });
        }
    }
}

async fn write_in_turn(mut state: State, mut waiting: mpsc::Receiver<Work>, events: Events) {
    while let Some(work) = waiting.recv().await {
        let written = tokio::task::spawn_blocking(move || {
            let event = state.carry_out(work);
            (state, event)
        });
        let Ok((back, event)) = written.await else {
            return; // The runtime is ending.
        };
        state = back;
        if let Some(event) = event
            && events.send(event).await.is_err()
        {
            return;
        }
    }
}

impl State {
    fn carry_out(&mut self, work: Work) -> Option<Event> {
        match work {
            Work::Save(save, record) => Some(match self.folder.save(&record) {
                Ok(()) => Event::Saved { save },
                Err(why) => Event::SaveFailed {
                    save,
                    why: why.to_string(),
                },
            }),
            Work::Remove(slot) => {
                let why = self.folder.remove(slot).err()?.to_string();
                Some(Event::RemoveFailed { slot, why })
            }
        }
    }
}
