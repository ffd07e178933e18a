//! The brain's copy of the record, and the saves under way.
//!
//! A step that waits for its save asks for it by [`Ledger::save`] or [`Ledger::save_as`] and keeps the number. What nobody waits
//! for is only marked, and saved when no other save is under way, so that it can never overtake one.

use std::time::Duration;

use super::{
    JobId, MOST_OWED, MOST_STRIKES, Origin, Owed, Record, Slot, SlotId, Strike, Wanted, same,
};
use crate::{
    alink::codec::Digest,
    event::{Command, SaveId},
    time::Ticks,
};

/// How long after a failed save the next one that nobody waits for is tried.
const TIDY_AGAIN: Duration = Duration::from_secs(30);

/// How many digests a strike remembers; further ones are not added.
const MOST_DIGESTS: usize = 8;

/// The brain's copy of the record, and the saves under way.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// The truth as it will be once every save has ended.
    pub record: Record,
    saves: u64,
    /// The saves under way, each with the active slot of its record.
    in_flight: Vec<(SaveId, Option<SlotId>)>,
    /// The active slot of the record on the disk.
    durable: Option<SlotId>,
    untidy: bool,
    /// Not before then, because a save failed.
    again: Option<Ticks>,
    /// The record's own slots that could not be read at the last try, and why; at most the active one and the one before it.
    unreadable: Vec<(SlotId, String)>,
}

impl Ledger {
    /// Starts from what was found on the disk.
    #[must_use]
    pub fn new(record: Record) -> Self {
        Self {
            durable: record.active.as_ref().map(|slot| slot.id),
            record,
            ..Self::default()
        }
    }

    /// Asks for the record to be saved as it is now.
    pub fn save(&mut self, out: &mut Vec<Command>) -> SaveId {
        self.untidy = false;
        self.save_as(self.record.clone(), out)
    }

    /// Asks for another record to be saved, which becomes the truth once that has ended.
    pub fn save_as(&mut self, record: Record, out: &mut Vec<Command>) -> SaveId {
        let save = SaveId(self.saves);
        self.saves += 1;
        let active = record.active.as_ref().map(|slot| slot.id);
        self.in_flight.push((save, active));
        out.push(Command::Save {
            save,
            record: Box::new(record),
        });
        save
    }

    /// A record saved by [`Ledger::save_as`] is the truth now. What the cloud was told of since it was written stays told, and what an
    /// operator wished stays wished.
    pub fn adopt(&mut self, mut record: Record) {
        let now = std::mem::take(&mut self.record);
        let strikes = record.strikes.len();
        let stands = |strike: &Strike| now.strikes.iter().any(|it| it.sha256 == strike.sha256);
        record.strikes.retain(stands);
        let wished = (&now.owed, now.paused, &now.held, &now.waiting);
        let written = (&record.owed, record.paused, &record.held, &record.waiting);
        self.untidy |= record.strikes.len() < strikes || wished != written;
        (record.owed, record.paused, record.held) = (now.owed, now.paused, now.held);
        record.waiting = now.waiting;
        self.record = record;
    }

    /// A save has ended well.
    pub fn saved(&mut self, save: SaveId) {
        if let Some((_, active)) = self.end(save) {
            self.durable = active;
        }
        self.again = None;
    }

    fn end(&mut self, save: SaveId) -> Option<(SaveId, Option<SlotId>)> {
        let at = self.in_flight.iter().position(|(it, _)| *it == save)?;
        Some(self.in_flight.remove(at))
    }

    /// Is this the active slot of the record on the disk?
    #[must_use]
    pub fn is_durable_active(&self, slot: SlotId) -> bool {
        self.durable == Some(slot)
    }

    /// A save has failed. Whoever waits for it decides what follows; what nobody waits for is tried again after a while.
    pub fn failed(&mut self, save: SaveId, now: Ticks) {
        self.end(save);
        self.untidy = true;
        self.again = Some(now.after(TIDY_AGAIN));
    }

    /// This waits for its turn from now on, or nothing does. What an operator brought is kept: nobody brings it again.
    pub fn wait_for(&mut self, wanted: Option<&Wanted>) {
        let kept = wanted.filter(|it| it.by != Origin::Cloud).cloned();
        if self.record.waiting != kept {
            self.record.waiting = kept;
            self.untidy = true;
        }
    }

    /// Something changed that nobody waits for; it is saved when no other save is under way.
    pub fn untidy(&mut self) {
        self.untidy = true;
    }

    /// Saves what nobody waits for, unless another save is under way, which it must not overtake.
    pub fn tidy(&mut self, now: Ticks, out: &mut Vec<Command>) {
        if self.untidy && self.in_flight.is_empty() && self.again.is_none_or(|at| now >= at) {
            self.again = None;
            self.save(out);
        }
    }

    /// When [`Ledger::tidy`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Ticks> {
        self.again
            .filter(|_| self.untidy && self.in_flight.is_empty())
    }

    /// Is no save under way?
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Is everything on the disk?
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.in_flight.is_empty() && !self.untidy
    }

    /// The trusted slot that runs or is about to: none if the active one cannot be read.
    #[must_use]
    pub fn running(&self) -> Option<&Slot> {
        let active = self.record.active.as_ref();
        active.filter(|slot| !self.is_unreadable(slot.id))
    }

    /// This slot of the record cannot be read at the moment. Is that news, or the reason?
    pub fn cannot_read(&mut self, slot: SlotId, why: &str) -> bool {
        let is_news = self.why_unreadable(slot) != Some(why);
        let named =
            [&self.record.active, &self.record.former].map(|it| it.as_ref().map(|it| it.id));
        self.unreadable
            .retain(|(id, _)| *id != slot && named.contains(&Some(*id)));
        self.unreadable.push((slot, why.to_owned()));
        is_news
    }

    /// This slot could be read.
    pub fn can_read(&mut self, slot: SlotId) {
        self.unreadable.retain(|(id, _)| *id != slot);
    }

    /// Could this slot not be read at the last try?
    #[must_use]
    pub fn is_unreadable(&self, slot: SlotId) -> bool {
        self.why_unreadable(slot).is_some()
    }

    /// Why this slot could not be read at the last try.
    #[must_use]
    pub fn why_unreadable(&self, slot: SlotId) -> Option<&str> {
        let found = self.unreadable.iter().find(|(id, _)| *id == slot);
        found.map(|(_, why)| why.as_str())
    }

    /// What is awaited while the active slot cannot be read.
    #[must_use]
    pub fn unreadable_words(&self) -> Option<String> {
        let active = self.record.active.as_ref()?;
        let why = self.why_unreadable(active.id)?;
        let (version, id) = (&active.version, active.id.0);
        Some(format!(
            "version {version} in slot {id} to be readable, or an update: {why}"
        ))
    }

    /// How often a build with one of these digests was started without proving itself.
    #[must_use]
    pub fn starts(&self, digests: &[Digest]) -> u32 {
        let strikes = self.record.strikes.iter();
        let known = strikes.filter(|strike| same(&strike.digests, digests));
        known.map(|strike| strike.starts).max().unwrap_or(0)
    }

    /// How often the build in this slot was started without proving itself, whatever it was offered as.
    #[must_use]
    pub fn starts_of(&self, slot: &Slot, digests: &[Digest]) -> u32 {
        let strikes = self.record.strikes.iter();
        let known = strikes.filter(|strike| strike.sha256 == slot.sha256);
        let by_slot = known.map(|strike| strike.starts).max().unwrap_or(0);
        by_slot.max(self.starts(digests))
    }

    /// Changes how many lives the build in this slot has had since it was trusted, and answers how many there were before. The change is
    /// not saved by this.
    pub fn count_lives(&mut self, slot: &Slot, change: impl FnOnce(u32) -> u32) -> u32 {
        let strikes = &mut self.record.strikes;
        let Some(strike) = strikes.iter_mut().find(|it| it.sha256 == slot.sha256) else {
            return 0;
        };
        let before = strike.lives;
        strike.lives = change(before);
        before
    }

    /// The build in this slot has proved itself for long enough.
    pub fn forgive(&mut self, slot: &Slot) {
        let strikes = &mut self.record.strikes;
        let before = strikes.len();
        strikes.retain(|strike| strike.sha256 != slot.sha256);
        self.untidy |= strikes.len() < before;
    }

    /// One try of a build is spent. Answers how many are spent by now.
    pub fn spend(&mut self, slot: &Slot, digests: &[Digest]) -> u32 {
        let strikes = &mut self.record.strikes;
        let at = strikes
            .iter()
            .position(|strike| strike.sha256 == slot.sha256)
            .or_else(|| strikes.iter().position(|it| same(&it.digests, digests)));
        let mut strike = at.map_or_else(
            || Strike {
                sha256: slot.sha256.clone(),
                digests: digests.to_vec(),
                version: slot.version.clone(),
                starts: 0,
                kept_dying: false,
                lives: 0,
            },
            |at| strikes.remove(at),
        );
        for digest in digests {
            if strike.digests.len() < MOST_DIGESTS && !strike.digests.contains(digest) {
                strike.digests.push(*digest);
            }
        }
        strike.starts = strike.starts.saturating_add(1);
        let starts = strike.starts;
        strikes.push(strike);
        if strikes.len() > MOST_STRIKES {
            strikes.remove(0);
        }
        starts
    }

    /// What is remembered against the build in this slot is that it kept dying after it was trusted.
    pub fn condemn(&mut self, slot: &Slot) {
        let strikes = &mut self.record.strikes;
        if let Some(strike) = strikes.iter_mut().find(|it| it.sha256 == slot.sha256) {
            strike.kept_dying = true;
        }
    }

    /// Was the build in this slot taken back because it kept dying, and has it not proved itself since?
    #[must_use]
    pub fn kept_dying(&self, slot: &Slot) -> bool {
        let mut strikes = self.record.strikes.iter();
        strikes.any(|strike| strike.sha256 == slot.sha256 && strike.kept_dying)
    }

    /// One try of the build in this slot was not used.
    pub fn give_back(&mut self, slot: &Slot) {
        let strikes = &mut self.record.strikes;
        if let Some(strike) = strikes.iter_mut().find(|it| it.sha256 == slot.sha256) {
            strike.starts = strike.starts.saturating_sub(1);
        }
        strikes.retain(|strike| strike.starts > 0);
    }

    /// The cloud is not owed the outcome of this job any more.
    pub fn forget_owed(&mut self, job: JobId) {
        self.record.owed.retain(|owed| owed.job != job);
        self.untidy = true;
    }

    /// The cloud is owed an outcome from now on.
    pub fn owe(&mut self, owed: Owed) {
        self.record.owed.push(owed);
        if self.record.owed.len() > MOST_OWED {
            self.record.owed.remove(0);
            self.record.dropped = self.record.dropped.saturating_add(1);
        }
    }
}
