//! Random walks: faults and wishes at random times, then peace, then rest.
//!
//! Each walk is made from a number alone. The one that fails is printed and can be walked again with `WALK=<number>`; `WALKS=<count>`
//! sets how many there are.

use std::collections::BTreeMap;

use super::{
    Behaviour, Blocks, Durable, World,
    blocks::{Answer, WRONG},
};
use crate::{
    event::{CloudLoss, Event, FetchFault, Request, Tenure},
    policy::Policy,
    time::{Jitter, Now},
};

/// How many walks there are if nobody says otherwise.
const WALKS: u64 = 300;

/// How many faults and wishes one walk has at most.
const STEPS: u64 = 60;

/// A good version for a device that has none left.
const REPAIR: &str = "3.0.0";

const VERSIONS: [&str; 4] = ["1.0.7", "1.0.8", "1.0.9", "2.0.0"];

struct Dice(Jitter);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        let span = std::time::Duration::from_millis(most - 1);
        u64::try_from(self.0.up_to(span).as_millis()).unwrap()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        let at = self.below(of.len() as u64);
        of[usize::try_from(at).unwrap()]
    }
}

fn walk(number: u64) -> u64 {
    let mut dice = Dice(Jitter::new(number));
    let bad = Behaviour::BAD.map(|(behaviour, _)| behaviour);
    let mut behaviours = BTreeMap::new();
    for version in VERSIONS {
        let behaviour = if dice.below(3) == 0 {
            Behaviour::Good
        } else {
            dice.one(&bad)
        };
        behaviours.insert(version.to_owned(), behaviour);
    }
    let old = dice.one(&[Behaviour::Good, Behaviour::Good, Behaviour::KeepHandover]);
    behaviours.insert("1.0.0".to_owned(), old);
    let policy = Policy {
        standby: dice.below(4) > 0,
        ..Policy::default()
    };
    let mut durable = Durable {
        behaviours,
        ..World::idle()
    };
    durable.cloud.blocks = (dice.below(3) == 0).then(Blocks::default);
    let mut world = World::boot(durable, &policy);
    let steps = 1 + dice.below(STEPS);
    for _ in 0..steps {
        fault(&mut world, &mut dice);
        let spans = [1, 7, 30, 150, 700, 4_000, 15_000, 70_000];
        let span = dice.one(&spans);
        world.run(dice.below(span) + 1);
        if world.exited {
            assert_eq!(world.alive().count(), 0, "somebody was left behind");
            world.power_cut();
        }
    }
    world.durable.disk.failing.clear();
    world.durable.kept.failing = 0;
    world.durable.disk.downloads.clear();
    world.failing_spawns = 0;
    world.cloud_is(true, CloudLoss::Closed);
    let mut trusted: Vec<&str> = vec!["1.0.0"];
    let good = |version: &&str| world.durable.behaviours[*version] == Behaviour::Good;
    trusted.extend(VERSIONS.iter().filter(|version| good(version)));
    world.run(30_000);
    if world.exited {
        world.power_cut();
    }
    world.wish(&Request::Resume);
    // Long enough for whoever is silent to be found so, and then perhaps a slot to be damaged.
    world.run(120_000);
    // What it was to be told of while it did not listen is not pushed again for ever: a platform gives up.
    world.durable.cloud.task = super::Task::None;
    trusted.push(REPAIR);
    // What is offered while a bad update is under way ends with that, if it takes the machine down: it is offered again.
    for _ in 0..20 {
        let status = world.agent.status(Now::default());
        if status.phase == "idle" && status.version.is_some() {
            break;
        }
        if status.version.is_none() {
            offer(&mut world, REPAIR);
        }
        world.run(300_000);
    }
    world.rest(&trusted);
    world.now
}

fn offer(world: &mut World, version: &str) {
    world.durable.cloud.offer(version);
    if world.durable.cloud.connected {
        let (topic, payload) = world.durable.cloud.push_of(version);
        world.tell(Event::Arrived { topic, payload });
    }
}

fn fault(world: &mut World, dice: &mut Dice) {
    let lives: Vec<Tenure> = world
        .processes
        .iter()
        .filter(|(_, process)| process.alive)
        .map(|(tenure, _)| *tenure)
        .collect();
    match dice.below(18) {
        0..=3 => {
            let version = dice.one(&["1.0.0", "1.0.7", "1.0.8", "1.0.9", "2.0.0"]);
            offer(world, version);
        }
        4 if dice.below(2) == 0 => world.supervisor_lost(),
        4 => world.power_cut(),
        5 => world.cloud_is(false, CloudLoss::Broken("no route".to_owned())),
        6 => world.cloud_is(true, CloudLoss::Closed),
        7 if !lives.is_empty() => {
            let tenure = dice.one(&lives);
            world.end(tenure, 101);
        }
        8 if !lives.is_empty() => {
            let tenure = dice.one(&lives);
            world.fall_silent(tenure);
        }
        9 => {
            let saves = world.durable.disk.saves;
            let first = saves + 1 + dice.below(3);
            let many = dice.one(&[1, 1, 2, 8]);
            world.durable.disk.failing.extend(first..first + many);
            world.durable.kept.failing = u32::try_from(dice.below(4)).unwrap();
        }
        10 => world.failing_spawns = u32::try_from(1 + dice.below(3)).unwrap(),
        11 => {
            let (got, promised) = (1, 2);
            let faults = [
                FetchFault::Short { got, promised },
                FetchFault::Status(503),
                FetchFault::Status(403),
                FetchFault::Status(404),
                FetchFault::Disk("no room".to_owned()),
            ];
            let fault = faults[usize::try_from(dice.below(4)).unwrap()].clone();
            world.durable.disk.downloads.push_back(fault);
        }
        12 if dice.below(4) == 0 => world.tell(Event::Stop),
        12 => world.durable.later = u32::try_from(dice.below(3)).unwrap(),
        13 => world.freeze(dice.below(60_000)),
        14 => {
            let many = dice.one(&[1, 1, 4, 9]);
            if let Some(blocks) = &mut world.durable.cloud.blocks {
                let answers = (0..many).map(|_| dice.one(&WRONG));
                blocks.answers.extend(answers);
                if dice.below(4) == 0 {
                    blocks.answers.push_back(Answer::Late(30_000));
                }
            }
        }
        15 if dice.below(2) == 0 => {
            let slots: Vec<_> = world.durable.disk.slots.iter().map(|it| it.id).collect();
            if !slots.is_empty() {
                world.durable.disk.damaged.insert(dice.one(&slots));
            }
        }
        16 | 17 if !world.exited => {
            let version = dice.one(&VERSIONS).parse().unwrap();
            let wishes = [
                Request::Pause,
                Request::Resume,
                Request::Cancel,
                Request::Rollback,
                Request::Release(version),
            ];
            let place = usize::try_from(dice.below(5)).unwrap();
            world.wish(&wishes[place]);
        }
        _ => {
            let topic = "/sys/pk/dn/thing/service/property/set".to_owned();
            let payload = br#"{"id":"5","params":{"target_temperature":99.5}}"#.to_vec();
            world.tell(Event::Arrived { topic, payload });
            assert!(world.agent.status(Now::default()).workers.len() <= 4);
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_happens_at_random_the_laws_hold_and_the_world_comes_to_rest() {
    if let Some(one) = number("WALK") {
        walk(one);
        return;
    }
    for one in 0..number("WALKS").unwrap_or(WALKS) {
        if let Err(why) = std::panic::catch_unwind(|| walk(one)) {
            println!("to see it again: WALK={one}");
            std::panic::resume_unwind(why);
        }
    }
}
