//! What a platform does not forget when it is started anew, in one file: each line holds one thing as it is now, and of each thing
//! the last line counts.
//!
//! A line is written by one call to the system and before anybody is told what it says, so that an emulator which is killed at any
//! moment knows afterwards what devices and operators were told by it. It is not synced: what has to survive here is the end of a
//! process, not of a machine. It knows nothing of what the things are.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The file with the things.
const THINGS: &str = "things.jsonl";
/// The file with the journal.
const JOURNAL: &str = "journal.jsonl";
/// The folder for files that were uploaded.
const FILES: &str = "files";

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It cannot be read or written.
    #[error("state folder `{folder}` cannot be used")]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another emulator runs on it.
    #[error("state folder `{0}` is used by another emulator")]
    Held(PathBuf),
    /// A line in it says nothing that can be understood.
    #[error("line {line} of `{path}` cannot be understood")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// A thing in it has another shape than this emulator writes.
    #[error("a {kind} in the state folder cannot be understood")]
    Unknown {
        /// What kind of thing.
        kind: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

/// The open state folder; it belongs to this emulator as long as this value lives.
#[derive(Debug)]
pub(crate) struct Kept {
    things: File,
    /// Held as long as the file is open.
    _lock: File,
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    kind: String,
    /// Tells things of one kind apart: JSON, as text.
    key: String,
    thing: Value,
}

/// The things that were found, each as it was last.
#[derive(Debug, Default)]
pub(crate) struct Things(BTreeMap<(String, String), Value>);

/// How long a lock that is held is waited for, look by look; all together are two seconds.
const PAUSE: Duration = Duration::from_millis(20);
const LOOKS: u32 = 100;

/// Takes a lock as soon as whoever holds it lets go. A process that its holder was just starting when it ended has a copy of all its handles
/// until it becomes another program.
fn taken(lock: &File) -> Result<(), TryLockError> {
    for _ in 0..LOOKS {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            tried => return tried,
        }
    }
    lock.try_lock()
}

impl Kept {
    /// Takes the folder, making it if need be, and finds what is in it.
    ///
    /// # Errors
    /// When it cannot be used, another emulator uses it, or it holds something else.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Things), StateError> {
        let unusable = |source| StateError::Unusable {
            folder: folder.to_owned(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(unusable)?;
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true);
        let lock = lock.open(folder.join("lock")).map_err(unusable)?;
        match taken(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::Held(folder.to_owned())),
            Err(TryLockError::Error(why)) => return Err(unusable(why)),
        }
        let path = folder.join(THINGS);
        let found = Things::read(&path, &unusable)?;
        // Written anew at each start, so that the file has a line for each thing and for what has changed since.
        let beside = folder.join("things.new");
        let all: String = found.lines().collect();
        std::fs::write(&beside, all).map_err(unusable)?;
        std::fs::rename(&beside, &path).map_err(unusable)?;
        let mut options = OpenOptions::new();
        let things = options.append(true).open(&path).map_err(unusable)?;
        let kept = Self {
            things,
            _lock: lock,
        };
        Ok((kept, found))
    }

    /// Where the journal is kept in a state folder.
    pub(crate) fn journal(folder: &Path) -> PathBuf {
        folder.join(JOURNAL)
    }

    /// Where uploaded files are kept in a state folder.
    pub(crate) fn files(folder: &Path) -> PathBuf {
        folder.join(FILES)
    }

    /// Writes down a thing as it is now.
    pub(crate) fn put(&mut self, kind: &str, key: &impl Serialize, thing: &impl Serialize) {
        let written = line(kind, key, thing)
            .map_err(io::Error::other)
            .and_then(|line| self.things.write_all(line.as_bytes()));
        if let Err(error) = written {
            // Nobody is there to be told, and a platform goes on. Whoever starts it anew finds an older state.
            tracing::error!(%error, kind, "a change cannot be written to the state folder");
        }
    }
}

fn line(kind: &str, key: &impl Serialize, thing: &impl Serialize) -> serde_json::Result<String> {
    let line = Line {
        kind: kind.to_owned(),
        key: serde_json::to_string(key)?,
        thing: serde_json::to_value(thing)?,
    };
    Ok(format!("{}\n", serde_json::to_string(&line)?))
}

impl Things {
    fn read(path: &Path, unusable: &impl Fn(io::Error) -> StateError) -> Result<Self, StateError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(why) if why.kind() == io::ErrorKind::NotFound => String::new(),
            Err(why) => return Err(unusable(why)),
        };
        let mut things = Self::default();
        // A line without an end was being written when the emulator was killed, and nobody was told of it.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for (number, line) in whole.lines().enumerate() {
            let Line { kind, key, thing } =
                serde_json::from_str(line).map_err(|source| StateError::Damaged {
                    path: path.to_owned(),
                    line: number + 1,
                    source,
                })?;
            things.0.insert((kind, key), thing);
        }
        Ok(things)
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|((kind, key), thing)| {
            let (kind, key, thing) = (kind.clone(), key.clone(), thing.clone());
            let line = Line { kind, key, thing };
            format!("{}\n", serde_json::json!(line))
        })
    }

    /// All things of a kind, by their keys.
    ///
    /// # Errors
    /// When one is not what is asked for.
    pub(crate) fn all<K, T>(&self, kind: &'static str) -> Result<BTreeMap<K, T>, StateError>
    where
        K: DeserializeOwned + Ord,
        T: DeserializeOwned,
    {
        let of_kind = self.0.iter().filter(|((other, _), _)| other == kind);
        let read = |((_, key), thing): (&(String, String), &Value)| {
            let key = serde_json::from_str(key)?;
            Ok((key, T::deserialize(thing)?))
        };
        of_kind
            .map(|found| read(found).map_err(|source| StateError::Unknown { kind, source }))
            .collect()
    }

    /// The only thing of a kind, if it is there.
    ///
    /// # Errors
    /// When it is not what is asked for.
    pub(crate) fn one<T: DeserializeOwned>(
        &self,
        kind: &'static str,
    ) -> Result<Option<T>, StateError> {
        Ok(self.all::<(), T>(kind)?.into_values().next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_each_thing_counts_also_after_another_start() {
        let folder = tempfile::tempdir().unwrap();
        let (mut kept, found) = Kept::open(folder.path()).unwrap();
        assert_eq!(found.one::<u64>("numbers").unwrap(), None);
        kept.put("numbers", &(), &1000);
        kept.put("job", &7, &"queued");
        kept.put("job", &7, &"failed");
        kept.put("job", &8, &"queued");
        drop(kept);
        for _ in 0..2 {
            let (_kept, found) = Kept::open(folder.path()).unwrap();
            assert_eq!(found.one::<u64>("numbers").unwrap(), Some(1000));
            let jobs = found.all::<u64, String>("job").unwrap();
            assert_eq!(jobs, [(7, "failed".into()), (8, "queued".into())].into());
        }
    }

    #[test]
    fn a_line_that_was_being_written_at_the_end_is_as_if_it_were_not() {
        let folder = tempfile::tempdir().unwrap();
        let (mut kept, _) = Kept::open(folder.path()).unwrap();
        kept.put("job", &7, &"queued");
        kept.things.write_all(b"{\"kind\":\"job\",\"ke").unwrap();
        drop(kept);
        let (mut kept, found) = Kept::open(folder.path()).unwrap();
        assert_eq!(found.all::<u64, String>("job").unwrap().len(), 1);
        kept.put("job", &8, &"queued");
        drop(kept);
        let (_kept, found) = Kept::open(folder.path()).unwrap();
        assert_eq!(found.all::<u64, String>("job").unwrap().len(), 2);
    }

    #[test]
    fn what_is_damaged_in_the_middle_is_told_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join(THINGS),
            "{\"kind\":\"a\",\"key\":\"1\",\"thing\":2}\nx\n{}\n",
        )
        .unwrap();
        let refused = Kept::open(folder.path());
        assert!(matches!(refused, Err(StateError::Damaged { line: 2, .. })));
    }

    #[test]
    fn a_folder_belongs_to_one_emulator_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let _kept = Kept::open(folder.path()).unwrap();
        assert!(matches!(
            Kept::open(folder.path()),
            Err(StateError::Held(_))
        ));
    }
}
