//! Slots that go bad on the disk: each case once, and then with power cuts at every place.

use super::{
    Behaviour, Disk, Durable, Task, World,
    stories::{at_rest, push, until_phase},
    sweep::Search,
};
use crate::{
    event::{SlotId, Tenure},
    outcome::Outcome,
    policy::Policy,
    record::Record,
    status::Status,
    time::Now,
};

const ONE: SlotId = SlotId(1);
const TWO: SlotId = SlotId(2);

/// A device that runs 1.0.5 from slot 2, and has 1.0.0 in slot 1 to go back to.
fn upgraded() -> Durable {
    Durable {
        disk: Disk::upgraded("1.0.0", "1.0.5"),
        ..World::idle()
    }
}

/// The same, offered 1.0.7, which behaves like this.
fn upgraded_and_offered(behaviour: Behaviour) -> Durable {
    Durable {
        disk: Disk::upgraded("1.0.0", "1.0.5"),
        ..World::offered(behaviour)
    }
}

fn boot(durable: Durable) -> World {
    World::boot(durable, &Policy::default())
}

fn without_standby() -> Policy {
    Policy {
        standby: false,
        ..Policy::default()
    }
}

fn status(world: &World) -> Status {
    world.agent.status(Now::default())
}

fn record(world: &World) -> Record {
    world.durable.disk.record.clone().unwrap()
}

fn damage(world: &mut World, slot: SlotId) {
    world.durable.disk.damaged.insert(slot);
}

/// The only process alive ends.
fn crash(world: &mut World) -> Tenure {
    let alive = |world: &World| world.processes.iter().find(|it| it.1.alive).map(|it| *it.0);
    let tenure = alive(world).unwrap();
    world.end(tenure, 101);
    assert_eq!(alive(world), None);
    tenure
}

#[track_caller]
fn ended_by_damage(world: &World, version: &str) {
    let ended = record(world).last_outcome.unwrap();
    assert_eq!(ended.version.as_str(), version);
    assert!(
        matches!(ended.outcome, Some(Outcome::Damaged { .. })),
        "{ended:?}"
    );
}

#[test]
fn a_trusted_slot_found_damaged_at_the_start_gives_way_to_the_one_before_it() {
    let mut durable = upgraded();
    durable.disk.damaged.insert(TWO);
    let mut world = boot(durable);
    world.run(1_000);
    world.rest(&["1.0.0"]);
    ended_by_damage(&world, "1.0.5");
    assert_eq!(world.durable.cloud.informed, ["1.0.0"]);
    assert_eq!(world.processes.len(), 1);
    // It may be had again at once.
    push(&mut world, "1.0.5");
    world.rest(&["1.0.5"]);
}

#[test]
fn a_trusted_slot_found_damaged_after_a_crash_gives_way_to_the_one_before_it() {
    let mut world = boot(upgraded());
    world.run(1_000);
    damage(&mut world, TWO);
    crash(&mut world);
    world.run(1_000);
    world.rest(&["1.0.0"]);
    ended_by_damage(&world, "1.0.5");
    assert_eq!(world.durable.cloud.informed, ["1.0.5", "1.0.0"]);
    assert_eq!(record(&world).former, None);
    let lines = world.tail();
    assert!(
        lines.contains("version 1.0.5 in slot 2 is damaged: its file `worker` has other bytes; version 1.0.0 takes its place"),
        "{lines}"
    );
}

#[test]
fn with_no_slot_left_the_supervisor_stays_says_so_and_takes_any_version() {
    for version in ["1.0.0", "1.0.7"] {
        let mut world = at_rest();
        world.run(1_000);
        damage(&mut world, ONE);
        crash(&mut world);
        world.run(1_000);
        world.rest(&[]);
        ended_by_damage(&world, "1.0.0");
        let shown = status(&world);
        assert_eq!((shown.version, shown.cloud_up), (None, true));
        assert_eq!(world.durable.cloud.informed, ["1.0.0", "none"]);
        world.power_cut();
        world.rest(&[]);
        ended_by_damage(&world, "1.0.0");
        push(&mut world, version);
        world.rest(&[version]);
        assert_eq!(
            world.durable.cloud.task,
            Task::Succeeded(version.to_owned())
        );
    }
}

#[test]
fn both_trusted_slots_damaged_leave_a_supervisor_that_takes_any_version() {
    let mut durable = upgraded();
    durable.disk.damaged.extend([ONE, TWO]);
    let mut world = boot(durable);
    world.rest(&[]);
    assert!(world.processes.is_empty());
    push(&mut world, "1.0.5");
    world.rest(&["1.0.5"]);
}

#[test]
fn a_version_that_used_up_its_tries_before_it_was_trusted_is_had_again_when_its_slot_is_damaged() {
    let mut world = at_rest();
    push(&mut world, "1.0.7");
    until_phase(&mut world, "proving");
    world.power_cut();
    until_phase(&mut world, "proving");
    world.power_cut();
    world.rest(&["1.0.7"]);
    assert_eq!(
        record(&world).strikes[0].starts,
        Policy::default().tries,
        "the story is about its last try"
    );
    damage(&mut world, TWO);
    crash(&mut world);
    world.rest(&["1.0.0"]);
    push(&mut world, "1.0.7");
    world.rest(&["1.0.7"]);
}

#[test]
fn a_new_slot_found_damaged_fails_the_update_and_the_old_worker_goes_on() {
    for policy in [Policy::default(), without_standby()] {
        let mut durable = World::offered(Behaviour::Good);
        durable.disk.rotting.insert(2);
        let mut world = World::boot(durable, &policy);
        world.rest(&["1.0.0"]);
        let Task::Failed(_, -4, text) = &world.durable.cloud.task else {
            panic!("{:?}", world.durable.cloud.task);
        };
        assert!(text.starts_with("the installed program is damaged"));
        // With a standby the old one never noticed.
        let lives = if policy.standby { 1 } else { 2 };
        assert_eq!(world.processes.len(), lives);
        push(&mut world, "1.0.7");
        world.rest(&["1.0.7"]);
    }
}

#[test]
fn a_new_slot_found_damaged_after_a_power_cut_in_its_trial_is_taken_back() {
    let mut world = boot(World::offered(Behaviour::Good));
    until_phase(&mut world, "proving");
    damage(&mut world, TWO);
    world.power_cut();
    world.rest(&["1.0.0"]);
    assert!(matches!(world.durable.cloud.task, Task::Failed(_, -4, _)));
}

#[test]
fn an_old_slot_found_damaged_on_the_way_back_gives_way_to_the_one_before_it() {
    let mut world = boot(upgraded_and_offered(Behaviour::DieProving));
    until_phase(&mut world, "proving");
    damage(&mut world, TWO);
    world.rest(&["1.0.0"]);
    assert!(matches!(world.durable.cloud.task, Task::Failed(_, -1, _)));
    assert_eq!(world.durable.cloud.informed, ["1.0.5", "1.0.0"]);
}

#[test]
fn the_only_old_slot_found_damaged_on_the_way_back_leaves_a_supervisor_that_takes_any_version() {
    let mut world = boot(World::offered(Behaviour::DieProving));
    until_phase(&mut world, "proving");
    damage(&mut world, ONE);
    world.rest(&[]);
    assert!(matches!(world.durable.cloud.task, Task::Failed(_, -1, _)));
    assert_eq!(world.durable.cloud.informed, ["1.0.0", "none"]);
    push(&mut world, "1.0.0");
    world.rest(&["1.0.0"]);
}

#[test]
fn an_update_under_way_goes_on_when_the_running_slot_is_found_damaged() {
    for durable in [
        World::offered(Behaviour::Good),
        upgraded_and_offered(Behaviour::Good),
    ] {
        for phase in ["fetching", "keeping", "warming"] {
            let mut world = boot(durable.clone());
            until_phase(&mut world, phase);
            let running = record(&world).active.unwrap().id;
            damage(&mut world, running);
            let old = *world.processes.iter().find(|it| it.1.alive).unwrap().0;
            world.end(old, 101);
            world.rest(&["1.0.7"]);
            assert_eq!(
                world.durable.cloud.task,
                Task::Succeeded("1.0.7".to_owned()),
                "{phase}"
            );
        }
    }
}

#[test]
fn a_version_that_keeps_dying_goes_on_when_the_one_before_it_is_damaged() {
    let mut world = boot(World::offered(Behaviour::DieLater));
    until_phase(&mut world, "idle");
    world.rest(&["1.0.7"]);
    damage(&mut world, ONE);
    while !world.tail().contains("version 1.0.0 in slot 1 is damaged") {
        world.step(u64::MAX);
    }
    world.rest(&["1.0.7"]);
    assert_eq!(record(&world).former, None);
    ended_by_damage(&world, "1.0.0");
}

/// Explores up to so many power cuts, and answers how many histories there were.
fn sweep(durable: &Durable, policy: &Policy, versions: &[&'static str], cuts: u32) -> u64 {
    Search::new(policy, versions).explore(durable, cuts)
}

#[test]
fn falling_back_from_a_damaged_slot_comes_through_two_power_cuts_at_any_two_places() {
    let mut durable = upgraded();
    durable.disk.damaged.insert(TWO);
    let back = sweep(&durable, &Policy::default(), &["1.0.0"], 2);
    durable.disk.damaged.insert(ONE);
    let none = sweep(&durable, &Policy::default(), &[], 2);
    println!("{back} histories with a slot left, {none} without");
    assert!(back > 100 && none > 100, "only {back} and {none} histories");
}

#[test]
fn a_device_with_nothing_but_a_damaged_slot_is_repaired_whatever_two_power_cuts_do() {
    for version in ["1.0.0", "1.0.7"] {
        let mut durable = World::idle();
        durable.disk.damaged.insert(ONE);
        durable.cloud.offer(version);
        let histories = sweep(&durable, &Policy::default(), &[version], 2);
        assert!(histories > 2_000, "only {histories} histories");
    }
}

#[test]
fn damage_found_at_any_start_leaves_a_trusted_worker_whatever_two_power_cuts_do() {
    let mut all = 0;
    for policy in [Policy::default(), without_standby()] {
        for behaviour in [
            Behaviour::Good,
            Behaviour::DieProving,
            Behaviour::DieLater,
            Behaviour::DownActivating,
        ] {
            let mut versions = vec!["1.0.0", "1.0.5"];
            versions.extend(behaviour.may_be_trusted().then_some("1.0.7"));
            for start in 1..=5 {
                let mut durable = upgraded_and_offered(behaviour);
                durable.disk.rotting.insert(start);
                // A commit nobody was told of before its slot went bad is offered again.
                durable.cloud.answers_queries = true;
                all += sweep(&durable, &policy, &versions, 2);
            }
        }
    }
    println!("{all} histories");
    assert!(all > 100_000, "only {all} histories");
}

#[test]
fn a_failing_save_at_any_place_of_the_fall_back_changes_nothing_in_the_end() {
    for first in 1..=4 {
        for many in [1, 2, 7] {
            let mut durable = upgraded();
            durable.disk.damaged.insert(TWO);
            durable.disk.failing = (first..first + many).collect();
            sweep(&durable, &Policy::default(), &["1.0.0"], 1);
        }
    }
}
