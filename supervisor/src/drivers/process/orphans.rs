//! Orphans: worker processes of a former supervisor, which was killed. None of them is there any more when this one begins.
//!
//! A worker notices the end of its leash, makes its device safe and goes; the sdk ends it 5 s later whatever the device does. Who is still
//! there after [`GRACE`] has no sdk or hangs beyond its reach and is ended by force. One that stands still cannot make anything safe and
//! is ended at once. How a former worker is known for certain says the module `pidfile`.
//!
//! Nothing else begins meanwhile, so that neither two workers nor two downloads of memory for workers are there at a time, and no new build
//! is blamed for a device that the former worker still holds.
//!
//! Rejected: having the system end workers with their supervisor (`PR_SET_PDEATHSIG`, a job object on Windows). Both would take the time to
//! make the device safe from a worker that is well.

use std::time::{Duration, Instant};

use tokio::{task::spawn_blocking, time::sleep};

use super::{
    birthmark,
    pidfile::{Entry, PidFiles},
};

/// How long a worker may take to make its device safe and go. The sdk's own limit is 5 s after the end of the leash.
const GRACE: Duration = Duration::from_secs(6);

/// How long the end of a process that was ended by force is waited for. One that does not even end then hangs in the system itself; the
/// device runs all the same, as far as the lock lets it that such a worker may hold.
const DEATH_LIMIT: Duration = Duration::from_secs(2);

/// How often orphans are looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Sees every process off that a former supervisor has left. To be called by the only supervisor of these files, before it starts one of
/// its own. Takes at most [`GRACE`] and [`DEATH_LIMIT`].
pub(crate) async fn see_off(files: PidFiles) {
    let begun = Instant::now();
    let mut orphans = match list(files.clone()).await {
        Ok(orphans) => orphans,
        Err(why) => {
            return tracing::warn!("what a former supervisor left behind is not known: {why}");
        }
    };
    while !orphans.is_empty() {
        let watch = files.clone();
        let looked = spawn_blocking(move || {
            orphans.retain_mut(|orphan| orphan.is_there(begun.elapsed(), &watch));
            orphans
        });
        let Ok(rest) = looked.await else {
            return; // The runtime is ending.
        };
        orphans = rest;
        if begun.elapsed() >= GRACE + DEATH_LIMIT {
            for orphan in &orphans {
                tracing::error!(
                    pid = orphan.entry.pid,
                    "a worker of a former supervisor cannot be ended"
                );
            }
            return;
        }
        if !orphans.is_empty() {
            sleep(LOOK_AGAIN).await;
        }
    }
}

async fn list(files: PidFiles) -> std::io::Result<Vec<Orphan>> {
    let listed = spawn_blocking(move || files.read()).await;
    let entries = listed.map_err(std::io::Error::other)??;
    Ok(entries.into_iter().map(Orphan::new).collect())
}

/// A process that may be left of a former supervisor.
struct Orphan {
    entry: Entry,
    is_told: bool,
    is_killed: bool,
}

impl Orphan {
    fn new(entry: Entry) -> Self {
        Self {
            entry,
            is_told: false,
            is_killed: false,
        }
    }

    /// Looks at it, and ends it if it is time.
    fn is_there(&mut self, waited: Duration, files: &PidFiles) -> bool {
        let pid = self.entry.pid;
        let seen = birthmark::look(pid).filter(|seen| seen.mark == self.entry.mark);
        let Some(seen) = seen else {
            // It has gone, whoever has its number now.
            files.remove(pid);
            if self.is_told {
                tracing::info!(pid, "the worker of the former supervisor has gone");
            }
            return false;
        };
        if self.is_killed {
            return true;
        }
        if seen.is_stopped || waited >= GRACE {
            let why = if seen.is_stopped {
                "it stands still"
            } else {
                "it does not go by itself"
            };
            tracing::warn!(
                pid,
                "a worker of a former supervisor is ended by force: {why}"
            );
            birthmark::kill(pid);
            (self.is_told, self.is_killed) = (true, true);
        } else if !self.is_told {
            tracing::info!(
                pid,
                "a worker of a former supervisor is still there; waiting for its end"
            );
            self.is_told = true;
        }
        true
    }
}

#[cfg(test)]
mod tests;
