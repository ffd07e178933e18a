//! The state folder: the instance lock, the record, the slots.
//!
//! Opening it takes the lock and looks at everything; from then on one task carries out writes in the order they were asked for,
//! each on a blocking thread, so that the spine never waits for a disk.

pub(crate) mod birth;
pub(crate) mod layout;
#[cfg(test)]
mod tests;
pub(crate) mod verify;

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use supervisor_core::{
    event::{Event, SaveId, SlotId},
    record::{
        Job, Record, Slot,
        generation::{Generation, LONGEST, decode, encode},
    },
};
use tokio::sync::mpsc;

use self::{
    birth::remove_if_there,
    layout::{DESCRIPTION, IMAGE, Layout, UNBORN, sync_folder},
};
use super::{Events, report};

/// How many writes may wait. The brain has at most a save and a few removals under way; at the bound a write fails at once.
const MOST_WRITES: usize = 32;

/// No description of a slot is longer, in bytes.
const LONGEST_DESCRIPTION: u64 = 16 * 1024;

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Another process holds the lock.
    #[error("the state folder `{folder}` is in use by another supervisor{}", holder(.pid))]
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
    layout: Layout,
    records: Records,
    /// Held as long as the file is open; the system lets go of it when the process ends in any way.
    _lock: File,
}

/// What was found in it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Contents {
    /// The newest whole record.
    pub(crate) record: Option<Record>,
    /// Whole slots, by number.
    pub(crate) slots: Vec<Slot>,
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
        let layout = Layout::make(root).map_err(unusable)?;
        let mut options = OpenOptions::new();
        let lock = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(layout.lock());
        let lock = lock.map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(layout.holder()).ok();
                return Err(OpenError::Held {
                    folder: root.to_owned(),
                    pid: pid.and_then(|pid| pid.trim().parse().ok()),
                });
            }
            Err(TryLockError::Error(why)) => return Err(unusable(why)),
        }
        fs::write(layout.holder(), std::process::id().to_string()).map_err(unusable)?;
        let mut contents = Contents::default();
        let records = Records::read(&layout, &mut contents).map_err(unusable)?;
        scan(&layout, &mut contents).map_err(unusable)?;
        let state = Self {
            layout,
            records,
            _lock: lock,
        };
        Ok((state, contents))
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Writes the record, durably.
    pub(crate) fn save(&mut self, record: Record) -> io::Result<()> {
        self.records.write(record)
    }
}

/// The two files and which of them is written next.
#[derive(Debug)]
struct Records {
    files: [PathBuf; 2],
    root: PathBuf,
    generation: u64,
    next: usize,
}

impl Records {
    fn read(layout: &Layout, contents: &mut Contents) -> io::Result<Self> {
        let files = layout.records();
        let mut newest: Option<(usize, Generation)> = None;
        for (place, file) in files.iter().enumerate() {
            let found = match read_bounded(file, LONGEST as u64) {
                Ok(bytes) => decode(&bytes),
                Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
                Err(why) => return Err(why),
            };
            match found {
                Ok(found)
                    if newest
                        .as_ref()
                        .is_none_or(|(_, best)| best.number < found.number) =>
                {
                    newest = Some((place, found));
                }
                Ok(_) => {}
                Err(damage) => contents
                    .words
                    .push(format!("`{}` is not used: {damage}", file.display())),
            }
        }
        let (next, generation) = match &newest {
            Some((place, found)) => (1 - place, found.number),
            None => (0, 0),
        };
        contents.record = newest.map(|(_, found)| found.record);
        Ok(Self {
            files,
            root: layout.root().to_owned(),
            generation,
            next,
        })
    }

    fn write(&mut self, record: Record) -> io::Result<()> {
        let generation = Generation {
            number: self.generation + 1,
            record,
        };
        let path = &self.files[self.next];
        let mut file = File::create(path).map_err(|why| at(path, &why))?;
        file.write_all(&encode(&generation))
            .and_then(|()| file.sync_all())
            .and_then(|()| sync_folder(&self.root))
            .map_err(|why| at(path, &why))?;
        self.generation = generation.number;
        self.next = 1 - self.next;
        Ok(())
    }
}

/// Finds whole slots. Unborn folders are removed; so are parts, except that of the job in the record, which goes on with it.
fn scan(layout: &Layout, contents: &mut Contents) -> io::Result<()> {
    for entry in fs::read_dir(layout.slots())? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with(UNBORN) {
            remove_if_there(&path)?;
            continue;
        }
        match inspect(layout, &path) {
            Ok(slot) => contents.slots.push(slot),
            Err(why) => contents
                .words
                .push(format!("`{}` is not a slot: {why}", path.display())),
        }
    }
    contents.slots.sort_by_key(|slot| slot.id);
    let job = contents.record.as_ref().and_then(|it| it.job.as_ref());
    // What has become a slot needs no part any more.
    let is_born = |job: &&Job| contents.slots.iter().any(|slot| slot.id.0 == job.id.0);
    let files = job
        .filter(|job| !is_born(job))
        .map(|job| job.wanted.files.as_slice());
    let files = files.unwrap_or_default();
    let parts = files.iter().map(|file| layout.part_of(file));
    let kept: Vec<_> = parts
        .flat_map(|part| [layout::note_of(&part), part])
        .collect();
    for entry in fs::read_dir(layout.parts())? {
        let path = entry?.path();
        if kept.contains(&path) {
            continue;
        }
        if let Err(why) = fs::remove_file(&path) {
            contents
                .words
                .push(format!("`{}` cannot be removed: {why}", path.display()));
        }
    }
    Ok(())
}

fn inspect(layout: &Layout, folder: &Path) -> io::Result<Slot> {
    let slot: Slot = serde_json::from_slice(&read_bounded(
        &folder.join(DESCRIPTION),
        LONGEST_DESCRIPTION,
    )?)?;
    if layout.slot(&slot) != folder {
        return Err(io::Error::other("its description is another slot's"));
    }
    match &slot.package {
        None => has_size(&folder.join(IMAGE), slot.size)?,
        Some(package) => {
            for file in &package.files {
                has_size(&folder.join(file.name.as_str()), file.size)?;
            }
            if package.identity() != (slot.size, slot.sha256.clone()) {
                return Err(io::Error::other("its description contradicts itself"));
            }
            if !package.files.iter().any(|file| file.name == package.entry) {
                return Err(io::Error::other("its program is not among its files"));
            }
        }
    }
    Ok(slot)
}

fn has_size(file: &Path, wanted: u64) -> io::Result<()> {
    let size = fs::metadata(file).map_err(|why| at(file, &why))?.len();
    if size == wanted {
        return Ok(());
    }
    let name = file.file_name().unwrap_or_default().display();
    Err(io::Error::other(format!(
        "its file `{name}` has {size} bytes instead of {wanted}"
    )))
}

fn read_bounded(file: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Names the path in an error, which the system does not.
pub(crate) fn at(path: &Path, why: &io::Error) -> io::Error {
    io::Error::new(why.kind(), format!("`{}`: {why}", path.display()))
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
    events: Events,
}

impl Store {
    /// Takes over the open state folder.
    pub(crate) fn start(state: State, events: Events) -> Self {
        let (queue, waiting) = mpsc::channel(MOST_WRITES);
        tokio::spawn(write_in_turn(state, waiting, events.clone()));
        Self { queue, events }
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
            Work::Save(save, record) => Some(match self.save(*record) {
                Ok(()) => Event::Saved { save },
                Err(why) => Event::SaveFailed {
                    save,
                    why: why.to_string(),
                },
            }),
            Work::Remove(slot) => {
                let why = self.remove(slot).err()?.to_string();
                Some(Event::RemoveFailed { slot, why })
            }
        }
    }

    /// Removes every folder with this number: its version's name is not needed to find it.
    fn remove(&self, slot: SlotId) -> io::Result<()> {
        let prefix = format!("{}-", slot.0);
        for entry in fs::read_dir(self.layout.slots())? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if name.is_some_and(|name| name.starts_with(&prefix)) {
                remove_if_there(&path).map_err(|why| at(&path, &why))?;
            }
        }
        sync_folder(&self.layout.slots())
    }
}
