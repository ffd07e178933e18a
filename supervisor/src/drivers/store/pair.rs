//! Two files written in turn, of which the newest whole one counts.
//!
//! A write only ever touches the file that does not count, so that whatever becomes of it leaves what was there before. No
//! rename is needed, so the same code holds on every system. This knows nothing of what is kept.

use std::{
    io,
    marker::PhantomData,
    path::{Path, PathBuf},
};

use supervisor_core::record::frame::{Damage, Framed};

use super::disk::{Disk, Kind};

/// Two files in one folder, written in turn.
#[derive(Debug)]
pub(crate) struct Pair<T> {
    files: [PathBuf; 2],
    /// The generation of what counts.
    number: u64,
    /// Which file is written next.
    next: usize,
    /// Is one of the two lost, so that what counts is there only once?
    halved: bool,
    kept: PhantomData<T>,
}

/// What one of the files holds.
enum Found<T> {
    Whole(u64, T),
    Damaged(Damage),
    Missing,
    Unreadable,
}

impl<T> Found<T> {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Whole(number, _) => Some(*number),
            Self::Damaged(damage) => damage.number(),
            Self::Missing | Self::Unreadable => None,
        }
    }

    fn is_whole(&self) -> bool {
        matches!(self, Self::Whole(..))
    }

    fn value(self) -> Option<T> {
        match self {
            Self::Whole(_, value) => Some(value),
            _ => None,
        }
    }
}

impl<T: Framed> Pair<T> {
    /// Reads both files and takes the newest whole one. What is wrong with the other is told in `words`, one line each.
    ///
    /// # Errors
    /// A file cannot be read at this moment, so that it cannot be told which is the newest.
    pub(crate) fn open(
        disk: &impl Disk,
        files: [PathBuf; 2],
        words: &mut Vec<String>,
    ) -> io::Result<(Self, Option<T>)> {
        let found = [look(disk, &files[0], words)?, look(disk, &files[1], words)?];
        let numbers = [found[0].number(), found[1].number()];
        let newest = match [found[0].is_whole(), found[1].is_whole()] {
            [true, true] => Some(usize::from(numbers[1] > numbers[0])),
            [true, false] => Some(0),
            [false, true] => Some(1),
            [false, false] => None,
        };
        // Without a whole file the older one is given up, as it would be otherwise.
        let next = newest.map_or(usize::from(numbers[1] < numbers[0]), |place| 1 - place);
        let highest = numbers.into_iter().flatten().max().unwrap_or(0);
        let is_lost = match &found[next] {
            // The second file is not there before the second write.
            Found::Missing => highest > 1,
            Found::Unreadable | Found::Damaged(Damage::Torn | Damage::Foreign) => true,
            // What a later supervisor wrote is left to it for as long as may be.
            Found::Whole(..) | Found::Damaged(_) => false,
        };
        let pair = Self {
            number: highest,
            next,
            halved: newest.is_some() && is_lost,
            files,
            kept: PhantomData,
        };
        if pair.halved && matches!(found[next], Found::Missing) {
            words.push(format!("`{}` is missing", pair.files[next].display()));
        }
        let value = newest.and_then(|place| found.into_iter().nth(place)?.value());
        Ok((pair, value))
    }

    /// Is one of the two files lost? Writing what counts once more makes up for that.
    pub(crate) fn is_halved(&self) -> bool {
        self.halved
    }

    /// Writes a value, durably. After a failure the one before it counts, and is not touched by the next try either.
    pub(crate) fn write(&mut self, disk: &impl Disk, value: &T) -> io::Result<()> {
        let path = &self.files[self.next];
        let number = self.number.saturating_add(1);
        if let Err(why) = put(disk, path, &value.encode(number)) {
            // Its bytes may have reached the disk after all, and must not count after a power cut. Where that fails as well, nothing
            // can be done about it.
            let _ = disk.create(path).and_then(|file| disk.sync(&file));
            return Err(why);
        }
        self.number = number;
        self.next = 1 - self.next;
        self.halved = false;
        Ok(())
    }
}

fn put(disk: &impl Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Something else than a file in this place would keep every write from succeeding.
    if matches!(disk.kind(path), Ok(Kind::Folder | Kind::Other)) {
        disk.clear(path)?;
    }
    disk.put(path, bytes)?;
    path.parent()
        .map_or(Ok(()), |folder| disk.sync_folder(folder))
}

fn look<T: Framed>(disk: &impl Disk, path: &Path, words: &mut Vec<String>) -> io::Result<Found<T>> {
    let read = || disk.read(path, T::LONGEST as u64);
    // What a weak cell does not give at once it may give the second time.
    let bytes = match read().or_else(|_| read()) {
        Ok(bytes) => bytes,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
        Err(why) if why.kind() == io::ErrorKind::ResourceBusy => return Err(why),
        Err(why) => {
            words.push(format!("{why}; it is not used"));
            return Ok(Found::Unreadable);
        }
    };
    Ok(match T::decode(&bytes) {
        Ok((number, value)) => Found::Whole(number, value),
        Err(damage) => {
            words.push(format!("`{}` is not used: {damage}", path.display()));
            Found::Damaged(damage)
        }
    })
}
