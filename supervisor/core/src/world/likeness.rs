//! How one state of the world is told from another: everything the brain, the workers, the disk and the cloud are about to do.
//!
//! A state is written out whole, field by field as it stands, so that a field which nobody thought of tells two states apart and
//! never makes them one. Only what is known to say nothing about the future is left out: numbers that merely count become the order in
//! which they occur, and moments are told from now on, or left out where states are looked at that differ in nothing else.

use std::{
    collections::HashMap,
    fmt::Write as _,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use super::{Fetches, World};
use crate::event::Command;

/// What counts as a difference between two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clocks {
    /// Every millisecond.
    Exact,
    /// Nothing: only what comes before what.
    Aside,
}

/// Numbers that only tell one from another: by the order in which they occur they are the same in every state that is alike.
const NAMES: [&str; 6] = ["Asker", "Tenure", "Ticket", "SaveId", "RequestId", "Id"];

/// Fields that hold a moment as a bare number.
const MOMENTS: [&str; 1] = ["link_free"];

/// A list of bytes is longer than this, in characters.
const BYTES: usize = 40;

/// Fields whose numbers tell one from another.
const NUMBERS: [&str; 2] = ["number", "looked"];

/// Numbers that only count what was.
const COUNTS: [&str; 12] = [
    "next_tenure",
    "next_id",
    "next_ticket",
    "saves",
    "requests",
    "beats",
    "respawns",
    "connections",
    "reports",
    "events",
    "properties",
    "words",
];

/// Room that is used again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    text: String,
    names: HashMap<u64, usize>,
}

impl World {
    /// Worlds with equal numbers are alike.
    pub(crate) fn likeness(&self, clocks: Clocks, scratch: &mut Scratch) -> u64 {
        scratch.text.clear();
        scratch.names.clear();
        self.write_out(&mut scratch.text);
        digest(&scratch.text, clocks, self.now, &mut scratch.names)
    }

    fn write_out(&self, text: &mut String) {
        let mut put = |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("text has room");
        let Self {
            durable,
            policy: _,
            agent,
            now: _,
            pending,
            queue,
            sequence: _,
            ticks,
            processes,
            fetches,
            cuts: _,
            exited,
            wall: _,
            losing,
            replies: _,
            asked,
            boots: _,
            stopping,
            failing_spawns,
            log: _,
            loud: _,
            still: _,
        } = self;
        let Fetches {
            under_way,
            addresses: _,
            dribble,
            waiting,
            paid,
        } = fetches;
        let (disk, cloud) = (&durable.disk, &durable.cloud);
        put(format_args!("{}{}", durable.key(), disk.unanswered));
        put(format_args!(
            "{}{}{}{}{:?}",
            cloud.connected, cloud.silent, cloud.first, cloud.is_fresh, cloud.named
        ));
        put(format_args!("{}", durable.kept.live_key()));
        put(format_args!("{:?}", durable.laws));
        put(format_args!("{:?}", agent.moving()));
        for command in pending {
            match command {
                Command::Publish { topic, ticket, .. } => put(format_args!("{topic}{ticket:?}")),
                Command::SaveCheckpoint(checkpoint) => put(format_args!("{:?}", checkpoint.slot)),
                other => put(format_args!("{other:?}")),
            }
        }
        let deadline = agent.next_deadline();
        let mut ahead = deadline.is_some();
        for ((at, _), happening) in queue {
            if deadline.is_some_and(|it| it.0 < *at) && std::mem::take(&mut ahead) {
                put(format_args!("deadline"));
            }
            put(format_args!("Ticks({at}){happening:?}"));
        }
        let lives = processes.iter().filter(|(_, process)| process.alive);
        for (tenure, process) in lives {
            put(format_args!("{tenure:?}{process:?}"));
        }
        put(format_args!("{under_way:?}{dribble}{waiting:?}{paid}"));
        put(format_args!("{ticks}{exited}{losing}{failing_spawns}"));
        put(format_args!("{}{asked:?}", stopping.is_some()));
    }
}

/// Reads what was written out, and puts aside what says nothing.
fn digest(text: &str, clocks: Clocks, now: u64, names: &mut HashMap<u64, usize>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let bytes = text.as_bytes();
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        let (end, meaning) = match bytes[at] {
            // A worker's own account of where its device stands: only which is which matters.
            b'[' if is_bytes(&text[at..]) && !text[..at].ends_with("payload: ") => {
                let length = text[at..].find(']').expect("a list ends");
                (at + length, Some(Meaning::Name("account")))
            }
            b'0'..=b'9' => {
                let digits = bytes[at..].iter().take_while(|it| it.is_ascii_digit());
                (at + digits.count(), before(text, at))
            }
            _ => (at + 1, None),
        };
        if let Some(meaning) = meaning {
            bytes[from..at].hash(&mut hasher);
            from = end;
            let number = &text[at..end];
            match meaning {
                Meaning::Moment if clocks == Clocks::Exact => {
                    let moment: u64 = number.parse().expect("a number of digits");
                    (i128::from(moment) - i128::from(now)).hash(&mut hasher);
                }
                Meaning::Moment | Meaning::Count => {}
                Meaning::Name(kind) => {
                    let mut name = DefaultHasher::new();
                    (kind, number).hash(&mut name);
                    let next = names.len();
                    names.entry(name.finish()).or_insert(next).hash(&mut hasher);
                }
            }
        }
        at = end;
    }
    bytes[from..].hash(&mut hasher);
    hasher.finish()
}

enum Meaning {
    Moment,
    Name(&'static str),
    Count,
}

/// What the number here means, by what stands before it.
fn before(text: &str, at: usize) -> Option<Meaning> {
    let head = &text[..at];
    if let Some(head) = head.strip_suffix(": ") {
        let name = last_word(head);
        return if MOMENTS.contains(&name) {
            Some(Meaning::Moment)
        } else if NUMBERS.contains(&name) {
            Some(Meaning::Name("memory"))
        } else {
            COUNTS.contains(&name).then_some(Meaning::Count)
        };
    }
    let head = head.strip_suffix('"').unwrap_or(head);
    if head.ends_with("?fresh=") {
        return Some(Meaning::Count);
    } else if head.ends_with("run ") {
        return Some(Meaning::Name("run"));
    }
    let name = last_word(head.strip_suffix('(')?);
    if name == "Ticks" {
        return Some(Meaning::Moment);
    }
    let kind = NAMES.iter().find(|it| **it == name)?;
    Some(Meaning::Name(kind))
}

fn last_word(head: &str) -> &str {
    let bytes = head.as_bytes().iter().rev();
    let letters = bytes.take_while(|it| it.is_ascii_alphabetic() || **it == b'_');
    &head[head.len() - letters.count()..]
}

/// Does a list of bytes begin here?
fn is_bytes(text: &str) -> bool {
    let list = text.as_bytes()[1..].iter();
    let numbers = list.take_while(|it| it.is_ascii_digit() || matches!(it, b',' | b' '));
    numbers.take(BYTES).count() == BYTES
}
