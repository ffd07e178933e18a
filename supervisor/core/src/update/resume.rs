//! After a power cut: what the record says was under way goes on.

use worker_protocol::v1::Cause;

use super::{Hands, Phase, Told, Update, ending::job_slot, unreadable::take_note};
use crate::{
    outcome::Outcome,
    record::{Record, Slot, Stage},
};

impl Update {
    /// Takes up what the record says was under way, with the slots that were found, and those of the record that cannot be read.
    pub fn resume(hands: &mut Hands<'_, '_>, found: &[Slot], unread: &[Slot]) -> Self {
        let mut update = Self {
            phase: Phase::Idle,
            waiting: hands.ledger.record.waiting.clone(),
            paused_at: hands.ledger.record.paused.then_some(hands.scene.now.ticks),
            failed_until: None,
            parting: None,
            gap_ms: None,
            fresh: None,
            trash: Vec::new(),
        };
        fall_back(hands, found, unread);
        let now = hands.scene.now.ticks;
        let active = hands.ledger.record.active.clone();
        hands.crew.keep(active, Cause::PowerCut, now);
        if let Some(job) = hands.ledger.record.job.clone() {
            let there = |slot: &Slot| found.contains(slot);
            match (job.verdict, job.stage) {
                (Some(verdict), _) => update.revert(verdict, hands),
                (None, Stage::Trial { slot }) if there(&slot) => {
                    hands.crew.keep(None, Cause::PowerCut, now);
                    update.spend(slot, hands);
                }
                (None, Stage::Trial { slot }) => {
                    let what = match unread.contains(&slot) {
                        true => "cannot be read",
                        false => "is missing or damaged",
                    };
                    let why = format!("its slot {what}");
                    update.revert(Outcome::NotProved { why }, hands);
                }
                (None, Stage::Fetched { slot }) if there(&slot) => update.keep_fetched(slot, hands),
                (None, Stage::Fetched { .. } | Stage::Open) => {
                    // A slot is born only when verified; one with the job's number was finished just before the end.
                    let born = found.iter().find(|slot| {
                        slot.id.0 == job.id.0
                            && slot.version == job.wanted.version
                            && slot.size == job.wanted.size()
                    });
                    match born {
                        Some(slot) => update.keep_fetched(slot.clone(), hands),
                        None => update.fetch(hands),
                    }
                }
            }
        }
        update.watch(hands);
        update.count_start(hands);
        let record = &hands.ledger.record;
        let named = [
            record.active.as_ref().map(|slot| slot.id),
            record.former.as_ref().map(|slot| slot.id),
            job_slot(record.job.as_ref()),
        ];
        for slot in found {
            if !named.contains(&Some(slot.id)) {
                update.throw_away(slot.id);
            }
        }
        update
    }
}

/// A trusted slot that is missing or damaged gives way to the one before it; if nothing else is left, to the oldest slot there
/// is, because that one was most likely trusted once; never one that was on trial. One that cannot be read only lets the other go first.
fn fall_back(hands: &mut Hands<'_, '_>, found: &[Slot], unread: &[Slot]) {
    let record = &mut hands.ledger.record;
    let lost = *record == Record::default();
    let before = record.active.clone();
    // A slot's number is never used twice, also if the record was lost.
    let highest = found.iter().map(|slot| slot.id.0).max();
    record.next_slot = record
        .next_slot
        .max(highest.map_or(0, |id| id.saturating_add(1)));
    let mut words = Vec::new();
    let mut trusted: Vec<Slot> = [record.active.clone(), record.former.clone()]
        .into_iter()
        .flatten()
        .filter(|slot| {
            let there = found.contains(slot) || unread.contains(slot);
            if !there {
                let (number, version) = (slot.id.0, &slot.version);
                words.push(format!(
                    "slot {number} with version {version} is missing or damaged"
                ));
            }
            there
        })
        .collect();
    trusted.sort_by_key(|slot| unread.contains(slot));
    let unseen: Vec<Slot> = trusted
        .iter()
        .filter(|it| unread.contains(it))
        .cloned()
        .collect();
    let mut trusted = trusted.into_iter();
    let (mut active, former) = (trusted.next(), trusted.next());
    let was_there = lost || !words.is_empty();
    let suspect = |slot: &&Slot| {
        let of_job = record.job.as_ref().map(|job| job.id.0) == Some(slot.id.0);
        of_job || record.strikes.iter().any(|it| it.sha256 == slot.sha256)
    };
    let left = found.iter().filter(|slot| !suspect(slot));
    if active.is_none()
        && was_there
        && let Some(oldest) = left.min_by_key(|slot| slot.id)
    {
        words.push(format!(
            "the record names no slot that is there; version {} from slot {} is taken",
            oldest.version, oldest.id.0
        ));
        active = Some(oldest.clone());
    }
    if (&active, &former) != (&record.active, &record.former) {
        (record.active, record.former) = (active, former);
        hands.ledger.untidy();
    }
    for word in words {
        hands.told.push(Told::Found(word));
    }
    take_note(&unseen, before.as_ref(), hands);
}
