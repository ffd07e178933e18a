//! Versions that were trusted and keep dying, or keep taking everything down, after that.

use super::{
    Behaviour, Task, World,
    stories::{at_rest, push},
    sweep::Search,
};
use crate::{event::Event, policy::Policy, record::Record};

fn record(world: &World) -> Record {
    world.durable.disk.record.clone().unwrap()
}

/// A world in which 1.0.7 was trusted just now.
fn trusted(behaviour: Behaviour) -> World {
    let mut world = at_rest();
    let behaviours = &mut world.durable.behaviours;
    behaviours.insert("1.0.7".to_owned(), behaviour);
    push(&mut world, "1.0.7");
    for _ in 0..100_000 {
        let active = record(&world).active.unwrap();
        if active.version.as_str() == "1.0.7" {
            world.run(100);
            return world;
        }
        world.step(u64::MAX);
    }
    panic!("never trusted");
}

#[test]
fn a_trusted_version_that_takes_the_machine_down_again_and_again_is_taken_back() {
    let mut world = trusted(Behaviour::DownLater);
    let boots = world.boots;
    world.run(1_000_000);
    world.rest(&["1.0.0"]);
    assert_eq!(world.boots - boots, 5, "as often as a worker may die");
    assert_eq!(world.durable.cloud.informed.last().unwrap(), "1.0.0");
    let left = record(&world).last_outcome.unwrap();
    assert_eq!(left.version.as_str(), "1.0.7");
    // Each such round costs a try.
    for _ in 0..2 {
        push(&mut world, "1.0.7");
        world.run(1_000_000);
        world.rest(&["1.0.0"]);
    }
    push(&mut world, "1.0.7");
    world.rest(&["1.0.0"]);
    assert!(
        matches!(&world.durable.cloud.task, Task::Failed(_, -1, text) if text.contains("quarantined"))
    );
}

#[test]
fn deaths_of_the_worker_and_of_the_machine_count_together() {
    let mut world = trusted(Behaviour::DieLater);
    for _ in 0..2 {
        let tenure = *world.processes.iter().find(|(_, it)| it.alive).unwrap().0;
        world.end(tenure, 101);
        world.run(3_000);
        world.power_cut();
        world.run(3_000);
        assert_eq!(record(&world).active.unwrap().version.as_str(), "1.0.7");
    }
    let tenure = *world.processes.iter().find(|(_, it)| it.alive).unwrap().0;
    world.end(tenure, 101);
    world.run(1_000);
    assert_eq!(record(&world).active.unwrap().version.as_str(), "1.0.0");
}

#[test]
fn stops_in_order_count_for_nothing_and_neither_do_cuts_before_or_after_the_window() {
    let mut world = trusted(Behaviour::Good);
    for _ in 0..20 {
        world.tell(Event::Stop);
        world.run(14_000);
        assert!(world.exited, "{}", world.tail());
        world.power_cut();
        world.run(3_000);
    }
    for _ in 0..4 {
        world.power_cut();
        world.run(3_000);
    }
    world.run(601_000);
    assert!(record(&world).strikes.is_empty());
    for _ in 0..20 {
        world.power_cut();
        world.run(3_000);
    }
    world.rest(&["1.0.7"]);
}

#[test]
fn two_versions_that_both_keep_dying_do_not_take_each_other_back_for_ever() {
    for new in [Behaviour::DieLater, Behaviour::DownLater] {
        for old in [Behaviour::DieLater, Behaviour::DownLater] {
            let mut world = trusted(new);
            let behaviours = &mut world.durable.behaviours;
            behaviours.insert("1.0.0".to_owned(), old);
            let mut changes = Vec::new();
            // Counted in steps: the clock begins anew with each start of the machine.
            for _ in 0..40_000 {
                let active = record(&world).active.unwrap().version.to_string();
                if changes.last() != Some(&active) {
                    changes.push(active);
                }
                world.step(u64::MAX);
            }
            assert_eq!(changes, ["1.0.7", "1.0.0"], "{new:?}, {old:?}");
            assert_eq!(world.durable.cloud.informed.last().unwrap(), "1.0.0");
        }
    }
}

#[test]
fn a_version_that_takes_the_machine_down_is_taken_back_whatever_two_power_cuts_do() {
    let mut search = Search::new(&Policy::default(), &["1.0.0"]);
    let histories = search.explore(&World::offered(Behaviour::DownLater), 1);
    println!("{histories} histories by {} runs", search.runs);
    assert!(histories > 300, "only {histories} histories");
}
