//! A walk through the world as lines of text, to be kept, sent around and walked again.
//!
//! ```text
//! hotplate walk 1
//! seed 17
//! standby yes
//! version 1.0.7 DieProving
//! 12 places cut
//! 1500 ms offer 1.0.8
//! end repair
//! ```

use std::{collections::BTreeMap, fmt};

use super::{Behaviour, Blocks, Durable, World, faults::Fault};
use crate::policy::Policy;

/// The first line.
const TITLE: &str = "hotplate walk 1";

/// How the world is before the first step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scene {
    /// Is the new worker warmed up beside the old one?
    pub(crate) standby: bool,
    /// Does the platform hand images out in blocks?
    pub(crate) blocks: bool,
    /// Do the brain's dice fall alike at every event?
    pub(crate) still: bool,
    /// Is a query for an update answered with the offer of the task that is not over?
    pub(crate) answers_queries: bool,
    /// How often the device puts the switch off.
    pub(crate) later: u32,
    /// What is offered from the beginning.
    pub(crate) offered: Option<String>,
    /// How each version behaves.
    pub(crate) behaviours: BTreeMap<String, Behaviour>,
}

/// How far a step goes before its fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    /// So many commands and events.
    Places(u64),
    /// So many milliseconds.
    Millis(u64),
}

/// What follows the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Rest, as it is.
    Rest,
    /// Peace, and a good version for a device that has none left.
    Repair,
}

/// A walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Walk {
    /// The number it was made from, if it was.
    pub(crate) seed: Option<u64>,
    pub(crate) scene: Scene,
    /// The version that is to be trusted in the end; without one, any that may be.
    pub(crate) wants: Option<String>,
    pub(crate) steps: Vec<(Span, Fault)>,
    pub(crate) end: End,
}

impl Scene {
    /// A device that runs 1.0.0 and was offered 1.0.7, which behaves like this.
    pub(crate) fn offered(behaviour: Behaviour, standby: bool) -> Self {
        Self {
            standby,
            blocks: false,
            still: true,
            answers_queries: true,
            later: 0,
            offered: Some("1.0.7".to_owned()),
            behaviours: BTreeMap::from([("1.0.7".to_owned(), behaviour)]),
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            standby: self.standby,
            ..Policy::default()
        }
    }

    /// The power comes on for the first time.
    pub(crate) fn wake(&self) -> World {
        let mut durable = Durable {
            behaviours: self.behaviours.clone(),
            later: self.later,
            ..World::idle()
        };
        durable.cloud.answers_queries = self.answers_queries;
        durable.cloud.blocks = self.blocks.then(Blocks::default);
        if let Some(version) = &self.offered {
            durable.cloud.offer(version);
        }
        let mut world = World::wake(durable, &self.policy());
        world.still = self.still;
        world
    }

    /// The versions that may be trusted in the end.
    pub(crate) fn good(&self) -> Vec<&str> {
        let named = self.behaviours.iter();
        let good = named.filter(|(_, behaviour)| behaviour.may_be_trusted());
        let mut good: Vec<&str> = good.map(|(version, _)| version.as_str()).collect();
        // One of which nothing is said is good.
        let others = [Some("1.0.0"), self.offered.as_deref()];
        let unsaid = others.into_iter().flatten();
        good.extend(unsaid.filter(|version| !self.behaviours.contains_key(*version)));
        good
    }
}

impl fmt::Display for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |yes| if yes { "yes" } else { "no" };
        let Scene {
            standby,
            blocks,
            still,
            answers_queries,
            later,
            offered,
            behaviours,
        } = &self.scene;
        writeln!(f, "{TITLE}")?;
        if let Some(seed) = self.seed {
            writeln!(f, "seed {seed}")?;
        }
        writeln!(f, "standby {}", said(*standby))?;
        writeln!(f, "blocks {}", said(*blocks))?;
        writeln!(f, "still {}", said(*still))?;
        writeln!(f, "answers {}", said(*answers_queries))?;
        writeln!(f, "later {later}")?;
        if let Some(version) = offered {
            writeln!(f, "offered {version}")?;
        }
        for (version, behaviour) in behaviours {
            writeln!(f, "version {version} {behaviour:?}")?;
        }
        if let Some(version) = &self.wants {
            writeln!(f, "wants {version}")?;
        }
        for (span, fault) in &self.steps {
            match span {
                Span::Places(many) => writeln!(f, "{many} places {fault}")?,
                Span::Millis(many) => writeln!(f, "{many} ms {fault}")?,
            }
        }
        writeln!(
            f,
            "end {}",
            match self.end {
                End::Rest => "rest",
                End::Repair => "repair",
            }
        )
    }
}

impl Walk {
    /// Reads a walk. Empty lines, and those that begin with `#`, are left out.
    ///
    /// # Errors
    /// The line that is not understood, with its number.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let is_said = |(_, line): &(usize, &str)| !line.is_empty() && !line.starts_with('#');
        let lines = text.lines().map(str::trim).enumerate();
        let mut lines = lines.map(|(at, line)| (at + 1, line)).filter(is_said);
        match lines.next() {
            Some((_, TITLE)) => {}
            Some((at, other)) => return Err(format!("line {at} is `{other}` and not `{TITLE}`")),
            None => return Err(format!("it is empty, and has no line `{TITLE}`")),
        }
        let mut walk = Self {
            seed: None,
            scene: Scene {
                standby: true,
                blocks: false,
                still: false,
                answers_queries: false,
                later: 0,
                offered: None,
                behaviours: BTreeMap::new(),
            },
            wants: None,
            steps: Vec::new(),
            end: End::Rest,
        };
        for (at, line) in lines {
            let read = walk.take(line);
            read.ok_or_else(|| format!("line {at}, `{line}`, is none of a walk"))?;
        }
        Ok(walk)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let (first, rest) = line.split_once(' ')?;
        let meant = |word: &str| match word {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        let scene = &mut self.scene;
        match first {
            "seed" => self.seed = Some(rest.parse().ok()?),
            "standby" => scene.standby = meant(rest)?,
            "blocks" => scene.blocks = meant(rest)?,
            "still" => scene.still = meant(rest)?,
            "answers" => scene.answers_queries = meant(rest)?,
            "later" => scene.later = rest.parse().ok()?,
            "offered" => scene.offered = Some(rest.to_owned()),
            "version" => {
                let (version, behaviour) = rest.split_once(' ')?;
                let behaviour = Behaviour::all().find(|it| format!("{it:?}") == behaviour)?;
                scene.behaviours.insert(version.to_owned(), behaviour);
            }
            "wants" => self.wants = Some(rest.to_owned()),
            "end" => {
                self.end = match rest {
                    "rest" => End::Rest,
                    "repair" => End::Repair,
                    _ => return None,
                }
            }
            number => {
                let many = number.parse().ok()?;
                let (unit, fault) = rest.split_once(' ')?;
                let span = match unit {
                    "places" => Span::Places(many),
                    "ms" => Span::Millis(many),
                    _ => return None,
                };
                self.steps.push((span, Fault::named(fault)?));
            }
        }
        Some(())
    }
}
