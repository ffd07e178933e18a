use super::*;
use crate::{event::Exit, tenure::Stage};
use worker_protocol::v1::{Done, FromWorker, Handover};

/// A crew, its policy, and the time.
struct Ship {
    crew: Crew,
    policy: Policy,
    now: Ticks,
    jitter: Jitter,
    out: Vec<Command>,
}

fn slot(n: u64) -> Slot {
    Slot {
        id: SlotId(n),
        version: format!("1.0.{n}").parse().unwrap(),
        sha256: String::new(),
        size: 1,
        package: None,
    }
}

fn at(ticks: Ticks) -> Now {
    Now {
        ticks,
        ..Now::default()
    }
}

impl Ship {
    fn new() -> Self {
        let policy = Policy::default();
        Self {
            crew: Crew::new(&policy),
            policy,
            now: Ticks(0),
            jitter: Jitter::new(5),
            out: Vec::new(),
        }
    }

    fn tend(&mut self) {
        let now = at(self.now);
        let (policy, out) = (&self.policy, &mut self.out);
        self.crew.tend(&mut Scene { now, policy, out });
    }

    fn reach(&mut self, tenure: Tenure, milestone: &Milestone) {
        let now = at(self.now);
        let (policy, out) = (&self.policy, &mut self.out);
        let mut scene = Scene { now, policy, out };
        self.crew
            .reached(tenure, milestone, &mut scene, &mut self.jitter);
    }

    /// Brings the only life to be active; answers what it was handed.
    fn raise(&mut self, tenure: Tenure) -> Option<Handover> {
        let limits = self.policy.life.clone();
        let version = self.crew.life(tenure).unwrap().slot.version.to_string();
        let life = self.crew.life_mut(tenure).unwrap();
        life.joined(&version, self.now, &limits, &mut self.out);
        life.said(FromWorker::Ready, self.now, &limits, &mut self.out)
            .unwrap();
        self.out.clear();
        self.reach(tenure, &Milestone::Ready);
        let Some(Command::Send {
            message:
                ToWorker::Request {
                    id,
                    ask: Ask::Activate { from },
                },
            ..
        }) = self.out.pop()
        else {
            panic!("not told to act: {:?}", self.out);
        };
        let result = Ok(Done::Active);
        let reply = FromWorker::Reply { id, result };
        let life = self.crew.life_mut(tenure).unwrap();
        life.said(reply, self.now, &limits, &mut self.out).unwrap();
        from
    }

    /// The life ends by itself, and is buried.
    fn lose(&mut self, tenure: Tenure) {
        let life = self.crew.life_mut(tenure).unwrap();
        let parted = life.parted("eof", self.now, &mut self.out);
        let exited = life.exited(Exit::Code(1), self.now, &mut self.out);
        let gone = parted.or(exited).unwrap();
        self.reach(tenure, &gone);
    }

    fn only(&self) -> Tenure {
        assert_eq!(self.crew.lives().len(), 1);
        self.crew.lives()[0].tenure
    }
}

#[test]
fn the_kept_worker_is_started_again_at_once_and_then_with_growing_waits_for_ever() {
    let mut ship = Ship::new();
    ship.crew.keep(Some(slot(1)), Cause::PowerCut, ship.now);
    let mut waits = Vec::new();
    for _ in 0..40 {
        let due = ship.crew.next_deadline(&ship.policy).unwrap();
        waits.push(due.since(ship.now));
        ship.now = due;
        ship.tend();
        let tenure = ship.only();
        ship.lose(tenure);
    }
    assert_eq!(waits[..2], [Duration::ZERO, Duration::ZERO]);
    let longest = waits.iter().max().unwrap();
    assert!(*longest > Duration::from_secs(20), "{waits:?}");
    assert!(*longest <= Duration::from_secs(60), "{waits:?}");
    assert_eq!(ship.crew.respawns(), 40);
}

#[test]
fn one_that_lived_long_enough_is_started_again_at_once() {
    let mut ship = Ship::new();
    ship.crew.keep(Some(slot(1)), Cause::PowerCut, ship.now);
    for _ in 0..5 {
        ship.tend();
        let tenure = ship.only();
        ship.raise(tenure);
        ship.now = ship.now.after(ship.policy.respawn_calm);
        ship.lose(tenure);
        assert_eq!(ship.crew.next_deadline(&ship.policy), Some(ship.now));
    }
}

#[test]
fn nobody_is_started_while_another_may_hold_the_hardware() {
    let mut ship = Ship::new();
    ship.crew.keep(Some(slot(1)), Cause::PowerCut, ship.now);
    ship.tend();
    let old = ship.only();
    ship.raise(old);
    ship.crew.keep(Some(slot(2)), Cause::RollBack, ship.now);
    ship.tend();
    assert_eq!(ship.only(), old);
    assert!(ship.crew.hardware_held_by_other(None));
    assert!(!ship.crew.hardware_held_by_other(Some(old)));
    ship.lose(old);
    ship.tend();
    assert_eq!(ship.crew.lives()[0].slot, slot(2));
}

#[test]
fn a_successor_is_handed_the_last_word_its_cause_and_its_age() {
    let mut ship = Ship::new();
    ship.crew.keep(Some(slot(1)), Cause::PowerCut, ship.now);
    ship.tend();
    let first = ship.only();
    assert_eq!(ship.raise(first), None);
    ship.crew.remember(first, vec![1], at(Ticks(10)));
    ship.crew.remember(first, vec![2], at(Ticks(20)));
    ship.now = Ticks(520);
    ship.lose(first);
    ship.tend();
    let second = ship.only();
    let from = ship.raise(second).unwrap();
    let expected = Handover {
        snapshot: vec![2],
        cause: Cause::Crash,
        age_ms: Some(500),
    };
    assert_eq!(from, expected);
}

#[test]
fn words_of_a_worker_on_trial_count_only_once_it_is_trusted() {
    for trusted in [false, true] {
        let mut ship = Ship::new();
        ship.crew.keep(Some(slot(1)), Cause::PowerCut, ship.now);
        ship.tend();
        let old = ship.only();
        ship.raise(old);
        ship.crew.keep(None, Cause::Upgrade, ship.now);
        // A late word of the old one, in the switch, is still the old one's.
        ship.crew.remember(old, vec![1], at(ship.now));
        ship.lose(old);
        let mut out = Vec::new();
        let mut scene = Scene {
            now: Now::default(),
            policy: &ship.policy,
            out: &mut out,
        };
        let new = ship.crew.start(slot(2), Role::Active, &mut scene);
        ship.crew.remember(new, vec![2], at(ship.now));
        if trusted {
            ship.crew.trust(slot(2), ship.now);
        } else {
            ship.crew.distrust();
        }
        let stood = ship.crew.memory().unwrap();
        assert_eq!(stood.snapshot, if trusted { vec![2] } else { vec![1] });
        // Nor do they count later, for another one.
        let before = stood.clone();
        ship.crew.trust(slot(3), ship.now);
        assert_eq!(ship.crew.memory(), Some(&before));
    }
}

#[test]
fn one_that_dies_before_it_was_active_does_not_change_why_the_device_starts() {
    let mut ship = Ship::new();
    ship.crew.keep(Some(slot(1)), Cause::PowerCut, ship.now);
    ship.tend();
    let first = ship.only();
    ship.raise(first);
    ship.crew.remember(first, vec![1], at(ship.now));
    ship.crew.keep(Some(slot(1)), Cause::RollBack, ship.now);
    let life = ship.crew.life_mut(first).unwrap();
    life.kill(Death::Asked, ship.now, &mut ship.out);
    assert_eq!(life.stage, Stage::Killed);
    ship.lose(first);
    ship.tend();
    let second = ship.only();
    ship.lose(second);
    ship.now = ship.crew.next_deadline(&ship.policy).unwrap();
    ship.tend();
    let third = ship.only();
    assert_eq!(ship.raise(third).unwrap().cause, Cause::RollBack);
}

/// What a crew says to the first worker of slot 2, after its worker of slot 1 has died and that slot was found damaged.
fn handed_after_damage(by_switch: bool) -> Handover {
    let mut ship = Ship::new();
    ship.crew.keep(Some(slot(1)), Cause::PowerCut, ship.now);
    ship.tend();
    let first = ship.only();
    ship.raise(first);
    ship.crew.remember(first, vec![1], at(ship.now));
    ship.lose(first);
    ship.tend();
    let (second, bad, why) = (ship.only(), SlotId(1), String::new());
    let death = Death::Damaged { slot: bad, why };
    ship.reach(second, &Milestone::Gone(death));
    ship.now = ship.now.after(Duration::from_secs(3600));
    ship.tend();
    assert!(
        ship.crew.lives().is_empty(),
        "the damaged one was started again"
    );
    assert_eq!(ship.crew.respawns(), 1);
    if by_switch {
        ship.crew.replace(bad, None, ship.now);
        ship.crew.give_way(ship.now);
        let (policy, out) = (&ship.policy, &mut ship.out);
        let now = Now {
            ticks: ship.now,
            ..Now::default()
        };
        let mut scene = Scene { now, policy, out };
        ship.crew.start(slot(2), Role::Active, &mut scene);
    } else {
        ship.crew.replace(bad, Some(slot(2)), ship.now);
        ship.tend();
    }
    let third = ship.only();
    ship.raise(third).unwrap()
}

#[test]
fn whoever_replaces_a_damaged_slot_learns_that_the_device_stood_still_and_for_how_long() {
    for by_switch in [false, true] {
        let expected = Handover {
            snapshot: vec![1],
            cause: Cause::Crash,
            age_ms: Some(3_600_000),
        };
        assert_eq!(handed_after_damage(by_switch), expected, "{by_switch}");
    }
}

#[test]
fn a_slot_that_is_not_kept_is_not_replaced() {
    let mut ship = Ship::new();
    ship.crew.keep(Some(slot(1)), Cause::PowerCut, ship.now);
    ship.crew.replace(SlotId(2), None, ship.now);
    ship.tend();
    assert_eq!(ship.crew.lives()[0].slot, slot(1));
}

#[test]
fn what_was_found_on_the_disk_keeps_its_cause_until_a_trusted_worker_has_said_more() {
    let mut ship = Ship::new();
    ship.now = Ticks(50);
    ship.crew.recall(Memory {
        number: 0,
        slot: SlotId(1),
        version: None,
        snapshot: vec![1],
        at: None,
        source: Source::Found {
            at: ship.now,
            age: Some(Duration::from_secs(7)),
            lost: Cause::SupervisorLost,
        },
    });
    let expected = |age_ms| Handover {
        snapshot: vec![1],
        cause: Cause::SupervisorLost,
        age_ms: Some(age_ms),
    };
    ship.crew.keep(Some(slot(1)), Cause::PowerCut, ship.now);
    ship.tend();
    let first = ship.only();
    assert_eq!(ship.raise(first), Some(expected(7000)));
    // It dies before it has said anything: its successor must not take that for an ordinary crash.
    ship.now = Ticks(150);
    ship.lose(first);
    ship.tend();
    let second = ship.only();
    assert_eq!(ship.raise(second), Some(expected(7100)));
    // Nor must one that is taken back take it for an ordinary roll-back, whatever one on trial has said.
    ship.crew.keep(None, Cause::Upgrade, ship.now);
    ship.lose(second);
    let now = at(ship.now);
    let (policy, out) = (&ship.policy, &mut ship.out);
    let mut scene = Scene { now, policy, out };
    let trial = ship.crew.start(slot(2), Role::Active, &mut scene);
    assert_eq!(ship.raise(trial), Some(expected(7100)));
    ship.crew.remember(trial, vec![2], at(ship.now));
    ship.lose(trial);
    ship.crew.distrust();
    ship.crew.keep(Some(slot(1)), Cause::RollBack, ship.now);
    ship.tend();
    let back = ship.only();
    assert_eq!(ship.raise(back), Some(expected(7100)));
    // Its own words are from after the loss.
    ship.crew.remember(back, vec![3], at(ship.now));
    ship.lose(back);
    ship.now = ship.crew.next_deadline(&ship.policy).unwrap();
    ship.tend();
    let last = ship.only();
    let from = ship.raise(last).unwrap();
    assert_eq!((from.snapshot, from.cause), (vec![3], Cause::Crash));
}
