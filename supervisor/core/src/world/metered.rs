//! Images in blocks where every byte is counted: no request goes out that was not paid for (law `paid_for`), and nothing else changes.

use super::{
    World,
    blocks::{Answer, WRONG, always, answered, asked, blocks, failure, offered, until_asked},
};
use crate::{event::CloudLoss, policy::Policy};

fn metered() -> Policy {
    Policy {
        budget_per_day: Some(1_000_000),
        ..Policy::default()
    }
}

#[test]
fn each_block_is_asked_for_once_and_one_that_does_not_come_right_again() {
    let mut world = World::boot(offered(), &metered());
    world.rest(&["1.0.7"]);
    assert_eq!(asked(&world), [0, 300, 600, 900]);
    for wrong in WRONG {
        let mut world = World::boot(answered([Answer::Well, wrong]), &metered());
        world.rest(&["1.0.7"]);
        assert_eq!(asked(&world), [0, 300, 300, 600, 900], "{wrong:?}");
    }
    for answer in [Answer::Twice, Answer::Late(10_020), Answer::Late(12_000)] {
        let mut world = World::boot(always(answer), &metered());
        world.rest(&["1.0.7"]);
    }
}

#[test]
fn blocks_that_never_come_right_end_after_as_many_requests_as_where_nothing_is_counted() {
    for wrong in WRONG {
        let mut world = World::boot(always(wrong), &metered());
        world.rest(&["1.0.0"]);
        let text = failure(&world);
        assert!(text.starts_with("the platform's blocks"), "{text}");
        assert_eq!(asked(&world), [0; 4 * 9], "{wrong:?}");
    }
}

#[test]
fn a_block_whose_request_was_lost_with_the_link_is_paid_for_again_and_not_counted_as_a_failure() {
    let policy = Policy {
        fetch_retries: 0,
        ..metered()
    };
    let mut world = World::boot(always(Answer::Lost), &policy);
    for count in 1..=20 {
        until_asked(&mut world, count);
        world.cloud_is(false, CloudLoss::Closed);
        world.run(60_000);
        assert_eq!(asked(&world).len(), count, "asked into the void");
        assert_eq!(world.fetches.paid, 1, "once, however long the link is down");
        world.cloud_is(true, CloudLoss::Closed);
    }
    blocks(&mut world.durable).always = None;
    world.rest(&["1.0.7"]);
}

#[test]
fn a_stream_that_is_gone_is_asked_for_anew() {
    let mut durable = offered();
    durable.cloud.answers_queries = true;
    let mut world = World::boot(durable, &metered());
    until_asked(&mut world, 2);
    let gone = blocks(&mut world.durable);
    gone.oldest = gone.stream_of("1.0.7") + 1;
    world.rest(&["1.0.7"]);
    assert_eq!(asked(&world), [0, 300, 600, 600, 900]);
}

#[test]
fn a_power_cut_anywhere_costs_one_block_at_most() {
    let mut whole = World::boot_recording(offered(), &metered());
    whole.rest(&["1.0.7"]);
    for place in whole.cuts.take().unwrap() {
        let mut world = World::boot(place, &metered());
        world.rest(&["1.0.7"]);
        assert!(
            (4..=5).contains(&asked(&world).len()),
            "{:?}",
            asked(&world)
        );
    }
}
