//! The flight recorder's lines: what the brain noted, with times, so that whoever comes later can be told what happened.
//!
//! They lie in the state folder as lines of JSON, in two files of bounded size, and are read with or without a supervisor that runs. They are
//! not synced: a power cut may cost the last of them, and a line that was torn by one is passed over. Nothing is decided by them.

use std::io;

use serde::{Deserialize, Serialize};
use supervisor_core::{
    event::{Grade, Note, Turn},
    time::Wall,
};

use crate::{
    drivers::store::{
        disk::{Disk as _, Real},
        layout::Layout,
    },
    kept,
};

/// How long a file becomes before the next one begins, in bytes; of the two there are at least as many lines as a month of an update a
/// day leaves.
pub(crate) const FULL: u64 = 256 * 1024;

/// No file is longer: a full one, and its last line.
const LONGEST: u64 = FULL + 64 * 1024;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// When, in milliseconds since 1970 UTC, by the device's own clock.
    pub(crate) at: Wall,
    /// `info`, `warn` or `error`.
    pub(crate) level: Level,
    /// What.
    pub(crate) text: String,
    /// Which life of a worker it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenure: Option<u64>,
    /// Which update it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<u64>,
    /// Where the story of that update took a turn, which one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) turn: Option<Turn>,
}

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    Info,
    Warn,
    Error,
}

impl Line {
    /// What is to be kept of a note, if anything.
    pub(crate) fn of(note: &Note, at: Wall) -> Option<Self> {
        let level = match note.grade {
            Grade::Detail => return None,
            Grade::Info => Level::Info,
            Grade::Warning => Level::Warn,
            Grade::Error => Level::Error,
        };
        Some(Self {
            at,
            level,
            text: note.text.clone(),
            tenure: note.tenure.map(|tenure| tenure.0),
            job: note.job.map(|job| job.0),
            turn: note.turn.clone(),
        })
    }

    /// A word of the shell's own.
    pub(crate) fn own(at: Wall, level: Level, text: String) -> Self {
        Self {
            at,
            level,
            text,
            tenure: None,
            job: None,
            turn: None,
        }
    }
}

/// All that is recorded, the oldest first.
pub(crate) fn read(layout: &Layout) -> io::Result<Vec<Line>> {
    let path = layout.flight();
    let mut lines = Vec::new();
    for file in [kept::old(&path), path] {
        match Real.read(&file, LONGEST) {
            Ok(bytes) => lines.extend(parse(&bytes)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(why),
        }
    }
    Ok(lines)
}

fn parse(bytes: &[u8]) -> impl Iterator<Item = Line> {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_torn_by_a_power_cut_is_passed_over() {
        let line = Line::own(Wall(7), Level::Warn, "it \"burns\"".to_owned());
        let whole = serde_json::to_string(&line).unwrap();
        let text = format!("{whole}\n{}\n\n{whole}\n", &whole[..whole.len() / 2]);
        let read: Vec<_> = parse(text.as_bytes()).collect();
        assert_eq!(read, [line.clone(), line]);
    }
}
