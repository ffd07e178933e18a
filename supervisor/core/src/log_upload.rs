//! The log's lines that the platform gets as well, where an operator wants it.
//!
//! | bound | value | beyond it |
//! |---|---|---|
//! | lines that wait | 64 | the oldest is dropped and counted; the count is sent as a line of its own |
//! | lines in a message | 10 | the next message takes them |
//! | messages | one in 5 s | they wait |
//! | bytes of a line | 4096 | it is cut |
//!
//! They are told once, in order, and not again when they get lost: a log is for people, and the truth about updates has its own way.

use std::{collections::VecDeque, time::Duration};

use crate::{
    alink::codec::LogLine,
    event::{Grade, Note},
    time::{Now, Ticks},
};

/// How many lines wait at most.
const MOST_LINES: usize = 64;

/// How many lines go into one message.
const MOST_IN_MESSAGE: usize = 10;

/// How long after a message the next one may follow.
const PERIOD: Duration = Duration::from_secs(5);

/// The lines that wait for the platform.
#[derive(Debug, Clone)]
pub struct LogUpload {
    least: Option<Grade>,
    lines: VecDeque<LogLine>,
    dropped: u64,
    /// Nothing is sent before.
    rests_until: Ticks,
}

impl LogUpload {
    /// Nothing waits yet. Lines less grave than this are not for the platform, and without it none is.
    #[must_use]
    pub fn new(least: Option<Grade>) -> Self {
        Self {
            least,
            lines: VecDeque::new(),
            dropped: 0,
            rests_until: Ticks(0),
        }
    }

    /// Takes up a line, if it is for the platform.
    pub fn hear(&mut self, note: &Note, now: Now) {
        if self.least.is_none_or(|least| note.grade < least) {
            return;
        }
        if self.lines.len() >= MOST_LINES {
            self.lines.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        let tenure = note.tenure.map(|tenure| format!("worker {}", tenure.0));
        self.lines.push_back(LogLine {
            at: now.wall,
            level: level(note.grade),
            module: "hotplate",
            trace: note.job.map(|job| format!("job {}", job.0)).or(tenure),
            text: note.text.clone(),
        });
    }

    /// When there is something to send.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Ticks> {
        (!self.lines.is_empty()).then_some(self.rests_until)
    }

    /// What is to be sent now, if anything.
    pub fn take(&mut self, now: Now) -> Option<Vec<LogLine>> {
        if self.lines.is_empty() || now.ticks < self.rests_until {
            return None;
        }
        self.rests_until = now.ticks.after(PERIOD);
        let mut lines = Vec::with_capacity(MOST_IN_MESSAGE);
        if self.dropped > 0 {
            let text = format!("{} lines before this one were left out", self.dropped);
            self.dropped = 0;
            lines.push(LogLine {
                at: now.wall,
                level: level(Grade::Warning),
                module: "hotplate",
                trace: None,
                text,
            });
        }
        let room = (MOST_IN_MESSAGE - lines.len()).min(self.lines.len());
        lines.extend(self.lines.drain(..room));
        Some(lines)
    }
}

fn level(grade: Grade) -> &'static str {
    match grade {
        Grade::Detail => "DEBUG",
        Grade::Info => "INFO",
        Grade::Warning => "WARN",
        Grade::Error => "ERROR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::JobId, time::Wall};

    fn note(grade: Grade, text: &str) -> Note {
        Note {
            grade,
            tenure: None,
            job: Some(JobId(7)),
            text: text.to_owned(),
            turn: None,
        }
    }

    fn at(ms: u64) -> Now {
        Now {
            ticks: Ticks(ms),
            wall: Wall(1_764_000_000_000 + ms),
        }
    }

    fn texts(lines: Option<Vec<LogLine>>) -> Vec<String> {
        let lines = lines.unwrap_or_default().into_iter();
        lines.map(|line| line.text).collect()
    }

    #[test]
    fn nothing_is_for_the_platform_unless_an_operator_says_so() {
        let mut upload = LogUpload::new(None);
        upload.hear(&note(Grade::Error, "it burns"), at(0));
        assert_eq!(upload.next_deadline(), None);
        assert_eq!(upload.take(at(0)), None);
    }

    #[test]
    fn what_is_grave_enough_is_told_in_order_and_not_too_often() {
        let mut upload = LogUpload::new(Some(Grade::Warning));
        upload.hear(&note(Grade::Info, "well"), at(0));
        upload.hear(&note(Grade::Warning, "first"), at(1));
        upload.hear(&note(Grade::Error, "second"), at(2));
        assert_eq!(texts(upload.take(at(2))), ["first", "second"]);
        upload.hear(&note(Grade::Error, "third"), at(3));
        assert_eq!(upload.take(at(4)), None);
        assert_eq!(upload.next_deadline(), Some(Ticks(5002)));
        let lines = upload.take(at(5002)).unwrap();
        assert_eq!(lines[0].level, "ERROR");
        assert_eq!(lines[0].trace.as_deref(), Some("job 7"));
        assert_eq!(lines[0].at, at(3).wall);
    }

    #[test]
    fn what_finds_no_room_is_counted_and_the_count_is_told() {
        let mut upload = LogUpload::new(Some(Grade::Info));
        for number in 0..70 {
            upload.hear(&note(Grade::Info, &number.to_string()), at(number));
        }
        let told = texts(upload.take(at(100)));
        assert_eq!(told[0], "6 lines before this one were left out");
        assert_eq!(
            told[1..],
            ["6", "7", "8", "9", "10", "11", "12", "13", "14"]
        );
    }
}
