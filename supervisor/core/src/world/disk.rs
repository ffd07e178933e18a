//! The disk, and the firmware server that fills it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Happening, World};
use crate::{
    event::{BlockOrder, Event, FetchFault, FetchOrder, JobId, SlotId},
    record::{Record, Slot, Source, Stage},
};

/// How many bytes every image has.
pub(crate) const SIZE: u64 = 1000;

/// What is on the disk: durable as soon as it was carried out.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    pub(crate) record: Option<Record>,
    pub(crate) slots: Vec<Slot>,
    /// Bytes of each job's part, as far as they were counted.
    pub(crate) parts: BTreeMap<u64, u64>,
    /// How many saves there were.
    pub(crate) saves: u64,
    /// How many of them the brain has not heard of.
    pub(crate) unanswered: u64,
    /// Which of them fail.
    pub(crate) failing: BTreeSet<u64>,
    /// How the next downloads end; those that are not named end well.
    pub(crate) downloads: VecDeque<FetchFault>,
    /// Slots that are not what they were.
    pub(crate) damaged: BTreeSet<SlotId>,
    /// Slots that cannot be read, and how many more looks at each of them are in vain.
    pub(crate) unreadable: BTreeMap<SlotId, u32>,
    /// How many starts there were.
    pub(crate) starts: u64,
    /// Before which of them their slot goes bad.
    pub(crate) rotting: BTreeSet<u64>,
}

/// The slot a build becomes.
pub(crate) fn build(id: u64, version: &str) -> Slot {
    Slot {
        id: SlotId(id),
        version: version.parse().unwrap(),
        sha256: format!("sha-of-{version}"),
        size: SIZE,
        package: None,
    }
}

impl Disk {
    pub(crate) fn installed(version: &str) -> Self {
        let slot = build(1, version);
        Self {
            record: Some(Record {
                active: Some(slot.clone()),
                next_slot: 2,
                ..Record::default()
            }),
            slots: vec![slot],
            parts: BTreeMap::new(),
            saves: 0,
            unanswered: 0,
            failing: BTreeSet::new(),
            downloads: VecDeque::new(),
            damaged: BTreeSet::new(),
            unreadable: BTreeMap::new(),
            starts: 0,
            rotting: BTreeSet::new(),
        }
    }

    /// Runs this version, and has the one before it.
    pub(crate) fn upgraded(former: &str, active: &str) -> Self {
        let mut disk = Self::installed(former);
        let slot = build(2, active);
        disk.slots.push(slot.clone());
        if let Some(record) = &mut disk.record {
            record.former = record.active.replace(slot);
            record.next_slot = 3;
        }
        disk
    }

    /// Is what is to be started damaged?
    pub(crate) fn is_found_damaged(&mut self, slot: SlotId) -> bool {
        self.starts += 1;
        if self.rotting.contains(&self.starts) {
            self.damaged.insert(slot);
        }
        self.damaged.contains(&slot)
    }

    /// Is this look at a slot in vain?
    pub(crate) fn is_found_unreadable(&mut self, slot: SlotId) -> bool {
        let Some(left) = self.unreadable.get_mut(&slot) else {
            return false;
        };
        *left -= 1;
        if *left == 0 {
            self.unreadable.remove(&slot);
        }
        true
    }

    /// What a supervisor that starts finds: whole slots, and those of the record that it cannot look at.
    pub(crate) fn look(&mut self) -> (Vec<Slot>, Vec<Slot>) {
        let record = self.record.clone().unwrap_or_default();
        let of_job = match record.job.map(|job| job.stage) {
            Some(Stage::Fetched { slot } | Stage::Trial { slot }) => Some(slot),
            Some(Stage::Open) | None => None,
        };
        let named = [record.active, record.former, of_job];
        let slots = self.slots.clone();
        let (seen, unseen): (Vec<Slot>, _) = slots.into_iter().partition(|slot| {
            !named.contains(&Some(slot.clone())) || !self.is_found_unreadable(slot.id)
        });
        // What has become a slot needs no part any more.
        for slot in &seen {
            self.parts.remove(&slot.id.0);
        }
        (seen, unseen)
    }

    pub(crate) fn next_save_fails(&mut self) -> bool {
        self.saves += 1;
        self.failing.contains(&self.saves)
    }

    /// Law `nothing_needed_is_removed`.
    pub(crate) fn remove(&mut self, slot: SlotId, running: &BTreeSet<SlotId>) {
        let record = self.record.clone().unwrap_or_default();
        let job = record.job.as_ref().map(|job| SlotId(job.id.0));
        let named = [
            record.active.map(|slot| slot.id),
            record.former.map(|slot| slot.id),
            job,
        ];
        assert!(
            !named.contains(&Some(slot)),
            "nothing_needed_is_removed: the record names {slot:?}"
        );
        assert!(
            !running.contains(&slot),
            "nothing_needed_is_removed: {slot:?} runs"
        );
        self.slots.retain(|other| other.id != slot);
        self.damaged.remove(&slot);
        self.unreadable.remove(&slot);
    }
}

/// Downloads under way; gone with the power.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fetches {
    pub(crate) under_way: BTreeMap<JobId, (FetchOrder, Option<FetchFault>)>,
    /// Every address that was fetched from, in order.
    pub(crate) addresses: Vec<String>,
    /// Downloads that begin neither fail nor end: their next byte never comes.
    pub(crate) dribble: bool,
    /// Which block a download waits for.
    pub(crate) waiting: BTreeMap<JobId, BlockOrder>,
    /// For how many requests for blocks was paid, where bytes are counted?
    pub(crate) paid: u64,
}

impl World {
    pub(crate) fn fetch(&mut self, order: FetchOrder) {
        let fault = self.durable.disk.downloads.pop_front();
        let job = order.job;
        self.durable.disk.parts.entry(job.0).or_default();
        let [file] = &order.files[..] else {
            panic!("{order:?}");
        };
        let first = match &file.source {
            Source::Url(url) => {
                self.fetches.addresses.push(url.clone());
                Happening::FetchStep(job, 1)
            }
            Source::Blocks { .. } => Happening::BlockStep(job),
            Source::Path(_) => Happening::FetchStep(job, 1),
        };
        // Only one that waits for a block may be begun anew: it hears nothing more.
        let waited = self.fetches.waiting.remove(&job).is_some();
        let before = self.fetches.under_way.insert(job, (order, fault));
        assert!(
            before.is_none() || waited,
            "the same job is fetched twice at once"
        );
        self.later(10, first);
    }

    /// The image is a slot.
    pub(crate) fn fetch_ends(&mut self, order: &FetchOrder) {
        let job = order.job;
        self.fetches.under_way.remove(&job);
        self.durable.disk.parts.remove(&job.0);
        let slot = build(order.slot.0, order.version.as_str());
        self.durable.disk.slots.retain(|other| other.id != slot.id);
        self.durable.disk.damaged.remove(&slot.id);
        self.durable.disk.unreadable.remove(&slot.id);
        self.durable.disk.slots.push(slot.clone());
        self.tell_later(1, Event::Fetched { job, slot });
    }

    /// Law `nothing_leaks`, as far as it is about downloads: none goes on for a job that the disk knows to be over.
    pub(crate) fn is_wanted(&self, job: JobId) {
        let record = self.durable.disk.record.as_ref();
        let wanted = record.and_then(|it| it.job.as_ref()).map(|it| it.id);
        assert_eq!(
            wanted,
            Some(job),
            "nothing_leaks: a download goes on for a job that is over"
        );
    }

    pub(crate) fn fetch_step(&mut self, job: JobId, step: u8) {
        let Some((order, fault)) = self.fetches.under_way.get(&job).cloned() else {
            return;
        };
        self.is_wanted(job);
        if self.fetches.dribble {
            return;
        }
        match (step, fault) {
            (3, Some(fault)) => {
                self.fetches.under_way.remove(&job);
                self.deliver(Event::FetchFailed { job, fault });
            }
            (5, _) => self.fetch_ends(&order),
            _ => {
                let on_disk = u64::from(step) * SIZE / 4;
                self.later(100, Happening::FetchStep(job, step + 1));
                self.deliver(Event::FetchProgress { job, on_disk });
            }
        }
    }
}
