//! Where the device stood, on the disk: what is written of it, and what a worker is given after the supervisor or the power was lost.

use std::collections::BTreeMap;

use worker_protocol::v1::Cause;

use super::{Behaviour, Process, World, stories};
use crate::{
    checkpoint::{Boot, Checkpoint},
    event::{Event, Tenure},
    policy::Policy,
    record::Record,
    time::Now,
};

/// The checkpoint on the disk, and which run of the machine this is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    pub(crate) newest: Option<Checkpoint>,
    /// How many more writes fail.
    pub(crate) failing: u32,
    /// How many were ordered.
    pub(crate) ordered: u64,
    run: u64,
    /// Only the supervisor goes away next, not the machine.
    ran_on: bool,
    /// One is under way.
    under_way: bool,
    /// Life and word of the last one in this run of the supervisor.
    last: Option<(u64, u64)>,
}

impl Kept {
    /// The same while a supervisor runs.
    pub(super) fn live_key(&self) -> String {
        let then = self.newest.as_ref().and_then(|it| it.boot.as_ref());
        let is_of_now = then == Some(&self.boot());
        format!("{is_of_now}{}{}", self.ran_on, self.under_way)
    }

    /// A supervisor starts. Answers what it finds, which run of the machine it is in, and what was lost.
    pub(super) fn starts(&mut self) -> (Option<Checkpoint>, Boot, Cause) {
        if !std::mem::take(&mut self.ran_on) {
            self.run += 1;
        }
        // What was kept before a power cut that nobody wrote after is still from before it.
        let then = self.newest.as_ref().and_then(|it| it.boot.as_ref());
        let lost = if then == Some(&self.boot()) {
            Cause::SupervisorLost
        } else {
            Cause::PowerCut
        };
        (self.under_way, self.last) = (false, None);
        (self.newest.clone(), self.boot(), lost)
    }

    fn boot(&self) -> Boot {
        Boot::Named(format!("run {}", self.run))
    }

    /// For telling one durable state from another. What exactly was said leads nowhere else.
    pub(super) fn key(&self) -> String {
        let slot = self.newest.as_ref().map(|it| it.slot);
        format!("{slot:?}{}", self.failing)
    }

    /// Laws `old_state_kept` and `trial_not_kept`: words on the disk are those of a worker that is trusted there already, and those of
    /// one life never get older.
    fn save(
        &mut self,
        checkpoint: Checkpoint,
        record: &Record,
        processes: &BTreeMap<Tenure, Process>,
    ) -> Event {
        assert!(!self.under_way, "a checkpoint overtakes another");
        self.under_way = true;
        self.ordered += 1;
        let said: serde_json::Value = serde_json::from_str(&checkpoint.snapshot).unwrap();
        let place = ["life", "word"].map(|name| said[name].as_u64().unwrap());
        let slot = processes[&Tenure(place[0])].slot.id;
        assert_eq!(slot, checkpoint.slot, "another slot's worker said {said}");
        let on_trial = record.job.as_ref().map(|job| job.id.0);
        assert_ne!(
            on_trial,
            Some(slot.0),
            "trial_not_kept: {said} is of a worker that is not trusted"
        );
        let (life, word) = (place[0], place[1]);
        assert!(
            self.last.is_none_or(|last| last.0 != life || last.1 < word),
            "old_state_kept: {said} is older than what is kept"
        );
        assert_eq!(checkpoint.boot, Some(self.boot()));
        if self.failing > 0 {
            self.failing -= 1;
            let why = "no room".to_owned();
            return Event::CheckpointFailed { why };
        }
        self.last = Some((life, word));
        self.newest = Some(checkpoint);
        Event::CheckpointSaved
    }

    /// The brain hears how it went.
    pub(super) fn heard(&mut self) {
        self.under_way = false;
    }
}

impl World {
    pub(super) fn save_checkpoint(&mut self, checkpoint: Checkpoint) {
        let record = self.durable.disk.record.clone().unwrap_or_default();
        let kept = &mut self.durable.kept;
        let event = kept.save(checkpoint, &record, &self.processes);
        self.tell_later(3, event);
    }

    /// The supervisor is killed and started again; its workers end with their leashes, and the machine runs on.
    pub(crate) fn supervisor_lost(&mut self) {
        self.lose_supervisor();
        self.carry_out();
    }

    /// The same, and nothing that the brain asks for has been done yet.
    pub(super) fn lose_supervisor(&mut self) {
        self.durable.kept.ran_on = true;
        self.wake_again();
    }

    /// What the active worker was told when it started.
    fn told(&self) -> (String, Option<Cause>) {
        let life = self.alive().find(|it| it.told_active).unwrap();
        let handed = life.handed.as_ref();
        let text = handed.map(|it| String::from_utf8(it.snapshot.clone()).unwrap());
        (text.unwrap_or_default(), handed.map(|it| it.cause))
    }

    fn kept(&self) -> String {
        let newest = self.durable.kept.newest.as_ref();
        newest.unwrap().snapshot.clone()
    }

    fn until_told(&mut self) {
        while !self.alive().any(|it| it.told_active) {
            self.step(u64::MAX);
        }
    }
}

#[test]
fn after_a_loss_the_worker_is_told_what_was_kept_last_and_what_was_lost() {
    let mut world = stories::at_rest();
    assert_eq!(world.told(), (String::new(), None));
    world.run(60_000);
    let kept = world.kept();
    world.supervisor_lost();
    world.until_told();
    assert_eq!(world.told(), (kept, Some(Cause::SupervisorLost)));
    world.run(60_000);
    let kept = world.kept();
    world.power_cut();
    world.until_told();
    assert_eq!(world.told(), (kept, Some(Cause::PowerCut)));
}

#[test]
fn a_device_that_changes_all_the_time_is_kept_every_ten_seconds_at_most() {
    let mut world = stories::at_rest();
    let before = world.durable.kept.ordered;
    world.run(600_000);
    let writes = world.durable.kept.ordered - before;
    assert!((45..=60).contains(&writes), "{writes} writes in 600 s");
}

#[test]
fn a_version_taken_back_after_power_cuts_is_told_where_it_stood_itself() {
    for losses in ["power", "supervisor"] {
        let mut world = World::boot(
            World::offered(Behaviour::DownActivating),
            &Policy::default(),
        );
        world
            .durable
            .behaviours
            .insert("1.0.7".to_owned(), Behaviour::Good);
        stories::until_phase(&mut world, "proving");
        // Long enough for the one on trial to have said a lot.
        world.run(9_000);
        let handed_over = world.kept();
        for _ in 0..2 {
            if losses == "power" {
                world.power_cut();
            } else {
                world.supervisor_lost();
            }
            stories::until_phase(&mut world, "proving");
            world.run(9_000);
            assert_eq!(world.kept(), handed_over, "what it handed over is kept");
        }
        let lost = if losses == "power" {
            world.power_cut();
            Cause::PowerCut
        } else {
            world.supervisor_lost();
            Cause::SupervisorLost
        };
        world.until_told();
        assert_eq!(world.told(), (handed_over, Some(lost)));
        world.rest(&["1.0.0"]);
    }
}

#[test]
fn words_of_a_new_version_are_kept_as_soon_as_it_is_trusted() {
    let mut world = World::boot(World::offered(Behaviour::Good), &Policy::default());
    stories::until_phase(&mut world, "committing");
    let slot = |world: &World| world.durable.kept.newest.as_ref().unwrap().slot.0;
    assert_eq!(slot(&world), 1);
    stories::until_phase(&mut world, "idle");
    world.run(1);
    assert_eq!(slot(&world), 2);
    world.rest(&["1.0.7"]);
}

#[test]
fn a_supervisor_stopped_in_order_keeps_the_last_word_and_one_that_cannot_ends_all_the_same() {
    for failing in [0, 1000] {
        let mut world = stories::at_rest();
        world.run(25_000);
        world.durable.kept.failing = failing;
        let before = world.kept();
        world.tell(Event::Stop);
        world.run(14_000);
        assert!(world.exited, "{}", world.tail());
        let last = world.kept();
        assert_eq!(last == before, failing > 0, "{before} {last}");
        if failing == 0 {
            let words = world.processes.values().map(|it| it.words).max();
            let last: serde_json::Value = serde_json::from_str(&last).unwrap();
            assert_eq!(last["word"].as_u64(), words.map(u64::from));
        }
    }
}

#[test]
fn a_disk_that_keeps_no_checkpoint_stops_no_update_and_is_told_of_once() {
    let mut durable = World::offered(Behaviour::Good);
    durable.kept.failing = u32::MAX;
    let mut world = World::boot(durable, &Policy::default());
    world.rest(&["1.0.7"]);
    world.run(600_000);
    let told = |world: &World, word: &str| {
        let lines = world.log.iter();
        lines.filter(|line| line.contains(word)).count()
    };
    assert_eq!(told(&world, "could not be kept on the disk"), 1);
    world.durable.kept.failing = 0;
    world.run(20_000);
    assert_eq!(told(&world, "is kept on the disk again"), 1);
}

#[test]
fn words_of_a_slot_that_the_record_does_not_trust_are_not_believed() {
    let mut world = World::boot(World::offered(Behaviour::Good), &Policy::default());
    stories::until_phase(&mut world, "proving");
    let older = world.durable.disk.record.clone();
    world.rest(&["1.0.7"]);
    assert_eq!(world.durable.kept.newest.as_ref().unwrap().slot.0, 2);
    // The newest record is damaged, and the one before it knows nothing of the commit.
    world.durable.disk.record = older;
    world.durable.laws.nothing_was_kept = true;
    world.power_cut();
    world.until_told();
    assert_eq!(world.told(), (String::new(), None));
    assert!(world.tail().contains("which the record does not trust"));
    world.rest(&["1.0.7"]);
    assert!(world.agent.status(Now::default()).version.is_some());
}
