//! What is left to whoever has to find out why a law was broken: the lane's folder as it was, and one file in which everything that was
//! written down in that round stands by its time.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;

use super::lane::Lane;
use super::plan::Plan;
use crate::judge::Violation;
use crate::tail::Tail;

/// The longest line, in characters.
const LONGEST: usize = 600;

impl Lane {
    /// Writes the story of a round that began at a moment of the diary, and copies of what the running programs may still change.
    /// Answers the file, if it could be written.
    pub(super) fn tell(&mut self, round: u64, since: u64, broken: &[Violation]) -> Option<PathBuf> {
        let mut text = format!("seed {}, lane {}, round {round}\n", self.seed, self.number);
        for law in broken {
            let _ = writeln!(text, "broken: {law}");
        }
        let plan = Plan::of(self.seed, self.number, round, self.clock.is_some());
        let _ = writeln!(text, "\nthe plan:\n{}", plan.told());
        let _ = writeln!(text, "processes: {:#?}", self.found());
        let status = self.device.status();
        let _ = writeln!(text, "status: {status:?}");
        let record = super::record::read(&self.device.state());
        let _ = writeln!(text, "record: {}", record.unwrap_or_default());
        let _ = writeln!(text, "\nwhat happened, in ms since the lane began:");
        let mut lines = self.diary.lines_after(since);
        let begin = i64::try_from(since).unwrap_or(0);
        let journal = self.folder.join("platform/journal.jsonl");
        for entry in Tail::of(journal).read::<Value>() {
            let at = self.diary.of_wall(entry["time"].as_u64().unwrap_or(0));
            lines.push((at, "platform", entry.to_string()));
        }
        let mut ticks = 0;
        for line in Tail::of(self.lives_path()).read::<Value>() {
            let at = line["up_ms"].as_u64().and_then(|up| self.diary.of_up(up));
            // Of the turns of a control loop one in a second tells enough.
            ticks = if line["event"] == "tick" {
                ticks + 1
            } else {
                0
            };
            if let Some(at) = at.filter(|_| ticks % 20 < 2) {
                lines.push((at, "worker", line.to_string()));
            }
        }
        lines.retain(|(at, ..)| *at >= begin);
        lines.sort_by_key(|(at, ..)| *at);
        for (at, source, line) in lines {
            let line: String = line.chars().take(LONGEST).collect();
            let _ = writeln!(text, "{at:>9} {source:<10} {line}");
        }
        let path = self.folder.join("story.txt");
        std::fs::write(&path, text).ok()?;
        Some(path)
    }
}
