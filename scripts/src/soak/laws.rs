//! What must hold after every round, whatever was done in it, judged from what workers wrote down, what the platform was told, and what
//! is left on the disk and among the processes.

mod stood;
pub(super) mod traces;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::stood::Stood;
use super::device::{PROVING, TRIES};
use super::operator::Operator;
use super::plan::{Build, Plan, Trust};
use crate::judge::{Line, Told, Violation, misbehaved_late, one_active, told_truth};

/// The law that a good build arrives where nothing excuses it.
pub(super) const GOOD_ARRIVES: &str = "good_arrives";

/// How far two clocks that show one moment may be apart, in ms.
const CLOCKS_DIFFER: i64 = 150;

/// How the reason begins by which a version is refused that an operator does not want.
const HELD_BACK: &str = "this version is quarantined: the operator";

/// Judges one lane, round by round.
pub(super) struct Judge {
    /// All versions there ever were.
    versions: BTreeMap<String, Trust>,
    /// Versions that ran at rest.
    proved: BTreeSet<String>,
    /// How often a version was started that was never trusted so far.
    starts: BTreeMap<String, usize>,
    /// May the build that is offered be refused, because it has been started before or is held back?
    may_refuse: bool,
    /// How often a version may have been given its tries again while it was not offered.
    pardons: BTreeMap<String, usize>,
    /// When a version was active for the first time, in ms since the lane began, where that is known.
    active: BTreeMap<String, Option<i64>>,
    /// What the worker that was active at the end of the round before has written down.
    carried: Vec<Line>,
    stood: Stood,
}

/// What was seen of a round.
pub(super) struct Witness<'a> {
    /// The round.
    pub(super) plan: &'a Plan,
    /// What was offered.
    pub(super) build: &'a Build,
    /// As which version.
    pub(super) version: &'a str,
    /// What workers wrote down, each with its time in ms since the lane began.
    pub(super) lives: Vec<(Option<i64>, Line)>,
    /// What the platform was told, with its time.
    pub(super) told: Vec<(i64, Told)>,
    /// Which version runs now.
    pub(super) runs: &'a str,
    /// The platform's task.
    pub(super) task: &'a Value,
    /// What an operator said meanwhile.
    pub(super) operator: &'a Operator,
}

impl Judge {
    /// The first version is installed.
    pub(super) fn new(first: &str) -> Self {
        Self {
            versions: BTreeMap::from([(first.to_owned(), Trust::Trusted)]),
            proved: BTreeSet::from([first.to_owned()]),
            starts: BTreeMap::new(),
            may_refuse: false,
            pardons: BTreeMap::new(),
            active: BTreeMap::from([(first.to_owned(), None)]),
            carried: Vec::new(),
            stood: Stood::default(),
        }
    }

    /// Another version is about to be offered.
    pub(super) fn offered(&mut self, version: &str, build: &Build) {
        self.versions
            .entry(version.to_owned())
            .or_insert(build.trust);
    }

    /// A build is about to be offered, as a version that may be held back or not.
    pub(super) fn begin(&mut self, version: &str, may_be_held: bool) {
        self.may_refuse = may_be_held || self.starts.contains_key(version);
    }

    /// Nothing that was done with a version so far counts any more.
    pub(super) fn forgive(&mut self, version: &str) {
        self.starts.remove(version);
        self.pardons.remove(version);
    }

    /// How far a version may come.
    pub(super) fn trust(&self, version: &str) -> Option<Trust> {
        self.versions.get(version).copied()
    }

    /// Judges a round that has come to rest.
    pub(super) fn judge(&mut self, witness: &Witness<'_>) -> Vec<Violation> {
        let mut broken = Vec::new();
        self.lives(witness, &mut broken);
        self.told(witness, &mut broken);
        let started = witness.lives.iter().map(|(_, line)| line);
        let started: Vec<&str> = started
            .filter(|line| line.event == "started")
            .map(|line| line.version.as_str())
            .collect();
        broken.extend(witness.operator.judge(witness.runs, &started));
        if let Err(why) = self.end(witness) {
            broken.push(why);
        }
        broken
    }

    /// `one_active`, `only_verified_runs`, `tries_bounded`, `old_state_kept`
    fn lives(&mut self, witness: &Witness<'_>, broken: &mut Vec<Violation>) {
        for (at, line) in &witness.lives {
            match (line.event.as_str(), self.trust(&line.version)) {
                ("supervisor-ended", _) => {}
                ("started", Some(Trust::Never) | None) => broken.push(Violation::of(
                    "only_verified_runs",
                    format!(
                        "version {} was started as process {}",
                        line.version, line.pid
                    ),
                )),
                ("started", _) if self.proved.contains(&line.version) => {}
                ("started", _) => *self.starts.entry(line.version.clone()).or_default() += 1,
                ("active", _) => {
                    self.active.entry(line.version.clone()).or_insert(*at);
                }
                _ => {}
            }
            let versions = &self.versions;
            let trust = |version: &str| versions.get(version).copied();
            broken.extend(self.stood.hear(line, trust));
        }
        let lines = witness.lives.iter().map(|(_, line)| line.clone());
        let all: Vec<Line> = self.carried.drain(..).chain(lines).collect();
        broken.extend(one_active(&all));
        let window = PROVING - CLOCKS_DIFFER.unsigned_abs();
        if self.trust(witness.version) == Some(Trust::Trial)
            && misbehaved_late(&all, witness.version, window)
        {
            self.versions
                .insert(witness.version.to_owned(), Trust::Late);
        }
        // Of what was written so far only the last life that acted can still act.
        if let Some(last) = all.iter().rposition(|line| line.event == "active") {
            let pid = all[last].pid;
            let of_last = |line: &&Line| line.pid == pid && line.event == "started";
            let birth = all[..last].iter().rev().find(of_last).cloned();
            self.carried = birth.into_iter().chain([all[last].clone()]).collect();
        }
        if self.trust(witness.runs) != Some(Trust::Trial) {
            self.starts.remove(witness.runs);
            self.proved.insert(witness.runs.to_owned());
        }
        // One that was left by an operator was trusted before.
        let was_trusted = self.trust(witness.version) == Some(Trust::Trusted)
            && witness.operator.may_have_left(witness.version);
        if self.trust(witness.version) == Some(Trust::Late) || was_trusted {
            self.starts.remove(witness.version);
        }
        for version in witness.operator.pardoned() {
            *self.pardons.entry(version.clone()).or_default() += 1;
        }
        for (version, starts) in &self.starts {
            let pardons = self.pardons.get(version).copied().unwrap_or_default();
            if *starts > TRIES * (1 + pardons) {
                broken.push(Violation::of(
                    "tries_bounded",
                    format!("version {version} was started {starts} times and is not trusted"),
                ));
            }
        }
    }

    /// `told_truth`, `bad_never_committed`
    fn told(&self, witness: &Witness<'_>, broken: &mut Vec<Violation>) {
        for (at, told) in &witness.told {
            let Told::Runs(version) = told else { continue };
            match self.trust(version) {
                Some(Trust::Trusted | Trust::Late) => {}
                trust => broken.push(Violation::of(
                    "bad_never_committed",
                    format!("the platform was told that {version} runs, which is {trust:?}"),
                )),
            }
            let active = self.active.get(version);
            let proved = i64::try_from(PROVING).unwrap_or(0) - CLOCKS_DIFFER;
            match active {
                None => broken.push(Violation::of(
                    "told_truth",
                    format!("version {version} was told to run and was never active"),
                )),
                Some(Some(active)) if *at < active + proved => broken.push(Violation::of(
                    "told_truth",
                    format!(
                        "version {version} was told to run {} ms after it was active for the first time",
                        at - active
                    ),
                )),
                Some(_) => {}
            }
        }
        let told: Vec<Told> = witness.told.iter().map(|(_, told)| told.clone()).collect();
        let is_late = self.trust(witness.version) == Some(Trust::Late);
        broken.extend(outcome(witness, is_late, &told));
        // A version whose update was cancelled is refused when the platform brings it again before it has heard of that.
        let failed = told.iter().filter(|told| {
            matches!(told, Told::Failed(_, why) if !why.starts_with(HELD_BACK) || !witness.operator.may_have_ended(witness.version))
        });
        let mut failures: Vec<&Told> = failed.collect();
        failures.dedup();
        if failures.len() > 1 && !witness.plan.repeats_offers() {
            let what = format!("one job failed in several ways: {failures:?}");
            broken.push(Violation::of("told_truth", what));
        }
    }

    /// What became of the offer, as far as it is foreseen.
    fn end(&self, witness: &Witness<'_>) -> Result<(), Violation> {
        let Witness {
            plan, build, task, ..
        } = witness;
        let state = task["state"].as_str().unwrap_or_default();
        let reason = task["reason"].as_str().unwrap_or_default();
        let wished = witness.operator.may_have_ended(witness.version);
        let excused = wished || self.may_refuse || !plan.spares_good();
        if build.is_good() && !excused && witness.runs != witness.version {
            return Err(Violation::of(
                GOOD_ARRIVES,
                format!("version {} is {state}: {reason}", witness.version),
            ));
        }
        if self.trust(witness.runs) != Some(Trust::Trusted) {
            return Err(Violation::of(
                "bad_never_committed",
                format!("version {} runs at rest", witness.runs),
            ));
        }
        let step = task["step"].as_i64();
        let foreseen = step.is_some_and(|step| build.steps.contains(&step));
        if plan.is_calm() && plan.is_new() && !build.steps.is_empty() && !foreseen {
            return Err(Violation::of(
                "told_truth",
                format!(
                    "a build that is `{}` ended with {step:?} instead of {:?}: {reason}",
                    build.name, build.steps
                ),
            ));
        }
        Ok(())
    }
}

/// `told_truth` of a round's one job, with what is peculiar to a soak.
fn outcome(witness: &Witness<'_>, is_late: bool, told: &[Told]) -> Vec<Violation> {
    let success = told.contains(&Told::Runs(witness.version.to_owned()));
    let was_left =
        witness.runs != witness.version && witness.operator.may_have_left(witness.version);
    // What proved itself and kept dying, or was left by an operator, was told to run, and then that the one before does.
    if (is_late || was_left) && success {
        let last = told.iter().rev().find_map(|told| match told {
            Told::Runs(version) => Some(version.as_str()),
            Told::Failed(..) => None,
        });
        let truth = last == Some(witness.runs);
        let what = format!("{} runs and {last:?} was told last", witness.runs);
        return (!truth)
            .then(|| Violation::of("told_truth", what))
            .into_iter()
            .collect();
    }
    // An offer that was made again when the first had failed is another job for the device.
    let let_in = witness
        .operator
        .pardoned()
        .iter()
        .any(|it| it == witness.version);
    if (witness.plan.repeats_offers() || let_in) && success {
        let informed = |told: &&Told| matches!(told, Told::Runs(_));
        let informs: Vec<Told> = told.iter().filter(informed).cloned().collect();
        return told_truth(&informs, witness.version, witness.runs);
    }
    // A device that was not told of anything new tells its version again only with its next connection.
    let mut told = told.to_vec();
    if !told.iter().any(|told| matches!(told, Told::Runs(_))) && witness.runs != witness.version {
        told.insert(0, Told::Runs(witness.runs.to_owned()));
    }
    told_truth(&told, witness.version, witness.runs)
}
