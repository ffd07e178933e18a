//! Power cuts at every place, and power cuts again at every place of the recovery; and a failing save at every save.
//!
//! What follows a power cut depends on what it left and on nothing else, so that equal remains are looked at once and counted as often as
//! they occur.

use std::collections::{BTreeSet, HashMap};

use super::{Behaviour, Durable, Task, World, blocks};
use crate::policy::Policy;

/// A search over power cuts.
pub(super) struct Search {
    policy: Policy,
    versions: Vec<&'static str>,
    known: HashMap<(String, u32), u64>,
    pub(super) runs: u64,
}

impl Search {
    pub(super) fn new(policy: &Policy, versions: &[&'static str]) -> Self {
        Self {
            policy: policy.clone(),
            versions: versions.to_vec(),
            known: HashMap::new(),
            runs: 0,
        }
    }

    /// Runs from here to rest without a cut, and with so many cuts at every place. Answers how many histories that were.
    pub(super) fn explore(&mut self, from: &Durable, cuts: u32) -> u64 {
        let key = (from.key(), cuts);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        self.runs += 1;
        let mut histories = 1;
        if cuts == 0 {
            World::boot(from.clone(), &self.policy).rest(&self.versions);
        } else {
            let mut world = World::boot_recording(from.clone(), &self.policy);
            world.rest(&self.versions);
            let places = world.cuts.take().unwrap();
            // Most commands change nothing that lasts: a run of equal remains needs one look.
            let mut last: Option<(String, u64)> = None;
            for place in &places {
                let key = place.key();
                let count = match &last {
                    Some((same, count)) if *same == key => *count,
                    _ => self.explore(place, cuts - 1),
                };
                histories += count;
                last = Some((key, count));
            }
        }
        self.known.insert(key, histories);
        histories
    }
}

fn sweep(behaviour: Behaviour, policy: &Policy, cuts: u32) -> (u64, u64) {
    let versions: &[_] = match (behaviour.may_be_trusted(), cuts) {
        (false, _) => &["1.0.0"],
        (true, ..=2) => &["1.0.7"],
        // A third cut may cost a good version its last try.
        (true, _) => &["1.0.0", "1.0.7"],
    };
    let mut search = Search::new(policy, versions);
    let histories = search.explore(&World::offered(behaviour), cuts);
    (histories, search.runs)
}

#[test]
fn a_good_version_comes_through_two_power_cuts_at_any_two_places() {
    for standby in [true, false] {
        let policy = Policy {
            standby,
            ..Policy::default()
        };
        let (histories, runs) = sweep(Behaviour::Good, &policy, 2);
        println!("standby {standby}: {histories} histories by {runs} runs");
        assert!(histories > 5_000, "only {histories} histories");
    }
}

#[test]
fn an_image_in_blocks_comes_through_two_power_cuts_at_any_two_places() {
    let mut search = Search::new(&Policy::default(), &["1.0.7"]);
    let histories = search.explore(&blocks::offered(), 2);
    println!("{histories} histories by {} runs", search.runs);
    assert!(histories > 5_000, "only {histories} histories");
}

#[test]
fn every_version_good_or_bad_comes_to_rest_whatever_three_power_cuts_do() {
    let mut all = (0, 0);
    let behaviours = Behaviour::BAD.map(|(behaviour, _)| behaviour);
    let behaviours: Vec<_> = [Behaviour::Good].into_iter().chain(behaviours).collect();
    for standby in [true, false] {
        let policy = Policy {
            standby,
            ..Policy::default()
        };
        for behaviour in &behaviours {
            let (histories, runs) = sweep(*behaviour, &policy, 3);
            all = (all.0 + histories, all.1 + runs);
        }
    }
    let (histories, runs) = all;
    println!("{histories} histories by {runs} runs");
    assert!(histories > 1_000_000, "only {histories} histories");
}

#[test]
fn an_old_worker_that_keeps_its_state_to_itself_or_puts_the_switch_off_changes_nothing() {
    for (keep, later) in [(true, 0), (false, 2), (true, 2)] {
        for behaviour in [Behaviour::Good, Behaviour::DieProving, Behaviour::HangLate] {
            let mut durable = World::offered(behaviour);
            durable.later = later;
            if keep {
                let old = "1.0.0".to_owned();
                durable.behaviours.insert(old, Behaviour::KeepHandover);
            }
            let versions: &[_] = if behaviour == Behaviour::Good {
                &["1.0.7"]
            } else {
                &["1.0.0"]
            };
            let mut search = Search::new(&Policy::default(), versions);
            let histories = search.explore(&durable, 2);
            assert!(histories > 5_000, "only {histories} histories");
        }
    }
}

#[test]
fn a_version_that_dies_again_and_again_after_its_commit_is_taken_back_whatever_two_power_cuts_do() {
    let mut search = Search::new(&Policy::default(), &["1.0.0"]);
    let histories = search.explore(&World::offered(Behaviour::DieLater), 2);
    println!("{histories} histories by {} runs", search.runs);
    assert!(histories > 50_000, "only {histories} histories");
}

#[test]
fn a_failing_save_at_any_place_leaves_a_proved_worker_and_a_told_outcome() {
    for behaviour in [Behaviour::Good, Behaviour::DieProving, Behaviour::Unfit] {
        let mut whole = World::boot(World::offered(behaviour), &Policy::default());
        let versions: &[_] = if behaviour == Behaviour::Good {
            &["1.0.0", "1.0.7"]
        } else {
            &["1.0.0"]
        };
        whole.rest(versions);
        let saves = whole.durable.disk.saves;
        assert!(saves >= 4, "only {saves} saves");
        for first in 1..=saves + 2 {
            for many in [1, 2, 7] {
                let mut durable = World::offered(behaviour);
                durable.disk.failing = (first..first + many).collect();
                let mut search = Search::new(&Policy::default(), versions);
                search.explore(&durable, 1);
                let mut world = World::boot(durable, &Policy::default());
                world.rest(versions);
                let trusted = world.durable.disk.record.unwrap().active.unwrap().version;
                match world.durable.cloud.task {
                    Task::Succeeded(version) => assert_eq!(version, trusted.as_str()),
                    Task::Failed(..) => assert_eq!(trusted.as_str(), "1.0.0"),
                    other => panic!("{behaviour:?}, save {first}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn nothing_but_the_disk_and_the_cloud_survives_a_cut() {
    let mut world = World::boot_recording(World::offered(Behaviour::Good), &Policy::default());
    world.rest(&["1.0.7"]);
    let places = world.cuts.take().unwrap();
    let keys: BTreeSet<String> = places.iter().map(Durable::key).collect();
    assert!(keys.len() > 8, "only {} different remains", keys.len());
    assert!(places.len() > 50, "only {} places to cut", places.len());
}
