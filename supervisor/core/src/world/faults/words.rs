//! Faults as the words of a recorded walk.

use std::fmt;

use super::{Broken, Fault};
use crate::{
    event::{Request, SlotId, Tenure},
    world::blocks::Answer,
};

const BROKEN: [(&str, Broken); 6] = [
    ("short", Broken::Short),
    ("busy", Broken::Busy),
    ("expired", Broken::Expired),
    ("gone", Broken::Gone),
    ("other-digest", Broken::Other),
    ("no-room", Broken::Room),
];

const ANSWERS: [(&str, Answer); 9] = [
    ("well", Answer::Well),
    ("lost", Answer::Lost),
    ("late", Answer::Late(30_000)),
    ("twice", Answer::Twice),
    ("torn", Answer::Torn),
    ("torn-twice", Answer::TornTwice),
    ("cut", Answer::Cut),
    ("elsewhere", Answer::Elsewhere),
    ("refused", Answer::Refused(500)),
];

fn word<T: PartialEq>(of: &[(&'static str, T)], value: &T) -> &'static str {
    let named = of.iter().find(|(_, it)| it == value);
    named.unwrap_or_else(|| panic!("a fault without a word")).0
}

fn meant<T: Copy>(of: &[(&'static str, T)], word: &str) -> Option<T> {
    of.iter()
        .find(|(it, _)| *it == word)
        .map(|(_, value)| *value)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => write!(f, "cut"),
            Self::Kill => write!(f, "kill"),
            Self::Stop => write!(f, "stop"),
            Self::FailSaves(many) => write!(f, "fail-saves {many}"),
            Self::FailCheckpoints(many) => write!(f, "fail-checkpoints {many}"),
            Self::FailSpawns(many) => write!(f, "fail-spawns {many}"),
            Self::Damage(slot) => write!(f, "damage {}", slot.0),
            Self::Unread(slot, many) => write!(f, "unread {} {many}", slot.0),
            Self::FailFetch(broken) => write!(f, "fail-fetch {}", word(&BROKEN, broken)),
            Self::FailFetches(many, broken) => {
                write!(f, "fail-fetches {many} {}", word(&BROKEN, broken))
            }
            Self::Die(tenure) => write!(f, "die {}", tenure.0),
            Self::Hang(tenure) => write!(f, "hang {}", tenure.0),
            Self::Unlink(tenure) => write!(f, "unlink {}", tenure.0),
            Self::LoseCloud(tries) => write!(f, "lose-cloud {tries}"),
            Self::KickCloud => write!(f, "kick-cloud"),
            Self::Withhold => write!(f, "withhold"),
            Self::Offer(version) => write!(f, "offer {version}"),
            Self::Ask(Request::Pause) => write!(f, "pause"),
            Self::Ask(Request::Resume) => write!(f, "resume"),
            Self::Ask(Request::Cancel) => write!(f, "cancel"),
            Self::Ask(Request::Rollback) => write!(f, "rollback"),
            Self::Ask(Request::Release(version)) => write!(f, "release {version}"),
            // No other question of an operator changes anything.
            Self::Ask(other) => write!(f, "{other:?}"),
            Self::Freeze(span) => write!(f, "freeze {span}"),
            Self::PutOff(times) => write!(f, "put-off {times}"),
            Self::Blocks(many, answer) => write!(f, "blocks {many} {}", word(&ANSWERS, answer)),
            Self::Set => write!(f, "set"),
            Self::Wait => write!(f, "wait"),
        }
    }
}

impl Fault {
    /// The fault these words name.
    pub(crate) fn named(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = |word: &str| word.parse::<u64>().ok();
        let count = |word: &str| word.parse::<u32>().ok();
        Some(match words[..] {
            ["cut"] => Self::Cut,
            ["kill"] => Self::Kill,
            ["stop"] => Self::Stop,
            ["fail-saves", many] => Self::FailSaves(number(many)?),
            ["fail-checkpoints", many] => Self::FailCheckpoints(count(many)?),
            ["fail-spawns", many] => Self::FailSpawns(count(many)?),
            ["damage", slot] => Self::Damage(SlotId(number(slot)?)),
            ["unread", slot, many] => Self::Unread(SlotId(number(slot)?), count(many)?),
            ["fail-fetch", broken] => Self::FailFetch(meant(&BROKEN, broken)?),
            ["fail-fetches", many, broken] => {
                Self::FailFetches(number(many)?, meant(&BROKEN, broken)?)
            }
            ["die", tenure] => Self::Die(Tenure(number(tenure)?)),
            ["hang", tenure] => Self::Hang(Tenure(number(tenure)?)),
            ["unlink", tenure] => Self::Unlink(Tenure(number(tenure)?)),
            ["lose-cloud", tries] => Self::LoseCloud(count(tries)?),
            ["kick-cloud"] => Self::KickCloud,
            ["withhold"] => Self::Withhold,
            ["offer", version] => Self::Offer(version.to_owned()),
            ["pause"] => Self::Ask(Request::Pause),
            ["resume"] => Self::Ask(Request::Resume),
            ["cancel"] => Self::Ask(Request::Cancel),
            ["rollback"] => Self::Ask(Request::Rollback),
            ["release", version] => Self::Ask(Request::Release(version.parse().ok()?)),
            ["freeze", span] => Self::Freeze(number(span)?),
            ["put-off", times] => Self::PutOff(count(times)?),
            ["blocks", many, answer] => Self::Blocks(count(many)?, meant(&ANSWERS, answer)?),
            ["set"] => Self::Set,
            ["wait"] => Self::Wait,
            _ => return None,
        })
    }
}

impl Fault {
    /// What that is, for whoever does not know its word.
    pub(crate) fn meaning(&self) -> String {
        match self {
            Self::Cut => "the power goes out, and comes on again".to_owned(),
            Self::Kill => "the supervisor is killed, and started again".to_owned(),
            Self::Stop => "the supervisor is stopped in order, and started again".to_owned(),
            Self::FailSaves(many) => format!("saves of the record fail, {many} of them"),
            Self::FailCheckpoints(many) => format!("checkpoints cannot be kept, {many} of them"),
            Self::FailSpawns(many) => format!("starts of a process fail, {many} of them"),
            Self::Damage(slot) => format!("slot {} is not what it was", slot.0),
            Self::Unread(slot, many) => {
                format!("slot {} cannot be read, {many} times", slot.0)
            }
            Self::FailFetch(_) => "the download under way fails".to_owned(),
            Self::FailFetches(many, _) => format!("downloads fail in their middle, {many} of them"),
            Self::Die(tenure) => format!("worker {} ends by itself", tenure.0),
            Self::Hang(tenure) => format!("worker {} hangs", tenure.0),
            Self::Unlink(tenure) => format!("worker {} loses its link", tenure.0),
            Self::LoseCloud(tries) => {
                format!("the connection breaks, and tries to connect fail, {tries} of them")
            }
            Self::KickCloud => "the broker closes the connection".to_owned(),
            Self::Withhold => "the broker acknowledges nothing on this connection".to_owned(),
            Self::Offer(version) => format!("the platform wants {version}"),
            Self::Ask(request) => format!("an operator says {request:?}"),
            Self::Freeze(span) => format!("the supervisor alone stands still for {span} ms"),
            Self::PutOff(times) => format!("the running worker puts the switch off, {times} times"),
            Self::Blocks(many, _) => format!("the platform answers so, {many} times"),
            Self::Set => "the platform sets a property".to_owned(),
            Self::Wait => "only time goes by".to_owned(),
        }
    }
}

#[test]
fn what_a_walk_has_on_a_line_is_read_as_it_was_written() {
    let faults = [
        Fault::Cut,
        Fault::Kill,
        Fault::Stop,
        Fault::FailSaves(8),
        Fault::FailCheckpoints(2),
        Fault::FailSpawns(2),
        Fault::Damage(SlotId(3)),
        Fault::Unread(SlotId(3), 2),
        Fault::FailFetch(Broken::Other),
        Fault::FailFetches(3, Broken::Expired),
        Fault::Die(Tenure(4)),
        Fault::Hang(Tenure(5)),
        Fault::Unlink(Tenure(6)),
        Fault::LoseCloud(3),
        Fault::KickCloud,
        Fault::Withhold,
        Fault::Offer("1.0.8".to_owned()),
        Fault::Ask(Request::Pause),
        Fault::Ask(Request::Resume),
        Fault::Ask(Request::Cancel),
        Fault::Ask(Request::Rollback),
        Fault::Ask(Request::Release("1.0.9".parse().unwrap())),
        Fault::Freeze(60_000),
        Fault::PutOff(2),
        Fault::Blocks(4, Answer::Refused(500)),
        Fault::Set,
        Fault::Wait,
    ];
    for fault in faults {
        assert_eq!(Fault::named(&fault.to_string()), Some(fault));
    }
    for broken in BROKEN {
        let fault = Fault::FailFetch(broken.1);
        assert_eq!(Fault::named(&fault.to_string()), Some(fault));
    }
    for text in ["", "cut 1", "die", "die x", "fail-fetch slowly", "dance"] {
        assert_eq!(Fault::named(text), None, "{text}");
    }
}
