//! The two checkpoint files, written in turn like the record's, by a task of their own.
//!
//! The record is what an update waits for, a checkpoint is what nobody waits for: on a slow disk it must not stand in front of a save.
//! A file that cannot be read or is damaged in any way costs only what is in it: the other one counts, or the next worker starts
//! cold.

#[cfg(test)]
mod tests;

use std::{io, path::PathBuf};

use supervisor_core::{checkpoint::Checkpoint, event::Event};
use tokio::sync::mpsc;

use super::{
    super::{Events, report},
    disk::Disk,
    pair::Pair,
};

/// The two files.
#[derive(Debug)]
pub(super) struct Checkpoints<D> {
    disk: D,
    files: [PathBuf; 2],
    /// Missing as long as they could not be looked at.
    pair: Option<Pair<Checkpoint>>,
}

impl<D: Disk> Checkpoints<D> {
    /// Reads what is there. Nothing that can be wrong with it is a reason not to start.
    pub(super) fn open(
        disk: D,
        files: [PathBuf; 2],
        words: &mut Vec<String>,
    ) -> (Self, Option<Checkpoint>) {
        let before = words.len();
        let (pair, newest) = match Pair::open(&disk, files.clone(), words) {
            Ok((pair, newest)) => (Some(pair), newest),
            Err(why) => {
                words.push(why.to_string());
                (None, None)
            }
        };
        if newest.is_none() && words.len() > before {
            let text = "no state of the device can be read; its worker starts cold";
            words.push(text.to_owned());
        }
        (Self { disk, files, pair }, newest)
    }

    /// Writes a checkpoint over the older one, durably.
    pub(super) fn write(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        if self.pair.is_none() {
            // Which one is the older has to be known first; what it says has no hearer any more.
            let (pair, _) = Pair::open(&self.disk, self.files.clone(), &mut Vec::new())?;
            self.pair = Some(pair);
        }
        let pair = self.pair.as_mut().expect("it was looked at just now");
        pair.write(&self.disk, checkpoint)
    }
}

/// The desk where checkpoints are handed in, one at a time.
#[derive(Debug)]
pub(super) struct Desk {
    queue: mpsc::Sender<Box<Checkpoint>>,
    events: Events,
}

impl Desk {
    pub(super) fn open<D: Disk + Send + 'static>(files: Checkpoints<D>, events: Events) -> Self {
        let (queue, waiting) = mpsc::channel(1);
        tokio::spawn(write_in_turn(files, waiting, events.clone()));
        Self { queue, events }
    }

    /// Answered by `CheckpointSaved` or `CheckpointFailed`.
    pub(super) fn hand_in(&self, checkpoint: Box<Checkpoint>) {
        if self.queue.try_send(checkpoint).is_err() {
            let why = "the one before still waits for the disk".to_owned();
            report(&self.events, Event::CheckpointFailed { why });
        }
    }
}

async fn write_in_turn<D: Disk + Send + 'static>(
    mut files: Checkpoints<D>,
    mut waiting: mpsc::Receiver<Box<Checkpoint>>,
    events: Events,
) {
    while let Some(checkpoint) = waiting.recv().await {
        let written = tokio::task::spawn_blocking(move || {
            let written = files.write(&checkpoint);
            (files, written)
        });
        let Ok((back, written)) = written.await else {
            return; // The runtime is ending.
        };
        files = back;
        let event = match written {
            Ok(()) => Event::CheckpointSaved,
            Err(why) => Event::CheckpointFailed {
                why: why.to_string(),
            },
        };
        if events.send(event).await.is_err() {
            return;
        }
    }
}
