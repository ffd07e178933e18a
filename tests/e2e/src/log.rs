//! What a process prints: kept within a bound, waited for line by line, shown when a test fails.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::LIMIT;

/// The most lines kept; older ones are forgotten, and counted on.
const MOST_LINES: usize = 2000;

/// The lines a process has printed.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    forgotten: usize,
}

impl Log {
    /// Follows what comes out of a pipe, on a thread that ends with it.
    pub fn follow(&self, pipe: impl Read + Send + 'static) {
        let log = self.clone();
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe
                .read_until(b'\n', &mut line)
                .is_ok_and(|count| count > 0)
            {
                log.push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
        });
    }

    fn push(&self, line: String) {
        let mut lines = self.lines();
        if lines.kept.len() == MOST_LINES {
            lines.kept.pop_front();
            lines.forgotten += 1;
        }
        lines.kept.push_back(line);
        self.0.1.notify_all();
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many lines have come so far.
    #[must_use]
    pub fn position(&self) -> usize {
        let lines = self.lines();
        lines.forgotten + lines.kept.len()
    }

    /// Does a line so far hold this text?
    #[must_use]
    pub fn has(&self, text: &str) -> bool {
        self.lines().kept.iter().any(|line| line.contains(text))
    }

    /// Waits for a line with this text and returns it; looks at all lines after the first `skip`.
    ///
    /// # Panics
    /// When none comes within the limit; the message has the last lines.
    #[track_caller]
    pub fn await_line_after(&self, skip: usize, text: &str) -> String {
        let start = Instant::now();
        let mut lines = self.lines();
        loop {
            let seen = skip.saturating_sub(lines.forgotten);
            if let Some(line) = lines
                .kept
                .iter()
                .skip(seen)
                .find(|line| line.contains(text))
            {
                return line.clone();
            }
            let Some(rest) = LIMIT.checked_sub(start.elapsed()) else {
                let last: Vec<_> = lines.kept.iter().rev().take(20).rev().cloned().collect();
                drop(lines);
                panic!(
                    "no line with `{text}` within {LIMIT:?}; the last ones:\n{}",
                    last.join("\n")
                );
            };
            let woken = self.0.1.wait_timeout(lines, rest);
            lines = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for a line with this text, or finds it among those that have come.
    ///
    /// # Panics
    /// When none comes within the limit.
    #[track_caller]
    pub fn await_line(&self, text: &str) -> String {
        self.await_line_after(0, text)
    }

    /// All lines that are kept.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.lines();
        lines
            .kept
            .iter()
            .fold(String::new(), |text, line| text + line + "\n")
    }
}
