//! What an operator brings while it cannot be begun is not lost, whatever happens until it can.

use super::{
    super::{disk::SIZE, stories::at_rest},
    *,
};
use crate::{
    alink::codec::Digest,
    event::{Answered, Brought},
    record::Source,
};

fn bring(world: &mut World, version: &str) -> Answered {
    let file = Brought {
        source: Source::Path(format!("/media/stick/{version}")),
        version: version.parse().unwrap(),
        size: SIZE,
        digest: Digest::Sha256([version.len() as u8; 32]),
        allow_downgrade: false,
    };
    let (asker, request) = (Asker(900), Request::Update(file));
    world.tell(Event::Asked { asker, request });
    world.run(100);
    match world.replies.pop() {
        Some(Reply::Update(answered)) => answered,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_brought_in_a_pause_waits_through_power_cuts_for_its_end() {
    let mut world = at_rest();
    assert_eq!(world.wish(&Request::Pause), (Effect::Paused, true));
    assert_eq!(bring(&mut world, "1.0.7"), Answered::Paused);
    for _ in 0..3 {
        world.power_cut();
        world.run(3_000);
        assert_eq!(status(&world).waiting.as_deref(), Some("1.0.7"));
        assert_eq!(status(&world).phase, "idle");
    }
    assert_eq!(world.wish(&Request::Resume), (Effect::Resumed, true));
    world.run(1_000);
    assert_eq!(status(&world).wanted.as_deref(), Some("1.0.7"));
    assert_eq!(record(&world).waiting, None);
    // Nor is it begun twice.
    world.power_cut();
    world.run(1_000);
    assert_eq!(status(&world).waiting, None);
    world.rest(&["1.0.7"]);
    assert_eq!(world.durable.cloud.task, Task::None);
}

#[test]
fn what_is_brought_during_an_update_is_begun_after_it_also_across_a_power_cut() {
    let mut world = at_rest();
    let bad = Behaviour::DieProving;
    world.durable.behaviours.insert("1.0.6".to_owned(), bad);
    push(&mut world, "1.0.6");
    until_phase(&mut world, "warming");
    assert_eq!(bring(&mut world, "1.0.7"), Answered::Waits);
    world.run(500);
    world.power_cut();
    world.rest(&["1.0.7"]);
}

#[test]
fn what_was_brought_is_dropped_for_good_by_cancel_or_by_a_newer_offer() {
    let mut world = at_rest();
    world.wish(&Request::Pause);
    bring(&mut world, "1.0.7");
    let (effect, on_disk) = world.wish(&Request::Cancel);
    assert!(
        matches!(effect, Effect::Dropped { .. }) && on_disk,
        "{effect:?}"
    );
    world.power_cut();
    world.run(3_000);
    assert_eq!(status(&world).waiting, None);
    bring(&mut world, "1.0.7");
    push(&mut world, "1.0.8");
    world.run(1_000);
    assert_eq!(status(&world).waiting.as_deref(), Some("1.0.8"));
    assert_eq!(record(&world).waiting, None);
}
