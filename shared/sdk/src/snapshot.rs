//! State as bytes: JSON through serde, bounded, and never a reason to fail.
//!
//! A snapshot that cannot be read means a cold start with a warning. One that cannot be written, or is too long, is left
//! out with an error line: the device goes on, only its next life will know less.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;
use worker_protocol::v1::Handover;

use crate::{device::Resume, log};

/// The shortest time between two checkpoints.
pub(crate) const CHECKPOINT_PAUSE: Duration = Duration::from_secs(1);

/// Why a state did not become a snapshot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("write the snapshot")]
    Unwritable(#[source] serde_json::Error),
    #[error("write the snapshot: it is {length} bytes long, at most {largest} are carried")]
    TooLong { length: usize, largest: usize },
}

/// A state as JSON text of at most `largest` bytes.
pub(crate) fn write<S: Serialize>(state: &S, largest: usize) -> Result<Vec<u8>, SnapshotError> {
    let text = serde_json::to_vec(state).map_err(SnapshotError::Unwritable)?;
    let length = text.len();
    if length > largest {
        return Err(SnapshotError::TooLong { length, largest });
    }
    Ok(text)
}

/// Where the former life stood, or nothing with a warning.
pub(crate) fn read<S: DeserializeOwned>(from: &Handover) -> Option<Resume<S>> {
    match serde_json::from_slice(&from.snapshot) {
        Ok(state) => Some(Resume {
            state,
            cause: from.cause,
            age: from.age_ms.map(Duration::from_millis),
        }),
        Err(error) => {
            log::warn(format_args!(
                "the former life's snapshot cannot be read, starting cold: {error}"
            ));
            None
        }
    }
}

/// When to look for a checkpoint, and whether it is a new one.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    stirred: bool,
    next: Instant,
    /// The last one's hash; a snapshot may be long.
    last: Option<u64>,
    complained: bool,
}

impl Checkpoints {
    pub(crate) fn new() -> Self {
        Self {
            stirred: false,
            next: Instant::now(),
            last: None,
            complained: false,
        }
    }

    /// The device did something, so its state may be another one.
    pub(crate) fn stir(&mut self) {
        self.stirred = true;
    }

    /// Waits until a checkpoint may be due. Dropping the future loses nothing.
    pub(crate) async fn due(&mut self) {
        if !self.stirred {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep_until(self.next).await;
        self.stirred = false;
        self.next = Instant::now() + CHECKPOINT_PAUSE;
    }

    /// The state as a checkpoint, if it is another one than the last.
    pub(crate) fn take<S: Serialize>(&mut self, state: &S, largest: usize) -> Option<Vec<u8>> {
        match write(state, largest) {
            Ok(text) => {
                let mut hasher = DefaultHasher::new();
                text.hash(&mut hasher);
                let hash = Some(hasher.finish());
                let changed = hash != self.last;
                self.last = hash;
                changed.then_some(text)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.complained, true) {
                    log::error(format_args!("no more checkpoints: {error}"));
                }
                None
            }
        }
    }
}
