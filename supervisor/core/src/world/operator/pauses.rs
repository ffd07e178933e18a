//! What a pause holds, what it lets end, and what it costs: nothing.

use super::*;

#[test]
fn a_pause_holds_what_can_be_held_and_the_rest_ends_by_itself() {
    for (phase, behaviour, policy) in phases() {
        let mut world = in_phase(phase, behaviour, &policy);
        let (effect, on_disk) = world.wish(&Request::Pause);
        let held = ["opening", "fetching", "waiting", "keeping", "warming"].contains(&phase);
        let soon = !held && phase != "idle";
        let expected = if soon {
            Effect::PausedSoon
        } else {
            Effect::Paused
        };
        assert_eq!((effect, on_disk), (expected, true), "{phase}");
        assert!(status(&world).paused && record(&world).paused, "{phase}");
        assert_eq!(world.wish(&Request::Pause), (Effect::PausedAlready, true));
        // Longer than any deadline of this job.
        world.run(10 * MINUTE);
        let shown = status(&world);
        let ends = match phase {
            "opening" | "fetching" => "fetching",
            "waiting" | "keeping" => "waiting",
            "warming" => "warming",
            _ => "idle",
        };
        assert_eq!(shown.phase, ends, "{phase}: {shown:?}");
        assert_eq!(shown.hurry, Vec::<String>::new(), "{phase}");
        if held {
            assert_eq!(shown.awaited.unwrap(), "an operator's `resume`", "{phase}");
            assert_eq!(shown.version.as_deref(), Some("1.0.0"));
        }
        // After a power cut it is held as before, and costs no try: these are more than there are tries, and fewer than would speak
        // against a version that was trusted just now.
        for _ in 0..4 {
            world.power_cut();
            world.run(MINUTE);
            assert!(status(&world).paused, "{phase}");
        }
        assert_eq!(world.wish(&Request::Resume), (Effect::Resumed, true));
        assert_eq!(world.wish(&Request::Resume), (Effect::NotPaused, true));
        let trusted: &[_] = match phase {
            "idle" | "reverting" | "closing" | "regretting" => &["1.0.0"],
            _ => &["1.0.7"],
        };
        rest(&mut world, trusted);
    }
}

#[test]
fn a_paused_download_stops_at_once_and_goes_on_with_its_time_and_its_tries() {
    let fetch_time = Duration::from_secs(60);
    let policy = Policy {
        fetch_time,
        ..Policy::default()
    };
    let mut world = World::boot(World::offered(Behaviour::Good), &policy);
    until_phase(&mut world, "fetching");
    world.run(150);
    world.wish(&Request::Pause);
    assert!(world.fetches.under_way.is_empty(), "it is fetched on");
    let part = world.durable.disk.parts.clone();
    assert!(!part.is_empty(), "its part is gone");
    let steps = world.durable.cloud.steps.clone();
    world.run(60 * MINUTE);
    assert_eq!(world.durable.disk.parts, part);
    assert_eq!(
        world.durable.cloud.steps, steps,
        "a progress that did not happen"
    );
    assert_eq!(world.fetches.addresses.len(), 1);
    world.wish(&Request::Resume);
    world.rest(&["1.0.7"]);
    assert_eq!(world.fetches.addresses.len(), 2);
}

#[test]
fn a_download_that_fails_in_the_moment_of_its_pause_is_tried_again_after_it() {
    for fault in [
        FetchFault::Status(503),
        FetchFault::Disk("no room".to_owned()),
    ] {
        let mut world = World::boot(World::offered(Behaviour::Good), &Policy::default());
        until_phase(&mut world, "fetching");
        world.wish(&Request::Pause);
        let job = record(&world).job.unwrap().id;
        world.tell(Event::FetchFailed { job, fault });
        world.run(60 * MINUTE);
        assert_eq!(status(&world).phase, "fetching");
        world.wish(&Request::Resume);
        world.rest(&["1.0.7"]);
    }
}

#[test]
fn a_pause_before_a_switch_without_a_standby_gives_back_no_try_of_an_earlier_start() {
    let policy = Policy {
        standby: false,
        ..Policy::default()
    };
    let mut world = World::boot(World::offered(Behaviour::DieProving), &policy);
    world.rest(&["1.0.0"]);
    let starts = |world: &World| record(world).strikes[0].starts;
    for start in 1..policy.tries {
        assert_eq!(starts(&world), start);
        push(&mut world, "1.0.7");
        until_phase(&mut world, "keeping");
        world.wish(&Request::Pause);
        world.run(MINUTE);
        assert_eq!(starts(&world), start);
        world.wish(&Request::Resume);
        world.rest(&["1.0.0"]);
    }
    push(&mut world, "1.0.7");
    until_phase(&mut world, "idle");
    let Task::Failed(_, -1, text) = &world.durable.cloud.task else {
        panic!("{:?}", world.durable.cloud.task);
    };
    assert!(text.contains("quarantined"), "{text}");
}

#[test]
fn the_newest_offer_of_a_pause_is_taken_after_it_and_none_is_refused() {
    let mut world = in_phase("idle", Behaviour::Good, &Policy::default());
    world.wish(&Request::Pause);
    push(&mut world, "1.0.7");
    push(&mut world, "1.0.8");
    world.run(10 * MINUTE);
    assert_eq!(status(&world).waiting.as_deref(), Some("1.0.8"));
    assert_eq!(world.durable.cloud.task, Task::Queued("1.0.8".to_owned()));
    world.wish(&Request::Resume);
    world.rest(&["1.0.8"]);
    // One that is not wanted is dropped, and not begun by the next query.
    world.wish(&Request::Pause);
    push(&mut world, "1.0.9");
    let dropped = Effect::Dropped {
        version: version("1.0.9"),
        quarantined: true,
    };
    assert_eq!(world.wish(&Request::Cancel), (dropped, true));
    world.wish(&Request::Resume);
    push(&mut world, "1.0.9");
    world.rest(&["1.0.8"]);
    let Task::Failed(_, -1, text) = &world.durable.cloud.task else {
        panic!("{:?}", world.durable.cloud.task);
    };
    assert_eq!(
        text,
        "this version is quarantined: the operator cancelled its update"
    );
}

#[test]
fn a_pause_or_a_cancel_gives_back_no_try_that_an_earlier_start_has_cost() {
    for standby in [true, false] {
        for request in [Request::Pause, Request::Cancel] {
            let policy = Policy {
                standby,
                ..Policy::default()
            };
            let mut durable = World::offered(Behaviour::Good);
            let bad = build(0, "1.0.7");
            let on_disk = durable.disk.record.as_mut().unwrap();
            on_disk.strikes.push(Strike {
                sha256: bad.sha256,
                digests: Vec::new(),
                version: bad.version,
                starts: 1,
                kept_dying: false,
                lives: 0,
            });
            let mut world = World::boot(durable, &policy);
            until_phase(&mut world, "keeping");
            world.wish(&request);
            world.run(3000);
            let strikes = record(&world).strikes;
            let starts: Vec<_> = strikes.iter().map(|strike| strike.starts).collect();
            assert_eq!(starts, [1], "standby {standby}, {request:?}");
        }
    }
}
