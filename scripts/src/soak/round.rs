//! A round: an update is offered, things go wrong, nothing goes wrong any more, everything comes to rest, and is judged.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::SoakError;
use super::dice::Dice;
use super::lane::{Failed, Lane};
use super::laws::{GOOD_ARRIVES, Witness, traces};
use super::plan::{Build, Deed, Offer, Plan, Trust};
use super::{pulse, record};
use crate::bench::live::stopped;
use crate::judge::Violation;

/// How long everything may take to come to rest with nothing more being done. The longest wait of a device is for another address from
/// the platform, 30 s, and that up to three times.
const REST_LIMIT: Duration = Duration::from_secs(180);

/// How long what is not needed any more may still be there after that.
const SWEEP_LIMIT: Duration = Duration::from_secs(15);

/// How often is looked.
const LOOK: Duration = Duration::from_millis(40);

/// How often is looked in ways that cost something.
const CLOSER_LOOK: Duration = Duration::from_millis(150);

/// What is offered in a round.
struct Offered {
    job: u64,
    version: String,
    size: u64,
    build: Build,
}

impl Lane {
    /// Plays a round and judges it.
    ///
    /// # Errors
    /// When something fails that is not under test.
    pub(super) fn play(&mut self, round: u64) -> Result<Vec<Violation>, SoakError> {
        let plan = Plan::of(self.seed, self.number, round, self.clock.is_some());
        let dawn = Instant::now();
        self.read();
        self.view.begin();
        self.operator.begin();
        self.diary.done(&format!("round {round}: {}", plan.told()));
        let (now, later): (Vec<_>, Vec<_>) = plan.steps.iter().partition(|step| step.at.is_zero());
        for step in now {
            self.act(&step.deed)?;
        }
        self.calm(&[])?;
        let offered = self.offer(&plan, round)?;
        let begun = Instant::now();
        for step in later {
            while let Some(wait) = left(begun.elapsed(), step.at) {
                std::thread::sleep(wait);
                if let Some(broken) = self.ended()? {
                    return Ok(vec![broken]);
                }
            }
            self.act(&step.deed)?;
        }
        let faults = plan.steps.iter().filter_map(|step| match &step.deed {
            Deed::Fault(fault) => Some(fault.name),
            _ => None,
        });
        self.calm(&faults.collect::<Vec<_>>())?;
        if let Some(broken) = self.end_pause()? {
            return Ok(vec![broken]);
        }
        self.diary.done("calm");
        let calm = Instant::now();
        let status = loop {
            stopped()?;
            match self.look(&offered)? {
                Look::Rest(status) => break status,
                Look::Broken(broken) => return Ok(vec![broken]),
                Look::Unrest(why) if calm.elapsed() >= REST_LIMIT => {
                    return Ok(vec![Violation::of("comes_to_rest", why)]);
                }
                Look::Unrest(_) => std::thread::sleep(LOOK),
            }
        };
        let rest = calm.elapsed();
        self.diary
            .done(&format!("rest after {} ms: {status}", rest.as_millis()));
        self.numbers.longest_rest = self.numbers.longest_rest.max(rest);
        let mut broken = self.sweep()?;
        let beat = self.pulse.slowest_since(dawn);
        self.numbers.slowest_beat = self.numbers.slowest_beat.max(beat);
        broken.extend(self.judge(&plan, &offered, &status, beat));
        self.count(&offered, &status);
        self.tidy();
        Ok(broken)
    }

    fn offer(&mut self, plan: &Plan, round: u64) -> Result<Offered, SoakError> {
        let last = self.failed.as_ref().map(|it| it.image.version.clone());
        if let Some(version) = last.filter(|_| plan.release)
            && self.let_in(&version)?
        {
            self.judge.forgive(&version);
        }
        let again = self
            .failed
            .take()
            .filter(|_| matches!(plan.offer, Offer::Again(_)));
        let Failed {
            firmware,
            image,
            build,
        } = match again {
            Some(failed) => failed,
            None => {
                let build = plan.offer.build().clone();
                let version = match plan.offer {
                    Offer::Older(_) => format!("0.1.{round}"),
                    _ => format!("1.{}.0", round + 1),
                };
                let mut dice = Dice::of(&[self.seed, self.number, round, 1]);
                let misfit = &self.programs.misfit;
                let image = self
                    .forge
                    .make(&build, &version, misfit, &self.lives_path(), &mut dice)
                    .map_err(SoakError::at(&self.folder))?;
                self.judge.offered(&version, &build);
                let firmware = self.platform.upload(&image, plan.carrier)?;
                Failed {
                    firmware,
                    image,
                    build,
                }
            }
        };
        self.judge
            .begin(&image.version, self.operator.may_hold(&image.version));
        let job = self.platform.offer(firmware, plan.blocks)?;
        let (version, size) = (image.version.clone(), image.size);
        self.diary.done(&format!(
            "job {job} offers package {firmware}, version {version}, `{}`, {size} bytes",
            build.name
        ));
        self.failed = Some(Failed {
            firmware,
            image,
            build: build.clone(),
        });
        Ok(Offered {
            job,
            version,
            size,
            build,
        })
    }

    /// A supervisor that has ended without having been asked to.
    pub(super) fn ended(&mut self) -> Result<Option<Violation>, SoakError> {
        let ended = self.device.ended_by_itself()?;
        Ok(ended.map(|how| {
            let what = format!("the supervisor ended by itself: {how}");
            Violation::of("comes_to_rest", what)
        }))
    }

    /// Is everything at rest?
    fn look(&mut self, offered: &Offered) -> Result<Look, SoakError> {
        if let Some(broken) = self.ended()? {
            return Ok(Look::Broken(broken));
        }
        self.read();
        let unrest = |why: String| Ok(Look::Unrest(why));
        if !self.view.online {
            return unrest("the device is not connected".to_owned());
        }
        std::thread::sleep(CLOSER_LOOK);
        let job = self.platform.job(offered.job)?;
        let task = &job["tasks"][0];
        let state = task["state"].as_str().unwrap_or_default();
        if !["SUCCEEDED", "FAILED", "CANCELED"].contains(&state) {
            return unrest(format!("the platform's task is {task}"));
        }
        let Some(mut status) = self.device.status() else {
            return unrest("the supervisor does not answer".to_owned());
        };
        let record = record::read(&self.device.state()).unwrap_or_default();
        let worker = &status["workers"][0];
        let informed = self.view.informed.as_deref();
        let rests = status["phase"] == "idle"
            && status["cloud_up"] == true
            && status["paused"] == false
            && status["workers"].as_array().map_or(0, Vec::len) == 1
            && worker["stage"] == "active"
            && worker["health"] == "well"
            && worker["version"] == status["version"]
            && informed == status["version"].as_str()
            && record["job"].is_null()
            && record["owed"].as_array().is_some_and(Vec::is_empty)
            && record["active"]["version"] == status["version"];
        if !rests {
            return unrest(format!(
                "the platform was told that {informed:?} runs, the record is {record}, the status is {status}"
            ));
        }
        // One that keeps dying is not at rest, however well it looks at this moment.
        let dies = matches!(offered.build.trust, Trust::Late | Trust::Trial);
        if dies && status["version"] == offered.version.as_str() {
            return unrest(format!("version {} runs and will die", offered.version));
        }
        status["task"] = task.clone();
        Ok(Look::Rest(status))
    }

    /// `nothing_leaks`, after a while.
    fn sweep(&mut self) -> Result<Vec<Violation>, SoakError> {
        let begun = Instant::now();
        loop {
            if let Some(broken) = self.ended()? {
                return Ok(vec![broken]);
            }
            let found = self.found();
            let state = self.device.state();
            let (Some(supervisor), Some(platform)) = (self.device.pid(), self.platform.pid())
            else {
                return Ok(Vec::new());
            };
            let record = record::read(&state).unwrap_or_default();
            let temporary = self.temporary();
            let leaks = traces::leaks(&state, &temporary, &record, supervisor, platform, &found);
            if leaks.is_empty() {
                return Ok(Vec::new());
            }
            if begun.elapsed() >= SWEEP_LIMIT {
                let broken = leaks.into_iter();
                return Ok(broken
                    .map(|what| Violation::of("nothing_leaks", what))
                    .collect());
            }
            std::thread::sleep(CLOSER_LOOK);
        }
    }

    fn judge(
        &mut self,
        plan: &Plan,
        offered: &Offered,
        status: &Value,
        beat: Duration,
    ) -> Vec<Violation> {
        self.read();
        let lives = std::mem::take(&mut self.unjudged).into_iter();
        let told = self.view.told.iter();
        let witness = Witness {
            plan,
            build: &offered.build,
            version: &offered.version,
            lives: lives
                .map(|line| (line.up_ms.and_then(|up| self.diary.of_up(up)), line))
                .collect(),
            told: told
                .map(|(at, told)| (self.diary.of_wall(*at), told.clone()))
                .collect(),
            runs: status["version"].as_str().unwrap_or_default(),
            task: &status["task"],
            operator: &self.operator,
        };
        let mut broken = self.judge.judge(&witness);
        if pulse::stands_still(beat) {
            let before = broken.len();
            broken.retain(|broken| broken.law != GOOD_ARRIVES);
            self.numbers.excused += u64::from(broken.len() < before);
        }
        broken
    }

    fn count(&mut self, offered: &Offered, status: &Value) {
        let numbers = &mut self.numbers;
        numbers.faults += self.view.strikes;
        numbers.refetched_bytes += self.view.sent.saturating_sub(offered.size);
        if offered.build.is_good() {
            numbers.good += 1;
        } else {
            numbers.bad += 1;
        }
        numbers.updates += 1;
        if status["version"] == offered.version.as_str() {
            numbers.arrived += u64::from(offered.build.is_good());
            self.failed = None;
        }
    }
}

/// How long to sleep before the next look, on the way to a moment; nothing once it has come.
fn left(elapsed: Duration, at: Duration) -> Option<Duration> {
    let left = at.checked_sub(elapsed).filter(|left| !left.is_zero());
    left.map(|left| left.min(LOOK))
}

/// What a look finds.
enum Look {
    /// Everything is at rest: the status, and the platform's task in it.
    Rest(Value),
    /// Not yet.
    Unrest(String),
    /// It never will be.
    Broken(Violation),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_passes_while_it_is_looked_at_has_come() {
        let ms = Duration::from_millis;
        assert_eq!(left(ms(0), ms(500)), Some(LOOK));
        assert_eq!(left(ms(490), ms(500)), Some(ms(10)));
        for elapsed in [500, 501, 9000] {
            assert_eq!(left(ms(elapsed), ms(500)), None);
        }
    }
}
