//! What workers wrote down of their lives: the journal of misfits, one line of JSON for each event, in the order in which it happened.
//!
//! All processes append to one file, each line with one write, so that the order of the lines is the order of the events.

use std::collections::HashMap;

use serde::Deserialize;

use super::Violation;

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Line {
    /// What happened: `started`, `ready`, `active`, `tick`, `quiesced`, `kept`, `died`, `hung`, `exited`, ...
    pub(crate) event: String,
    /// The version of the program.
    pub(crate) version: String,
    /// Its process.
    pub(crate) pid: u32,
    /// Where it stood.
    pub(crate) count: Option<i64>,
    /// Why it was given a state, where it was.
    pub(crate) cause: Option<String>,
    /// How long the machine had been up, in ms, where it tells.
    pub(crate) up_ms: Option<u64>,
}

impl Line {
    /// Does only a worker write this that holds the device?
    fn acts(&self) -> bool {
        ["active", "tick", "quiesced", "kept"].contains(&self.event.as_str())
    }
}

/// Reads a journal; without one, nothing was written down.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) fn read_lives(journal: &std::path::Path) -> Vec<Line> {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    let lines = text.lines();
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// How often a version was started.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) fn starts(lives: &[Line], version: &str) -> usize {
    lives
        .iter()
        .filter(|line| line.event == "started" && line.version == version)
        .count()
}

/// Has a life of this version behaved for at least so many ms after its activation, and died or hung only then?
///
/// A misfit that is to die a moment after its activation does so later on a machine that keeps it waiting. Meanwhile it may have proved
/// itself, and whoever trusts it then breaks no law.
pub(crate) fn misbehaved_late(lives: &[Line], version: &str, least_ms: u64) -> bool {
    let mut active: HashMap<u32, u64> = HashMap::new();
    let of_version = lives.iter().filter(|line| line.version == version);
    of_version
        .filter_map(|line| Some((line, line.up_ms?)))
        .any(|(line, up)| match line.event.as_str() {
            "active" => {
                active.insert(line.pid, up);
                false
            }
            "died" | "hung" => active
                .get(&line.pid)
                .is_some_and(|since| up.saturating_sub(*since) >= least_ms),
            _ => false,
        })
}

/// `one_active`: once a life has acted, no life that acted before it ever acts again. Needs lives that write down each of their ticks.
pub(crate) fn one_active(lives: &[Line]) -> Option<Violation> {
    // A number is given to another process in the end, and that begins with a start.
    let mut births: HashMap<u32, usize> = HashMap::new();
    let mut before: Vec<(u32, usize)> = Vec::new();
    for (number, line) in lives.iter().enumerate() {
        if line.event == "started" {
            births.insert(line.pid, number);
        }
        if !line.acts() {
            continue;
        }
        let life = (line.pid, births.get(&line.pid).copied().unwrap_or_default());
        match before.iter().position(|it| *it == life) {
            Some(place) if place + 1 < before.len() => {
                let (other, _) = before[place + 1];
                return Some(Violation::of(
                    "one_active",
                    format!(
                        "line {}: process {} ({}) says `{}` after process {other} has acted",
                        number + 1,
                        line.pid,
                        line.version,
                        line.event
                    ),
                ));
            }
            Some(_) => {}
            None => before.push(life),
        }
    }
    None
}

/// `old_state_kept`: a worker that was taken back in a roll-back goes on where it had stood when it handed over.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) fn old_state_kept(lives: &[Line]) -> Option<Violation> {
    let mut handed: HashMap<&str, i64> = HashMap::new();
    for (number, line) in lives.iter().enumerate() {
        let Some(count) = line.count else { continue };
        if line.event == "quiesced" {
            handed.insert(&line.version, count);
        }
        let is_taken_back = line.event == "active" && line.cause.as_deref() == Some("RollBack");
        let stood = handed.get(line.version.as_str()).copied();
        if let Some(stood) = stood.filter(|stood| is_taken_back && *stood > count) {
            return Some(Violation::of(
                "old_state_kept",
                format!(
                    "line {}: version {} was taken back at {count} and had handed over {stood}",
                    number + 1,
                    line.version
                ),
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: &str, pid: u32, count: i64) -> Line {
        Line {
            event: event.to_owned(),
            version: "1.0.0".to_owned(),
            pid,
            count: Some(count),
            cause: None,
            up_ms: None,
        }
    }

    #[test]
    fn lives_that_follow_one_another_are_lawful_also_with_a_number_that_comes_again() {
        let lives = [
            line("started", 7, 0),
            line("active", 7, 0),
            line("started", 8, 0),
            line("ready", 8, 0),
            line("tick", 7, 1),
            line("quiesced", 7, 1),
            line("active", 8, 1),
            line("exited", 7, 1),
            line("tick", 8, 2),
            line("started", 7, 2),
            line("active", 7, 2),
        ];
        assert_eq!(one_active(&lives), None);
    }

    #[test]
    fn a_life_that_acts_after_its_successor_is_found() {
        for late in ["tick", "quiesced", "active"] {
            let lives = [
                line("started", 7, 0),
                line("active", 7, 0),
                line("started", 8, 0),
                line("active", 8, 1),
                line(late, 7, 2),
            ];
            let found = one_active(&lives).unwrap();
            assert!(found.what.contains("line 5: process 7"), "{found}");
        }
    }

    #[test]
    fn a_life_that_dies_later_than_it_was_told_is_known_by_its_own_clock() {
        let at = |event: &str, pid: u32, up: Option<u64>| Line {
            up_ms: up,
            ..line(event, pid, 0)
        };
        let dies = |after: Option<u64>| {
            let other = at("died", 8, Some(9000));
            let up = after.map(|after| 1000 + after);
            let lives = [at("active", 7, Some(1000)), other, at("died", 7, up)];
            misbehaved_late(&lives, "1.0.0", 200)
        };
        assert!(dies(Some(200)));
        assert!(!dies(Some(190)));
        assert!(!dies(None));
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn a_roll_back_that_forgets_is_found() {
        let mut back = line("active", 9, 4);
        back.cause = Some("RollBack".to_owned());
        let lives = [line("quiesced", 7, 5), back];
        assert!(old_state_kept(&lives).is_some());
        let lives = [line("quiesced", 7, 4), lives[1].clone()];
        assert_eq!(old_state_kept(&lives), None);
    }
}
