//! The builds that are offered: good ones, each kind of bad worker a misfit can be, and images no device may start.

use serde_json::{Value, json};

use crate::soak::dice::Dice;

/// What is offered, and what may become of it.
#[derive(Debug, Clone)]
pub(crate) struct Build {
    /// What kind it is.
    pub(crate) name: &'static str,
    /// What is in the file.
    pub(crate) content: Content,
    /// Who vouches for it.
    pub(crate) seal: Seal,
    /// How far it may come.
    pub(crate) trust: Trust,
    /// What the platform may be told if nothing else goes wrong; nothing where it is to succeed.
    pub(crate) steps: &'static [i64],
}

/// What is in the file.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// A misfit with these orders beside its version and its journal.
    Misfit(Value),
    /// The first half of one.
    Half,
    /// Bytes that are no program.
    Noise,
}

/// Who vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seal {
    /// The publisher the device trusts, and what is said is true.
    True,
    /// Nobody.
    None,
    /// Somebody else.
    Stranger,
    /// The publisher, and a letter of it was changed.
    Garbled,
    /// The publisher, for another version.
    OtherVersion,
    /// The publisher, for another system.
    OtherTarget,
    /// The publisher, for a file of another length.
    OtherSize,
}

/// How far a build may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// It may never be started.
    Never,
    /// It may be started as often as a build is tried, and may never be trusted.
    Trial,
    /// It is trusted, and taken back when it keeps dying.
    Late,
    /// It may be trusted.
    Trusted,
}

type Orders = fn(&mut Dice) -> Value;

/// The longest a bad worker behaves after its activation, in ms; well below the proving window.
const BEHAVES: u64 = 250;

const BAD_WORKERS: [(&str, Orders, &[i64]); 16] = [
    ("never-hello", |_| json!({}), &[-4]),
    ("outstay", |_| json!({}), &[-4]),
    ("connect-and-be-silent", |_| json!({}), &[-4]),
    ("exit-at-once", |_| json!({}), &[-4]),
    ("unfit", |_| json!({}), &[-4]),
    ("never-ready", |_| json!({}), &[-4]),
    ("fail-activate", |_| json!({}), &[-1]),
    ("hang-activate", |_| json!({}), &[-1]),
    ("die-while-proving", after, &[-1]),
    ("hang-while-proving", after, &[-1]),
    ("unwell-while-proving", after, &[-1]),
    ("other-version", |_| json!({"says": "9.9.9"}), &[-4]),
    ("garbage-frame", instead, &[-4]),
    ("too-long-frame", instead, &[-4]),
    ("truncated-frame", instead, &[-4]),
    ("stale-token", |_| json!({}), &[-4]),
];

fn after(dice: &mut Dice) -> Value {
    json!({"after_ms": dice.between(0, BEHAVES)})
}

fn instead(dice: &mut Dice) -> Value {
    json!({"instead": dice.percent(50)})
}

const SPOILT: [(&str, Content, Seal, Trust, &[i64]); 8] = [
    ("unsigned", GOOD, Seal::None, Trust::Never, &[-3]),
    ("other-key", GOOD, Seal::Stranger, Trust::Never, &[-3]),
    ("garbled", GOOD, Seal::Garbled, Trust::Never, &[-3]),
    (
        "signed-for-other-version",
        GOOD,
        Seal::OtherVersion,
        Trust::Never,
        &[-3],
    ),
    (
        "signed-for-other-target",
        GOOD,
        Seal::OtherTarget,
        Trust::Never,
        &[-3],
    ),
    (
        "signed-for-other-size",
        GOOD,
        Seal::OtherSize,
        Trust::Never,
        &[-3],
    ),
    (
        "no-program",
        Content::Noise,
        Seal::True,
        Trust::Trial,
        &[-4],
    ),
    (
        "half-a-program",
        Content::Half,
        Seal::True,
        Trust::Trial,
        &[-4],
    ),
];

/// A misfit without further orders.
const GOOD: Content = Content::Misfit(Value::Null);

/// What good workers are told, as good ones also have their ways when the next version is to take over.
const MANNERS: [(u64, &str, Orders); 4] = [
    (70, "behave", |_| json!({})),
    (
        12,
        "later",
        |dice| json!({"after_ms": 1000, "times": dice.between(1, 2)}),
    ),
    (9, "keep-handover", |_| json!({})),
    (9, "stay", |_| json!({})),
];

impl Build {
    /// The one that is installed by hand.
    pub(crate) fn first() -> Self {
        Self {
            name: "first",
            content: misfit("behave", json!({})),
            seal: Seal::True,
            trust: Trust::Trusted,
            steps: &[],
        }
    }

    /// One that has to be taken.
    pub(super) fn good(dice: &mut Dice) -> Self {
        let manners = MANNERS.map(|(weight, name, orders)| (weight, (name, orders)));
        let (name, orders) = *dice.weighed(&manners);
        Self {
            name,
            content: misfit(name, orders(dice)),
            seal: Seal::True,
            trust: Trust::Trusted,
            steps: &[],
        }
    }

    /// One whose worker fails.
    pub(super) fn bad_worker(dice: &mut Dice) -> Self {
        let (name, orders, steps) = *dice.one(&BAD_WORKERS);
        Self {
            name,
            content: misfit(name, orders(dice)),
            seal: Seal::True,
            trust: Trust::Trial,
            steps,
        }
    }

    /// One that should not be there at all.
    pub(super) fn spoilt(dice: &mut Dice) -> Self {
        let (name, content, seal, trust, steps) = dice.one(&SPOILT);
        let (seal, trust) = (*seal, *trust);
        let content = match content {
            Content::Misfit(_) => misfit("behave", json!({})),
            other => other.clone(),
        };
        Self {
            name,
            content,
            seal,
            trust,
            steps,
        }
    }

    /// One that proves itself and keeps dying afterwards.
    pub(super) fn late() -> Self {
        Self {
            name: "die-when-trusted",
            content: misfit("die-while-proving", json!({"after_ms": 1200})),
            seal: Seal::True,
            trust: Trust::Late,
            steps: &[],
        }
    }

    /// A good one whose time is over.
    pub(super) fn older() -> Self {
        Self {
            name: "older",
            content: misfit("behave", json!({})),
            seal: Seal::True,
            trust: Trust::Never,
            steps: &[-1],
        }
    }

    /// Is it one that a device has to take?
    pub(crate) fn is_good(&self) -> bool {
        self.trust == Trust::Trusted
    }
}

fn misfit(deed: &str, mut orders: Value) -> Content {
    orders["do"] = deed.into();
    Content::Misfit(orders)
}

/// The names of all kinds.
#[cfg(test)]
pub(super) fn all() -> Vec<&'static str> {
    let good = MANNERS.iter().map(|(_, name, _)| *name);
    let bad = BAD_WORKERS.iter().map(|(name, ..)| *name);
    let spoilt = SPOILT.iter().map(|(name, ..)| *name);
    let others = ["die-when-trusted", "older"];
    good.chain(bad).chain(spoilt).chain(others).collect()
}
