//! What must hold in every history, by name.
//!
//! `one_active`, `time_advances`, `inform_first`, `told_of_its_own`, `nothing_needed_is_removed` and `comes_to_rest` are checked where they can be seen; the others here.

use std::collections::{BTreeMap, BTreeSet};

use worker_protocol::v1::{Cause, Handover};

use super::{Behaviour, Disk};
use crate::{
    checkpoint::Checkpoint,
    record::{Record, Slot, SlotId, Stage},
};

/// What was seen so far, for the laws that need a memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Laws {
    /// How often each build was started without being trusted.
    starts: BTreeMap<String, u32>,
    /// How each job ended; `None` is success.
    ends: BTreeMap<u64, Option<String>>,
    /// The last snapshot of each slot's workers since the power came on.
    words: BTreeMap<SlotId, Vec<u8>>,
    /// Was the old worker told since then that it is taken back? Only after that can it have died on its own account.
    told_back: bool,
    /// Has the switch begun?
    switched: bool,
    /// Slots the brain was told to be damaged since the power came on.
    damaged: BTreeSet<SlotId>,
    /// Slots the brain was told to be unreadable since the power came on, and not to be readable since.
    unreadable: BTreeSet<SlotId>,
    /// What was kept on the disk when the power came on, and what was lost before.
    recalled: Option<(Vec<u8>, Cause)>,
    /// Builds an operator wishes to release.
    releasing: BTreeSet<String>,
    /// It is not to be believed.
    pub(crate) nothing_was_kept: bool,
    /// Jobs whose outcome the cloud was told, or does not want to hear any more.
    heard: BTreeSet<u64>,
    /// Jobs of the record in whose place the brain was told of another.
    replaced: BTreeSet<u64>,
    /// The newest job whose progress the cloud was told.
    progressed: u64,
}

impl Laws {
    pub(crate) fn power_came_on(&mut self) {
        self.words.clear();
        self.told_back = false;
        self.switched = false;
        self.damaged.clear();
        self.unreadable.clear();
        self.releasing.clear();
    }

    /// What a supervisor that starts finds of where the device stood.
    pub(crate) fn recalls(&mut self, found: Option<&Checkpoint>, lost: Cause) {
        let found = found.filter(|_| !std::mem::take(&mut self.nothing_was_kept));
        self.recalled = found.map(|it| (it.snapshot.clone().into_bytes(), lost));
    }

    /// An operator wishes to give a build all its tries again; it has them once that is on the disk.
    pub(crate) fn is_to_be_released(&mut self, sha256: &str) {
        self.releasing.insert(sha256.to_owned());
    }

    /// The brain is told that a slot is damaged. Where its workers left the device is where the one before it takes over.
    pub(crate) fn found_damaged(&mut self, disk: &Disk, slot: SlotId) {
        self.damaged.insert(slot);
        let record = disk.record.as_ref();
        if record.and_then(|it| it.active.as_ref()).map(|it| it.id) == Some(slot)
            && let Some(former) = record.and_then(|it| it.former.as_ref())
            && let Some(stood) = self.words.remove(&slot)
        {
            self.words.insert(former.id, stood);
        }
    }

    /// The brain is told that a slot cannot be read. Where its workers left the device is where the other one goes on.
    pub(crate) fn found_unreadable(&mut self, disk: &Disk, slot: SlotId) {
        self.unreadable.insert(slot);
        let record = disk.record.as_ref();
        if record.and_then(|it| it.active.as_ref()).map(|it| it.id) == Some(slot)
            && let Some(former) = record.and_then(|it| it.former.as_ref())
            && let Some(stood) = self.words.get(&slot)
        {
            self.words.insert(former.id, stood.clone());
        }
    }

    /// The brain is told that a worker runs from this slot.
    pub(crate) fn could_be_read(&mut self, slot: SlotId) {
        self.unreadable.remove(&slot);
    }

    /// A worker was told to hand over.
    pub(crate) fn switch_begins(&mut self) {
        self.switched = true;
        self.told_back = false;
    }

    /// `only_verified_runs`, `damaged_once`, `tries_bounded`
    pub(crate) fn spawned(&mut self, disk: &Disk, slot: &Slot, tries: u32) {
        assert!(
            disk.slots.contains(slot),
            "only_verified_runs: {slot:?} is not on the disk"
        );
        assert!(
            !self.damaged.contains(&slot.id),
            "damaged_once: {slot:?} was to be started again"
        );
        // With the record lost, a slot that was trusted once is taken on trust.
        let Some(record) = &disk.record else { return };
        if record.active.as_ref() == Some(slot) || record.former.as_ref() == Some(slot) {
            return;
        }
        let starts = self.starts.entry(slot.sha256.clone()).or_default();
        *starts += 1;
        let strike = record.strikes.iter().find(|it| it.sha256 == slot.sha256);
        let spent = strike.map_or(0, |it| it.starts);
        assert!(
            *starts <= spent,
            "tries_bounded: start {starts} of {} without a try on the disk",
            slot.version
        );
        assert!(
            spent <= tries,
            "tries_bounded: {} was started {spent} times",
            slot.version
        );
    }

    /// `bad_never_committed`, and `told_truth` as far as it is about one end per job.
    pub(crate) fn saved(
        &mut self,
        disk: &Disk,
        record: &Record,
        behaviours: &BTreeMap<String, Behaviour>,
    ) {
        let Self {
            releasing, starts, ..
        } = self;
        releasing.retain(|build| {
            let held = record.strikes.iter().any(|it| it.sha256 == *build);
            if !held {
                starts.remove(build);
            }
            held
        });
        if record.job.is_none() {
            self.told_back = false;
            self.switched = false;
            let before = disk.record.as_ref().and_then(|it| it.job.as_ref());
            if let Some(job) = before
                && record.active.as_ref().map(|it| it.id.0) != Some(job.id.0)
            {
                // What it said on trial counts for nothing any more.
                self.words.remove(&SlotId(job.id.0));
            }
        }
        if let Some(active) = &record.active {
            let behaviour = behaviours.get(active.version.as_str());
            assert!(
                behaviour.is_none_or(|it| it.may_be_trusted()),
                "bad_never_committed: {} is {behaviour:?}",
                active.version
            );
            // A build that is trusted, again perhaps, has nothing on its account any more.
            self.starts.remove(&active.sha256);
            let before = disk.record.as_ref().and_then(|it| it.active.clone());
            let back = disk.record.as_ref().and_then(|it| it.former.clone());
            let is_back = back.as_ref() == Some(active);
            if before.as_ref() != Some(active) && !is_back {
                self.job_ends(active.id.0, None);
            }
            // One that is taken back from trust goes on where its successor stood, and so does one that said nothing yet.
            if let Some(before) = before.filter(|it| it != active)
                && (is_back || !self.words.contains_key(&active.id))
                && let Some(stood) = self.words.get(&before.id)
            {
                self.words.insert(active.id, stood.clone());
            }
        }
        for owed in &record.owed {
            self.job_ends(owed.job.0, Some(&owed.outcome.to_string()));
        }
    }

    /// `told_truth`: what is owed is forgotten only when the cloud was told of it, or when the brain knows that another job has its place.
    pub(crate) fn forgets(&mut self, disk: &Disk, record: &Record) {
        let before = disk.record.iter().flat_map(|it| &it.owed);
        for owed in before.filter(|it| !record.owed.contains(it)) {
            let job = owed.job.0;
            assert!(
                self.heard.contains(&job) || self.replaced.contains(&job),
                "told_truth: the end of job {job} was forgotten untold"
            );
            self.heard.insert(job);
        }
        let named = |job: &u64| {
            let owed = record.owed.iter().map(|it| it.job);
            owed.chain(record.job.as_ref().map(|it| it.id))
                .any(|it| it.0 == *job)
        };
        self.replaced.retain(named);
    }

    /// The brain is told of a task for this version, which has the place of every other job.
    pub(crate) fn is_named(&mut self, version: &str, disk: &Disk) {
        let Some(record) = &disk.record else { return };
        let job = record
            .job
            .as_ref()
            .map(|it| (it.id, Some(&it.wanted.version)));
        let owed = record.owed.iter().map(|it| (it.job, it.version.as_ref()));
        for (job, wanted) in owed.chain(job) {
            if wanted.is_some_and(|it| it.as_str() != version) {
                self.replaced.insert(job.0);
            }
        }
    }

    fn job_ends(&mut self, job: u64, end: Option<&str>) {
        let end = end.map(str::to_owned);
        let before = self.ends.entry(job).or_insert_with(|| end.clone());
        assert_eq!(*before, end, "told_truth: job {job} ends twice");
    }

    /// `told_truth`: only a trusted version is informed. While the commit is on the disk and the brain has not heard of that, the
    /// one before is still the truth it knows. A slot that is damaged or was not to be read makes the one before it the truth, whatever the
    /// record says; without one, none is.
    pub(crate) fn informed(&self, version: &str, disk: &Disk) {
        let record = disk.record.clone().unwrap_or_default();
        let unheard = disk.unanswered > 0;
        let is_whole = |slot: &Slot| {
            let lost = disk.damaged.contains(&slot.id) || self.unreadable.contains(&slot.id);
            disk.slots.contains(slot) && !lost
        };
        let damaged = record.active.as_ref().is_some_and(|slot| !is_whole(slot));
        let before = record.former.filter(|_| unheard || damaged);
        let mut known = record.active.iter().chain(before.iter());
        let is_true = match version {
            "none" => unheard || !known.any(is_whole),
            version => known.any(|slot| slot.version.as_str() == version),
        };
        assert!(
            is_true,
            "told_truth: informed of {version}, which is not trusted on the disk"
        );
    }

    /// `told_truth`: a failure is durable before it is told; only a refusal is nobody's end.
    pub(crate) fn told(&mut self, step: i8, text: &str, disk: &Disk) {
        let record = disk.record.clone().unwrap_or_default();
        let meant = record
            .owed
            .iter()
            .filter(|it| it.outcome.step() == step && cut(&it.outcome.to_string()) == text);
        let (mut owed, mut in_turn) = (false, false);
        for it in meant {
            owed = true;
            in_turn |= it.job.0 >= self.progressed;
            self.heard.insert(it.job.0);
        }
        assert!(
            owed || may_refuse(text),
            "told_truth: `{text}` is not on the disk"
        );
        assert!(
            in_turn || !owed,
            "told_in_turn: `{text}` would be taken for the end of job {}",
            self.progressed
        );
    }

    /// `told_in_turn`: a message about progress names no job, so that the cloud must know how the one before ended when the next one begins.
    pub(crate) fn progressed(&mut self, disk: &Disk) {
        let record = disk.record.clone().unwrap_or_default();
        let Some(job) = record.job else { return };
        self.progressed = job.id.0;
        for owed in record.owed.iter().filter(|it| it.job != job.id) {
            assert!(
                self.heard.contains(&owed.job.0),
                "told_in_turn: job {} began before the end of job {} was told",
                job.id.0,
                owed.job.0
            );
        }
    }

    /// `told_truth`: every failure reached the cloud.
    pub(crate) fn at_rest(&self) {
        for (job, end) in &self.ends {
            assert!(
                end.is_none() || self.heard.contains(job),
                "told_truth: the cloud never heard that job {job} ended: {end:?}"
            );
        }
    }

    /// The brain heard a snapshot or a checkpoint.
    pub(crate) fn worker_said(&mut self, disk: &Disk, slot: SlotId, snapshot: &[u8]) {
        self.words.insert(slot, snapshot.to_vec());
        // The last words of a version that is being left are where the one before it goes on.
        if let Some(record) = &disk.record
            && let (Some(active), Some(former)) = (&record.active, &record.former)
            && former.id == slot
        {
            self.words.insert(active.id, snapshot.to_vec());
        }
    }

    /// `old_state_kept`
    pub(crate) fn activated(&mut self, disk: &Disk, slot: &Slot, from: Option<&Handover>) {
        let record = disk.record.clone().unwrap_or_default();
        let job = record.job.as_ref().map(|job| job.id.0);
        // Until a trusted worker has said something, what was kept on the disk is all there is, whoever starts for whatever reason.
        if self.words.keys().all(|id| Some(id.0) == job) {
            let given = from.map(|from| (from.snapshot.clone(), from.cause));
            assert_eq!(
                given, self.recalled,
                "old_state_kept: not what was kept on the disk, or for another reason"
            );
        }
        let on_trial = record
            .job
            .as_ref()
            .is_some_and(|job| matches!(job.stage, Stage::Trial { .. }));
        if record.active.as_ref() != Some(slot) || !on_trial {
            self.told_back = false;
            self.switched = on_trial;
            return;
        }
        let told_back = std::mem::replace(&mut self.told_back, true);
        let Some(stood) = self.words.get(&slot.id) else {
            return;
        };
        let from = from.expect("old_state_kept: nothing was handed to the old worker");
        assert_eq!(
            &from.snapshot, stood,
            "old_state_kept: not what the old worker handed over"
        );
        let died = (told_back || !self.switched) && from.cause == Cause::Crash;
        assert!(
            from.cause == Cause::RollBack || died,
            "old_state_kept: taken back as {:?}",
            from.cause
        );
    }

    /// For telling one durable state from another.
    pub(crate) fn key(&self) -> String {
        format!("{:?}{:?}{:?}", self.starts, self.ends, self.heard)
    }
}

/// May these be the words of a refusal, which is nobody's end?
pub(crate) fn may_refuse(text: &str) -> bool {
    let words = ["quarantined", "is older than"];
    words.iter().any(|word| text.contains(word))
}

fn cut(text: &str) -> String {
    text.chars().take(128).collect()
}
