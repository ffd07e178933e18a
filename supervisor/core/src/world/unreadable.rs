//! Slots that cannot be read for a while: each case once, and then with power cuts at every place.

use super::{
    Behaviour, Disk, Durable, Task, World,
    stories::{push, until_phase},
    sweep::Search,
};
use crate::{
    event::{Request, SlotId},
    outcome::Outcome,
    policy::Policy,
    record::Record,
    status::Status,
    time::Now,
};

const ONE: SlotId = SlotId(1);
const TWO: SlotId = SlotId(2);

/// An hour, in milliseconds.
const HOUR: u64 = 3_600_000;

/// More looks than anybody takes in a story.
const ALWAYS: u32 = 1_000_000;

/// A device that runs 1.0.5 from slot 2, and has 1.0.0 in slot 1 to go back to; these slots cannot be read so often.
fn upgraded(dark: &[(SlotId, u32)]) -> Durable {
    let mut durable = World::idle();
    durable.disk = Disk::upgraded("1.0.0", "1.0.5");
    durable.disk.unreadable.extend(dark.iter().copied());
    durable
}

/// A device with 1.0.0 alone, which cannot be read so often.
fn alone(looks: u32) -> World {
    let mut durable = World::idle();
    durable.disk.unreadable.insert(ONE, looks);
    World::boot(durable, &Policy::default())
}

fn boot(durable: Durable) -> World {
    World::boot(durable, &Policy::default())
}

fn status(world: &World) -> Status {
    world.agent.status(Now::default())
}

fn record(world: &World) -> Record {
    world.durable.disk.record.clone().unwrap()
}

fn can_be_read_again(world: &mut World) {
    world.durable.disk.unreadable.clear();
}

fn crash(world: &mut World) {
    let tenure = *world.processes.iter().find(|it| it.1.alive).unwrap().0;
    world.end(tenure, 101);
}

#[test]
fn the_only_slot_unreadable_for_an_hour_is_kept_told_and_tried_again_until_it_runs() {
    let mut world = alone(ALWAYS);
    world.run(HOUR);
    let shown = status(&world);
    assert_eq!((shown.version, shown.cloud_up), (None, true));
    assert_eq!(shown.phase, "idle");
    let awaited = shown.awaited.unwrap();
    assert!(
        awaited.contains("its file `worker` cannot be read"),
        "{awaited}"
    );
    assert_eq!(world.durable.cloud.informed, ["none"]);
    assert_eq!(record(&world).active.map(|it| it.id), Some(ONE));
    // Once a minute at the least, and seldom at the most.
    let looks = ALWAYS - world.durable.disk.unreadable[&ONE];
    assert!((60..=400).contains(&looks), "{looks} looks in an hour");
    can_be_read_again(&mut world);
    world.rest(&["1.0.0"]);
    assert_eq!(world.durable.cloud.informed, ["none", "1.0.0"]);
    assert_eq!(status(&world).awaited, None);
}

#[test]
fn the_only_slot_unreadable_is_tried_again_at_the_next_start() {
    let mut world = alone(ALWAYS);
    world.run(HOUR);
    can_be_read_again(&mut world);
    world.power_cut();
    world.run(100);
    assert!(world.alive().any(|it| it.told_active));
    world.rest(&["1.0.0"]);
}

#[test]
fn while_the_only_slot_cannot_be_read_any_version_is_taken() {
    for version in ["0.9.0", "1.0.0", "1.0.7"] {
        let mut world = alone(ALWAYS);
        world.run(HOUR);
        push(&mut world, version);
        until_phase(&mut world, "proving");
        until_phase(&mut world, "idle");
        assert_eq!(
            record(&world).active.map(|it| it.version.to_string()),
            Some(version.to_owned())
        );
        // The one that could not be read is what there is to go back to, unless it was the same build.
        let former = record(&world).former.map(|it| it.id);
        assert_eq!(former, (version != "1.0.0").then_some(ONE));
        world.rest(&[version]);
        assert_eq!(
            world.durable.cloud.task,
            Task::Succeeded(version.to_owned())
        );
    }
}

#[test]
fn a_bad_version_offered_meanwhile_is_not_trusted_and_the_slot_is_still_there() {
    for (behaviour, _) in Behaviour::BAD {
        let mut durable = World::offered(behaviour);
        durable.disk.unreadable.insert(ONE, ALWAYS);
        let mut world = boot(durable);
        world.run(HOUR);
        let shown = status(&world);
        assert_eq!((shown.phase.as_str(), shown.version), ("idle", None));
        assert!(
            matches!(world.durable.cloud.task, Task::Failed(..)),
            "{behaviour:?}"
        );
        can_be_read_again(&mut world);
        world.rest(&["1.0.0"]);
    }
}

#[test]
fn an_active_slot_that_cannot_be_read_gives_its_turn_to_the_one_before_it() {
    // At the start it cannot be looked at, or only not be read.
    for looks in [1, ALWAYS] {
        let mut world = boot(upgraded(&[(TWO, looks)]));
        world.rest(&["1.0.0"]);
        assert_eq!(world.durable.cloud.informed, ["1.0.0"]);
        let record = record(&world);
        assert_eq!(record.former.map(|it| it.id), Some(TWO), "it is kept");
        let ended = record.last_outcome.unwrap();
        assert_eq!(ended.version.as_str(), "1.0.5");
        assert!(matches!(ended.outcome, Some(Outcome::Unreadable { .. })));
    }
}

#[test]
fn an_active_slot_that_cannot_be_read_after_a_crash_gives_its_turn_to_the_one_before_it() {
    let mut world = boot(upgraded(&[]));
    world.rest(&["1.0.5"]);
    world.durable.disk.unreadable.insert(TWO, ALWAYS);
    crash(&mut world);
    world.rest(&["1.0.0"]);
    assert_eq!(world.durable.cloud.informed, ["1.0.5", "1.0.0"]);
    let lines = world.tail();
    assert!(
        lines.contains("version 1.0.5 in slot 2 cannot be read and is kept: its file `worker` cannot be read; version 1.0.0 takes its place"),
        "{lines}"
    );
    // An operator may try it again.
    can_be_read_again(&mut world);
    world.wish(&Request::Rollback);
    world.rest(&["1.0.5"]);
}

#[test]
fn with_both_slots_unreadable_they_are_tried_in_turn_and_the_first_that_can_be_read_runs() {
    for (first, version) in [(ONE, "1.0.0"), (TWO, "1.0.5")] {
        let mut world = boot(upgraded(&[(ONE, ALWAYS), (TWO, ALWAYS)]));
        world.run(HOUR);
        let saves = world.durable.disk.saves;
        let shown = status(&world);
        assert_eq!((shown.version, shown.cloud_up), (None, true));
        assert_eq!(world.durable.cloud.informed, ["none"]);
        world.run(HOUR);
        assert_eq!(world.durable.disk.saves, saves, "turns are not written");
        world.durable.disk.unreadable.remove(&first);
        world.rest(&[version]);
        assert_eq!(world.durable.cloud.informed, ["none", version]);
    }
}

#[test]
fn a_slot_on_trial_that_cannot_be_read_fails_its_update_and_the_old_worker_goes_on() {
    let mut world = boot(World::offered(Behaviour::Good));
    until_phase(&mut world, "keeping");
    world.durable.disk.unreadable.insert(TWO, ALWAYS);
    world.rest(&["1.0.0"]);
    let Task::Failed(_, -4, text) = &world.durable.cloud.task else {
        panic!("{:?}", world.durable.cloud.task);
    };
    assert!(text.contains("cannot be read"), "{text}");
    push(&mut world, "1.0.7");
    world.rest(&["1.0.7"]);
}

#[test]
fn an_old_slot_that_cannot_be_read_on_the_way_back_ends_the_update_and_is_tried_again() {
    let mut world = boot(World::offered(Behaviour::DieProving));
    until_phase(&mut world, "proving");
    world.durable.disk.unreadable.insert(ONE, ALWAYS);
    world.run(HOUR);
    assert!(matches!(world.durable.cloud.task, Task::Failed(_, -1, _)));
    assert_eq!(world.durable.cloud.informed, ["1.0.0", "none"]);
    can_be_read_again(&mut world);
    world.rest(&["1.0.0"]);
}

/// Explores up to so many power cuts, and answers how many histories there were.
fn sweep(durable: &Durable, versions: &[&'static str], cuts: u32) -> u64 {
    Search::new(&Policy::default(), versions).explore(durable, cuts)
}

#[test]
fn slots_that_cannot_be_read_for_a_while_cost_nothing_whatever_two_power_cuts_do() {
    let mut all = 0;
    for looks in 1..=4 {
        let mut only = World::idle();
        only.disk.unreadable.insert(ONE, looks);
        all += sweep(&only, &["1.0.0"], 2);
        let pairs = [&[ONE][..], &[TWO], &[ONE, TWO]];
        for pair in pairs {
            let dark: Vec<_> = pair.iter().map(|slot| (*slot, looks)).collect();
            all += sweep(&upgraded(&dark), &["1.0.0", "1.0.5"], 2);
        }
    }
    println!("{all} histories");
    assert!(all > 1_000, "only {all} histories");
}

#[test]
fn an_update_goes_well_or_is_taken_back_whatever_cannot_be_read_for_a_while_and_two_power_cuts_do()
{
    let mut all = 0;
    for behaviour in [Behaviour::Good, Behaviour::DieProving, Behaviour::DieLater] {
        for (slot, looks) in [(ONE, 1), (ONE, 3), (TWO, 1), (TWO, 3)] {
            let mut durable = upgraded(&[(slot, looks)]);
            durable.behaviours.insert("1.0.7".to_owned(), behaviour);
            durable.cloud.offer("1.0.7");
            durable.cloud.answers_queries = true;
            let mut versions = vec!["1.0.0", "1.0.5"];
            versions.extend(behaviour.may_be_trusted().then_some("1.0.7"));
            all += sweep(&durable, &versions, 2);
        }
    }
    println!("{all} histories");
    assert!(all > 10_000, "only {all} histories");
}
