//! Back to the version before, whatever the worker, the disk or the slots are like.

use super::*;

fn rolled_back() -> Effect {
    Effect::RollsBack {
        from: version("1.0.5"),
        to: version("1.0.0"),
    }
}

#[test]
fn a_rollback_at_rest_lets_the_worker_hand_over_and_keeps_the_version_away_until_a_release() {
    let mut world = World::boot(upgraded(), &Policy::default());
    world.run(5_000);
    assert_eq!(world.wish(&Request::Rollback), (rolled_back(), true));
    world.rest(&["1.0.0"]);
    assert_eq!(world.durable.cloud.informed, ["1.0.5", "1.0.0"]);
    assert_eq!(world.processes.len(), 2);
    let ended = record(&world).last_outcome.unwrap();
    assert_eq!(ended.outcome, Some(Outcome::RolledBack));
    assert_eq!(record(&world).held[0].by, Hold::RolledBack);
    world.power_cut();
    world.rest(&["1.0.0"]);
    push(&mut world, "1.0.5");
    world.rest(&["1.0.0"]);
    let Task::Failed(_, -1, text) = &world.durable.cloud.task else {
        panic!("{:?}", world.durable.cloud.task);
    };
    assert_eq!(
        text,
        "this version is quarantined: the operator rolled back from it"
    );
    // Nor does going back once more bring it.
    let barred = Effect::FormerQuarantined {
        version: version("1.0.5"),
    };
    assert_eq!(world.wish(&Request::Rollback).0, barred);
    let released = world.wish(&Request::Release(version("1.0.5"))).0;
    assert_eq!(released, Effect::Released { tries: 0 });
    push(&mut world, "1.0.5");
    world.rest(&["1.0.5"]);
}

#[test]
fn a_version_taken_back_because_it_kept_dying_is_not_gone_back_to_before_a_release() {
    let mut world = World::boot(World::offered(Behaviour::DieLater), &Policy::default());
    until_phase(&mut world, "regretting");
    world.rest(&["1.0.0"]);
    let dying = || Effect::FormerKeptDying {
        version: version("1.0.7"),
    };
    assert_eq!(world.wish(&Request::Rollback), (dying(), true));
    world.power_cut();
    world.rest(&["1.0.0"]);
    assert_eq!(world.wish(&Request::Rollback), (dying(), true));
    let released = world.wish(&Request::Release(version("1.0.7"))).0;
    assert_eq!(released, Effect::Released { tries: 2 });
    let back = Effect::RollsBack {
        from: version("1.0.0"),
        to: version("1.0.7"),
    };
    assert_eq!(world.wish(&Request::Rollback), (back, true));
}

#[test]
fn a_rollback_works_from_a_worker_that_is_hung_dying_or_keeps_its_state_to_itself() {
    let alive = |world: &World| world.processes.iter().find(|it| it.1.alive).map(|it| *it.0);
    for how in ["hung", "dead", "keeps", "starting"] {
        let mut durable = upgraded();
        if how == "keeps" {
            let keep = Behaviour::KeepHandover;
            durable.behaviours.insert("1.0.5".to_owned(), keep);
        }
        let mut world = World::boot(durable, &Policy::default());
        world.run(if how == "starting" { 3 } else { 5_000 });
        let worker = alive(&world).unwrap();
        match how {
            "hung" => world.fall_silent(worker),
            "dead" => world.end(worker, 101),
            _ => {}
        }
        assert_eq!(world.wish(&Request::Rollback).0, rolled_back(), "{how}");
        world.rest(&["1.0.0"]);
    }
}

#[test]
fn a_disk_that_takes_nothing_keeps_nobody_from_going_back_and_is_told() {
    for (request, phase, ends) in [
        (Request::Rollback, "idle", "1.0.0"),
        (Request::Cancel, "proving", "1.0.5"),
        (Request::Cancel, "fetching", "1.0.5"),
        (Request::Pause, "fetching", "1.0.7"),
    ] {
        let mut durable = upgraded();
        if phase != "idle" {
            durable.cloud.offer("1.0.7");
        }
        let mut world = World::boot(durable, &Policy::default());
        world.run(200);
        until_phase(&mut world, phase);
        let saves = world.durable.disk.saves;
        world.durable.disk.failing = (saves + 1..saves + 4).collect();
        let (effect, on_disk) = world.wish(&request);
        assert!(!on_disk, "{request:?} in {phase}: {effect:?}");
        if request == Request::Pause {
            world.run(2 * MINUTE);
            assert_eq!(status(&world).phase, phase);
            assert!(record(&world).paused, "it never came to the disk");
            world.wish(&Request::Resume);
        }
        world.rest(&[ends]);
    }
}

#[test]
fn a_former_slot_found_damaged_when_it_is_wanted_back_leaves_the_one_that_ran() {
    let mut durable = upgraded();
    durable.disk.damaged.insert(crate::event::SlotId(1));
    let mut world = World::boot(durable, &Policy::default());
    world.run(5_000);
    assert_eq!(world.wish(&Request::Rollback).0, rolled_back());
    world.rest(&["1.0.5"]);
}

#[test]
fn a_slot_found_damaged_in_the_moment_of_a_rollback_is_left_for_the_one_before() {
    let mut durable = upgraded();
    durable.disk.damaged.insert(crate::event::SlotId(2));
    let mut world = World::wake(durable, &Policy::default());
    world.carry_out();
    assert_eq!(world.wish(&Request::Rollback).0, rolled_back());
    world.rest(&["1.0.0"]);
}

#[test]
fn the_supervisor_stopped_in_the_middle_of_a_rollback_goes_on_with_either_version() {
    for after in 0..40 {
        let mut world = World::boot(upgraded(), &Policy::default());
        world.run(5_000);
        let asker = Asker(0);
        let request = Request::Rollback;
        world.tell(Event::Asked { asker, request });
        world.run(after);
        let on_disk = record(&world).active.unwrap().version == version("1.0.0");
        world.tell(Event::Stop);
        world.run(14_000);
        assert!(world.exited, "not stopped after {after}: {}", world.tail());
        world.power_cut();
        world.rest(if on_disk {
            &["1.0.0"]
        } else {
            &["1.0.0", "1.0.5"]
        });
    }
}
