//! `old_state_kept`: a worker goes on where its device stood, and never with more than a worker it may believe has said.
//!
//! Misfits count. What a worker is given when it becomes active is compared with what was counted before: little may be lost, and only as
//! much as was counted since the last checkpoint; nothing may be invented; and what a worker on trial counted is nobody's business
//! when the one before is taken back. Across the end of a supervisor less is promised.

use std::collections::BTreeMap;

use crate::judge::{Line, Violation};
use crate::soak::plan::Trust;

/// How much counting may be lost when a worker dies: a checkpoint is made at most once a second, and a misfit counts twenty times in
/// one; a machine with much to do gets the rest.
const LOST_AT_MOST: i64 = 60;

/// Where the device stood.
#[derive(Debug, Default)]
pub(super) struct Stood {
    /// By version: what it counted to, and in which supervisor's time.
    counts: BTreeMap<String, (i64, u64)>,
    /// In which supervisor's time a process was started.
    births: BTreeMap<u32, u64>,
    /// Which version acted last.
    last: Option<String>,
    /// How many supervisors have ended.
    supervisors: u64,
}

impl Stood {
    /// Hears a line.
    pub(super) fn hear(
        &mut self,
        line: &Line,
        trust: impl Fn(&str) -> Option<Trust>,
    ) -> Option<Violation> {
        if line.event == "supervisor-ended" {
            self.supervisors += 1;
        }
        // The last words of a worker may come after its supervisor's end, and the next supervisor knows nothing of them.
        if line.event == "started" {
            self.births.insert(line.pid, self.supervisors);
        }
        let acts = ["active", "tick", "quiesced"].contains(&line.event.as_str());
        let count = line.count.filter(|_| acts)?;
        let broken = match line.event.as_str() {
            "active" => self.goes_on(line, count, trust),
            _ => None,
        };
        let born = self.births.get(&line.pid).copied();
        self.counts
            .insert(line.version.clone(), (count, born.unwrap_or_default()));
        self.last = Some(line.version.clone());
        broken.map(|what| Violation::of("old_state_kept", what))
    }

    /// A worker becomes active with this count.
    fn goes_on(
        &self,
        line: &Line,
        count: i64,
        trust: impl Fn(&str) -> Option<Trust>,
    ) -> Option<String> {
        let last = self.last.as_ref()?;
        let of = |version: &str| self.counts.get(version).copied();
        let own = of(&line.version);
        let (last_count, _) = of(last)?;
        // Whatever it is told for a reason: after the end of a supervisor that is another one.
        let upgraded = line.cause.as_deref() == Some("Upgrade");
        let back = *last != line.version && own.is_some() && !upgraded;
        // Where the one before stood, or the worker itself when it is taken back.
        let (stood, time) = if back { own? } else { of(last)? };
        let most = match trust(last) {
            // It may have been trusted for a while.
            Some(Trust::Late | Trust::Trusted) => last_count.max(stood),
            _ => stood,
        };
        let told = |what: &str| {
            Some(format!(
                "version {} (process {}, {:?}) goes on at {count}, {what}: {last} had counted to {last_count}, {} itself to {own:?}",
                line.version, line.pid, line.cause, line.version
            ))
        };
        if count > most {
            return told("which nobody it may believe has said");
        }
        let same_supervisor = time == self.supervisors;
        if same_supervisor && count < stood - LOST_AT_MOST {
            return told("and loses too much");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: &str, version: &str, count: i64, cause: Option<&str>) -> Line {
        Line {
            event: event.to_owned(),
            version: version.to_owned(),
            pid: 7,
            count: Some(count),
            cause: cause.map(str::to_owned),
            up_ms: None,
        }
    }

    fn heard(lines: &[Line]) -> Option<Violation> {
        let mut stood = Stood::default();
        let trust = |version: &str| {
            Some(match version {
                "bad" => Trust::Trial,
                _ => Trust::Trusted,
            })
        };
        lines.iter().find_map(|line| stood.hear(line, trust))
    }

    #[test]
    fn a_device_that_goes_on_where_it_stood_is_lawful() {
        let lines = [
            line("active", "1", 0, None),
            line("tick", "1", 100, None),
            line("quiesced", "1", 100, None),
            line("active", "bad", 100, Some("Upgrade")),
            line("tick", "bad", 110, None),
            line("active", "1", 100, Some("RollBack")),
            line("tick", "1", 130, None),
            line("active", "1", 115, Some("Crash")),
            line("quiesced", "1", 140, None),
            line("active", "2", 140, Some("Upgrade")),
        ];
        assert_eq!(heard(&lines), None);
    }

    #[test]
    fn what_is_lost_invented_or_taken_from_a_trial_is_found() {
        let begin = || {
            vec![
                line("active", "1", 0, None),
                line("quiesced", "1", 500, None),
                line("active", "bad", 500, Some("Upgrade")),
                line("tick", "bad", 520, None),
            ]
        };
        for (version, count, cause) in [
            ("1", 0, None),
            ("1", 300, Some("RollBack")),
            ("1", 510, Some("RollBack")),
            ("bad", 521, Some("Crash")),
            ("bad", 0, None),
        ] {
            let mut lines = begin();
            lines.push(line("active", version, count, cause));
            assert!(heard(&lines).is_some(), "{version} {count} {cause:?}");
        }
        // A supervisor that begins anew knows less, and invents nothing either.
        let mut lines = begin();
        lines.push(line("supervisor-ended", "", 0, None));
        lines.push(line("active", "1", 0, None));
        assert_eq!(heard(&lines), None);
        lines.push(line("active", "1", 900, None));
        assert!(heard(&lines).is_some());
    }
}
