//! Walking a recorded walk to its end.
//!
//! Walks that once broke a law lie in `walks/`; each of them is walked again by a test. Any other is shown step by step by `cargo xtask
//! replay <file>`.

mod kept;
mod shown;

use std::path::{Path, PathBuf};

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
}

impl Walk {
    /// Walks to the end.
    pub(super) fn go(&self) -> World {
        let mut world = self.scene.wake();
        for (span, fault) in &self.steps {
            world.pass(*span);
            world.suffer(fault);
        }
        self.end(&mut world);
        world
    }

    /// What follows the last step.
    pub(super) fn end(&self, world: &mut World) {
        let mut versions = match &self.wants {
            Some(version) => vec![version.as_str()],
            None => self.scene.good(),
        };
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

#[test]
fn a_recorded_walk_keeps_the_laws() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/world/walks");
    let entries = std::fs::read_dir(&folder).unwrap();
    let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(!paths.is_empty(), "no walk lies in `{}`", folder.display());
    for path in paths {
        println!("{}", path.display());
        let text = std::fs::read_to_string(&path).unwrap();
        Walk::read(&text).unwrap().go();
    }
}
