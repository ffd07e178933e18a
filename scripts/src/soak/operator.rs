//! What an operator has said to a lane's supervisor, what it answered, and what must hold because of that.
//!
//! Only an answer binds: a wish that got none may have been carried out or not, and nothing is concluded from it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::SoakError;
use super::lane::Lane;
use super::plan::{Deed, Trust, Wish};
use crate::bench::live::stopped;
use crate::judge::Violation;

/// How long a supervisor that runs and is hindered by nobody may leave a wish without an answer. Each wish is answered within a second or
/// not at all, so that this is as many attempts at least.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// How soon a wish is said again.
const AGAIN: Duration = Duration::from_millis(100);

/// Are updates paused?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Pause {
    #[default]
    No,
    /// A wish was not answered, or is not on the disk.
    Perhaps,
    /// The device has said so, and that it is on the disk.
    Yes,
}

/// What was said and answered.
#[derive(Debug, Default)]
pub(super) struct Operator {
    pause: Pause,
    /// Versions the platform may not bring again: the device has said so, and that it is on the disk.
    held: BTreeSet<String>,
    /// Those of which that is not known.
    perhaps_held: BTreeSet<String>,
    /// Versions that were held back when the round began and nobody has let in since.
    barred: BTreeSet<String>,
    /// Versions whose update was ended in this round, or that were left in it.
    ended: BTreeSet<String>,
    /// Trusted versions that were left in this round.
    left: BTreeSet<String>,
    /// Versions that may have been given their tries again in this round, once for each time.
    pardoned: Vec<String>,
    /// Did a wish that ends something go without an answer in this round?
    unheard: bool,
    broken: Vec<Violation>,
}

impl Operator {
    /// A round begins.
    pub(super) fn begin(&mut self) {
        self.barred.clone_from(&self.held);
        self.ended.clear();
        self.left.clear();
        self.pardoned.clear();
        self.unheard = false;
        self.broken.clear();
    }

    /// Something was said while this version was offered, or was the last that had been.
    fn hear(&mut self, wish: Wish, version: Option<&str>, answer: Option<&Value>) {
        let Some(answer) = answer else {
            return self.not_answered(wish, version);
        };
        let is_kept = answer["on_disk"] == true;
        let effect = &answer["effect"];
        let (name, what) = match effect.as_object().and_then(|it| it.iter().next()) {
            Some((name, what)) => (name.as_str(), what),
            None => (effect.as_str().unwrap_or_default(), &Value::Null),
        };
        let subject = what["version"].as_str().or(what["from"].as_str());
        match name {
            "paused" | "paused-soon" | "paused-already" => self.paused(is_kept),
            "resumed" => self.pause = if is_kept { Pause::No } else { Pause::Perhaps },
            "not-paused" => {
                if self.pause == Pause::Yes {
                    self.unkept("updates were paused for good and are not paused any more");
                }
                self.pause = Pause::No;
            }
            "cancelled" | "dropped" | "taken-back" | "rolls-back" => {
                let Some(subject) = subject else { return };
                self.ended.insert(subject.to_owned());
                if name == "rolls-back" {
                    self.left.insert(subject.to_owned());
                }
                // What is dropped may be an offer of the version that runs.
                let holds = name == "rolls-back" || what["quarantined"] == true;
                let is_sure = name != "dropped" || Some(subject) == version;
                if is_kept && holds && is_sure {
                    self.held.insert(subject.to_owned());
                } else {
                    self.perhaps_held.insert(subject.to_owned());
                }
            }
            "released" => self.let_in(version, is_kept),
            "not-quarantined" => {
                if let Some(version) = version.filter(|version| self.held.contains(*version)) {
                    self.unkept(&format!("{version} was held back and is not any more"));
                }
            }
            _ => {}
        }
    }

    fn paused(&mut self, is_kept: bool) {
        if is_kept {
            self.pause = Pause::Yes;
        } else if self.pause == Pause::No {
            self.pause = Pause::Perhaps;
        }
    }

    fn let_in(&mut self, version: Option<&str>, is_kept: bool) {
        let Some(version) = version else { return };
        self.held.remove(version);
        self.perhaps_held.remove(version);
        self.barred.remove(version);
        self.pardoned.push(version.to_owned());
        if !is_kept {
            self.perhaps_held.insert(version.to_owned());
        }
    }

    fn not_answered(&mut self, wish: Wish, version: Option<&str>) {
        match wish {
            Wish::Pause => self.paused(false),
            Wish::Resume if self.pause == Pause::Yes => self.pause = Pause::Perhaps,
            Wish::Release => self.let_in(version, false),
            _ if wish.ends() => {
                self.unheard = true;
                self.perhaps_held.extend(version.map(str::to_owned));
            }
            _ => {}
        }
    }

    fn unkept(&mut self, what: &str) {
        self.broken.push(Violation::of("wish_kept", what));
    }

    /// May updates be paused?
    fn may_be_paused(&self) -> bool {
        self.pause != Pause::No
    }

    /// May the update to this version have been ended in this round, or the version left, by a wish?
    pub(super) fn may_have_ended(&self, version: &str) -> bool {
        self.unheard || self.ended.contains(version)
    }

    /// May this trusted version have been left in this round?
    pub(super) fn may_have_left(&self, version: &str) -> bool {
        self.unheard || self.left.contains(version)
    }

    /// May an offer of this version be refused because it is held back?
    pub(super) fn may_hold(&self, version: &str) -> bool {
        self.held.contains(version) || self.perhaps_held.contains(version)
    }

    /// Versions that may have been given their tries again in this round, once for each time.
    pub(super) fn pardoned(&self) -> &[String] {
        &self.pardoned
    }

    /// `wish_kept`: what the device said was on the disk holds, whatever was done to it since. To be judged at rest.
    pub(super) fn judge(&self, runs: &str, started: &[&str]) -> Vec<Violation> {
        let mut broken = self.broken.clone();
        if self.held.contains(runs) {
            let what = format!("version {runs} runs and is held back");
            broken.push(Violation::of("wish_kept", what));
        }
        let against = started
            .iter()
            .find(|version| self.barred.contains(**version));
        if let Some(version) = against {
            let what = format!("version {version} was started, and nobody has let it in again");
            broken.push(Violation::of("wish_kept", what));
        }
        broken
    }
}

impl Lane {
    /// Says something to the supervisor, if it runs.
    ///
    /// # Errors
    /// When its program cannot be started.
    pub(super) fn say(&mut self, wish: Wish) -> Result<bool, SoakError> {
        let version = self.failed.as_ref().map(|it| it.image.version.clone());
        let mut words = wish.words().to_vec();
        if wish == Wish::Release {
            // Whoever lets in what kept dying may go back to it, and would deserve what comes of that.
            let version = version.as_deref();
            let Some(version) = version.filter(|it| self.judge.trust(it) != Some(Trust::Late))
            else {
                return Ok(false);
            };
            words.push(version);
        }
        if self.device.pid().is_none() {
            return Ok(false);
        }
        let begun = Instant::now();
        let answer = self.device.say(&words)?;
        let took = begun.elapsed();
        self.diary.done(&format!(
            "{} is answered after {} ms: {answer:?}",
            words.join(" "),
            took.as_millis()
        ));
        self.operator
            .hear(wish, version.as_deref(), answer.as_ref());
        self.numbers.wishes += 1;
        if answer.is_some() {
            self.numbers.longest_answer = self.numbers.longest_answer.max(took);
        }
        Ok(true)
    }

    /// Lets in again what was offered last. Answers whether it is certain now that nothing is held against it.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(super) fn let_in(&mut self, version: &str) -> Result<bool, SoakError> {
        self.act(&Deed::Say(Wish::Release))?;
        let pardoned = self.operator.pardoned().iter().any(|it| it == version);
        Ok(pardoned && !self.operator.may_hold(version))
    }

    /// Ends a pause that somebody may have left.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(super) fn end_pause(&mut self) -> Result<Option<Violation>, SoakError> {
        let begun = Instant::now();
        while self.operator.may_be_paused() {
            stopped()?;
            if let Some(broken) = self.ended()? {
                return Ok(Some(broken));
            }
            if begun.elapsed() >= ANSWER_LIMIT {
                let what = format!("no wish is answered for {ANSWER_LIMIT:?}");
                return Ok(Some(Violation::of("comes_to_rest", what)));
            }
            self.act(&Deed::Say(Wish::Resume))?;
            if self.operator.may_be_paused() {
                std::thread::sleep(AGAIN);
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn heard(said: &[(Wish, Option<Value>)]) -> Operator {
        let mut operator = Operator::default();
        operator.begin();
        for (wish, answer) in said {
            operator.hear(*wish, Some("1.1.0"), answer.as_ref());
        }
        operator
    }

    fn kept(effect: impl Into<Value>) -> Option<Value> {
        let effect = effect.into();
        Some(json!({"effect": effect, "on_disk": true}))
    }

    #[test]
    fn a_pause_on_the_disk_holds_until_somebody_ends_it() {
        let paused = (Wish::Pause, kept("paused"));
        let unpaused = (Wish::Resume, kept("not-paused"));
        let resumed = (Wish::Resume, kept("resumed"));
        let lost = heard(&[paused.clone(), unpaused.clone()]);
        assert_eq!(lost.judge("1.0.0", &[])[0].law, "wish_kept");
        assert!(!lost.may_be_paused());
        let ended = heard(&[paused.clone(), resumed, unpaused.clone()]);
        assert_eq!(ended.judge("1.0.0", &[]), []);
        // Of what was not answered nothing is known.
        let unheard = heard(&[(Wish::Pause, None)]);
        assert!(unheard.may_be_paused());
        let unheard = heard(&[paused, (Wish::Resume, None), unpaused]);
        assert_eq!(unheard.judge("1.0.0", &[]), []);
    }

    #[test]
    fn a_version_that_is_held_back_may_not_run_nor_start_before_a_release() {
        let cancelled = json!({"cancelled": {"version": "1.1.0", "quarantined": true}});
        let left = json!({"rolls-back": {"from": "1.1.0", "to": "1.0.0"}});
        for effect in [cancelled, left] {
            let mut operator = heard(&[(Wish::Cancel, kept(effect.clone()))]);
            assert!(operator.may_have_ended("1.1.0") && operator.may_hold("1.1.0"));
            assert_eq!(operator.judge("1.0.0", &["1.1.0"]), []);
            assert_eq!(operator.judge("1.1.0", &[]).len(), 1, "{effect}");
            operator.begin();
            assert!(!operator.may_have_ended("1.1.0") && operator.may_hold("1.1.0"));
            assert_eq!(operator.judge("1.0.0", &["1.1.0"]).len(), 1, "{effect}");
            let released = kept(json!({"released": {"tries": 0}}));
            operator.hear(Wish::Release, Some("1.1.0"), released.as_ref());
            assert_eq!(operator.judge("1.1.0", &["1.1.0"]), []);
            assert!(!operator.may_hold("1.1.0"));
        }
    }

    #[test]
    fn nothing_is_concluded_from_a_wish_without_an_answer_or_one_that_is_not_on_the_disk() {
        let unsaved = json!({"taken-back": {"from": "1.1.0", "to": "1.0.0", "quarantined": true}});
        let unsaved = Some(json!({"effect": unsaved, "on_disk": false}));
        for answer in [None, unsaved] {
            let mut operator = heard(&[(Wish::Rollback, answer)]);
            assert!(operator.may_have_ended("1.1.0") && operator.may_hold("1.1.0"));
            operator.begin();
            assert_eq!(operator.judge("1.1.0", &["1.1.0"]), []);
        }
    }

    #[test]
    fn a_version_that_is_not_held_any_more_without_a_release_is_found() {
        let cancelled = json!({"cancelled": {"version": "1.1.0", "quarantined": true}});
        let free = (Wish::Release, kept("not-quarantined"));
        let operator = heard(&[(Wish::Cancel, kept(cancelled)), free.clone()]);
        assert_eq!(operator.judge("1.0.0", &[]).len(), 1);
        assert_eq!(heard(&[free]).judge("1.0.0", &[]), []);
    }
}
