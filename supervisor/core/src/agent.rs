//! The brain's one entry: an event in, commands out.
//!
//! The agent decides nothing by itself. It routes what happened to the room that decides (session, crew, update, mailbox, outbox), in
//! one order, and lets each of them act once at the end. It refuses words from a life it does not know, and drops messages
//! for the cloud while the link is down, unless the outbox keeps them.

mod chatter;
mod cloud;
mod deliver;
mod lives;
mod recall;
mod report;
#[cfg(test)]
mod seen;
mod settle;
mod wishes;

use std::time::Duration;

use self::chatter::Chatter;
use crate::{
    alink::{login::Identity, topics::Topics},
    cadence::Cadence,
    checkpoint::{Boot, Checkpoint, Schedule},
    crew::{Crew, Scene},
    event::{Command, Event, Grade, JobId, Note, Tenure, Turn},
    log_upload::LogUpload,
    mailbox::Mailbox,
    outbox::{Outbox, Report},
    policy::Policy,
    record::{Ledger, Record, Slot},
    session::Session,
    status::Dropped,
    time::{Jitter, Now, TARDY, Ticks, sooner},
    update::{Told, Update},
};

/// What the brain is born with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Whose device this is.
    pub identity: Identity,
    /// The operator's decisions.
    pub policy: Policy,
    /// Spreads waits and numbers messages; from the system's randomness.
    pub seed: u64,
}

/// What was found on the disk.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The newest valid record.
    pub record: Option<Record>,
    /// Every finished, undamaged slot.
    pub slots: Vec<Slot>,
    /// Slots of the record that cannot be read at the moment: nobody knows what became of them.
    pub unreadable: Vec<Slot>,
    /// The newest whole checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// Which run of the machine this is, if the system can tell.
    pub boot: Option<Boot>,
    /// What was found damaged, in sentences.
    pub words: Vec<String>,
}

/// The brain. A copy of it goes on by itself: that is how a world is looked at from one place again and again.
#[derive(Debug, Clone)]
pub struct Agent {
    policy: Policy,
    topics: Topics,
    jitter: Jitter,
    session: Session,
    crew: Crew,
    ledger: Ledger,
    update: Option<Update>,
    mailbox: Mailbox,
    outbox: Outbox,
    cadence: Cadence,
    checkpoints: Schedule,
    told: Vec<Told>,
    query_at: Option<Ticks>,
    posted: Option<report::Own>,
    last_refusal: Option<String>,
    strangers: u64,
    dropped_told: Dropped,
    /// Does another version run than the cloud was told, and is that no outcome of an update?
    uninformed: bool,
    stopping: bool,
    exited: bool,
    chatter: Chatter,
    wishes: Vec<wishes::Pending>,
    log_upload: LogUpload,
}

impl Agent {
    /// A brain that knows nothing yet.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let topics = Topics::new(&setup.identity);
        // A day's ids must not meet those of the process before; the upper half of a seed is as good a place as any.
        let first_id = u32::try_from(setup.seed >> 33).unwrap_or(0);
        Self {
            session: Session::new(&setup.policy),
            crew: Crew::new(&setup.policy),
            ledger: Ledger::default(),
            update: None,
            mailbox: Mailbox::default(),
            outbox: Outbox::new(topics.clone(), setup.policy.module.clone(), first_id),
            cadence: Cadence::default(),
            checkpoints: Schedule::new(setup.policy.checkpoint_every),
            told: Vec::new(),
            query_at: None,
            posted: None,
            last_refusal: None,
            strangers: 0,
            dropped_told: Dropped::default(),
            uninformed: false,
            stopping: false,
            exited: false,
            chatter: Chatter::default(),
            wishes: Vec::new(),
            log_upload: LogUpload::new(setup.policy.upload),
            jitter: Jitter::new(setup.seed),
            topics,
            policy: setup.policy,
        }
    }

    /// Takes up what was found on the disk. To be called once, before any event.
    pub fn start(&mut self, now: Now, found: Found, out: &mut Vec<Command>) {
        let before = out.len();
        for word in found.words {
            note(out, Grade::Warning, None, None, word);
        }
        self.ledger = Ledger::new(found.record.unwrap_or_default());
        self.dropped_told.reports = self.ledger.record.dropped;
        for owed in self.ledger.record.owed.clone() {
            self.outbox.report(Report {
                job: Some(owed.job),
                outcome: owed.outcome,
            });
        }
        if self.ledger.record.active.is_none() {
            let text = "no worker is installed; waiting for an update or for `supervisor install`";
            note(out, Grade::Warning, None, None, text.to_owned());
        }
        self.recall(found.checkpoint, found.boot, now, out);
        let update = self.with_hands(now, out, |hands| {
            Update::resume(hands, &found.slots, &found.unreadable)
        });
        self.update = Some(update);
        self.settle(now, out);
        self.upload_log(before, now, out);
    }

    /// Takes one event and answers with what to do, in order.
    pub fn handle(&mut self, now: Now, event: Event, out: &mut Vec<Command>) {
        if self.exited {
            return;
        }
        let before = out.len();
        self.excuse(now.ticks);
        match event {
            Event::CloudUp => self.cloud_up(now, out),
            Event::CloudDown { loss } => self.cloud_down(&loss, now, out),
            Event::Arrived { topic, payload } => self.arrived(&topic, &payload, now, out),
            Event::Published { ticket } => {
                if let Some(Report { job: Some(job), .. }) = self.outbox.published(ticket) {
                    self.ledger.forget_owed(job);
                }
            }
            Event::FetchProgress { job, on_disk } => {
                self.with_update(now, out, |it, hands| it.fetch_progress(job, on_disk, hands));
            }
            Event::BlockWanted { job, block } => {
                self.with_update(now, out, |it, hands| it.block_wanted(job, block, hands));
            }
            Event::Fetched { job, slot } => {
                self.with_update(now, out, |it, hands| it.fetched(job, slot, hands));
            }
            Event::FetchFailed { job, fault } => {
                self.with_update(now, out, |it, hands| it.fetch_failed(job, fault, hands));
            }
            Event::Saved { save } => {
                self.ledger.saved(save);
                self.with_update(now, out, |it, hands| it.saved(save, hands));
            }
            Event::SaveFailed { save, why } => {
                self.ledger.failed(save, now.ticks);
                self.wishes_unsaved(now.ticks);
                let text = format!("the record could not be saved: {why}");
                note(out, Grade::Error, None, None, text);
                self.with_update(now, out, |it, hands| it.save_failed(save, &why, hands));
            }
            Event::CheckpointSaved => {
                if let Some(text) = self.checkpoints.saved() {
                    note(out, Grade::Info, None, None, text);
                }
            }
            Event::CheckpointFailed { why } => {
                if let Some(text) = self.checkpoints.failed(&why, now.ticks) {
                    note(out, Grade::Warning, None, None, text);
                }
            }
            Event::RemoveFailed { slot, why } => {
                let text = format!("slot {} could not be removed: {why}", slot.0);
                note(out, Grade::Warning, None, None, text);
            }
            Event::Stranger { why } => {
                self.strangers = self.strangers.saturating_add(1);
                let text = format!("a stranger on the worker socket was refused: {why}");
                self.chatter
                    .note(now.ticks, Grade::Warning, None, text, out);
            }
            Event::Asked { asker, request } => self.asked(asker, request, now, out),
            Event::Tick => {}
            Event::Stop => {
                self.stopping = true;
                note(out, Grade::Info, None, None, "stopping".to_owned());
                if let Some(mut update) = self.update.take() {
                    self.with_hands(now, out, |hands| update.stop(hands));
                    self.update = Some(update);
                }
                self.crew.stop_all(&mut scene(now, &self.policy, out));
            }
            Event::Spawned { .. }
            | Event::SpawnFailed { .. }
            | Event::SlotDamaged { .. }
            | Event::SlotUnreadable { .. }
            | Event::Exited { .. }
            | Event::Joined { .. }
            | Event::Said { .. }
            | Event::Parted { .. } => self.worker(event, now, out),
        }
        self.settle(now, out);
        self.upload_log(before, now, out);
        // At the device somebody may be waiting: what is said to workers goes ahead of what disks and the platform are to do.
        out[before..].sort_by_key(|command| !matches!(command, Command::Send { .. }));
    }

    /// After a pause of the supervisor itself (a stopped process, a sleeping machine) silence proves nothing. Nobody else can be
    /// the reason that a deadline was missed by so much.
    fn excuse(&mut self, now: Ticks) {
        let lost = self
            .next_deadline()
            .map_or(Duration::ZERO, |at| now.since(at));
        if lost > TARDY {
            self.crew.excuse(lost);
            self.outbox.excuse(lost);
            if let Some(update) = &mut self.update {
                update.excuse(lost);
            }
        }
    }

    /// When there is something to do although nothing happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Ticks> {
        let crew = self.crew.next_deadline(&self.policy);
        if self.stopping {
            let crew = crew.filter(|_| !self.crew.lives().is_empty());
            return sooner(crew, self.wishes_due());
        }
        [
            crew,
            self.update.as_ref().and_then(Update::next_deadline),
            self.mailbox.next_deadline(),
            self.outbox.next_deadline().filter(|_| self.session.is_up()),
            self.silent_at(),
            self.session.next_deadline(),
            self.ledger.next_deadline(),
            self.checkpoints.next_deadline(self.crew.memory()),
            self.query_at,
            self.wishes_due(),
            self.log_upload
                .next_deadline()
                .filter(|_| self.session.is_up()),
            Some(self.cadence.due(&self.policy)),
        ]
        .into_iter()
        .fold(None, sooner)
    }
}

fn scene<'a>(now: Now, policy: &'a Policy, out: &'a mut Vec<Command>) -> Scene<'a> {
    Scene { now, policy, out }
}

fn note(
    out: &mut Vec<Command>,
    grade: Grade,
    tenure: Option<Tenure>,
    job: Option<JobId>,
    text: String,
) {
    out.push(Command::Note(Note {
        grade,
        tenure,
        job,
        text,
        turn: None,
    }));
}

fn turn(out: &mut Vec<Command>, grade: Grade, job: JobId, turn: Turn) {
    out.push(Command::Note(Note {
        grade,
        tenure: None,
        job: Some(job),
        text: turn.to_string(),
        turn: Some(turn),
    }));
}
