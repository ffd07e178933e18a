//! What operators wish, in every phase and with power cuts at every place after it.

use std::{collections::BTreeMap, time::Duration};

use tz::TimeZone;

use super::{
    Behaviour, Disk, Durable, Task, World, build,
    stories::{push, until_phase},
    sweep::Search,
    timing::hasten,
};
use crate::{
    event::{Asker, Effect, Event, FetchFault, Reply, Request},
    maintenance::Maintenance,
    outcome::Outcome,
    policy::Policy,
    record::{Hold, Record, Strike},
    status::Status,
    time::Now,
};

/// So long an operator waits for an answer at most, in milliseconds.
const ANSWERED_WITHIN: u64 = 1000;

const MINUTE: u64 = 60_000;

impl World {
    /// An operator wishes something. Answers what becomes of it, and whether that is on the disk. Law `answered_in_time`.
    #[track_caller]
    pub(crate) fn wish(&mut self, request: &Request) -> (Effect, bool) {
        let (asked, boots, before) = (self.now, self.boots, self.replies.len());
        let asker = Asker(before as u64);
        let event = Event::Asked {
            asker,
            request: request.clone(),
        };
        self.heed(&event);
        self.tell(event);
        while self.replies.len() == before && !self.exited {
            self.step(asked + ANSWERED_WITHIN);
            if self.boots > boots {
                let why = "the power went out".to_owned();
                return (Effect::Refused { why }, false);
            }
            let in_time = self.replies.len() > before || self.now < asked + ANSWERED_WITHIN;
            assert!(in_time, "answered_in_time: {request:?}\n{}", self.tail());
        }
        let Some(Reply::Wish { effect, on_disk }) = self.replies.pop() else {
            panic!("{:?}", self.replies);
        };
        (effect, on_disk)
    }

    /// The brain answers an operator.
    pub(super) fn answered(&mut self, asker: Asker, reply: Reply) {
        self.asked.remove(&asker);
        self.replies.push(reply);
    }

    /// Law `answered_in_time`.
    pub(super) fn keep_nobody_waiting(&self) {
        for (since, request) in self.asked.values() {
            assert!(
                self.exited || self.now - since <= ANSWERED_WITHIN,
                "answered_in_time: {request:?}\n{}",
                self.tail()
            );
        }
    }
}

fn status(world: &World) -> Status {
    world.agent.status(Now::default())
}

fn record(world: &World) -> Record {
    world.durable.disk.record.clone().unwrap()
}

/// A night that never comes, so that a finished slot waits.
fn never_now() -> Policy {
    let window = "wed 03:00-03:01".parse().unwrap();
    Policy {
        maintenance: Maintenance::new(TimeZone::utc(), vec![window]),
        ..Policy::default()
    }
}

/// Every phase of an update, how the new version behaves so that it comes to that, and by which policy.
fn phases() -> Vec<(&'static str, Behaviour, Policy)> {
    let plain = || Policy {
        fetch_time: Duration::from_secs(120),
        consent_limit: Duration::from_secs(120),
        ..Policy::default()
    };
    vec![
        ("idle", Behaviour::Good, plain()),
        ("opening", Behaviour::Good, plain()),
        ("fetching", Behaviour::Good, plain()),
        ("waiting", Behaviour::Good, never_now()),
        ("keeping", Behaviour::Good, plain()),
        ("warming", Behaviour::Good, plain()),
        ("spending", Behaviour::Good, plain()),
        ("switching", Behaviour::Good, plain()),
        ("proving", Behaviour::Good, plain()),
        ("committing", Behaviour::Good, plain()),
        ("reverting", Behaviour::DieProving, plain()),
        ("closing", Behaviour::DieProving, plain()),
        ("regretting", Behaviour::DieLater, plain()),
    ]
}

/// Comes to rest; what would wait for the night is not to wait.
#[track_caller]
fn rest(world: &mut World, versions: &[&str]) {
    world.run(500);
    if status(world).phase == "waiting" {
        assert!(hasten(world));
    }
    world.rest(versions);
}

/// A device that runs 1.0.0 and is in this phase of its update to 1.0.7.
fn in_phase(phase: &str, behaviour: Behaviour, policy: &Policy) -> World {
    let mut durable = World::offered(behaviour);
    if phase == "idle" {
        durable.cloud.task = Task::None;
    }
    let mut world = World::boot(durable, policy);
    match phase {
        "idle" => world.run(500),
        "spending" => {
            until_phase(&mut world, "proving");
            world.wake_again();
            assert_eq!(status(&world).phase, "spending");
        }
        // The disk takes its time, so that it can be met.
        "committing" | "closing" => {
            let before = if phase == "closing" {
                "reverting"
            } else {
                "proving"
            };
            until_phase(&mut world, before);
            until_phase(&mut world, phase);
        }
        _ => until_phase(&mut world, phase),
    }
    world
}

fn version(text: &str) -> crate::alink::version::Version {
    text.parse().unwrap()
}

#[test]
fn a_cancel_is_answered_and_ends_well_in_every_phase() {
    for (phase, behaviour, policy) in phases() {
        let mut world = in_phase(phase, behaviour, &policy);
        let (effect, on_disk) = world.wish(&Request::Cancel);
        let expected = match phase {
            "idle" => Effect::NothingUnderWay,
            "opening" | "fetching" | "waiting" | "keeping" | "warming" => Effect::Cancelled {
                version: version("1.0.7"),
                quarantined: true,
                next: None,
            },
            "spending" | "switching" | "proving" => Effect::TakenBack {
                from: version("1.0.7"),
                quarantined: true,
                to: Some(version("1.0.0")),
            },
            "committing" => Effect::TooLate {
                version: version("1.0.7"),
            },
            _ => Effect::OnItsWay {
                to: Some(version("1.0.0")),
            },
        };
        assert_eq!((effect.clone(), on_disk), (expected, true), "{phase}");
        let trusted = if phase == "committing" {
            "1.0.7"
        } else {
            "1.0.0"
        };
        world.rest(&[trusted]);
        let is_cancelled = matches!(effect, Effect::Cancelled { .. } | Effect::TakenBack { .. });
        let said = |task: &Task| matches!(task, Task::Failed(_, -1, text) if text == "cancelled by the operator");
        assert_eq!(said(&world.durable.cloud.task), is_cancelled, "{phase}");
        assert_eq!(!record(&world).held.is_empty(), is_cancelled, "{phase}");
    }
}

#[test]
fn a_rollback_is_answered_and_ends_well_in_every_phase() {
    for (phase, behaviour, policy) in phases() {
        let mut world = in_phase(phase, behaviour, &policy);
        let (effect, on_disk) = world.wish(&Request::Rollback);
        let fits = match phase {
            "idle" => effect == Effect::NoFormer,
            "opening" | "fetching" | "waiting" | "keeping" | "warming" => {
                matches!(effect, Effect::Cancelled { .. })
            }
            "spending" | "switching" | "proving" => matches!(effect, Effect::TakenBack { .. }),
            "committing" => matches!(effect, Effect::TooLate { .. }),
            _ => matches!(effect, Effect::OnItsWay { .. }),
        };
        assert!(fits && on_disk, "{phase}: {effect:?} {on_disk}");
        if phase == "committing" {
            until_phase(&mut world, "idle");
            let (effect, _) = world.wish(&Request::Rollback);
            assert!(matches!(effect, Effect::RollsBack { .. }), "{effect:?}");
        }
        world.rest(&["1.0.0"]);
    }
}

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
        // After a power cut it is held as before, and costs no try.
        for _ in 0..5 {
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
fn a_cancelled_version_is_not_begun_again_before_a_release_and_another_is_taken() {
    let mut world = in_phase("fetching", Behaviour::Good, &Policy::default());
    world.wish(&Request::Cancel);
    world.rest(&["1.0.0"]);
    world.power_cut();
    world.run(MINUTE);
    push(&mut world, "1.0.7");
    world.rest(&["1.0.0"]);
    assert_eq!(status(&world).quarantined[0].version, "1.0.7");
    push(&mut world, "1.0.6");
    world.rest(&["1.0.6"]);
    push(&mut world, "1.0.7");
    world.rest(&["1.0.6"]);
    let release = Request::Release(version("1.0.7"));
    assert_eq!(world.wish(&release), (Effect::Released { tries: 0 }, true));
    assert_eq!(world.wish(&release), (Effect::NotQuarantined, true));
    assert!(status(&world).quarantined.is_empty());
    push(&mut world, "1.0.7");
    world.rest(&["1.0.7"]);
}

#[test]
fn a_release_makes_the_platform_be_asked_at_once() {
    let mut world = in_phase("fetching", Behaviour::Good, &Policy::default());
    world.wish(&Request::Cancel);
    world.rest(&["1.0.0"]);
    world.durable.cloud.offer("1.0.7");
    world.durable.cloud.answers_queries = true;
    world.wish(&Request::Release(version("1.0.7")));
    world.run(100);
    assert_eq!(status(&world).wanted.as_deref(), Some("1.0.7"));
    world.rest(&["1.0.7"]);
}

#[test]
fn a_build_interrupted_until_it_is_quarantined_succeeds_after_a_release() {
    let mut world = World::boot(World::offered(Behaviour::Good), &Policy::default());
    for _ in 0..3 {
        until_phase(&mut world, "proving");
        world.power_cut();
    }
    world.rest(&["1.0.0"]);
    push(&mut world, "1.0.7");
    world.rest(&["1.0.0"]);
    assert!(matches!(world.durable.cloud.task, Task::Failed(..)));
    assert_eq!(status(&world).quarantined[0].version, "1.0.7");
    let released = world.wish(&Request::Release(version("1.0.7")));
    assert_eq!(released, (Effect::Released { tries: 3 }, true));
    push(&mut world, "1.0.7");
    world.rest(&["1.0.7"]);
}

#[test]
fn what_runs_and_what_is_under_way_keep_their_tries_whatever_is_released() {
    let mut world = World::boot(World::offered(Behaviour::DieLater), &Policy::default());
    until_phase(&mut world, "proving");
    let release = || Request::Release(version("1.0.7"));
    assert_eq!(world.wish(&release()).0, Effect::NotQuarantined);
    until_phase(&mut world, "idle");
    assert_eq!(world.wish(&release()).0, Effect::NotQuarantined);
    // Therefore it is still watched, and taken back.
    until_phase(&mut world, "regretting");
    assert_eq!(world.wish(&release()).0, Effect::NotQuarantined);
    world.rest(&["1.0.0"]);
    assert_eq!(world.wish(&release()).0, Effect::Released { tries: 2 });
}

/// A device that runs 1.0.5, and has 1.0.0 to go back to.
fn upgraded() -> Durable {
    Durable {
        disk: Disk::upgraded("1.0.0", "1.0.5"),
        ..World::idle()
    }
}

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
fn a_wish_while_the_supervisor_is_being_stopped_is_refused_in_words() {
    let mut world = World::boot(upgraded(), &Policy::default());
    world.run(5_000);
    world.tell(Event::Stop);
    for request in [Request::Pause, Request::Cancel, Request::Rollback] {
        let (effect, _) = world.wish(&request);
        assert!(matches!(effect, Effect::Refused { .. }), "{effect:?}");
    }
    world.run(1_000);
    assert!(world.exited);
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

/// Cuts the power at every place after an answer, once or twice, and answers how many histories there were. What was said to be on the
/// disk holds in all of them.
fn cut_after(mut world: World, policy: &Policy, request: &Request, ends: &[&'static str]) -> u64 {
    let undone: Vec<&'static str> = vec!["1.0.0", "1.0.5", "1.0.7"];
    world.cuts = Some(Vec::new());
    let (effect, on_disk) = world.wish(request);
    assert!(on_disk, "{request:?}: {effect:?}");
    let before = world.cuts.replace(Vec::new()).unwrap();
    world.rest(ends);
    let after = world.cuts.take().unwrap();
    let mut either = Search::new(policy, &undone);
    let mut kept = Search::new(policy, ends);
    let unkept: u64 = before.iter().map(|place| either.explore(place, 1)).sum();
    unkept
        + after
            .iter()
            .map(|place| kept.explore(place, 1))
            .sum::<u64>()
}

/// What power cuts could have left since that is recorded, each once.
fn different(world: &mut World) -> Vec<Durable> {
    let places = world.cuts.take().unwrap();
    let by_key = places.into_iter().map(|place| (place.key(), place));
    by_key.collect::<BTreeMap<_, _>>().into_values().collect()
}

#[test]
fn a_cancel_and_a_rollback_come_through_two_power_cuts_at_any_two_places() {
    let mut all = 0;
    for request in [Request::Cancel, Request::Rollback] {
        for (phase, behaviour, policy) in phases() {
            let world = in_phase(phase, behaviour, &policy);
            let ends = match (phase, &request) {
                ("committing", _) => "1.0.7",
                _ => "1.0.0",
            };
            all += cut_after(world, &policy, &request, &[ends]);
        }
    }
    let mut world = World::boot(upgraded(), &Policy::default());
    world.run(5_000);
    all += cut_after(world, &Policy::default(), &Request::Rollback, &["1.0.0"]);
    println!("{all} histories");
    assert!(all > 5_000, "only {all} histories");
}

#[test]
fn a_pause_comes_through_a_power_cut_at_any_place_and_so_does_its_end() {
    let mut places = 0;
    for (phase, behaviour, policy) in phases() {
        let mut world = in_phase(phase, behaviour, &policy);
        assert!(world.wish(&Request::Pause).1);
        world.cuts = Some(Vec::new());
        world.run(MINUTE);
        for place in different(&mut world) {
            let mut world = World::boot(place, &policy);
            world.run(MINUTE);
            let shown = status(&world);
            assert!(shown.paused, "{phase}: {shown:?}");
            let holds = ["fetching", "waiting", "idle"].contains(&shown.phase.as_str());
            assert!(holds, "{phase}: {shown:?}");
            world.wish(&Request::Resume);
            rest(&mut world, &["1.0.0", "1.0.7"]);
            places += 1;
        }
        world.cuts = Some(Vec::new());
        assert!(world.wish(&Request::Resume).1);
        rest(&mut world, &["1.0.0", "1.0.7"]);
        for place in different(&mut world) {
            let mut world = World::boot(place, &policy);
            if status(&world).paused {
                world.wish(&Request::Resume);
            }
            rest(&mut world, &["1.0.0", "1.0.7"]);
            places += 1;
        }
    }
    println!("{places} places");
    assert!(places > 50, "only {places} places");
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
