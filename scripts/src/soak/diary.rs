//! When things happened, in milliseconds since the lane began, by a clock nobody sets: one file for what the soak did, one for what
//! the supervisor printed, and for everything else a way to tell the same time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The files with stamped lines.
const DONE: &str = "done.log";
const PRINTED: &str = "supervisor.log";

/// The clock and the files.
#[derive(Debug, Clone)]
pub(super) struct Diary {
    folder: PathBuf,
    begun: Instant,
    /// Wall clock and the machine's uptime at that moment, in milliseconds.
    wall: u64,
    up: Option<u64>,
    done: Arc<File>,
    printed: Arc<File>,
}

impl Diary {
    /// Begins now.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub(super) fn begin(folder: &Path) -> std::io::Result<Self> {
        let open = |name: &str| {
            let mut options = File::options();
            options.create(true).append(true).open(folder.join(name))
        };
        Ok(Self {
            folder: folder.to_owned(),
            begun: Instant::now(),
            wall: wall_ms(),
            up: up_ms(),
            done: Arc::new(open(DONE)?),
            printed: Arc::new(open(PRINTED)?),
        })
    }

    /// Milliseconds since the lane began.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A moment told by the machine's true wall clock.
    pub(super) fn of_wall(&self, wall: u64) -> i64 {
        i64::try_from(wall).unwrap_or(0) - i64::try_from(self.wall).unwrap_or(0)
    }

    /// A moment told by how long the machine has been up.
    pub(super) fn of_up(&self, up: u64) -> Option<i64> {
        Some(i64::try_from(up).ok()? - i64::try_from(self.up?).ok()?)
    }

    /// Something was done.
    pub(super) fn done(&self, what: &str) {
        for line in what.lines() {
            stamped(&self.done, self.now(), line);
        }
    }

    /// Follows what a program prints, on a thread that ends with it.
    pub(super) fn follow(&self, pipe: impl Read + Send + 'static) {
        let diary = self.clone();
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe
                .read_until(b'\n', &mut line)
                .is_ok_and(|count| count > 0)
            {
                let text = String::from_utf8_lossy(&line);
                stamped(&diary.printed, diary.now(), text.trim_end());
                line.clear();
            }
        });
    }

    /// What was done and printed after a moment, with its time and where it comes from.
    pub(super) fn lines_after(&self, moment: u64) -> Vec<(i64, &'static str, String)> {
        let mut lines = Vec::new();
        for (name, source) in [(DONE, "soak"), (PRINTED, "supervisor")] {
            let bytes = std::fs::read(self.folder.join(name)).unwrap_or_default();
            for line in String::from_utf8_lossy(&bytes).lines() {
                let (at, text) = line.trim_start().split_once(' ').unwrap_or_default();
                match at.parse::<u64>() {
                    Ok(at) if at >= moment => {
                        let at = i64::try_from(at).unwrap_or(i64::MAX);
                        lines.push((at, source, text.to_owned()));
                    }
                    _ => {}
                }
            }
        }
        lines
    }

    /// Forgets what was done and printed so far, when it has become much.
    pub(super) fn shorten(&self, most_bytes: u64) {
        for file in [&self.done, &self.printed] {
            if file.metadata().is_ok_and(|it| it.len() > most_bytes) {
                // One that cannot be shortened grows on.
                let _ = file.set_len(0);
            }
        }
    }
}

fn stamped(mut file: &File, at: u64, line: &str) {
    // Nothing depends on these lines but whoever reads them.
    let _ = file.write_all(format!("{at:>9} {line}\n").as_bytes());
}

/// Milliseconds since 1970.
fn wall_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How long the machine has been up, in milliseconds, where it tells.
fn up_ms() -> Option<u64> {
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an uptime is positive and small"
    )]
    let milliseconds = (seconds * 1000.0) as u64;
    Some(milliseconds)
}
