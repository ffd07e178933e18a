//! What a sweep found, for people as it goes and for programs at its end.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::deed::Deed;
use super::point::{Case, History, Point};
use crate::paint;

/// Every how many points it is told how far it is, where nothing can be shown in place.
const LINE_EVERY: u64 = 250;

/// How many of the last lines of a log are shown.
const SHOWN_LINES: usize = 60;

/// How many broken laws are shown with the log; further ones without.
const SHOWN_VIOLATIONS: u64 = 20;

/// At most one history and one more in so many updates may prove nothing because the bad version died too late; a sweep in which it is
/// more proves too little.
const LATE_AT_MOST: u64 = 20;

/// The numbers of one case and deed.
#[derive(Debug, Default, Clone, Serialize)]
struct Row {
    calls: u64,
    points: u64,
    unreached: u64,
    late: u64,
    violations: u64,
}

/// All numbers.
#[derive(Debug, Default, Serialize)]
struct Numbers {
    points: u64,
    unreached: u64,
    late: u64,
    updates: u64,
    good: u64,
    bad: u64,
    kills: u64,
    faults: u64,
    violations: u64,
    longest_rest_s: f64,
    refetched_bytes: u64,
    seconds: f64,
    cases: BTreeMap<&'static str, BTreeMap<&'static str, Row>>,
    broken: Vec<String>,
}

/// Collects and tells.
pub(super) struct Report {
    json: bool,
    begun: Instant,
    numbers: Numbers,
    longest_rest: Duration,
    todo: u64,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            begun: super::now(),
            numbers: Numbers::default(),
            longest_rest: Duration::ZERO,
            todo: 0,
        }
    }

    fn row(&mut self, case: Case, deed: Deed) -> &mut Row {
        let rows = self.numbers.cases.entry(case.name()).or_default();
        rows.entry(deed.name()).or_default()
    }

    /// So many calls were counted.
    pub(super) fn counted(&mut self, point: &Point, calls: u64) {
        self.row(point.case, point.deed).calls = calls;
    }

    /// So many points are to be played.
    pub(super) fn begin(&mut self, todo: usize) {
        self.todo = todo as u64;
        self.say(&format!("{todo} points"));
    }

    /// One was played.
    pub(super) fn played(&mut self, point: &Point, history: &History) {
        let reached = !history.sprung.is_empty();
        let broken = history.violations.len() as u64;
        let row = self.row(point.case, point.deed);
        row.points += u64::from(reached);
        row.unreached += u64::from(!reached);
        row.late += u64::from(history.is_late);
        row.violations += broken;
        let numbers = &mut self.numbers;
        numbers.points += u64::from(reached);
        numbers.unreached += u64::from(!reached);
        numbers.late += u64::from(history.is_late);
        if point.case.has_job() {
            numbers.updates += 1;
            numbers.good += u64::from(history.is_good);
            numbers.bad += u64::from(!history.is_good);
        }
        numbers.kills += history.kills;
        numbers.faults += u64::from(reached && point.deed != Deed::Kill);
        numbers.refetched_bytes += history.refetched;
        self.longest_rest = self.longest_rest.max(history.rest);
        if broken > 0 {
            let mut words = format!("{} {point}\n{}", paint::red("✗"), facts(history));
            if numbers.violations < SHOWN_VIOLATIONS {
                words += &log(history);
            }
            self.say(&words);
            let broken = history.violations.iter();
            let broken = broken.map(|violation| format!("{violation} ({point})"));
            self.numbers.broken.extend(broken);
        }
        self.numbers.violations += broken;
        self.progress();
    }

    fn progress(&self) {
        let done = self.numbers.points + self.numbers.unreached;
        if self.todo == 0 {
            return;
        }
        if !stderr().is_terminal() {
            if done.is_multiple_of(LINE_EVERY) {
                let broken = self.numbers.violations;
                self.say(&format!("{done} of {}, {broken} laws broken", self.todo));
            }
            return;
        }
        let percent = u8::try_from(done * 100 / self.todo).unwrap_or(100);
        let rest = self.begun.elapsed() / u32::try_from(done).unwrap_or(u32::MAX).max(1)
            * u32::try_from(self.todo - done).unwrap_or(u32::MAX);
        eprint!(
            "\r\u{1b}[2K{} {done} of {} points, {} laws broken, {} to go",
            paint::bar(percent, 30),
            self.todo,
            self.numbers.violations,
            paint::duration(rest)
        );
        // A terminal that cannot be written to is gone.
        let _ = stderr().flush();
    }

    fn say(&self, words: &str) {
        let back = if stderr().is_terminal() {
            "\r\u{1b}[2K"
        } else {
            ""
        };
        eprintln!("{back}{words}");
    }

    /// Tells everything; true if no law was broken.
    pub(super) fn end(mut self) -> bool {
        self.numbers.seconds = self.begun.elapsed().as_secs_f64();
        self.numbers.longest_rest_s = self.longest_rest.as_secs_f64();
        let numbers = &self.numbers;
        if stderr().is_terminal() {
            self.say("");
        }
        let mut rows = String::new();
        for (case, deeds) in &numbers.cases {
            for (deed, row) in deeds {
                rows += &format!(
                    "  {case:<14}{deed:<11}{:>6} calls {:>6} points {:>4} unreached {:>3} late {:>3} broken\n",
                    row.calls, row.points, row.unreached, row.late, row.violations
                );
            }
        }
        let too_slow = numbers.late > 1 + numbers.updates / LATE_AT_MOST;
        if too_slow {
            self.say(&format!(
                "{} this machine is too slow to tell: in {} histories it kept the bad version waiting until it had proved itself",
                paint::red("✗"),
                numbers.late
            ));
        }
        let holds = numbers.violations == 0 && !too_slow;
        let mark = if holds {
            paint::green("✓")
        } else {
            paint::red("✗")
        };
        let words = format!(
            "{rows}{mark} crash sweep: {} points, {} kills, {} faults, {} laws broken; at rest within {:.1} s, {} bytes fetched again ({})",
            numbers.points,
            numbers.kills,
            numbers.faults,
            numbers.violations,
            numbers.longest_rest_s,
            numbers.refetched_bytes,
            paint::duration(self.begun.elapsed())
        );
        if self.json {
            eprintln!("{words}");
            let text = serde_json::to_string(numbers).expect("numbers have only text keys");
            println!("{text}");
        } else {
            println!("{words}");
        }
        holds
    }
}

/// What broke which law, where it happened, and the end of the log.
pub(super) fn found(history: &History) -> String {
    facts(history) + log(history).as_str()
}

fn facts(history: &History) -> String {
    let calls = history.sprung.iter().map(|call| format!("  at {call}\n"));
    let broken = history.violations.iter();
    let broken = broken.map(|violation| format!("  {violation}\n"));
    calls.chain(broken).collect()
}

fn log(history: &History) -> String {
    let lines: Vec<&str> = history.log.lines().collect();
    let last = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
    last.iter().map(|line| format!("  │ {line}\n")).collect()
}
