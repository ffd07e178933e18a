//! What the cloud is owed, when its broker takes messages and never says so, and when more is owed than is kept.

use super::{Behaviour, Task, World, stories};
use crate::{
    event::JobId,
    outcome::Outcome,
    policy::Policy,
    record::{MOST_OWED, Owed},
    time::Now,
};

#[test]
fn an_outcome_that_is_not_acknowledged_is_told_again_over_a_new_connection_until_it_is() {
    let mut world = World::boot(World::offered(Behaviour::DieProving), &Policy::default());
    stories::until_phase(&mut world, "proving");
    world.durable.cloud.withholds = true;
    let owed = |world: &World| world.durable.disk.record.clone().unwrap().owed.len();
    let connections = |world: &World| world.agent.status(Now::default()).cloud_connections;
    world.run(20_000);
    assert!(matches!(world.durable.cloud.task, Task::Failed(_, -1, _)));
    assert_eq!((owed(&world), connections(&world)), (1, 1));
    world.run(30_000);
    assert_eq!((owed(&world), connections(&world)), (1, 2));
    assert!(
        world
            .tail()
            .contains("has not acknowledged a message for 30 s")
    );
    // Again and again, also after a power cut, and less and less often.
    world.run(600_000);
    let many = connections(&world);
    assert!(
        (5..=20).contains(&many),
        "{many} connections in ten minutes"
    );
    world.power_cut();
    world.run(20_000);
    assert_eq!(owed(&world), 1);
    world.durable.cloud.withholds = false;
    world.rest(&["1.0.0"]);
    assert_eq!(owed(&world), 0);
    let before = connections(&world);
    world.run(3_600_000);
    assert_eq!(
        connections(&world),
        before,
        "a link that answers is left alone"
    );
}

#[test]
fn a_supervisor_that_stood_still_does_not_take_its_own_pause_for_the_brokers_silence() {
    let mut world = stories::at_rest();
    for _ in 0..10 {
        stories::push(&mut world, "1.0.0");
        world.freeze(45_000);
        world.run(5_000);
    }
    assert_eq!(world.agent.status(Now::default()).cloud_connections, 1);
}

#[test]
fn outcomes_dropped_by_a_supervisor_before_this_one_are_still_counted() {
    let mut durable = World::idle();
    let record = durable.disk.record.as_mut().unwrap();
    record.next_slot = 100;
    record.dropped = 8;
    record.owed = (10..10 + MOST_OWED as u64)
        .map(|job| Owed {
            job: JobId(job),
            outcome: Outcome::NotReady {
                why: format!("job {job}"),
            },
            version: None,
        })
        .collect();
    let mut world = World::boot(durable, &Policy::default());
    world.rest(&["1.0.0"]);
    assert_eq!(world.agent.status(Now::default()).dropped.reports, 8);
    assert!(!world.tail().contains("are dropped"), "{}", world.tail());
}

#[test]
fn a_failure_nobody_acknowledged_is_never_told_again_after_the_next_job_has_begun() {
    let mut world = stories::at_rest();
    let bad = Behaviour::DieProving;
    world.durable.behaviours.insert("1.0.7".to_owned(), bad);
    stories::push(&mut world, "1.0.7");
    stories::until_phase(&mut world, "proving");
    world.durable.cloud.withholds = true;
    for _ in 0..100_000 {
        if world.durable.cloud.task_is_over() {
            break;
        }
        world.step(u64::MAX);
    }
    stories::push(&mut world, "1.0.8");
    world.run(1_000);
    world.cloud_is(false, crate::event::CloudLoss::Broken("cut".to_owned()));
    world.run(1_000);
    world.durable.cloud.withholds = false;
    world.cloud_is(true, crate::event::CloudLoss::Closed);
    // The laws see to the order.
    world.rest(&["1.0.8"]);
}
