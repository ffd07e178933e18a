//! A walk before somebody's eyes: what happens, what strikes, and which law broke where, if one did.
//!
//! `cargo xtask replay <file>` runs the test below with `WALK=<file>` and shows what it prints from [`BEGINS`] on. The last line begins with
//! [`VERDICT`] or with [`NO_WALK`]; whoever changes one of these words changes it there as well.

use std::{fmt, path::Path};

use super::kept::broken_by;
use crate::world::{
    World,
    recorded::{End, Span, Walk},
};

/// The line before the story.
const BEGINS: &str = "the story begins";

/// How the last line begins, followed by [`HELD`] or by what broke.
const VERDICT: &str = "verdict: ";

/// The good verdict.
const HELD: &str = "every law held, and the world came to rest";

/// How the last line begins instead, if the file is no walk.
const NO_WALK: &str = "no walk: ";

/// Where a walk led.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// To rest.
    Held,
    /// To a law that was broken, or to a part of the world that gave up.
    Broke {
        /// The law's name, if it was one.
        law: Option<String>,
        /// After so many steps.
        step: usize,
        /// Of so many.
        steps: usize,
        /// When, in milliseconds since the supervisor's last start.
        at: u64,
        /// What was said of it.
        why: String,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Broke {
            law,
            step,
            steps,
            at,
            why,
        } = self
        else {
            return f.write_str(HELD);
        };
        match law {
            Some(law) => write!(f, "`{law}` broke ")?,
            None => f.write_str("the world gave up ")?,
        }
        match step {
            0 if *steps == 0 => f.write_str("on the way to rest")?,
            0 => f.write_str("before the first step")?,
            step if step == steps => write!(f, "after step {step}, the last one")?,
            step => write!(f, "after step {step} of {steps}")?,
        }
        let first = why.lines().next().unwrap_or_default();
        write!(f, ", at {at} ms: {first}")
    }
}

impl World {
    /// One line about how things are.
    fn state(&self) -> String {
        let status = self.agent.status(self.clock());
        let version = status.version.as_deref().unwrap_or("nothing");
        let workers = status.workers.iter();
        let workers: Vec<String> = workers
            .map(|it| {
                format!(
                    "worker {} runs {} and is {}",
                    it.tenure, it.version, it.stage
                )
            })
            .collect();
        let workers = match workers.is_empty() {
            true => "nobody runs".to_owned(),
            false => workers.join(", "),
        };
        let cloud = if status.cloud_up { "up" } else { "down" };
        format!(
            "{} ms: {}, {version} is trusted; {workers}; the cloud is {cloud}, its task {:?}",
            self.now, status.phase, self.durable.cloud.task
        )
    }
}

impl Walk {
    /// How the world is before the first step.
    fn opening(&self) -> String {
        let scene = &self.scene;
        let mut words = Vec::new();
        if let Some(seed) = self.seed {
            words.push(format!("made from seed {seed}"));
        }
        let offered = scene.offered.as_deref().unwrap_or("nothing");
        words.push(format!("the device runs 1.0.0 and is offered {offered}"));
        let place = if scene.blocks {
            "in blocks"
        } else {
            "from a server"
        };
        let standby = if scene.standby { "beside" } else { "after" };
        words.push(format!(
            "images come {place}, and a new worker starts {standby} the old one"
        ));
        for (version, behaviour) in &scene.behaviours {
            words.push(format!("{version} is {behaviour:?}"));
        }
        words.join("; ")
    }

    /// Walks to the end, and says on the way what happens.
    fn show(&self) -> Verdict {
        let (mut world, mut step) = (self.scene.wake(), 0);
        world.loud = true;
        let steps = self.steps.len();
        println!("{}", self.opening());
        let why = broken_by(|| {
            for (span, fault) in &self.steps {
                world.pass(*span);
                step += 1;
                let after = match span {
                    Span::Places(many) => format!("{many} places"),
                    Span::Millis(many) => format!("{many} ms"),
                };
                println!("      {}", world.state());
                println!(
                    "step {step} of {steps}, after {after}: {fault} ({})",
                    fault.meaning()
                );
                world.suffer(fault);
            }
            match self.end {
                End::Rest => println!("to rest, as it is"),
                End::Repair => println!("peace, and to rest"),
            }
            self.end(&mut world);
        });
        println!("      {}", world.state());
        let Some(why) = why else {
            return Verdict::Held;
        };
        let why = plain(&why).to_owned();
        let law = law_of(&why).map(str::to_owned);
        let at = world.now;
        Verdict::Broke {
            law,
            step,
            steps,
            at,
            why,
        }
    }
}

/// What was said, without the words by which an assertion that compares begins.
fn plain(why: &str) -> &str {
    let compared = [
        "assertion `left == right` failed: ",
        "assertion `left != right` failed: ",
    ];
    let rest = compared.iter().find_map(|words| why.strip_prefix(words));
    rest.unwrap_or(why)
}

/// The law this is said of: its name and a colon come first.
fn law_of(why: &str) -> Option<&str> {
    let (name, _) = why.split_once(": ")?;
    let is_name =
        name.contains('_') && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
    is_name.then_some(name)
}

/// Shows the walk in this file, and answers its verdict.
fn shown(path: &Path) -> Result<Verdict, String> {
    let text = std::fs::read_to_string(path).map_err(|why| why.to_string())?;
    Ok(Walk::read(&text)?.show())
}

#[test]
fn the_walk_that_is_asked_for_is_shown() -> Result<(), &'static str> {
    let Some(path) = std::env::var_os("WALK") else {
        return Ok(());
    };
    println!("\n{BEGINS}");
    match shown(Path::new(&path)) {
        Ok(Verdict::Held) => println!("{VERDICT}{HELD}"),
        Ok(broken) => {
            if let Verdict::Broke { why, .. } = &broken {
                println!("{why}");
            }
            println!("{VERDICT}{broken}");
            return Err("a law was broken");
        }
        Err(why) => {
            println!("{NO_WALK}{why}");
            return Err("the file is no walk");
        }
    }
    Ok(())
}

#[test]
fn the_verdict_on_a_walk_names_the_law_and_the_step() {
    let walk = |lines: &str| Walk::read(&format!("hotplate walk 1\nstill yes\n{lines}")).unwrap();
    let held = walk("offered 1.0.7\n12 places cut\nend rest").show();
    assert_eq!(held, Verdict::Held);
    for (lines, words) in [
        ("wants 9.9.9\nend rest", "on the way to rest, at "),
        (
            "wants 9.9.9\n5 places set\nend rest",
            "after step 1, the last one, at ",
        ),
    ] {
        let broken = walk(lines).show().to_string();
        assert!(broken.starts_with("`comes_to_rest` broke "), "{broken}");
        assert!(broken.contains(words), "{broken}");
        assert!(
            broken.ends_with("the trusted version never came right"),
            "{broken}"
        );
    }
    assert_eq!(law_of("told_truth: job 3 ends twice"), Some("told_truth"));
    let compared = broken_by(|| assert_eq!(1, 2, "one_active: a worker and another")).unwrap();
    assert_eq!(law_of(plain(&compared)), Some("one_active"));
    assert_eq!(law_of("index out of bounds: the len is 3"), None);
    assert_eq!(law_of("nothing"), None);
}
