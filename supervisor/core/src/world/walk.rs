//! Random walks: faults and wishes at random times, then peace, then rest.
//!
//! Each walk is made from a number alone and written down while it goes. One that breaks a law is left as a file, and `cargo xtask replay
//! <file>` walks it again step by step. `WALKS=<count>` sets how many there are, `WALK_SEED=<number>` where they begin.

use std::collections::BTreeMap;

use super::{
    Behaviour, World,
    blocks::{Answer, WRONG},
    faults::{Broken, Fault},
    recorded::{End, Scene, Span, Walk},
};
use crate::{
    event::{Request, SlotId, Tenure},
    time::Jitter,
};

/// How many walks there are if nobody says otherwise.
const WALKS: u64 = 300;

/// How many faults and wishes one walk has at most.
const STEPS: u64 = 60;

const VERSIONS: [&str; 4] = ["1.0.7", "1.0.8", "1.0.9", "2.0.0"];

struct Dice(Jitter);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        let span = std::time::Duration::from_millis(most - 1);
        u64::try_from(self.0.up_to(span).as_millis()).unwrap()
    }

    fn count(&mut self, from: u64, most: u64) -> u32 {
        u32::try_from(from + self.below(most)).unwrap()
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        let at = self.below(of.len() as u64);
        of[usize::try_from(at).unwrap()].clone()
    }
}

fn scene(dice: &mut Dice) -> Scene {
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
    Scene {
        standby: dice.below(4) > 0,
        blocks: dice.below(3) == 0,
        still: false,
        later: 0,
        offered: None,
        answers_queries: dice.below(2) == 0,
        behaviours,
    }
}

/// A walk that is being made: what was done so far, and where that led.
struct Going {
    walk: Walk,
    world: World,
    dice: Dice,
}

impl Going {
    fn begin(seed: u64) -> Self {
        let mut dice = Dice(Jitter::new(seed));
        let scene = scene(&mut dice);
        let world = scene.wake();
        let (steps, end) = (Vec::new(), End::Repair);
        let seed = Some(seed);
        let walk = Walk {
            seed,
            scene,
            wants: None,
            steps,
            end,
        };
        Self { walk, world, dice }
    }

    fn go(&mut self) {
        let steps = 1 + self.dice.below(STEPS);
        for _ in 0..steps {
            let spans = [1, 7, 30, 150, 700, 4_000, 15_000, 70_000];
            let most = self.dice.one(&spans);
            let span = Span::Millis(self.dice.below(most));
            self.walk.steps.push((span, Fault::Wait));
            self.world.pass(span);
            let fault = self.draw();
            self.walk.steps.pop();
            self.walk.steps.push((span, fault.clone()));
            self.world.suffer(&fault);
        }
        self.walk.end(&mut self.world);
    }

    fn draw(&mut self) -> Fault {
        let (world, dice) = (&self.world, &mut self.dice);
        let lives: Vec<Tenure> = world
            .processes
            .iter()
            .filter(|(_, process)| process.alive)
            .map(|(tenure, _)| *tenure)
            .collect();
        let slots: Vec<SlotId> = world.durable.disk.slots.iter().map(|it| it.id).collect();
        match dice.below(20) {
            0..=3 => {
                let version = dice.one(&["1.0.0", "1.0.7", "1.0.8", "1.0.9", "2.0.0"]);
                Fault::Offer(version.to_owned())
            }
            4 => dice.one(&[Fault::Cut, Fault::Kill]),
            5 => Fault::LoseCloud(dice.count(0, 5)),
            6 => dice.one(&[Fault::KickCloud, Fault::Withhold]),
            7 if !lives.is_empty() => Fault::Die(dice.one(&lives)),
            8 if !lives.is_empty() => Fault::Hang(dice.one(&lives)),
            9 if !lives.is_empty() => Fault::Unlink(dice.one(&lives)),
            10 => Fault::FailSaves(dice.one(&[1, 1, 2, 8])),
            11 => Fault::FailCheckpoints(dice.count(1, 3)),
            12 => Fault::FailSpawns(dice.count(1, 3)),
            13 => {
                let broken = dice.one(&[
                    Broken::Short,
                    Broken::Busy,
                    Broken::Expired,
                    Broken::Gone,
                    Broken::Other,
                    Broken::Room,
                ]);
                match dice.below(2) {
                    0 => Fault::FailFetch(broken),
                    _ => Fault::FailFetches(1 + dice.below(3), broken),
                }
            }
            14 if dice.below(4) == 0 => Fault::Stop,
            14 => Fault::PutOff(dice.count(0, 3)),
            15 => Fault::Freeze(dice.below(60_000)),
            16 => {
                let answer = match dice.below(8) {
                    0 => Answer::Late(30_000),
                    1 => Answer::Twice,
                    _ => dice.one(&WRONG),
                };
                Fault::Blocks(dice.one(&[1, 1, 4, 9]), answer)
            }
            17 if !slots.is_empty() => {
                let slot = dice.one(&slots);
                match dice.below(2) {
                    0 => Fault::Damage(slot),
                    _ => Fault::Unread(slot, dice.count(1, 3)),
                }
            }
            18 => {
                let version = dice.one(&VERSIONS);
                let wishes = [
                    Request::Pause,
                    Request::Resume,
                    Request::Cancel,
                    Request::Rollback,
                    Request::Release(version.parse().unwrap()),
                ];
                Fault::Ask(dice.one(&wishes))
            }
            _ => Fault::Set,
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_happens_at_random_the_laws_hold_and_the_world_comes_to_rest() {
    let first = number("WALK_SEED").unwrap_or(0);
    let many = number("WALKS").unwrap_or(WALKS);
    let mut steps = 0;
    for seed in first..first + many {
        let mut going = Going::begin(seed);
        let whole = std::panic::AssertUnwindSafe(|| going.go());
        if let Err(why) = std::panic::catch_unwind(whole) {
            going.walk.write_down();
            std::panic::resume_unwind(why);
        }
        steps += going.walk.steps.len();
    }
    println!("{many} random walks with {steps} faults and wishes");
}

#[test]
fn a_walk_that_was_written_down_leads_where_it_led() {
    for seed in [3, 4] {
        let mut going = Going::begin(seed);
        going.go();
        let text = going.walk.to_string();
        let again = Walk::read(&text).unwrap();
        assert_eq!(again, going.walk);
        let world = again.go();
        assert_eq!(world.now, going.world.now);
        assert_eq!(world.log, going.world.log);
        assert_eq!(world.durable.key(), going.world.durable.key());
    }
}

#[test]
fn what_is_no_walk_is_said_to_be_none() {
    for (text, word) in [
        ("", "empty"),
        ("\n# nothing\n", "empty"),
        ("# later\nhotplate walk 2", "line 2 is `hotplate walk 2`"),
        (
            "hotplate walk 1\n12 places dance",
            "line 2, `12 places dance`",
        ),
        (
            "hotplate walk 1\n\n# so far\nversion 1.0.7 Wicked",
            "line 4, `version 1.0.7 Wicked`",
        ),
        ("hotplate walk 1\nstandby perhaps", "perhaps"),
    ] {
        let why = Walk::read(text).unwrap_err();
        assert!(why.contains(word), "{why}");
    }
    assert!(Walk::read("hotplate walk 1\n12 places cut\nend rest").is_ok());
}
