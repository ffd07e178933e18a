//! The flight recorder: it writes down what the brain noted, for `explain`.
//!
//! Writing waits for nobody and nobody waits for it: lines queue up to a bound, beyond which they are counted and the count is written instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use supervisor_core::event::Note;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{clock::Clock, store::layout::Layout};
use crate::{
    flight::{FULL, Level, Line},
    kept::Kept,
};

/// How many lines may wait for the disk.
const MOST_WAITING: usize = 256;

/// The writing side.
#[derive(Debug)]
pub(crate) struct Flight {
    lines: mpsc::Sender<Line>,
    /// How many found no room.
    lost: Arc<AtomicU64>,
    writing: JoinHandle<()>,
    clock: Clock,
}

impl Flight {
    /// Goes on behind what earlier supervisors have recorded.
    pub(crate) fn start(layout: &Layout, clock: Clock) -> Self {
        let (lines, waiting) = mpsc::channel(MOST_WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let path = layout.flight();
        let writing = tokio::spawn(write(waiting, Arc::clone(&lost), clock, path));
        let flight = Self {
            lines,
            lost,
            writing,
            clock,
        };
        let version = env!("CARGO_PKG_VERSION");
        let text = format!(
            "supervisor {version} starts as process {}",
            std::process::id()
        );
        flight.take(Line::own(clock.now().wall, Level::Info, text));
        flight
    }

    /// Keeps what is worth it.
    pub(crate) fn note(&self, note: &Note) {
        if let Some(line) = Line::of(note, self.clock.now().wall) {
            self.take(line);
        }
    }

    fn take(&self, line: Line) {
        if self.lines.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What waits is written; the shell bounds how long that takes.
    pub(crate) async fn end(self) {
        drop(self.lines);
        // It ends with the last line, and there is nothing to be done about one that panicked.
        let _ = self.writing.await;
    }
}

async fn write(
    mut waiting: mpsc::Receiver<Line>,
    lost: Arc<AtomicU64>,
    clock: Clock,
    path: std::path::PathBuf,
) {
    // Opened where it is written: it may lie on a disk that hangs.
    let mut kept: Option<Kept> = None;
    while let Some(line) = waiting.recv().await {
        let mut text = written(&line);
        while let Ok(line) = waiting.try_recv() {
            text += &written(&line);
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let word = format!("{lost} lines could not be recorded, the disk was too slow");
            text += &written(&Line::own(clock.now().wall, Level::Warn, word));
        }
        let path = path.clone();
        let taken = kept.take();
        let done = tokio::task::spawn_blocking(move || {
            let mut kept = taken.unwrap_or_else(|| {
                let mut kept = Kept::at(path, FULL);
                // What a power cut has torn must not take the next line along.
                kept.write("\n");
                kept
            });
            kept.write(&text);
            kept
        });
        kept = done.await.ok();
    }
}

fn written(line: &Line) -> String {
    let text = serde_json::to_string(line).expect("a line has only text keys");
    format!("{text}\n")
}
