//! What a metronome did and when, one line each, in the file that `METRONOME_JOURNAL` names; without it nothing is written.
//!
//! A line is `<microseconds since 1970> <version> <process> <word> <number>`. Several lives write into one file, each line with one
//! write, so that no line is torn and their order is the order in which things happened.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

/// The most lines one life writes; a day of beats. Later ones are left out.
const MOST_LINES: u32 = 10_000_000;

/// Where it is written, if anywhere.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    file: Option<File>,
    who: String,
    lines: u32,
}

impl Journal {
    /// The one the environment names. One that cannot be opened is told on standard error.
    pub(crate) fn open(version: &str) -> Self {
        let file = std::env::var_os("METRONOME_JOURNAL").and_then(|path| {
            let opened = OpenOptions::new().create(true).append(true).open(&path);
            opened
                .inspect_err(|error| eprintln!("failed to open `{}`: {error}", path.display()))
                .ok()
        });
        Self {
            file,
            who: format!("{version} {}", std::process::id()),
            lines: 0,
        }
    }

    /// Something happened just now.
    pub(crate) fn note(&mut self, word: &str, number: i64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let micros = now.map_or(0, |now| now.as_micros());
        if let Some(file) = self.file.as_mut().filter(|_| self.lines < MOST_LINES) {
            self.lines += 1;
            let line = format!("{micros} {} {word} {number}\n", self.who);
            // A line that is lost is missed by whoever reads them; a device does not fail over it.
            let _ = file.write_all(line.as_bytes());
        }
    }
}
