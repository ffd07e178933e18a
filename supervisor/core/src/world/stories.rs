//! Each behaviour once, from the push to rest.

use std::{collections::BTreeSet, time::Duration};

use worker_protocol::{
    Value, ValueMap,
    v1::{FromWorker, Health},
};

use super::{Behaviour, Task, World, build};
use crate::{
    event::{CloudLoss, Event},
    policy::Policy,
    time::Now,
};

fn told(behaviour: Behaviour) -> (World, Task) {
    let mut world = World::boot(World::offered(behaviour), &Policy::default());
    world.rest(if behaviour == Behaviour::Good {
        &["1.0.7"]
    } else {
        &["1.0.0"]
    });
    let task = world.durable.cloud.task.clone();
    (world, task)
}

#[test]
fn a_good_version_is_trusted_and_told_after_that() {
    let (world, task) = told(Behaviour::Good);
    assert_eq!(task, Task::Succeeded("1.0.7".to_owned()));
    assert_eq!(world.durable.cloud.informed, ["1.0.0", "1.0.7"]);
    assert_eq!(world.durable.cloud.steps.first(), Some(&1));
    assert_eq!(world.durable.cloud.steps.last(), Some(&100));
    assert!(world.durable.cloud.steps.is_sorted());
}

#[test]
fn every_bad_version_is_taken_back_and_the_platform_is_told_why() {
    for (behaviour, step) in Behaviour::BAD {
        let (world, task) = told(behaviour);
        let Task::Failed(version, told, text) = task else {
            panic!("{behaviour:?}: {task:?}");
        };
        assert_eq!(
            (version.as_str(), told),
            ("1.0.7", step),
            "{behaviour:?}: {text}"
        );
        assert_eq!(world.durable.cloud.informed, ["1.0.0"], "{behaviour:?}");
    }
}

/// A world at rest with 1.0.0.
pub(super) fn at_rest() -> World {
    let mut world = World::boot(World::idle(), &Policy::default());
    world.rest(&["1.0.0"]);
    world
}

pub(super) fn push(world: &mut World, version: &str) {
    world.durable.cloud.offer(version);
    let (topic, payload) = world.durable.cloud.push().unwrap();
    world.tell(Event::Arrived { topic, payload });
}

/// Lets time pass until a phase is reached.
pub(super) fn until_phase(world: &mut World, phase: &str) {
    for _ in 0..100_000 {
        if world.agent.status(Now::default()).phase == phase {
            return;
        }
        world.step(u64::MAX);
    }
    panic!("never {phase}");
}

#[test]
fn an_old_worker_that_will_not_hand_over_is_stopped_and_the_new_one_starts_without_a_snapshot() {
    let mut durable = World::offered(Behaviour::Good);
    let keep = Behaviour::KeepHandover;
    durable.behaviours.insert("1.0.0".to_owned(), keep);
    let mut world = World::boot(durable, &Policy::default());
    world.rest(&["1.0.7"]);
}

#[test]
fn a_device_that_puts_the_switch_off_is_asked_again_and_switched_when_it_agrees() {
    let mut durable = World::offered(Behaviour::Good);
    durable.later = 3;
    let mut world = World::boot(durable, &Policy::default());
    until_phase(&mut world, "warming");
    world.run(4_000);
    let status = world.agent.status(Now::default());
    assert!(
        status
            .awaited
            .is_some_and(|it| it.contains("the door is open")),
        "the reason is not visible"
    );
    world.rest(&["1.0.7"]);
    assert!(world.now > 15_000);
}

#[test]
fn a_device_that_always_puts_the_switch_off_is_switched_at_the_longest_wait() {
    let mut durable = World::offered(Behaviour::Good);
    durable.later = u32::MAX;
    let consent_limit = Duration::from_secs(60);
    let policy = Policy {
        consent_limit,
        ..Policy::default()
    };
    let mut world = World::boot(durable, &policy);
    until_phase(&mut world, "switching");
    assert!((60_000..70_000).contains(&world.now), "{}", world.now);
    world.rest(&["1.0.7"]);
}

#[test]
fn the_running_version_offered_again_is_only_informed() {
    let mut world = at_rest();
    let saves = world.durable.disk.saves;
    push(&mut world, "1.0.0");
    world.rest(&["1.0.0"]);
    assert_eq!(
        world.durable.cloud.task,
        Task::Succeeded("1.0.0".to_owned())
    );
    assert_eq!(world.durable.disk.saves, saves);
}

#[test]
fn the_same_offer_twice_is_one_job_and_the_newest_one_takes_its_place() {
    let mut world = at_rest();
    push(&mut world, "1.0.7");
    push(&mut world, "1.0.7");
    world.run(100);
    push(&mut world, "1.0.8");
    push(&mut world, "1.0.9");
    world.rest(&["1.0.9"]);
    assert_eq!(world.durable.cloud.informed, ["1.0.0", "1.0.9"]);
}

#[test]
fn a_build_that_used_up_its_tries_is_refused_at_once() {
    let mut world = at_rest();
    let bad = Behaviour::DieProving;
    world.durable.behaviours.insert("1.0.8".to_owned(), bad);
    for _ in 0..3 {
        push(&mut world, "1.0.8");
        world.rest(&["1.0.0"]);
    }
    let slots = world.durable.disk.record.clone().unwrap().next_slot;
    push(&mut world, "1.0.8");
    world.rest(&["1.0.0"]);
    let Task::Failed(_, -1, text) = &world.durable.cloud.task else {
        panic!("{:?}", world.durable.cloud.task);
    };
    assert!(text.contains("quarantined"), "{text}");
    let after = world.durable.disk.record.clone().unwrap().next_slot;
    assert_eq!(slots, after, "it was fetched all the same");
}

#[test]
fn a_version_that_keeps_dying_soon_after_its_commit_is_taken_back_and_ends_in_quarantine() {
    let mut world = at_rest();
    let later = Behaviour::DieLater;
    world.durable.behaviours.insert("1.0.7".to_owned(), later);
    for round in 1..=3 {
        push(&mut world, "1.0.7");
        world.run(30_000);
        world.rest(&["1.0.0"]);
        let told = &world.durable.cloud.informed;
        if round == 1 {
            assert_eq!(told, &["1.0.0", "1.0.7", "1.0.0"]);
        }
    }
    let record = world.durable.disk.record.clone().unwrap();
    assert!(record.strikes[0].starts >= 3, "{:?}", record.strikes);
    assert!(
        matches!(&world.durable.cloud.task, Task::Failed(_, -1, text) if text.contains("quarantined"))
    );
}

#[test]
fn a_version_that_lived_long_enough_is_forgiven_its_tries() {
    let mut world = at_rest();
    push(&mut world, "1.0.7");
    world.rest(&["1.0.7"]);
    let strikes = |world: &World| world.durable.disk.record.clone().unwrap().strikes.len();
    assert_eq!(strikes(&world), 1);
    world.run(601_000);
    assert_eq!(strikes(&world), 0);
}

#[test]
fn a_dead_worker_is_started_again_at_once_from_its_last_checkpoint_and_then_with_growing_waits() {
    let mut world = at_rest();
    world.run(10_000);
    let mut gaps = Vec::new();
    for _ in 0..8 {
        let tenure = *world.processes.iter().find(|(_, it)| it.alive).unwrap().0;
        world.end(tenure, 1);
        let died = world.now;
        until_alive(&mut world);
        gaps.push(world.now - died);
        world.run(3_000);
    }
    assert!(gaps[0] < 20, "the first start is not at once: {gaps:?}");
    assert!(
        gaps.iter().max() > Some(&2_000),
        "the waits do not grow: {gaps:?}"
    );
    world.rest(&["1.0.0"]);
    assert_eq!(world.agent.status(Now::default()).respawns, 8);
}

fn until_alive(world: &mut World) {
    let from = world.now;
    // The last exit is still on its way to the brain.
    while world.alive().count() == 0 {
        world.step(u64::MAX);
        assert!(world.now < from + 120_000, "never started again");
    }
}

#[test]
fn a_program_that_cannot_be_spawned_is_not_taken() {
    let mut world = at_rest();
    push(&mut world, "1.0.7");
    until_phase(&mut world, "keeping");
    world.failing_spawns = 1;
    world.rest(&["1.0.0"]);
    assert_eq!(world.durable.cloud.steps.last(), Some(&-4));
}

#[test]
fn the_supervisor_stopped_in_any_phase_goes_on_after_its_next_start() {
    for behaviour in [
        Behaviour::Good,
        Behaviour::DieProving,
        Behaviour::NeverReady,
    ] {
        let whole = {
            let mut world = World::boot(World::offered(behaviour), &Policy::default());
            world.rest(&["1.0.0", "1.0.7"]);
            world.now
        };
        let mut phases = BTreeSet::new();
        let mut at = 0;
        while at < whole {
            let mut world = World::boot(World::offered(behaviour), &Policy::default());
            world.run(at);
            phases.insert(world.agent.status(Now::default()).phase);
            let spawned = world.processes.len();
            world.tell(Event::Stop);
            world.run(14_000);
            assert!(world.exited, "not stopped at {at}: {}", world.tail());
            assert_eq!(world.alive().count(), 0, "somebody was left behind at {at}");
            assert_eq!(world.processes.len(), spawned, "started while stopping");
            world.power_cut();
            world.rest(if behaviour == Behaviour::Good {
                &["1.0.7"]
            } else {
                &["1.0.0"]
            });
            at += if at < 1500 { 7 } else { 499 };
        }
        let count = phases.len();
        assert!(count >= 4, "{behaviour:?}: only {phases:?}");
    }
}

#[test]
fn a_property_set_in_the_middle_of_a_switch_is_answered_by_the_new_worker() {
    let mut world = at_rest();
    push(&mut world, "1.0.7");
    until_phase(&mut world, "switching");
    let topic = "/sys/pk/dn/thing/service/property/set".to_owned();
    let payload = br#"{"id":"1","version":"1.0","params":{"target_temperature":180.5}}"#.to_vec();
    world.tell(Event::Arrived { topic, payload });
    assert_eq!(world.durable.cloud.answers, Vec::<serde_json::Value>::new());
    world.run(1_000);
    let answers = &world.durable.cloud.answers;
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0]["code"], 200);
    world.rest(&["1.0.7"]);
}

#[test]
fn an_outcome_owed_while_offline_is_told_after_the_next_power_cut_and_connection() {
    let mut world = World::boot(World::offered(Behaviour::DieProving), &Policy::default());
    until_phase(&mut world, "proving");
    world.cloud_is(false, CloudLoss::Broken("cut".to_owned()));
    world.run(60_000);
    assert_eq!(world.agent.status(Now::default()).phase, "idle");
    assert_eq!(world.durable.cloud.task, Task::Updating("1.0.7".to_owned()));
    world.power_cut();
    world.run(60_000);
    world.cloud_is(true, CloudLoss::Closed);
    world.rest(&["1.0.0"]);
    assert!(matches!(world.durable.cloud.task, Task::Failed(_, -1, _)));
}

#[test]
fn a_lost_record_costs_neither_the_slots_nor_their_numbers() {
    let mut durable = World::idle();
    durable.disk.record = None;
    durable.disk.slots = vec![build(4, "1.0.0"), build(6, "1.0.1")];
    let mut world = World::boot(durable, &Policy::default());
    world.run(100);
    assert_eq!(world.durable.disk.record.clone().unwrap().next_slot, 7);
    world.rest(&["1.0.0"]);
}

#[test]
fn a_damaged_trusted_slot_gives_way_to_the_one_before_it() {
    let mut world = at_rest();
    push(&mut world, "1.0.7");
    world.rest(&["1.0.7"]);
    world.durable.disk.slots.retain(|slot| slot.id.0 == 1);
    world.power_cut();
    world.rest(&["1.0.0"]);
}

#[test]
fn a_device_without_a_worker_takes_an_update_but_never_trusts_a_bad_one() {
    for behaviour in [Behaviour::Good, Behaviour::DieProving] {
        let mut durable = World::offered(behaviour);
        durable.disk.record = None;
        durable.disk.slots.clear();
        let mut world = World::boot(durable, &Policy::default());
        if behaviour == Behaviour::Good {
            world.rest(&["1.0.7"]);
        } else {
            world.run(60_000);
            world.power_cut();
            world.run(60_000);
            assert_eq!(world.alive().count(), 0);
            assert!(matches!(world.durable.cloud.task, Task::Failed(..)));
        }
    }
}

#[test]
fn a_supervisor_that_was_frozen_does_not_blame_the_worker() {
    let mut world = at_rest();
    world.run(10_000);
    world.freeze(3_600_000);
    world.run(30_000);
    assert_eq!(world.agent.status(Now::default()).respawns, 0);
    world.rest(&["1.0.0"]);
}

#[test]
fn time_frozen_in_the_window_does_not_count_as_proving() {
    let mut world = World::boot(World::offered(Behaviour::Good), &Policy::default());
    until_phase(&mut world, "proving");
    let began = world.now;
    world.freeze(3_600_000);
    world.run(1_000);
    assert_eq!(world.agent.status(Now::default()).phase, "proving");
    world.rest(&["1.0.7"]);
    assert!(world.now - began >= 3_600_000 + 8_000);
}

#[test]
fn a_worker_that_talks_without_end_fills_neither_the_memory_nor_the_log_nor_the_cloud() {
    let mut world = at_rest();
    let tenure = *world.processes.iter().find(|(_, it)| it.alive).unwrap().0;
    let (lines, posts) = (world.log.len(), world.durable.cloud.posts);
    for n in 0..6_000_u32 {
        let reason = format!("reason {n} {}", "x".repeat(2_000));
        let message = match n % 6 {
            0 => FromWorker::Health(Health::Unwell { reason }),
            1 => FromWorker::Hurry { reason },
            2 => FromWorker::Properties([(reason, Value::Bool(true))].into()),
            3 => FromWorker::Properties([(format!("p{n}"), Value::Text(reason))].into()),
            4 => {
                let (event, at_ms) = ("loop".to_owned(), 0);
                let outputs = [("text".to_owned(), Value::Text(reason))].into();
                FromWorker::Raised {
                    event,
                    outputs,
                    at_ms,
                }
            }
            _ => FromWorker::Raised {
                event: reason,
                outputs: ValueMap::new(),
                at_ms: 0,
            },
        };
        world.tell(Event::Said { tenure, message });
        if n % 6 == 0 {
            world.run(1);
        }
    }
    let status = world.agent.status(Now::default());
    assert!(status.hurry.len() <= 16 && status.hurry.iter().all(|it| it.len() <= 32));
    assert!(status.workers[0].health.len() <= 200);
    // One second has passed.
    let (lines, posts) = (world.log.len() - lines, world.durable.cloud.posts - posts);
    assert!(lines <= 60, "{lines} lines");
    assert!(posts <= 80, "{posts} messages");
}

#[test]
fn an_outcome_the_broker_did_not_acknowledge_is_told_again_until_it_is() {
    let mut world = World::boot(World::offered(Behaviour::DieProving), &Policy::default());
    while world.durable.cloud.steps.last() != Some(&-1) {
        world.step(u64::MAX);
    }
    world.cloud_is(true, CloudLoss::Closed);
    let owed = |world: &World| world.durable.disk.record.clone().unwrap().owed.len();
    assert_eq!(owed(&world), 1);
    world.rest(&["1.0.0"]);
    assert_eq!(owed(&world), 0);
}

#[test]
fn a_power_cut_on_the_way_back_does_not_give_the_bad_version_another_try() {
    let mut world = World::boot(World::offered(Behaviour::DieProving), &Policy::default());
    until_phase(&mut world, "reverting");
    let verdict = |world: &World| {
        let record = world.durable.disk.record.clone().unwrap();
        record.job.and_then(|job| job.verdict)
    };
    assert!(verdict(&world).is_some(), "the verdict is not on the disk");
    world.power_cut();
    world.rest(&["1.0.0"]);
    let bad = |slot: &crate::record::Slot| slot.version.as_str() == "1.0.7";
    assert!(!world.processes.values().any(|it| bad(&it.slot)));
    assert!(matches!(world.durable.cloud.task, Task::Failed(_, -1, _)));
}
