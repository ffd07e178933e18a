//! Walking a recorded walk: to its end, and if it is asked for, step by step before somebody's eyes.
//!
//! Walks that once broke a law lie in `walks/`; each of them is walked again by a test. `WALK=<file>` names another one.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
    sync::Once,
};

use super::{
    World,
    faults::Fault,
    recorded::{End, Span, Walk},
    rest::Rest,
};
use crate::{event::CloudLoss, time::Now};

/// A good version for a device that has none left.
const REPAIR: &str = "3.0.0";

/// How often that is looked at, and it is offered: what is offered while a bad update is under way ends with that, if it takes the machine down.
const REPAIRS: u32 = 20;

impl World {
    /// So much of the world goes by; a supervisor that ends is started again.
    pub(super) fn pass(&mut self, span: Span) {
        match span {
            Span::Places(many) => (0..many).for_each(|_| self.go_on()),
            Span::Millis(span) => self.pass_time(span),
        }
    }

    fn pass_time(&mut self, span: u64) {
        let mut left = span;
        self.carry_out();
        while left > 0 || self.exited {
            let before = self.now;
            if self.exited {
                self.go_on();
            } else {
                self.step(before + left);
            }
            // Where the power was out, the clock began anew.
            left -= self.now.saturating_sub(before).min(left);
            self.carry_out();
        }
    }

    /// One line about how things are.
    fn state(&self) -> String {
        let status = self.agent.status(self.clock());
        let version = status.version.as_deref().unwrap_or("nothing");
        let workers: Vec<String> = status
            .workers
            .iter()
            .map(|it| format!("{} {} ({})", it.version, it.stage, it.tenure))
            .collect();
        let cloud = if status.cloud_up { "up" } else { "down" };
        format!(
            "{} ms: {}, trusted {version}, workers [{}], cloud {cloud}, task {:?}",
            self.now,
            status.phase,
            workers.join(", "),
            self.durable.cloud.task
        )
    }
}

impl Walk {
    /// Walks to the end.
    pub(super) fn go(&self) -> World {
        self.go_from(self.scene.wake())
    }

    fn go_from(&self, mut world: World) -> World {
        let (steps, loud) = (self.steps.len(), world.loud);
        for (at, (span, fault)) in self.steps.iter().enumerate() {
            world.pass(*span);
            if loud {
                println!("  {}", world.state());
                println!("step {} of {steps}: {fault}", at + 1);
            }
            world.suffer(fault);
        }
        self.end(&mut world);
        world
    }

    /// What follows the last step.
    pub(super) fn end(&self, world: &mut World) {
        let mut versions = self.scene.good();
        if self.end == End::Repair {
            repair(world);
            versions.push(REPAIR);
        }
        let harmed = |(_, fault): &(Span, Fault)| matches!(fault, Fault::Damage(_));
        world.go_to_rest(Rest {
            versions: &versions,
            or_none: self.end == End::Rest && self.steps.iter().any(harmed),
        });
    }

    /// Leaves out every step without which a law is broken all the same.
    fn shortened(&self) -> Self {
        let breaks = |walk: &Self| {
            let whole = std::panic::AssertUnwindSafe(|| walk.go());
            quietly(|| std::panic::catch_unwind(whole).is_err())
        };
        let mut walk = self.clone();
        let mut at = walk.steps.len();
        while at > 0 {
            at -= 1;
            let mut shorter = walk.clone();
            let (span, _) = shorter.steps.remove(at);
            let mut waiting = walk.clone();
            waiting.steps[at] = (span, Fault::Wait);
            if breaks(&shorter) {
                walk = shorter;
            } else if breaks(&waiting) {
                walk = waiting;
            }
        }
        walk
    }

    /// Writes it to a file, as short as it can be told, and says where.
    pub(super) fn write_down(&self) {
        self.shortened().write();
    }

    fn write(&self) {
        let name = format!("hotplate-{}.walk", std::process::id());
        let path = std::env::temp_dir().join(name);
        match std::fs::write(&path, self.to_string()) {
            Ok(()) => println!(
                "to see it again: WALK={} cargo test -p supervisor-core a_recorded_walk -- --nocapture",
                path.display()
            ),
            Err(why) => println!("{} could not be written: {why}\n{self}", path.display()),
        }
    }
}

/// Peace, and a good version for a device that has none left.
fn repair(world: &mut World) {
    world.make_peace();
    world.cloud_is(true, CloudLoss::Closed);
    // Long enough for whoever is silent to be found so, and then perhaps a slot to be damaged.
    world.pass(Span::Millis(150_000));
    // What it was to be told of while it did not listen is not pushed again for ever: a platform gives up.
    world.durable.cloud.task = super::Task::None;
    for _ in 0..REPAIRS {
        let status = world.agent.status(Now::default());
        if status.phase == "idle" && status.version.is_some() {
            break;
        }
        if status.version.is_none() {
            world.suffer(&Fault::Offer(REPAIR.to_owned()));
        }
        world.pass(Span::Millis(300_000));
    }
}

thread_local! {
    /// Does this thread break laws on purpose?
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does it without a word about a broken law.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |why| {
            if !QUIET.get() {
                told(why);
            }
        }));
    });
    QUIET.set(true);
    let done = work();
    QUIET.set(false);
    done
}

/// The walk in this file.
fn read(path: &Path) -> Walk {
    let text = std::fs::read_to_string(path);
    let text = text.unwrap_or_else(|why| panic!("`{}`: {why}", path.display()));
    Walk::read(&text).unwrap_or_else(|why| panic!("`{}`: {why}", path.display()))
}

#[test]
fn a_recorded_walk_keeps_the_laws() {
    if let Some(path) = std::env::var_os("WALK") {
        let walk = read(Path::new(&path));
        let mut world = walk.scene.wake();
        world.loud = true;
        let world = walk.go_from(world);
        println!("  {}", world.state());
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/world/walks");
    let entries = std::fs::read_dir(&folder).unwrap();
    let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(!paths.is_empty(), "no walk lies in `{}`", folder.display());
    for path in paths {
        println!("{}", path.display());
        read(&path).go();
    }
}
