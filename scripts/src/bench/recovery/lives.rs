//! What workers write down about their own lives, read as it is written.

use crate::bench::clock::Moment;
use crate::bench::live::{Stopped, stopped};
use serde::Deserialize;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A worker that needs longer for anything has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is waited for takes a few milliseconds. Nobody looks before that, as looking takes processor time from those that are measured.
const FIRST_LOOK: Duration = Duration::from_millis(25);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A journal that several workers write into.
pub(super) struct Lives {
    path: PathBuf,
    read: u64,
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
            path,
            read: 0,
            unseen: VecDeque::new(),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was written so far is of no interest any more.
    pub(super) fn skip(&mut self) {
        self.read = std::fs::metadata(&self.path).map_or(0, |there| there.len());
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
            let lines = self.new_lines();
            self.unseen.extend(lines);
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

    /// Whole lines that were not read before.
    fn new_lines(&mut self) -> Vec<Line> {
        let mut text = String::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.read))?;
            file.read_to_string(&mut text)
        });
        // What cannot be read yet may be read at the next look.
        if read.is_err() {
            return Vec::new();
        }
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.read += whole as u64;
        let lines = text[..whole].lines();
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_read_once_and_not_before_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut lives = Lives::of(path.clone());
        assert!(lives.new_lines().is_empty());
        let one = r#"{"event":"active","version":"1.0.0","pid":7,"wall_us":1000}"#;
        std::fs::write(&path, format!("{one}\n{}", &one[..20])).unwrap();
        let lines = lives.new_lines();
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].pid, lines[0].at), (7, Moment(1000)));
        std::fs::write(&path, format!("{one}\n{one}\n")).unwrap();
        assert_eq!(lives.new_lines().len(), 1);
        assert_eq!(lives.new_lines().len(), 0);
    }
}
