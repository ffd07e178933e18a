//! What a worker prints, into the log, within bounds.

use std::time::{Duration, Instant};

use supervisor_core::event::Tenure;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    task::JoinHandle,
};

use crate::drivers::after_you;

/// No line in the log is longer, in bytes; the rest of a longer one is dropped.
const LONGEST_LINE: usize = 4096;

/// How many lines of one pipe are logged in each span; further ones are counted and dropped.
const MOST_LINES: u32 = 200;
const SPAN: Duration = Duration::from_secs(1);

/// Logs every line until the pipe ends.
pub(super) fn follow(
    mut pipe: impl AsyncRead + Unpin + Send + 'static,
    tenure: Tenure,
    stream: &'static str,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut lines = Lines::default();
        let mut rate = Rate::new(Instant::now());
        let mut bytes = [0; 1024];
        let mut log = |line: &str| match rate.admit(Instant::now()) {
            Admission::Yes => tracing::info!(tenure = tenure.0, stream, "{line}"),
            Admission::YesAfter(dropped) => {
                tracing::warn!(
                    tenure = tenure.0,
                    stream,
                    dropped,
                    "the worker printed too many lines"
                );
                tracing::info!(tenure = tenure.0, stream, "{line}");
            }
            Admission::No => {}
        };
        // An error on a pipe is its end.
        while let Ok(count @ 1..) = pipe.read(&mut bytes).await {
            lines.push(&bytes[..count], &mut log);
        }
        lines.end(&mut log);
        // The process itself ends in this moment, which somebody waits for; nobody does for its pipe.
        after_you().await;
    })
}

/// Cuts bytes into bounded lines of printable text.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], log: &mut impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (piece, whole) = match piece.strip_suffix(b"\n") {
                Some(piece) => (piece, true),
                None => (piece, false),
            };
            let room = LONGEST_LINE - self.begun.len();
            self.begun
                .extend_from_slice(&piece[..room.min(piece.len())]);
            if whole {
                self.end(log);
            }
        }
    }

    fn end(&mut self, log: &mut impl FnMut(&str)) {
        let text = String::from_utf8_lossy(&self.begun);
        // A worker must not be able to write a second line, or colours, into the supervisor's log.
        let text: String = text
            .trim_end()
            .chars()
            .map(|c| {
                if c.is_control() && c != '\t' {
                    char::REPLACEMENT_CHARACTER
                } else {
                    c
                }
            })
            .collect();
        if !text.is_empty() {
            log(&text);
        }
        self.begun = Vec::new();
    }
}

/// Counts lines per span.
#[derive(Debug)]
struct Rate {
    since: Instant,
    admitted: u32,
    dropped: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Admission {
    Yes,
    YesAfter(u64),
    No,
}

impl Rate {
    fn new(now: Instant) -> Self {
        Self {
            since: now,
            admitted: 0,
            dropped: 0,
        }
    }

    fn admit(&mut self, now: Instant) -> Admission {
        if now.duration_since(self.since) >= SPAN {
            let dropped = self.dropped;
            *self = Self::new(now);
            self.admitted = 1;
            return if dropped > 0 {
                Admission::YesAfter(dropped)
            } else {
                Admission::Yes
            };
        }
        if self.admitted < MOST_LINES {
            self.admitted += 1;
            return Admission::Yes;
        }
        self.dropped += 1;
        Admission::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for piece in pieces {
            lines.push(piece, &mut |line: &str| found.push(line.to_owned()));
        }
        lines.end(&mut |line: &str| found.push(line.to_owned()));
        found
    }

    #[test]
    fn lines_are_put_together_from_pieces() {
        assert_eq!(
            lines(&[b"one\ntw", b"o\r\n\nthr", b"ee"]),
            ["one", "two", "three"]
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_the_next_one_is_whole() {
        let long = vec![b'x'; LONGEST_LINE * 3];
        let found = lines(&[&long, b"\nnext\n"]);
        assert_eq!(found[0].len(), LONGEST_LINE);
        assert_eq!(found[1], "next");
    }

    #[test]
    fn control_characters_and_foreign_bytes_cannot_write_into_the_log() {
        assert_eq!(lines(&[b"a\x1b[31mb\xffc\n"]), ["a\u{fffd}[31mb\u{fffd}c"]);
    }

    #[test]
    fn too_many_lines_are_dropped_and_counted() {
        let now = Instant::now();
        let mut rate = Rate::new(now);
        for _ in 0..MOST_LINES {
            assert_eq!(rate.admit(now), Admission::Yes);
        }
        assert_eq!(rate.admit(now), Admission::No);
        assert_eq!(rate.admit(now), Admission::No);
        assert_eq!(rate.admit(now + SPAN), Admission::YesAfter(2));
        assert_eq!(rate.admit(now + SPAN), Admission::Yes);
    }
}
