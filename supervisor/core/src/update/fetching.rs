//! From an accepted offer to a finished slot.

use super::{Fetching, Hands, Phase, Told, Update};
use crate::{
    event::{Command, JobId},
    outcome::{FetchFault, Outcome},
    record::{Job, Ledger, Slot, Stage, Wanted},
    time::Backoff,
};

impl Update {
    /// Begins a job. To be called only when idle.
    pub fn open(&mut self, wanted: Wanted, hands: &mut Hands<'_, '_>) {
        let record = &mut hands.ledger.record;
        let job = Job {
            id: JobId(record.next_slot),
            wanted,
            stage: Stage::Open,
            verdict: None,
        };
        record.next_slot += 1;
        hands.told.push(Told::Step(
            job.id,
            format!("version {} is to be installed", job.wanted.version),
        ));
        record.job = Some(job);
        self.failed_until = None;
        self.phase = Phase::Opening(hands.ledger.save(hands.scene.out));
    }

    /// The offer of the job under way came again, with a newer address.
    pub fn renew(&mut self, wanted: Wanted, hands: &mut Hands<'_, '_>) {
        self.waiting = None;
        if let Some(job) = &mut hands.ledger.record.job {
            job.wanted.url = wanted.url;
            hands.ledger.untidy();
        }
    }

    /// So many bytes of the image are on the disk.
    pub fn fetch_progress(&mut self, job: JobId, on_disk: u64, hands: &mut Hands<'_, '_>) {
        let Some(current) = current(hands.ledger, job) else {
            return;
        };
        let size = current.wanted.size;
        let Phase::Fetching(fetching) = &mut self.phase else {
            return;
        };
        fetching.on_disk = on_disk.min(size);
        // A hundredth of the image is progress worth new tries: a server that dribbles must not keep a job open for ever.
        if on_disk >= fetching.best.saturating_add((size / 100).max(1)) {
            fetching.best = on_disk;
            fetching.backoff.reset();
        }
        fetching.verifying = on_disk >= size;
        hands
            .told
            .push(Told::Progress(percent(on_disk, size).min(99)));
    }

    /// The image is a slot.
    pub fn fetched(&mut self, job: JobId, slot: Slot, hands: &mut Hands<'_, '_>) {
        if current(hands.ledger, job).is_some() && matches!(self.phase, Phase::Fetching(_)) {
            hands.told.push(Told::Progress(100));
            self.keep_fetched(slot, hands);
        } else {
            self.throw_away(slot.id);
        }
    }

    /// The image could not be had this time.
    pub fn fetch_failed(&mut self, job: JobId, fault: FetchFault, hands: &mut Hands<'_, '_>) {
        if current(hands.ledger, job).is_none() {
            return;
        }
        let Phase::Fetching(fetching) = &mut self.phase else {
            return;
        };
        let policy = hands.scene.policy;
        if fault.may_pass() && fetching.backoff.failures() < policy.fetch_retries {
            let wait = fetching.backoff.next(hands.jitter);
            fetching.retry = Some(hands.scene.now.ticks.after(wait));
            hands.told.push(Told::Trouble(
                job,
                format!(
                    "{fault}; try {} of {} follows in {} ms",
                    fetching.backoff.failures(),
                    policy.fetch_retries,
                    wait.as_millis()
                ),
            ));
        } else {
            hands.scene.out.push(Command::AbandonFetch { job });
            self.close(Outcome::Fetch(fault), hands);
        }
    }

    pub(super) fn fetch(&mut self, hands: &mut Hands<'_, '_>) {
        let (base, cap) = hands.scene.policy.fetch_backoff;
        self.phase = Phase::Fetching(Fetching {
            on_disk: 0,
            best: 0,
            verifying: false,
            retry: None,
            backoff: Backoff::new(base, cap),
        });
        hands.told.push(Told::Progress(1));
        hands.order_fetch();
    }

    pub(super) fn keep_fetched(&mut self, slot: Slot, hands: &mut Hands<'_, '_>) {
        hands.stage(Stage::Fetched { slot: slot.clone() });
        let starts = hands.starts(&slot);
        if starts >= hands.scene.policy.tries {
            self.close(Outcome::Quarantined { starts }, hands);
            return;
        }
        if hands.scene.policy.standby {
            hands.spend(&slot);
        }
        let save = hands.ledger.save(hands.scene.out);
        self.phase = Phase::Keeping(slot, save);
    }
}

pub(super) fn current(ledger: &Ledger, job: JobId) -> Option<&Job> {
    ledger
        .record
        .job
        .as_ref()
        .filter(|current| current.id == job)
}

pub(super) fn percent(part: u64, whole: u64) -> u8 {
    let percent = u128::from(part) * 100 / u128::from(whole.max(1));
    u8::try_from(percent.min(100)).unwrap_or(100)
}
