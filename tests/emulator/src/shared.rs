//! The one world behind its lock, and waiting for something to become true in it.
//!
//! Whoever changes the world goes through [`Shared::act`], which wakes all who wait; so nobody polls and nobody sleeps.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::journal::Entry;
use crate::login::DeviceId;
use crate::platform::{Millis, World};
use crate::state::DeviceState;

/// The world, shared by connections, servers and the library's caller.
#[derive(Debug)]
pub(crate) struct Shared {
    world: Mutex<World>,
    changed: watch::Sender<()>,
    hung_up: watch::Sender<()>,
    followers: Arc<Semaphore>,
}

/// Those who follow the events at a time; a further one is refused.
pub(crate) const MOST_FOLLOWERS: usize = 16;

/// Milliseconds since 1970.
pub(crate) fn now() -> Millis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A condition that did not come true in time.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{what}` was not reached within {limit:?}; the last that was seen: {last}")]
pub struct NotReached {
    /// The condition, in the caller's words.
    pub what: String,
    /// How long was waited.
    pub limit: Duration,
    /// The last state that was seen, as JSON.
    pub last: String,
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self {
            world: Mutex::new(world),
            changed: watch::Sender::new(()),
            hung_up: watch::Sender::new(()),
            followers: Arc::new(Semaphore::new(MOST_FOLLOWERS)),
        }
    }

    /// Looks without changing anything.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&World) -> R) -> R {
        // A panic elsewhere must not hide the state that explains it.
        look(&self.world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the world, now, and wakes everybody who waits.
    pub(crate) fn act<R>(&self, act: impl FnOnce(&mut World, Millis) -> R) -> R {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        let done = act(&mut world, now);
        world.settle(now);
        drop(world);
        self.changed.send_replace(());
        done
    }

    /// Told of every change.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// A place for one who follows the events, for as long as it is held; none if there are too many.
    pub(crate) fn follow(&self) -> Option<OwnedSemaphorePermit> {
        let place = self.followers.clone().try_acquire_owned().ok()?;
        self.changed.send_replace(());
        Some(place)
    }

    /// How many follow the events.
    pub(crate) fn followers(&self) -> usize {
        MOST_FOLLOWERS - self.followers.available_permits()
    }

    /// Ends every connection for downloads that there is now.
    pub(crate) fn hang_up_downloads(&self) {
        self.hung_up.send_replace(());
    }

    /// Told when the connections that there are by now are to end.
    pub(crate) fn hang_ups(&self) -> watch::Receiver<()> {
        self.hung_up.subscribe()
    }

    /// Waits until `probe` finds something, looking again after each change; `None` when the time is over.
    pub(crate) async fn wait<T>(
        &self,
        limit: Duration,
        mut probe: impl FnMut(&World) -> Option<T>,
    ) -> Option<T> {
        let mut changes = self.changes();
        let found = async {
            loop {
                if let Some(found) = self.look(&mut probe) {
                    return found;
                }
                // The sender lives in `self`, so this never ends in an error.
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(limit, found).await.ok()
    }

    /// Waits for a condition on a device.
    pub(crate) async fn wait_for_device(
        &self,
        id: &DeviceId,
        limit: Duration,
        what: &str,
        mut reached: impl FnMut(&DeviceState) -> bool,
    ) -> Result<DeviceState, NotReached> {
        let found = self
            .wait(limit, |world| {
                world.device_state(id).filter(|state| reached(state))
            })
            .await;
        found.ok_or_else(|| NotReached {
            what: what.to_owned(),
            limit,
            last: self.look(|world| as_json(&world.device_state(id))),
        })
    }

    /// Waits for a journal entry newer than `after`. Each is shown to `wanted` once.
    pub(crate) async fn wait_for_entry(
        &self,
        after: u64,
        limit: Duration,
        what: &str,
        mut wanted: impl FnMut(&Entry) -> bool,
    ) -> Result<Entry, NotReached> {
        let mut seen = after;
        let found = self
            .wait(limit, |world| {
                let found = world
                    .journal
                    .after(seen)
                    .find(|entry| wanted(entry))
                    .cloned();
                seen = world.journal.last();
                found
            })
            .await;
        found.ok_or_else(|| NotReached {
            what: what.to_owned(),
            limit,
            last: self.look(|world| {
                let newest = world.journal.last().saturating_sub(LAST_ENTRIES);
                as_json(&world.journal.after(newest).collect::<Vec<_>>())
            }),
        })
    }
}

/// How many journal entries an error shows.
const LAST_ENTRIES: u64 = 12;

fn as_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}
