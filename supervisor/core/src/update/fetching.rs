//! From an accepted offer to a finished slot.

use std::time::Duration;

use super::{Fetching, Hands, Phase, Told, Update, timing::shut};
use crate::{
    event::{Command, JobId, Turn},
    outcome::{FetchFault, Outcome},
    record::{Job, Ledger, Slot, Stage, Wanted},
    time::{Backoff, Now},
};

/// The storage's word for an address whose time is over.
const EXPIRED: FetchFault = FetchFault::Status(403);

/// How often the platform is asked for another address in one job, before the supervisor is started anew.
const MOST_ASKED: u32 = 3;

/// How long another address is waited for after the platform was asked for it.
const FRESH_WAIT: Duration = Duration::from_secs(30);

/// How many days a download may rest for want of bytes, before the supervisor is started anew.
const MOST_DAYS: u32 = 366;

/// So long after midnight every clock has seen it.
const DAWN: Duration = Duration::from_secs(1);

/// A fleet does not come all at once when a day begins: the first requests spread over so long.
const MORNING: Duration = Duration::from_secs(600);

impl Update {
    /// Begins a job. To be called only when idle.
    pub fn open(&mut self, wanted: Wanted, hands: &mut Hands<'_, '_>) {
        if !wanted.is_reported() {
            // An operator's word goes before an operator's word.
            hands.ledger.lift(&wanted.version);
        }
        let record = &mut hands.ledger.record;
        let job = Job {
            id: JobId(record.next_slot),
            wanted,
            stage: Stage::Open,
            at_once: false,
            verdict: None,
            superseded: false,
        };
        record.next_slot = record.next_slot.saturating_add(1);
        let turn = Turn::Began {
            from: record.active.as_ref().map(|slot| slot.version.clone()),
            to: job.wanted.version.clone(),
            bytes: job.wanted.size(),
        };
        hands.told.push(Told::Turn(job.id, turn));
        record.job = Some(job);
        self.failed_until = None;
        self.phase = Phase::Opening(hands.ledger.save(hands.scene.out));
    }

    /// The offer of the job under way came again, perhaps with a newer address: a download that waits goes on with that at once.
    pub fn renew(&mut self, wanted: Wanted, hands: &mut Hands<'_, '_>) {
        self.waiting = None;
        hands.ledger.wait_for(None);
        let Some(job) = &mut hands.ledger.record.job else {
            return;
        };
        // What the platform names again is its job again.
        job.superseded &= !wanted.is_reported();
        let newer = job.wanted.renew(wanted);
        hands.ledger.untidy();
        // An address that was asked for is tried even if it is the same: there is no other. None brings bytes before their day.
        if let Phase::Fetching(fetching) = &self.phase
            && self.paused_at.is_none()
            && fetching.tomorrow.is_none()
            && (fetching.stale.is_some() || (newer && fetching.retry.is_some()))
        {
            self.fetch_again(hands);
        }
    }

    /// So many bytes of the image are on the disk; fewer than before when it had to be started over.
    pub fn fetch_progress(&mut self, job: JobId, on_disk: u64, hands: &mut Hands<'_, '_>) {
        let Some(current) = current(hands.ledger, job) else {
            return;
        };
        let size = current.wanted.size();
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
        hands.progress(percent(on_disk, size).clamp(1, 99));
    }

    /// The image is a slot.
    pub fn fetched(&mut self, job: JobId, slot: Slot, hands: &mut Hands<'_, '_>) {
        if current(hands.ledger, job).is_some() && matches!(self.phase, Phase::Fetching(_)) {
            hands.progress(100);
            hands.turn(Turn::Fetched {
                version: slot.version.clone(),
            });
            self.keep_fetched(slot, hands);
        } else {
            self.throw_away(slot.id);
        }
    }

    /// The image could not be had this time.
    pub fn fetch_failed(&mut self, job: JobId, fault: FetchFault, hands: &mut Hands<'_, '_>) {
        // What is held is tried again when it is gone on with.
        if current(hands.ledger, job).is_none() || self.paused_at.is_some() {
            return;
        }
        if let Phase::Fetching(fetching) = &mut self.phase {
            fetching.block = None;
            self.try_failed(job, fault, hands);
        }
    }

    /// A try was in vain: another one follows, if it is worth it.
    pub(super) fn try_failed(&mut self, job: JobId, fault: FetchFault, hands: &mut Hands<'_, '_>) {
        let Phase::Fetching(fetching) = &mut self.phase else {
            return;
        };
        let policy = hands.scene.policy;
        if fault == EXPIRED {
            self.ask_again(fault, hands);
        } else if matches!(fault, FetchFault::DaySpent { .. }) && fetching.days < MOST_DAYS {
            self.wait_for_tomorrow(&fault, hands);
        } else if fault.may_pass() && fetching.backoff.failures() < policy.fetch_retries {
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
            self.give_up_fetching(fault, hands);
        }
    }

    /// Time has passed while fetching.
    pub(super) fn tick_fetching(&mut self, hands: &mut Hands<'_, '_>) {
        let Now { ticks: now, wall } = hands.scene.now;
        let Phase::Fetching(fetching) = &self.phase else {
            return;
        };
        if self.paused_at.is_some() {
            return;
        }
        // The day comes sooner than it was reckoned where the wall clock was set right meanwhile.
        let is_tomorrow = fetching.tomorrow.is_some_and(|at| wall >= at);
        if now >= fetching.until {
            let seconds = hands.scene.policy.fetch_time.as_secs();
            self.give_up_fetching(FetchFault::Late { seconds }, hands);
        } else if fetching.stale.is_some_and(|until| now >= until) {
            let fault = fetching.refusal.clone();
            self.ask_again(fault, hands);
        } else if is_tomorrow || fetching.retry.is_some_and(|at| now >= at) {
            self.fetch_again(hands);
        } else {
            self.tick_block(hands);
        }
    }

    /// The address is too old, or nothing is there: the platform is asked for another one, at first at once.
    pub(super) fn ask_again(&mut self, fault: FetchFault, hands: &mut Hands<'_, '_>) {
        let now = hands.scene.now.ticks;
        let Phase::Fetching(fetching) = &mut self.phase else {
            return;
        };
        if fetching.asked >= MOST_ASKED {
            self.give_up_fetching(fault, hands);
            return;
        }
        let at = match fetching.asked {
            0 => now,
            _ => now.after(fetching.backoff.next(hands.jitter)),
        };
        fetching.asked += 1;
        fetching.stale = Some(at.after(FRESH_WAIT));
        fetching.refusal = fault.clone();
        let count = fetching.asked;
        hands.told.push(Told::Ask(at));
        hands.trouble(format!(
            "{fault}; the platform is asked for another address, time {count} of {MOST_ASKED}"
        ));
    }

    /// The bytes of this day are spent: the download rests until the next one begins. That is no failure, and its time does not
    /// pass meanwhile.
    fn wait_for_tomorrow(&mut self, fault: &FetchFault, hands: &mut Hands<'_, '_>) {
        let now = hands.scene.now;
        let Phase::Fetching(fetching) = &mut self.phase else {
            return;
        };
        let wait = now.wall.until_midnight() + DAWN + hands.jitter.up_to(MORNING);
        let at = now.wall.after(wait);
        fetching.tomorrow = Some(at);
        fetching.retry = Some(now.ticks.after(wait));
        fetching.until = fetching.until.after(wait);
        fetching.days += 1;
        // By then an address may be too old again, through no fault of the platform's.
        fetching.asked = 0;
        hands.step(format!("{fault}; it goes on at {}", at.rfc3339()));
    }

    /// Does it rest until another day begins?
    #[must_use]
    pub fn waits_for_tomorrow(&self) -> bool {
        matches!(&self.phase, Phase::Fetching(fetching) if fetching.tomorrow.is_some())
    }

    fn give_up_fetching(&mut self, fault: FetchFault, hands: &mut Hands<'_, '_>) {
        if let Some(job) = &hands.ledger.record.job {
            let job = job.id;
            hands.scene.out.push(Command::AbandonFetch { job });
        }
        self.close(Outcome::Fetch(fault), hands);
    }

    pub(super) fn fetch_again(&mut self, hands: &mut Hands<'_, '_>) {
        if let Phase::Fetching(fetching) = &mut self.phase {
            (fetching.retry, fetching.stale) = (None, None);
            fetching.tomorrow = None;
            // A download that waits for a block need not begin again: the block is asked for once more.
            let block = fetching.block.as_ref();
            if block.is_some_and(|it| it.is_of(hands) && !it.is_used_up()) {
                return;
            }
            fetching.unpaid = fetching.block.take();
            hands.order_fetch();
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
            until: hands.scene.now.ticks.after(hands.scene.policy.fetch_time),
            stale: None,
            asked: 0,
            refusal: EXPIRED,
            block: None,
            unpaid: None,
            tomorrow: None,
            days: 0,
        });
        if self.paused_at.is_none() {
            hands.progress(1);
            hands.order_fetch();
        }
    }

    pub(super) fn keep_fetched(&mut self, slot: Slot, hands: &mut Hands<'_, '_>) {
        hands.stage(Stage::Fetched { slot: slot.clone() });
        let starts = hands.starts(&slot);
        if starts >= hands.scene.policy.tries {
            self.close(Outcome::Quarantined { starts }, hands);
            return;
        }
        if let Some(shut) = shut(hands) {
            self.await_window(slot, shut, hands);
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
