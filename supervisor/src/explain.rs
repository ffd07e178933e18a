//! `supervisor explain`: the last update in plain sentences with times, from the flight recorder.
//!
//! It needs no supervisor that runs. A story begins where an offer was accepted and ends where its outcome was durable; what was noted in
//! between belongs to it, and what is grave and came later is told behind it. Times are the device's own clock's, in UTC.

#[cfg(test)]
mod tests;

use std::{fmt::Write as _, time::Duration};

use serde::Serialize;
use supervisor_core::{event::Turn, time::Wall};

use crate::{
    flight::{Level, Line},
    terminal::{Colour, Row},
};

/// How much of what came later, or before there was an update, is told at most.
const MOST_OTHERS: usize = 20;

/// What is told.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Story<'l> {
    /// The last update, if one was recorded.
    update: Option<Summary>,
    /// What was noted from its beginning to its end.
    story: Vec<&'l Line>,
    /// What was grave since.
    since: Vec<&'l Line>,
}

/// An update in a few facts.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Summary {
    job: u64,
    from: Option<String>,
    to: String,
    bytes: u64,
    began: Wall,
    ended: Option<Wall>,
    result: Ended,
    /// Why it failed.
    why: Option<String>,
    /// How long nobody ran the device in the switch.
    gap_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Ended {
    Trusted,
    Failed,
    UnderWay,
}

impl<'l> Story<'l> {
    /// Finds the last update in what was recorded.
    pub(crate) fn last(lines: &'l [Line]) -> Self {
        let began = |line: &Line| matches!(line.turn, Some(Turn::Began { .. }));
        let Some(first) = lines.iter().rposition(began) else {
            return Self {
                update: None,
                story: Vec::new(),
                since: grave(lines),
            };
        };
        let rest = &lines[first..];
        let job = rest[0].job;
        let ends = |line: &Line| line.job == job && line.turn.as_ref().is_some_and(Turn::ends);
        let end = rest.iter().position(ends);
        let (story, since) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
        Self {
            update: summary(story),
            story: story.iter().collect(),
            since: grave(since),
        }
    }

    /// All that was recorded, as one story.
    pub(crate) fn all(lines: &'l [Line]) -> Self {
        Self {
            story: lines.iter().collect(),
            since: Vec::new(),
            ..Self::last(lines)
        }
    }

    /// In sentences, for a terminal in colours. What a worker said brings no sequences of its own.
    pub(crate) fn text(&self, coloured: bool) -> String {
        let mut text = String::new();
        match &self.update {
            Some(update) => text += &update.text(),
            None => text += "No update is on record.\n",
        }
        if !self.story.is_empty() {
            text += "\n";
            lines(&mut text, &self.story, coloured);
        }
        if !self.since.is_empty() {
            text += match self.update {
                Some(_) => "\nSince then:\n",
                None => "\nWhat was out of order lately:\n",
            };
            lines(&mut text, &self.since, coloured);
        }
        if let Some(update) = &self.update {
            let _ = write!(text, "\n{}\n", update.next_step());
        }
        text
    }
}

fn summary(story: &[Line]) -> Option<Summary> {
    let first = story.first()?;
    let Some(Turn::Began { from, to, bytes }) = &first.turn else {
        return None;
    };
    let mut summary = Summary {
        job: first.job?,
        from: from.as_ref().map(ToString::to_string),
        to: to.to_string(),
        bytes: *bytes,
        began: first.at,
        ended: None,
        result: Ended::UnderWay,
        why: None,
        gap_ms: None,
    };
    for line in story.iter().filter(|line| line.job == first.job) {
        match &line.turn {
            Some(Turn::TookOver { gap_ms, .. }) => summary.gap_ms = *gap_ms,
            Some(Turn::Trusted { .. }) => {
                summary.result = Ended::Trusted;
                summary.ended = Some(line.at);
            }
            Some(Turn::Failed { why }) => {
                summary.result = Ended::Failed;
                summary.why = Some(why.clone());
                summary.ended = Some(line.at);
            }
            _ => {}
        }
    }
    Some(summary)
}

impl Summary {
    fn text(&self) -> String {
        let Self { to, began, .. } = self;
        let from = match &self.from {
            Some(from) => format!("from version {from} to {to}"),
            None => format!("to version {to}, the first one"),
        };
        let began = began.rfc3339().replace('T', " at ").replace('Z', " UTC");
        let size = self.bytes as f64 / 1e6;
        let mut text = format!("An update {from} ({size:.1} MB) began on {began}.\n");
        let took = self
            .ended
            .map(|ended| span(ended.0.saturating_sub(self.began.0)));
        let took = took.unwrap_or_default();
        let _ = match (&self.result, &self.why) {
            (Ended::Trusted, _) => {
                writeln!(text, "It was done in {took}: version {to} is trusted.")
            }
            (Ended::Failed, Some(why)) => writeln!(text, "It failed after {took}: {why}."),
            _ => writeln!(text, "It has not ended yet."),
        };
        if let Some(gap) = self.gap_ms {
            let _ = writeln!(text, "Nobody ran the device for {gap} ms in the switch.");
        }
        text
    }

    fn next_step(&self) -> String {
        let to = &self.to;
        match self.result {
            Ended::Trusted => "Nothing needs to be done.".to_owned(),
            Ended::UnderWay => "`supervisor status --watch` shows how it goes on.".to_owned(),
            Ended::Failed => format!(
                "The version before runs. `supervisor status` shows what is held against {to}; \
                 if that is mended, `supervisor release {to}` lets it in again."
            ),
        }
    }
}

/// The newest of what is out of order.
fn grave(lines: &[Line]) -> Vec<&Line> {
    let grave = lines.iter().filter(|line| line.level > Level::Info);
    let mut grave: Vec<_> = grave.rev().take(MOST_OTHERS).collect();
    grave.reverse();
    grave
}

fn lines(text: &mut String, lines: &[&Line], coloured: bool) {
    let mut day = String::new();
    for line in lines {
        let at = line.at.with_millis();
        let (date, time) = at.split_once('T').unwrap_or_default();
        if date != day {
            // Writing into a text in memory cannot fail.
            let _ = writeln!(text, "{date}");
            date.clone_into(&mut day);
        }
        let time = time.get(..10).unwrap_or(time);
        let (mark, colour) = match line.level {
            Level::Info if line.turn.as_ref().is_some_and(Turn::ends) => (' ', Colour::Green),
            Level::Info => (' ', Colour::Plain),
            Level::Warn => ('!', Colour::Yellow),
            Level::Error => ('✗', Colour::Red),
        };
        let row = Row::of(Colour::Dim, format!("  {time}"))
            .and(colour, format!(" {mark} {}", sentence(&line.text)));
        let _ = writeln!(text, "{}", row.cut(usize::MAX, coloured));
    }
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    let stop = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{}{}{stop}", first.unwrap_or_default(), letters.as_str())
}

fn span(ms: u64) -> String {
    match Duration::from_millis(ms) {
        span if span < Duration::from_secs(100) => format!("{:.1} s", span.as_secs_f64()),
        span => humantime::format_duration(Duration::from_secs(span.as_secs())).to_string(),
    }
}
