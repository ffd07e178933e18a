//! Switches that wait for a maintenance window, and those that an operator does not let wait.

use std::time::Duration;

use tz::TimeZone;

use super::{Behaviour, WALL, World, stories::until_phase};
use crate::{
    event::{Effect, Request},
    maintenance::Maintenance,
    policy::Policy,
    time::Now,
};

const MINUTE: u64 = 60_000;

/// The world's wall clock shows a Tuesday, 22:13:20: forty minutes and forty seconds later, the window opens.
const TO_WINDOW: u64 = 40 * MINUTE + 40_000;

fn nightly() -> Policy {
    let window = "tue 22:54-23:30".parse().unwrap();
    Policy {
        maintenance: Maintenance::new(TimeZone::utc(), vec![window]),
        ..Policy::default()
    }
}

fn offered() -> World {
    let mut world = World::boot(World::offered(Behaviour::Good), &nightly());
    world.wall = Some(WALL);
    world
}

pub(super) fn hasten(world: &mut World) -> bool {
    let (effect, _) = world.wish(&Request::Hasten);
    matches!(effect, Effect::Hastened { .. })
}

#[test]
fn a_finished_slot_waits_for_its_window_with_no_try_spent_and_no_second_worker() {
    let mut world = offered();
    until_phase(&mut world, "waiting");
    let status = world.agent.status(world.clock());
    let awaited = status.awaited.unwrap();
    assert!(
        awaited.contains("opens at 2023-11-14T22:54:00Z"),
        "{awaited}"
    );
    assert_eq!(status.hurry, Vec::<String>::new(), "it waits at leisure");
    world.run(TO_WINDOW - MINUTE - world.now);
    assert_eq!(world.agent.status(world.clock()).phase, "waiting");
    assert_eq!(world.alive().count(), 1);
    let record = world.durable.disk.record.clone().unwrap();
    assert_eq!(record.strikes, [], "a try is spent");
    world.rest(&["1.0.7"]);
    assert!(world.now >= TO_WINDOW, "{}", world.now);
}

#[test]
fn a_device_switched_off_again_and_again_before_its_window_loses_neither_its_update_nor_a_try() {
    let mut world = offered();
    for _ in 0..8 {
        until_phase(&mut world, "waiting");
        world.power_cut();
        world.wall = Some(WALL);
    }
    world.rest(&["1.0.7"]);
}

#[test]
fn a_clock_that_is_set_right_while_a_window_is_waited_for_is_believed_within_a_minute() {
    let mut world = offered();
    until_phase(&mut world, "waiting");
    world.wall = Some(WALL + TO_WINDOW);
    world.run(MINUTE + 1);
    let phase = world.agent.status(Now::default()).phase;
    assert_ne!(phase, "waiting");
    world.rest(&["1.0.7"]);
}

#[test]
fn a_window_that_closes_while_the_device_puts_the_switch_off_is_waited_for_again() {
    let mut durable = World::offered(Behaviour::Good);
    durable.later = u32::MAX;
    let policy = Policy {
        consent_limit: Duration::from_secs(3600),
        ..nightly()
    };
    let mut world = World::boot(durable, &policy);
    world.wall = Some(WALL + TO_WINDOW);
    until_phase(&mut world, "warming");
    world.run(37 * MINUTE);
    let awaited = world.agent.status(world.clock()).awaited.unwrap();
    assert!(
        awaited.contains("opens at 2023-11-21T22:54:00Z"),
        "{awaited}"
    );
    // The longest wait for consent is over by then, and counts as soon as a window is open.
    world.run(7 * 24 * 60 * MINUTE);
    assert_eq!(world.agent.status(world.clock()).version.unwrap(), "1.0.7");
}

#[test]
fn an_operator_who_does_not_want_to_wait_need_not_whatever_is_awaited_and_also_after_a_power_cut() {
    let mut world = offered();
    until_phase(&mut world, "fetching");
    assert!(hasten(&mut world));
    world.run(1000);
    world.power_cut();
    world.wall = Some(WALL);
    world.rest(&["1.0.7"]);
    assert!(world.now < TO_WINDOW, "it waited for the window");

    let mut world = offered();
    until_phase(&mut world, "waiting");
    assert!(hasten(&mut world));
    world.rest(&["1.0.7"]);
    assert!(world.now < TO_WINDOW, "it waited for the window");

    let mut durable = World::offered(Behaviour::Good);
    durable.later = u32::MAX;
    let mut world = World::boot(durable, &Policy::default());
    until_phase(&mut world, "warming");
    world.run(4000);
    assert!(hasten(&mut world));
    world.rest(&["1.0.7"]);
    assert!(world.now < 60_000, "it waited for consent");

    let mut world = World::boot(World::idle(), &nightly());
    world.rest(&["1.0.0"]);
    assert!(!hasten(&mut world), "nothing is under way");
}
