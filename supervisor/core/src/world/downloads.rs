//! Downloads that break, and addresses whose time is over, from the push to rest.

use std::time::Duration;

use super::{Behaviour, Task, World, stories::until_phase};
use crate::{event::FetchFault, policy::Policy, time::Now};

#[test]
fn a_download_that_breaks_is_tried_again_and_never_told_as_complete() {
    let mut durable = World::offered(Behaviour::Good);
    let (got, promised) = (205_588, 9_879_858);
    let short = FetchFault::Short { got, promised };
    durable.disk.downloads = vec![short; 3].into();
    let mut world = World::boot(durable, &Policy::default());
    world.rest(&["1.0.7"]);
}

#[test]
fn a_download_that_always_breaks_ends_with_step_2_and_the_old_worker_unharmed() {
    let mut durable = World::offered(Behaviour::Good);
    let (got, promised) = (205_588, 9_879_858);
    let short = FetchFault::Short { got, promised };
    durable.disk.downloads = vec![short; 30].into();
    let mut world = World::boot(durable, &Policy::default());
    world.rest(&["1.0.0"]);
    assert!(!world.durable.cloud.steps.contains(&100));
    assert_eq!(world.durable.cloud.steps.last(), Some(&-2));
    let left = 30 - world.durable.disk.downloads.len();
    assert_eq!(left, 9, "eight tries after the first");
    assert_eq!(world.agent.status(Now::default()).respawns, 0);
}

/// Every address the image was fetched from.
fn addresses(world: &World) -> Vec<&str> {
    let prefix = "https://firmware.example/";
    let addresses = world.fetches.addresses.iter();
    addresses
        .map(|address| address.strip_prefix(prefix).unwrap())
        .collect()
}

#[test]
fn an_address_whose_time_is_over_is_asked_for_anew_at_once_and_the_download_goes_on() {
    let mut durable = World::offered(Behaviour::Good);
    durable.cloud.answers_queries = true;
    durable.disk.downloads = vec![FetchFault::Status(403); 3].into();
    let mut world = World::boot(durable, &Policy::default());
    until_phase(&mut world, "fetching");
    let began = world.now;
    while world.fetches.addresses.len() < 2 {
        world.step(u64::MAX);
    }
    assert!(world.now - began < 1_000, "{}", world.now - began);
    world.rest(&["1.0.7"]);
    assert_eq!(addresses(&world).len(), 4);
    let mut fresh = addresses(&world);
    fresh.dedup();
    assert_eq!(fresh.len(), 4, "each time with the newest: {fresh:?}");
}

#[test]
fn an_address_that_is_always_too_old_ends_with_step_2_after_three_questions() {
    let mut durable = World::offered(Behaviour::Good);
    durable.cloud.answers_queries = true;
    durable.disk.downloads = vec![FetchFault::Status(403); 30].into();
    let mut world = World::boot(durable, &Policy::default());
    world.rest(&["1.0.0"]);
    assert_eq!(addresses(&world).len(), 4);
    assert_eq!(world.durable.cloud.steps.last(), Some(&-2));
}

#[test]
fn a_platform_that_gives_no_other_address_is_asked_three_times_and_then_told_of_the_failure() {
    let mut durable = World::offered(Behaviour::Good);
    durable.disk.downloads = vec![FetchFault::Status(403); 30].into();
    let mut world = World::boot(durable, &Policy::default());
    world.rest(&["1.0.0"]);
    assert_eq!(addresses(&world), ["1.0.7"]);
    assert!(world.now < 180_000, "{}", world.now);
    let Task::Failed(_, -2, text) = &world.durable.cloud.task else {
        panic!("{:?}", world.durable.cloud.task);
    };
    assert!(text.contains("403"), "{text}");
    // One more may be the query that follows every connection.
    let queries = world.durable.cloud.queries;
    assert!((3..=4).contains(&queries), "{queries}");
}

#[test]
fn a_newer_address_ends_the_wait_between_two_tries() {
    let mut durable = World::offered(Behaviour::Good);
    durable.cloud.answers_queries = true;
    let (got, promised) = (205_588, 9_879_858);
    durable.disk.downloads = vec![FetchFault::Short { got, promised }].into();
    let long = Duration::from_secs(3600);
    let policy = Policy {
        fetch_backoff: (long, long),
        query_every: Duration::from_secs(10),
        ..Policy::default()
    };
    let mut world = World::boot(durable, &policy);
    world.rest(&["1.0.7"]);
    let fetched = addresses(&world);
    assert_eq!(fetched.len(), 2);
    assert!(fetched[1].contains("?fresh="), "{fetched:?}");
    assert!(world.now < 120_000, "{}", world.now);
}

#[test]
fn a_download_that_never_ends_is_given_up_when_its_time_is_over() {
    let durable = World::offered(Behaviour::Good);
    let policy = Policy {
        fetch_time: Duration::from_secs(7200),
        ..Policy::default()
    };
    let mut world = World::boot(durable, &policy);
    world.fetches.dribble = true;
    world.rest(&["1.0.0"]);
    let Task::Failed(_, -2, text) = &world.durable.cloud.task else {
        panic!("{:?}", world.durable.cloud.task);
    };
    assert!(text.contains("within 7200 s"), "{text}");
    assert!((7_200_000..7_300_000).contains(&world.now), "{}", world.now);
}

#[test]
fn a_wrong_digest_ends_with_step_3_at_once() {
    let mut durable = World::offered(Behaviour::Good);
    let method = "SHA256".to_owned();
    durable.disk.downloads = vec![FetchFault::OtherDigest { method }].into();
    let mut world = World::boot(durable, &Policy::default());
    world.rest(&["1.0.0"]);
    assert_eq!(world.durable.cloud.steps.last(), Some(&-3));
}
