//! One small file per worker process, for the next supervisor: its number as the name, its birthmark as the content.
//!
//! It is written before the worker is given its leash, and removed when the worker has been reaped. A worker without its leash knows no
//! token and no lock, and its input ends with the supervisor, so that one that was not written down yet can do nothing. The
//! files are not synced: a power cut ends what they tell of.

use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
};

use tokio::task::spawn_blocking;

use super::birthmark;
use crate::drivers::scanner;

/// No birthmark is longer, in bytes; what follows is not read, and nobody's.
const LONGEST_MARK: u64 = 256;

/// The folder of these files.
#[derive(Debug, Clone)]
pub(crate) struct PidFiles(PathBuf);

/// What a file tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) pid: u32,
    pub(super) mark: String,
}

impl PidFiles {
    /// Those in a folder that is there.
    pub(crate) fn of(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Writes a process down. Where that cannot be done the worker runs all the same: a device that does not run at all is worse.
    pub(super) async fn write(&self, pid: u32) {
        let path = self.path(pid);
        let written = spawn_blocking(move || match birthmark::look(pid) {
            Some(seen) => scanner::past(|| fs::write(&path, &seen.mark)),
            // It has ended already, or the system tells too little of it.
            None => Ok(()),
        });
        if let Ok(Err(why)) = written.await {
            tracing::warn!(
                pid,
                "if this supervisor is killed, the next one will not know its worker: `{}`: {why}",
                self.path(pid).display()
            );
        }
    }

    /// Strikes out a process that was reaped, without making anybody wait. One that stays is nobody's, and removed in the end or at the
    /// next start.
    pub(super) fn strike(&self, pid: u32) {
        let path = self.path(pid);
        spawn_blocking(move || fs::remove_file(path));
    }

    /// Strikes out all of them: every worker has been reaped.
    pub(crate) fn clear(&self) {
        for file in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            self::remove(&file.path());
        }
    }

    fn path(&self, pid: u32) -> PathBuf {
        self.0.join(pid.to_string())
    }

    /// What all files tell that can be understood. The others are removed: nothing will ever understand them.
    pub(super) fn read(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.0)? {
            let path = file?.path();
            match read(&path) {
                Some(entry) => entries.push(entry),
                None => self::remove(&path),
            }
        }
        Ok(entries)
    }

    /// Strikes out a process that has gone, at once.
    pub(super) fn remove(&self, pid: u32) {
        self::remove(&self.path(pid));
    }
}

fn read(path: &Path) -> Option<Entry> {
    let pid = path.file_name()?.to_str()?.parse().ok()?;
    let mut mark = String::new();
    let file = fs::File::open(path).ok()?;
    file.take(LONGEST_MARK).read_to_string(&mut mark).ok()?;
    Some(Entry { pid, mark })
}

fn remove(path: &Path) {
    // Whatever stays is looked at again at the next start, and harms nothing.
    let _ = fs::remove_file(path);
}
