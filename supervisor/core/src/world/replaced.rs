//! A platform that puts one job in the place of another, and what it hears of each (law `told_of_its_own`).
//!
//! A report on progress names no job. The platform takes it for one about the task it has at that time, and so does this cloud. What was on its
//! way when the platform made up its mind cannot be called back. But for that, whatever the brain says is about the task there is: on a connection
//! on which it was told of another one, and on one that was made after the other took its place, be it before that is said to it.

use serde_json::Value as Json;

use super::{Behaviour, Cloud, Durable, Task, World, laws::may_refuse, stories};
use crate::{
    event::{CloudLoss, Command, Event},
    outcome::Outcome,
    policy::Policy,
    time::Now,
};

impl World {
    /// The brain is told this: perhaps which task there is.
    pub(super) fn is_named(&mut self, event: &Event) {
        let Event::Arrived { topic, payload } = event else {
            return;
        };
        if topic != "/ota/device/upgrade/pk/dn" {
            return;
        }
        let json: Json = serde_json::from_slice(payload).unwrap();
        let version = json["data"]["version"].as_str().unwrap();
        let Durable {
            cloud, laws, disk, ..
        } = &mut self.durable;
        laws.is_named(version, disk);
        if cloud.wants(version) {
            cloud.is_fresh = false;
            cloud.named = Some(version.to_owned());
        }
    }
}

impl Cloud {
    /// The version of the task that is not over, if the brain could know of that one.
    fn knows(&self) -> Option<&str> {
        let (Task::Queued(version) | Task::Updating(version)) = &self.task else {
            return None;
        };
        let was_told = self.named.as_deref() == Some(version);
        // One that has begun is not pushed again, so that the brain has to ask.
        let is_sayable = self.answers_queries || matches!(self.task, Task::Queued(_));
        (was_told || (is_sayable && !self.is_fresh)).then_some(version)
    }
}

impl World {
    /// Law `told_of_its_own`: what the brain says of a job is not taken for another one's.
    pub(super) fn tells_of_its_own(&self, command: &Command) {
        let Command::Publish { topic, payload, .. } = command else {
            return;
        };
        let (Some(task), true) = (
            self.durable.cloud.knows(),
            topic == "/ota/device/progress/pk/dn",
        ) else {
            return;
        };
        // What is said into a connection that is gone passes for nothing, and a version said before it ends the task for which it would.
        if self.losing || self.pending.iter().any(|it| informs(it, task)) {
            return;
        }
        let json: Json = serde_json::from_slice(payload).unwrap();
        let text = json["params"]["desc"].as_str().unwrap();
        let step: i8 = json["params"]["step"].as_str().unwrap().parse().unwrap();
        let record = self.durable.disk.record.clone().unwrap_or_default();
        let meant: Vec<String> = if step > 0 {
            let job = record.job.iter();
            job.map(|it| it.wanted.version.to_string()).collect()
        } else {
            let is_said = |outcome: &Outcome| outcome.to_string().starts_with(text);
            let owed = record.owed.iter().filter(|it| is_said(&it.outcome));
            let versions = owed.filter_map(|it| it.version.as_ref());
            versions.map(ToString::to_string).collect()
        };
        // What is nobody's end is the refusal of the offer at hand, which may have the words of an end.
        assert!(
            meant.is_empty() || may_refuse(text) || meant.iter().any(|version| version == task),
            "told_of_its_own: step {step} `{text}` of {meant:?} would pass for one of {task}"
        );
    }
}

/// Does it say that this version runs?
fn informs(command: &Command, version: &str) -> bool {
    let Command::Publish { topic, payload, .. } = command else {
        return false;
    };
    topic == "/ota/device/inform/pk/dn"
        && serde_json::from_slice::<Json>(payload).unwrap()["params"]["version"] == version
}

/// The world with a version under way in a phase, and then another one in its place.
fn replaced_in(behaviour: Behaviour, phase: &str, standby: bool) -> World {
    let policy = Policy {
        standby,
        ..Policy::default()
    };
    let mut world = World::boot(World::idle(), &policy);
    world.rest(&["1.0.0"]);
    let behaviours = &mut world.durable.behaviours;
    behaviours.insert("1.0.7".to_owned(), behaviour);
    stories::push(&mut world, "1.0.7");
    stories::until_phase(&mut world, phase);
    stories::push(&mut world, "1.0.8");
    world
}

const BEFORE_THE_SWITCH: [&str; 4] = ["opening", "fetching", "keeping", "warming"];

const AFTER_IT: [&str; 3] = ["switching", "proving", "committing"];

#[test]
fn a_job_whose_place_another_has_ends_at_once_until_its_switch_has_begun() {
    for phase in BEFORE_THE_SWITCH {
        let mut world = replaced_in(Behaviour::Good, phase, true);
        let status = world.agent.status(Now::default());
        assert_eq!(status.ota_status, "idle", "{phase}: that is no failure");
        world.rest(&["1.0.8"]);
        let cloud = &world.durable.cloud;
        assert_eq!(cloud.task, Task::Succeeded("1.0.8".to_owned()), "{phase}");
        assert_eq!(cloud.informed, ["1.0.0", "1.0.8"], "{phase}");
        assert!(cloud.steps.iter().all(|step| *step > 0), "{phase}");
        let record = world.durable.disk.record.clone().unwrap();
        assert_eq!(record.held, [], "{phase}: nobody cancelled it");
    }
}

#[test]
fn a_job_whose_place_another_has_after_the_switch_ends_by_itself_before_the_other_begins() {
    for phase in AFTER_IT {
        let mut world = replaced_in(Behaviour::Good, phase, true);
        let steps = world.durable.cloud.steps.len();
        world.rest(&["1.0.8"]);
        let cloud = &world.durable.cloud;
        assert_eq!(cloud.task, Task::Succeeded("1.0.8".to_owned()), "{phase}");
        assert_eq!(cloud.informed, ["1.0.0", "1.0.7", "1.0.8"], "{phase}");
        assert_eq!(cloud.steps[steps], 1, "{phase}: the other begins at 1");
    }
}

#[test]
fn a_failure_of_a_job_whose_place_another_has_is_not_told() {
    for (behaviour, phase) in [
        (Behaviour::DieProving, "proving"),
        (Behaviour::DieProving, "reverting"),
        (Behaviour::DieProving, "closing"),
        (Behaviour::DieProving, "switching"),
    ] {
        for standby in [true, false] {
            let mut world = replaced_in(behaviour, phase, standby);
            world.rest(&["1.0.8"]);
            let cloud = &world.durable.cloud;
            let name = format!("{phase}, {standby}");
            assert_eq!(cloud.task, Task::Succeeded("1.0.8".to_owned()), "{name}");
            assert!(cloud.steps.iter().all(|step| *step > 0), "{name}");
        }
    }
}

#[test]
fn a_power_cut_in_a_trial_does_not_make_a_job_whose_place_another_has_one_that_is_told_of() {
    let mut world = replaced_in(Behaviour::DieProving, "proving", true);
    world.run(100);
    // The platform does not say it once more.
    world.durable.cloud.task = Task::Updating("1.0.8".to_owned());
    world.power_cut();
    world.run(60_000);
    let cloud = &world.durable.cloud;
    assert_eq!(cloud.task, Task::Updating("1.0.8".to_owned()));
    stories::push(&mut world, "1.0.8");
    world.rest(&["1.0.8"]);
}

#[test]
fn what_was_not_heard_before_a_connection_waits_on_it_for_the_platforms_word() {
    for (phase, is_pushed) in [
        ("fetching", true),
        ("fetching", false),
        ("proving", true),
        ("proving", false),
    ] {
        let mut world = stories::at_rest();
        world.durable.cloud.answers_queries = true;
        let bad = Behaviour::DieProving;
        world.durable.behaviours.insert("1.0.7".to_owned(), bad);
        stories::push(&mut world, "1.0.7");
        stories::until_phase(&mut world, phase);
        world.cloud_is(false, CloudLoss::Broken("no route".to_owned()));
        world.run(60_000);
        let status = world.agent.status(Now::default());
        assert_eq!(status.phase, "idle", "{phase}: it has failed meanwhile");
        world.durable.cloud.offer("1.0.8");
        if !is_pushed {
            // It is not pushed a second time, and has to be asked for.
            world.durable.cloud.task = Task::Updating("1.0.8".to_owned());
        }
        world.cloud_is(true, CloudLoss::Closed);
        world.rest(&["1.0.8"]);
        let cloud = &world.durable.cloud;
        let name = format!("{phase}, {is_pushed}");
        assert_eq!(cloud.task, Task::Succeeded("1.0.8".to_owned()), "{name}");
        assert!(cloud.steps.iter().all(|step| *step > 0), "{name}");
    }
}

#[test]
fn a_platform_that_does_not_answer_hears_of_a_failure_all_the_same() {
    let mut world = stories::at_rest();
    let bad = Behaviour::DieProving;
    world.durable.behaviours.insert("1.0.7".to_owned(), bad);
    stories::push(&mut world, "1.0.7");
    stories::until_phase(&mut world, "proving");
    world.cloud_is(false, CloudLoss::Broken("no route".to_owned()));
    world.run(60_000);
    world.cloud_is(true, CloudLoss::Closed);
    world.rest(&["1.0.0"]);
    assert!(matches!(world.durable.cloud.task, Task::Failed(_, -1, _)));
}

#[test]
fn a_job_that_the_platform_names_again_is_told_of_again() {
    let mut world = replaced_in(Behaviour::DieProving, "proving", true);
    stories::push(&mut world, "1.0.7");
    world.rest(&["1.0.0"]);
    let Task::Failed(version, -1, why) = &world.durable.cloud.task else {
        panic!("{:?}", world.durable.cloud.task);
    };
    assert_eq!(version, "1.0.7");
    assert!(why.contains("did not prove itself"), "{why}");
}

#[test]
fn a_job_in_whose_place_a_version_is_that_is_refused_leaves_the_refusal_to_that_one() {
    let mut world = replaced_in(Behaviour::Good, "fetching", true);
    stories::push(&mut world, "0.9.0");
    world.rest(&["1.0.0"]);
    let Task::Failed(version, -1, why) = &world.durable.cloud.task else {
        panic!("{:?}", world.durable.cloud.task);
    };
    assert_eq!(version, "0.9.0");
    assert!(why.contains("is older than"), "{why}");
}

#[test]
fn a_job_goes_on_when_the_running_version_is_pushed_which_is_none() {
    let mut world = stories::at_rest();
    for phase in ["fetching", "warming", "proving"] {
        stories::push(&mut world, "1.0.7");
        stories::until_phase(&mut world, phase);
        let (topic, payload) = world.durable.cloud.push_of("1.0.0");
        world.tell(Event::Arrived { topic, payload });
    }
    world.rest(&["1.0.7"]);
    let cloud = &world.durable.cloud;
    assert_eq!(cloud.task, Task::Succeeded("1.0.7".to_owned()));
    assert_eq!(cloud.informed, ["1.0.0", "1.0.7"]);
}

#[test]
fn a_job_given_up_for_another_is_taken_when_it_is_wanted_again_although_an_outcome_is_owed() {
    let mut world = stories::at_rest();
    let bad = Behaviour::DieProving;
    world.durable.behaviours.insert("1.0.6".to_owned(), bad);
    world.durable.cloud.withholds = true;
    stories::push(&mut world, "1.0.6");
    for _ in 0..100_000 {
        if world.durable.cloud.task_is_over() {
            break;
        }
        world.step(u64::MAX);
    }
    stories::push(&mut world, "1.0.7");
    stories::until_phase(&mut world, "opening");
    stories::push(&mut world, "1.0.8");
    stories::push(&mut world, "1.0.7");
    world.cloud_is(true, CloudLoss::Closed);
    world.durable.cloud.withholds = false;
    world.rest(&["1.0.7"]);
}
