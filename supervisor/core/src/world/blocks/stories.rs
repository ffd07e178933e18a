//! Blocks that come, and all the ways in which they do not, from the push to rest.

use std::time::Duration;

use serde_json::json;

use super::{
    super::{World, disk::SIZE, stories::until_phase},
    Answer, BLOCK, WRONG, always, answered, asked, blocks, crc16, failure, frame, offered,
    until_asked,
};
use crate::{
    event::{CloudLoss, Event, FetchFault},
    policy::Policy,
};

#[test]
fn an_image_in_blocks_is_asked_for_block_by_block() {
    let mut world = World::boot(offered(), &Policy::default());
    world.rest(&["1.0.7"]);
    assert_eq!(asked(&world), [0, 300, 600, 900]);
    assert!(world.durable.cloud.steps.is_sorted());
    assert!(world.durable.cloud.steps.contains(&100));
}

#[test]
fn a_block_that_does_not_come_right_is_asked_for_again() {
    for wrong in WRONG {
        let mut world = World::boot(answered([Answer::Well, wrong]), &Policy::default());
        until_phase(&mut world, "fetching");
        let began = world.now;
        until_asked(&mut world, 5);
        let took = world.now - began;
        if wrong == Answer::Lost {
            assert!((10_000..11_000).contains(&took), "{took}");
        } else {
            assert!(took < 1_000, "{wrong:?} at once, and not after {took} ms");
        }
        world.rest(&["1.0.7"]);
        assert_eq!(asked(&world), [0, 300, 300, 600, 900], "{wrong:?}");
    }
}

#[test]
fn three_failures_in_a_row_at_each_block_are_no_failed_try() {
    let policy = Policy {
        fetch_retries: 0,
        ..Policy::default()
    };
    for wrong in WRONG {
        let each = [wrong, wrong, wrong, Answer::Well];
        let mut world = World::boot(answered(each.repeat(4)), &policy);
        world.rest(&["1.0.7"]);
        assert_eq!(asked(&world).len(), 16, "{wrong:?}");
    }
}

#[test]
fn blocks_that_never_come_right_end_with_step_2_after_as_many_tries_as_any_download() {
    for wrong in WRONG {
        let mut world = World::boot(always(wrong), &Policy::default());
        world.rest(&["1.0.0"]);
        let text = failure(&world);
        assert!(text.starts_with("the platform's blocks"), "{text}");
        assert_eq!(
            asked(&world),
            [0; 4 * 9],
            "four requests, and eight tries after the first"
        );
        assert!(!world.durable.cloud.steps.contains(&100));
    }
}

#[test]
fn a_good_block_makes_the_failures_before_it_forgotten() {
    // Each block costs three tries of the eight that follow the first, and all four together more than there are.
    let bad = [Answer::Torn; 3 * 4];
    let each = bad.into_iter().chain([Answer::Well]);
    let each: Vec<_> = each.collect();
    let mut world = World::boot(answered(each.repeat(4)), &Policy::default());
    world.rest(&["1.0.7"]);
}

#[test]
fn an_answer_that_comes_twice_or_late_is_taken_once() {
    for answer in [Answer::Twice, Answer::Late(10_010), Answer::Late(12_000)] {
        let mut world = World::boot(always(answer), &Policy::default());
        world.rest(&["1.0.7"]);
        let mut different = asked(&world);
        different.dedup();
        assert_eq!(different, [0, 300, 600, 900]);
        let late = matches!(answer, Answer::Late(_));
        assert_eq!(asked(&world).len(), if late { 8 } else { 4 }, "{answer:?}");
    }
}

/// Between two tries there is a wait that is longer than any of these stories.
fn long_waits() -> Policy {
    let long = Duration::from_secs(3600);
    Policy {
        fetch_backoff: (long, long),
        ..Policy::default()
    }
}

#[test]
fn an_answer_that_comes_late_ends_the_wait_for_another_address_or_try() {
    let late = Answer::Late(10_500);
    for bad in [&[Answer::Refused(460)][..], &[Answer::Torn; 3]] {
        let answers = std::iter::once(late).chain(bad.iter().copied());
        let mut world = World::boot(answered(answers), &long_waits());
        until_asked(&mut world, 1 + bad.len() + 3);
        assert!(world.now < 15_000, "{}", world.now);
        world.rest(&["1.0.7"]);
    }
}

#[test]
fn an_answer_nobody_waits_for_changes_nothing() {
    let mut world = World::boot(World::idle(), &Policy::default());
    world.rest(&["1.0.0"]);
    world.arrives_later(1, b"\0\x02{}".to_vec());
    world.run(1_000);
    let mut world = World::boot(answered([Answer::Lost]), &Policy::default());
    until_asked(&mut world, 1);
    let data = json!({"bOffset": 0, "fileLength": SIZE, "bSize": BLOCK});
    let header = json!({"code": 200, "data": data, "id": "another"});
    let other = vec![0; usize::try_from(BLOCK).unwrap()];
    world.arrives_later(1, frame(&header, &other, crc16(&other)));
    let header = json!({"code": 460, "id": "another"});
    world.arrives_later(2, frame(&header, &[], 0));
    world.rest(&["1.0.7"]);
    assert_eq!(asked(&world), [0, 0, 300, 600, 900]);
}

#[test]
fn while_the_link_is_down_nothing_is_counted_and_after_that_the_block_is_asked_for_again() {
    let policy = Policy {
        fetch_retries: 0,
        ..Policy::default()
    };
    let mut world = World::boot(always(Answer::Lost), &policy);
    for count in 1..=20 {
        until_asked(&mut world, count);
        world.cloud_is(false, CloudLoss::Closed);
        world.run(60_000);
        assert_eq!(asked(&world).len(), count, "asked into the void");
        world.cloud_is(true, CloudLoss::Closed);
    }
    blocks(&mut world.durable).always = None;
    world.rest(&["1.0.7"]);
    assert_eq!(asked(&world)[..20], [0; 20]);
}

#[test]
fn a_refusal_before_the_link_was_lost_is_forgotten_with_it() {
    let mut world = World::boot(always(Answer::Refused(460)), &Policy::default());
    until_asked(&mut world, 1);
    world.run(1_000);
    world.cloud_is(false, CloudLoss::Closed);
    // Longer than another address would be waited for altogether.
    world.run(1_000_000);
    blocks(&mut world.durable).always = None;
    world.cloud_is(true, CloudLoss::Closed);
    world.rest(&["1.0.7"]);
    assert_eq!(asked(&world), [0, 0, 300, 600, 900]);
}

#[test]
fn a_supervisor_that_was_kept_from_running_does_not_count_that_as_silence() {
    let policy = Policy {
        fetch_retries: 0,
        ..Policy::default()
    };
    let mut world = World::boot(always(Answer::Late(50)), &policy);
    for count in 1..=4 {
        until_asked(&mut world, count);
        world.freeze(60_000);
    }
    world.rest(&["1.0.7"]);
    assert_eq!(asked(&world), [0, 300, 600, 900]);
}

#[test]
fn a_stream_that_is_gone_is_asked_for_anew_and_goes_on_where_it_stood() {
    let mut durable = offered();
    durable.cloud.answers_queries = true;
    let mut world = World::boot(durable, &Policy::default());
    until_asked(&mut world, 2);
    let oldest = blocks(&mut world.durable).streams.len();
    blocks(&mut world.durable).oldest = oldest;
    world.rest(&["1.0.7"]);
    let asked = &blocks(&mut world.durable).asked;
    let offsets: Vec<_> = asked.iter().map(|(_, offset)| *offset).collect();
    assert_eq!(offsets, [0, 300, 600, 600, 900]);
    assert!(asked[..3].iter().all(|(stream, _)| *stream < oldest));
    assert!(asked[3..].iter().all(|(stream, _)| *stream >= oldest));
}

#[test]
fn a_file_that_is_not_there_ends_with_step_2_after_three_questions() {
    for (answer, word) in [
        (Answer::Refused(460), "460"),
        (Answer::Longer, "1001 bytes"),
    ] {
        let mut durable = always(answer);
        durable.cloud.answers_queries = true;
        let mut world = World::boot(durable, &Policy::default());
        world.rest(&["1.0.0"]);
        let text = failure(&world);
        assert!(text.contains(word), "{text}");
        // A query that follows every connection may bring one more address in between.
        assert_eq!(asked(&world)[..4], [0; 4]);
        assert!(asked(&world).len() <= 5, "{:?}", asked(&world));
        assert!(world.now < 120_000, "{}", world.now);
    }
}

#[test]
fn a_platform_that_knows_no_other_stream_is_told_of_the_failure() {
    let mut world = World::boot(always(Answer::Refused(460)), &Policy::default());
    world.rest(&["1.0.0"]);
    assert!(failure(&world).contains("460"));
    assert_eq!(asked(&world), [0]);
    assert!(world.now < 180_000, "{}", world.now);
}

#[test]
fn blocks_that_never_come_are_given_up_when_the_time_of_the_download_is_over() {
    let policy = Policy {
        fetch_retries: u32::MAX,
        fetch_time: Duration::from_secs(7200),
        ..Policy::default()
    };
    let mut world = World::boot(always(Answer::Lost), &policy);
    world.rest(&["1.0.0"]);
    assert!(failure(&world).contains("within 7200 s"));
    assert!((7_200_000..7_300_000).contains(&world.now), "{}", world.now);
    assert!(world.fetches.waiting.is_empty(), "nobody waits any more");
}

#[test]
fn an_address_on_a_server_takes_the_place_of_blocks_that_do_not_come() {
    let mut world = World::boot(always(Answer::Torn), &long_waits());
    until_asked(&mut world, 4);
    world.run(10_000);
    assert_eq!(asked(&world), [0; 4], "the wait between two tries");
    world.durable.cloud.blocks = None;
    let (topic, payload) = world.durable.cloud.push_of("1.0.7");
    world.tell(Event::Arrived { topic, payload });
    world.rest(&["1.0.7"]);
    assert_eq!(world.fetches.addresses.len(), 1);
}

#[test]
fn a_download_that_ended_waits_for_no_block() {
    let mut durable = offered();
    durable.disk.downloads = [FetchFault::Disk("no room".to_owned())].into();
    let mut world = World::boot(durable, &Policy::default());
    world.rest(&["1.0.0"]);
    assert!(asked(&world).is_empty());
}

#[test]
fn a_power_cut_anywhere_costs_one_block_at_most() {
    let mut whole = World::boot_recording(offered(), &Policy::default());
    whole.rest(&["1.0.7"]);
    let places = whole.cuts.take().unwrap();
    assert!(places.len() > 50, "only {} places to cut", places.len());
    for place in places {
        let mut world = World::boot(place, &Policy::default());
        world.rest(&["1.0.7"]);
        let asked = asked(&world);
        assert!((4..=5).contains(&asked.len()), "{asked:?}");
        assert!(asked.is_sorted(), "{asked:?}");
    }
}
