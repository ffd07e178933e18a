//! Whatever a record says beside it, the trusted slot it names is run when that slot is there.
//!
//! The brain is woken with the record, its saves succeed, and time passes. It is not asked to be right about anything else.

use supervisor_core::{
    agent::{Agent, Found, Setup},
    alink::login::Identity,
    event::{Command, Event},
    policy::Policy,
    record::{Record, Slot, Stage},
    time::{Now, Ticks, Wall},
};

/// How often the brain is called before it must have started a worker.
const MOST_CALLS: usize = 12;

/// Wakes the brain with every slot that the record names, and with none.
pub(super) fn wakes(record: &Record) {
    let of_job = record.job.as_ref().and_then(|job| match &job.stage {
        Stage::Open => None,
        Stage::Fetched { slot } | Stage::Trial { slot } => Some(slot),
    });
    let named = [record.active.as_ref(), record.former.as_ref(), of_job];
    let named: Vec<Slot> = named.into_iter().flatten().cloned().collect();
    let started = first_start(record, &named);
    assert!(started.as_ref().is_none_or(|slot| named.contains(slot)));
    assert!(record.active.is_none() || started.is_some(), "nothing runs");
    assert_eq!(first_start(record, &[]), None, "there was no slot");
}

/// The slot of the first worker that is started.
fn first_start(record: &Record, slots: &[Slot]) -> Option<Slot> {
    let identity = Identity::new("pk", "dn").expect("both are letters, and neither is too long");
    let mut agent = Agent::new(Setup {
        identity,
        policy: Policy::default(),
        seed: 7,
    });
    let mut now = Now {
        ticks: Ticks(0),
        wall: Wall(1_800_000_000_000),
    };
    let found = Found {
        record: Some(record.clone()),
        slots: slots.to_vec(),
        ..Found::default()
    };
    let mut commands = Vec::new();
    agent.start(now, found, &mut commands);
    let mut events = vec![Event::CloudUp];
    for _ in 0..MOST_CALLS {
        for command in commands.drain(..) {
            match command {
                Command::Spawn { slot, .. } => return Some(slot),
                Command::Save { save, .. } => events.push(Event::Saved { save }),
                _ => {}
            }
        }
        let event = events.pop().unwrap_or(Event::Tick);
        if let (Event::Tick, Some(at)) = (&event, agent.next_deadline()) {
            now.ticks = now.ticks.max(at);
        }
        agent.handle(now, event, &mut commands);
    }
    None
}
