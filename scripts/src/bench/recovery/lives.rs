//! What workers write down about their own lives, read as it is written.

use crate::bench::clock::Moment;
use crate::bench::live::{Stopped, stopped};
use crate::tail::Tail;
use serde::Deserialize;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A worker that needs longer for anything has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is waited for takes a few milliseconds. Nobody looks before that, as looking takes processor time from those that are measured.
const FIRST_LOOK: Duration = Duration::from_millis(25);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A journal that several workers write into.
pub(super) struct Lives {
    journal: Tail,
    /// What was read and not looked at yet.
    unseen: VecDeque<Line>,
}

/// One line of it.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    event: String,
    version: String,
    /// Whose.
    pub(super) pid: u32,
    /// When, by the worker's clock.
    #[serde(rename = "wall_us")]
    pub(super) at: Moment,
}

/// What was to be written down was not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Quiet {
    /// It did not come.
    #[error("see `{event}` in a worker's journal; there was only {seen:?}")]
    Unseen {
        /// What was waited for.
        event: String,
        /// What was there.
        seen: Vec<String>,
    },
    /// By whoever sits in front of it.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Lives {
    pub(super) fn of(path: PathBuf) -> Self {
        Self {
            journal: Tail::of(path),
            unseen: VecDeque::new(),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.journal.path()
    }

    /// What was written so far is of no interest any more.
    pub(super) fn skip(&mut self) {
        self.journal.skip();
        self.unseen.clear();
    }

    /// Waits for an event, of a certain version if need be. What was written before it is passed over.
    ///
    /// # Errors
    /// When it does not come.
    pub(super) fn until(&mut self, event: &str, version: Option<&str>) -> Result<Line, Quiet> {
        let start = Instant::now();
        let mut seen = Vec::new();
        std::thread::sleep(FIRST_LOOK);
        loop {
            self.unseen.extend(self.journal.read::<Line>());
            while let Some(line) = self.unseen.pop_front() {
                if line.event == event && version.is_none_or(|wanted| line.version == wanted) {
                    return Ok(line);
                }
                seen.push(line.event);
            }
            if start.elapsed() > PATIENCE {
                let event = event.to_owned();
                return Err(Quiet::Unseen { event, seen });
            }
            stopped()?;
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_found_behind_what_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let line = |event: &str, version: &str, pid: u32| {
            format!(
                r#"{{"event":"{event}","version":"{version}","pid":{pid},"wall_us":1000,"life_ms":3}}"#
            )
        };
        let lines = [
            line("active", "1.0.0", 7),
            line("started", "1.0.7", 8),
            line("active", "1.0.7", 8),
            line("active", "1.0.7", 9),
        ];
        let mut lives = Lives::of(path.clone());
        std::fs::write(&path, lines[0].clone() + "\n").unwrap();
        lives.skip();
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        let found = lives.until("active", Some("1.0.7")).unwrap();
        assert_eq!((found.pid, found.at), (8, Moment(1000)));
        assert_eq!(lives.until("active", None).unwrap().pid, 9);
    }
}
