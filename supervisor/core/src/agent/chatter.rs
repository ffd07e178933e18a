//! Log lines that somebody else can cause as often as they like: a worker, a stranger, the cloud. Bounded in number, counted beyond.

use crate::{
    event::{Command, Grade, Note, Tenure},
    time::{Bucket, Ticks},
};

/// So many lines at once, and then that many a second.
const LINES: u32 = 20;

/// Bounds what others can make the log say.
#[derive(Debug, Clone)]
pub(super) struct Chatter {
    bucket: Bucket,
    swallowed: u64,
}

impl Default for Chatter {
    fn default() -> Self {
        Self {
            bucket: Bucket::per_second(LINES),
            swallowed: 0,
        }
    }
}

impl Chatter {
    /// Writes a line, or counts it as left out.
    pub(super) fn note(
        &mut self,
        now: Ticks,
        grade: Grade,
        tenure: Option<Tenure>,
        mut text: String,
        out: &mut Vec<Command>,
    ) {
        if !self.bucket.take(now) {
            self.swallowed = self.swallowed.saturating_add(1);
            return;
        }
        if self.swallowed > 0 {
            text = format!("{text} ({} lines like this were left out)", self.swallowed);
            self.swallowed = 0;
        }
        out.push(Command::Note(Note {
            grade,
            tenure,
            job: None,
            text,
            turn: None,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_is_cut_off_and_counted() {
        let mut chatter = Chatter::default();
        let mut out = Vec::new();
        for _ in 0..1000 {
            chatter.note(Ticks(5), Grade::Info, None, "again".to_owned(), &mut out);
        }
        assert_eq!(out.len(), 20);
        chatter.note(Ticks(1005), Grade::Info, None, "again".to_owned(), &mut out);
        let Some(Command::Note(note)) = out.last() else {
            panic!("no note");
        };
        assert_eq!(note.text, "again (980 lines like this were left out)");
    }
}
