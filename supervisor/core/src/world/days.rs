//! Downloads that rest because the bytes of a day are spent, from the push to rest.

use std::time::Duration;

use super::{Behaviour, Durable, Task, WALL, World, stories::until_phase};
use crate::{event::FetchFault, policy::Policy, status::Status};

const SPENT: FetchFault = FetchFault::DaySpent { budget: 100_000 };

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// From where the world's wall clock stands to midnight.
const TO_MIDNIGHT: u64 = DAY - WALL % DAY;

/// No try is to spare, and there is less time than a day has hours.
fn strict() -> Policy {
    Policy {
        fetch_retries: 0,
        fetch_time: Duration::from_secs(3 * 3600),
        query_every: Duration::from_secs(600),
        ..Policy::default()
    }
}

fn boot(durable: Durable) -> World {
    let mut world = World::boot(durable, &strict());
    world.wall = Some(WALL);
    world
}

/// A download whose bytes of the day are spent so many times in a row.
fn spent(days: usize) -> Durable {
    let mut durable = World::offered(Behaviour::Good);
    durable.disk.downloads = vec![SPENT; days].into();
    durable
}

/// Lets time pass until it rests for so many times already, counted by the downloads begun.
fn until_resting(world: &mut World, times: usize) -> Status {
    until_phase(world, "fetching");
    for _ in 0..200_000 {
        let status = world.agent.status(world.clock());
        let rests = status
            .awaited
            .as_ref()
            .is_some_and(|it| it.contains("another day's bytes"));
        if rests && world.fetches.addresses.len() == times {
            return status;
        }
        world.step(u64::MAX);
    }
    panic!("it never rests\n{}", world.tail());
}

#[test]
fn a_download_rests_when_its_day_is_spent_and_goes_on_after_midnight_without_the_loss_of_a_try() {
    let mut world = boot(spent(3));
    let status = until_resting(&mut world, 1);
    let awaited = status.awaited.unwrap();
    assert!(awaited.contains("from 2023-11-15T00:0"), "{awaited}");
    assert_eq!(status.phase, "fetching");
    assert_eq!(
        status.hurry,
        Vec::<String>::new(),
        "a rest is told at leisure"
    );
    world.run(TO_MIDNIGHT - world.now);
    assert_eq!(
        world.fetches.addresses.len(),
        1,
        "nothing is asked for before"
    );
    for day in 1..=3 {
        let midnight = TO_MIDNIGHT + (day - 1) * DAY;
        world.run(midnight + 11 * MINUTE - world.now);
        let begun = world.fetches.addresses.len() as u64;
        assert_eq!(begun, day + 1, "once a day, and early in it");
    }
    world.rest(&["1.0.7"]);
    assert!(world.durable.cloud.steps.is_sorted());
}

#[test]
fn a_fleet_does_not_come_back_all_at_once() {
    let wakes = (0..20).map(|seed: u64| {
        // Each device gets to its rest at another moment, and from there on its jitter is its own.
        let mut durable = spent(1);
        let (got, promised) = (0, 1);
        for _ in 0..seed {
            let broken = FetchFault::Short { got, promised };
            durable.disk.downloads.push_front(broken);
        }
        let policy = Policy {
            fetch_retries: 100,
            ..strict()
        };
        let mut world = World::boot(durable, &policy);
        world.wall = Some(WALL);
        let status = until_resting(&mut world, 1 + seed as usize);
        status.awaited.unwrap()
    });
    let wakes: std::collections::BTreeSet<_> = wakes.collect();
    assert!(wakes.len() >= 15, "{wakes:?}");
}

#[test]
fn a_newer_address_does_not_end_the_rest() {
    let mut durable = spent(1);
    durable.cloud.answers_queries = true;
    let mut world = boot(durable);
    until_resting(&mut world, 1);
    world.run(TO_MIDNIGHT - world.now);
    assert!(world.durable.cloud.queries > 5);
    assert_eq!(world.fetches.addresses.len(), 1);
    world.rest(&["1.0.7"]);
    let last = world.fetches.addresses.last().unwrap();
    assert!(last.contains("?fresh="), "with the newest: {last}");
}

#[test]
fn addresses_that_are_too_old_every_morning_do_not_end_the_download() {
    let mut durable = World::offered(Behaviour::Good);
    durable.cloud.answers_queries = true;
    let old = FetchFault::Status(403);
    // More mornings than one day's questions would do for.
    for _ in 0..5 {
        durable.disk.downloads.extend([SPENT, old.clone()]);
    }
    let mut world = boot(durable);
    for day in 1..=5 {
        let begun = world.fetches.addresses.len();
        until_resting(&mut world, begun.max(2 * day - 1));
        world.wall = world.wall.map(|wall| wall + DAY);
        world.run(MINUTE);
    }
    world.rest(&["1.0.7"]);
}

#[test]
fn a_wall_clock_that_is_set_right_brings_the_day_at_once() {
    let mut world = boot(spent(1));
    // As a device without a clock of its own wakes up.
    world.wall = Some(0);
    let status = until_resting(&mut world, 1);
    assert!(status.awaited.unwrap().contains("1970-01-02"));
    let begun = world.now;
    world.wall = Some(WALL);
    world.rest(&["1.0.7"]);
    assert!(world.now - begun < 10 * MINUTE);
}

#[test]
fn a_power_cut_in_the_rest_costs_nothing_but_another_look() {
    let mut world = boot(spent(2));
    until_resting(&mut world, 1);
    world.power_cut();
    world.wall = Some(WALL);
    let status = until_resting(&mut world, 1);
    assert!(status.awaited.unwrap().contains("2023-11-15T00:0"));
    world.run(TO_MIDNIGHT);
    world.rest(&["1.0.7"]);
}

#[test]
fn a_download_that_no_year_has_the_bytes_for_is_given_up() {
    let mut world = boot(spent(500));
    for begun in 1..=366 {
        until_resting(&mut world, begun);
        world.wall = world.wall.map(|wall| wall + DAY);
    }
    world.rest(&["1.0.0"]);
    assert_eq!(world.fetches.addresses.len(), 367);
    let Task::Failed(_, -2, text) = &world.durable.cloud.task else {
        panic!("{:?}", world.durable.cloud.task);
    };
    assert!(text.contains("in a day are spent"), "{text}");
}
