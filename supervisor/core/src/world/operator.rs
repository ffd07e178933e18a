//! What operators wish, in every phase and with power cuts at every place after it.

mod brought;
mod cuts;
mod pauses;
mod rollbacks;

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

/// A device that runs 1.0.5, and has 1.0.0 to go back to.
fn upgraded() -> Durable {
    Durable {
        disk: Disk::upgraded("1.0.0", "1.0.5"),
        ..World::idle()
    }
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
