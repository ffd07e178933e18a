//! The brain's one entry: an event in, commands out.
//!
//! The agent decides nothing by itself. It routes what happened to the room that decides (session, crew, update, mailbox, outbox), in
//! one order, and lets each of them act once at the end. It refuses words from a life it does not know, and drops messages
//! for the cloud while the link is down, unless the outbox keeps them.

mod cloud;
mod report;

use crate::{
    alink::{login::Identity, topics::Topics},
    cadence::{Cadence, Reason},
    crew::{Crew, Scene},
    event::{Asker, Command, Event, Grade, JobId, Note, Reply, Request, Tenure},
    mailbox::Mailbox,
    outbox::{Outbox, Report},
    policy::Policy,
    record::{Ledger, Record, Slot},
    session::Session,
    tenure::Milestone,
    time::{Jitter, Now, Ticks, sooner},
    update::{Hands, Told, Update},
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
    /// What was found damaged, in sentences.
    pub words: Vec<String>,
}

/// The brain.
#[derive(Debug)]
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
    told: Vec<Told>,
    query_at: Option<Ticks>,
    posted: Option<report::Own>,
    last_refusal: Option<String>,
    strangers: u64,
    stopping: bool,
    exited: bool,
    last: Ticks,
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
            told: Vec::new(),
            query_at: None,
            posted: None,
            last_refusal: None,
            strangers: 0,
            stopping: false,
            exited: false,
            last: Ticks(0),
            jitter: Jitter::new(setup.seed),
            topics,
            policy: setup.policy,
        }
    }

    /// Takes up what was found on the disk. To be called once, before any event.
    pub fn start(&mut self, now: Now, found: Found, out: &mut Vec<Command>) {
        for word in found.words {
            note(out, Grade::Warning, None, None, word);
        }
        self.ledger = Ledger::new(found.record.unwrap_or_default());
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
        let update = self.with_hands(now, out, |hands| Update::resume(hands, &found.slots));
        self.update = Some(update);
        self.settle(now, out);
    }

    /// Takes one event and answers with what to do, in order.
    pub fn handle(&mut self, now: Now, event: Event, out: &mut Vec<Command>) {
        if self.exited {
            return;
        }
        // After a pause of the supervisor itself (a stopped process, a sleeping machine) silence proves nothing.
        if now.ticks.since(self.last) > self.policy.life.heartbeat * 2 {
            self.crew.excuse(now.ticks);
        }
        self.last = now.ticks;
        match event {
            Event::CloudUp => self.cloud_up(now, out),
            Event::CloudDown { loss } => {
                let word = self.session.down(&loss, now.ticks, &mut self.jitter);
                self.outbox.lost();
                self.query_at = None;
                note(out, Grade::Warning, None, None, word);
            }
            Event::Arrived { topic, payload } => self.arrived(&topic, &payload, now, out),
            Event::Published { ticket } => {
                if let Some(Report { job: Some(job), .. }) = self.outbox.published(ticket) {
                    self.ledger.record.owed.retain(|owed| owed.job != job);
                    self.ledger.untidy();
                }
            }
            Event::FetchProgress { job, on_disk } => {
                self.with_update(now, out, |it, hands| it.fetch_progress(job, on_disk, hands));
            }
            Event::Fetched { job, slot } => {
                self.with_update(now, out, |it, hands| it.fetched(job, slot, hands));
            }
            Event::FetchFailed { job, fault } => {
                self.with_update(now, out, |it, hands| it.fetch_failed(job, fault, hands));
            }
            Event::Saved { save } => {
                self.ledger.ended(save);
                self.with_update(now, out, |it, hands| it.saved(save, hands));
            }
            Event::SaveFailed { save, why } => {
                self.ledger.ended(save);
                let text = format!("the record could not be saved: {why}");
                note(out, Grade::Error, None, None, text);
                self.with_update(now, out, |it, hands| it.save_failed(save, &why, hands));
            }
            Event::RemoveFailed { slot, why } => {
                let text = format!("slot {} could not be removed: {why}", slot.0);
                note(out, Grade::Warning, None, None, text);
            }
            Event::Stranger { why } => {
                self.strangers += 1;
                let text = format!("a stranger on the worker socket was refused: {why}");
                note(out, Grade::Warning, None, None, text);
            }
            Event::Asked { asker, request } => self.asked(asker, &request, now, out),
            Event::Tick => {}
            Event::Stop => {
                self.stopping = true;
                note(out, Grade::Info, None, None, "stopping".to_owned());
                self.crew.stop_all(&mut scene(now, &self.policy, out));
            }
            Event::Spawned { .. }
            | Event::SpawnFailed { .. }
            | Event::Exited { .. }
            | Event::Joined { .. }
            | Event::Said { .. }
            | Event::Parted { .. } => self.worker(event, now, out),
        }
        self.settle(now, out);
    }

    /// Whatever a life did.
    fn worker(&mut self, event: Event, now: Now, out: &mut Vec<Command>) {
        let (ticks, life_policy) = (now.ticks, &self.policy.life);
        let (tenure, milestone) = match event {
            Event::Spawned { tenure, pid } => {
                if let Some(life) = self.crew.life_mut(tenure) {
                    life.spawned(pid);
                    let text = format!("worker {} started, pid {pid}", life.slot.version);
                    note(out, Grade::Info, Some(tenure), None, text);
                }
                return;
            }
            Event::SpawnFailed { tenure, why } => {
                let life = self.crew.life_mut(tenure);
                (tenure, life.map(|life| life.spawn_failed(why, out)))
            }
            Event::Exited { tenure, exit } => {
                let life = self.crew.life_mut(tenure);
                (tenure, life.and_then(|life| life.exited(exit, ticks, out)))
            }
            Event::Parted { tenure, why } => {
                let life = self.crew.life_mut(tenure);
                (tenure, life.and_then(|life| life.parted(&why, ticks, out)))
            }
            Event::Joined {
                tenure, version, ..
            } => {
                if let Some(life) = self.crew.life_mut(tenure) {
                    life.joined(&version, ticks, life_policy, out);
                }
                return;
            }
            Event::Said { tenure, message } => {
                let Some(life) = self.crew.life_mut(tenure) else {
                    return;
                };
                match life.said(message, ticks, life_policy, out) {
                    Ok(milestone) => (tenure, milestone),
                    Err(message) => return self.telemetry(tenure, message, now, out),
                }
            }
            _ => return,
        };
        if let Some(milestone) = milestone {
            self.reached(tenure, milestone, now, out);
        }
    }

    fn reached(&mut self, tenure: Tenure, milestone: Milestone, now: Now, out: &mut Vec<Command>) {
        if let Milestone::Answered(id, result) = milestone {
            self.mailbox.answered(tenure, id, result, out);
            return;
        }
        self.tell_milestone(tenure, &milestone, out);
        let mut scene = scene(now, &self.policy, out);
        self.crew
            .reached(tenure, &milestone, &mut scene, &mut self.jitter);
        if let Milestone::Gone(_) = milestone {
            self.mailbox.gone(tenure, out);
            self.cadence.forget(tenure);
        }
        if !self.stopping {
            self.with_update(now, out, |it, hands| it.reached(tenure, &milestone, hands));
        }
        if milestone == Milestone::Active {
            self.cadence.reported(now.ticks);
        }
    }

    /// What every room does once, after whatever happened.
    fn settle(&mut self, now: Now, out: &mut Vec<Command>) {
        let milestones = self.crew.tick(&mut scene(now, &self.policy, out));
        for (tenure, milestone) in milestones {
            self.reached(tenure, milestone, now, out);
        }
        if self.stopping {
            self.settle_stopping(out);
            return;
        }
        self.with_update(now, out, Update::tick);
        self.hear_told(out);
        self.take_waiting(now, out);
        self.crew.tend(&mut scene(now, &self.policy, out));
        self.mailbox.deliver(&mut self.crew, out);
        self.mailbox.tick(now.ticks, out);
        self.session.tick(now.ticks, out);
        self.ask_for_offer(now, out);
        self.report_status(now, out);
        if self.session.is_up() {
            self.outbox.flush(now.ticks, now.wall.0, out);
        } else {
            out.retain(|command| !matches!(command, Command::Publish { .. }));
        }
        self.ledger.tidy(out);
    }

    fn settle_stopping(&mut self, out: &mut Vec<Command>) {
        if self.crew.lives().is_empty() && !self.exited {
            self.session.end(out);
            self.exited = true;
            out.push(Command::Exit);
        }
    }

    /// Passes on what the update has to tell.
    fn hear_told(&mut self, out: &mut Vec<Command>) {
        for told in std::mem::take(&mut self.told) {
            match told {
                Told::Progress(percent) => self.outbox.progress(percent),
                Told::Failed(owed) => {
                    let text = format!("the update ended: {}", owed.outcome);
                    note(out, Grade::Warning, None, Some(owed.job), text);
                    self.outbox.report(Report {
                        job: Some(owed.job),
                        outcome: owed.outcome,
                    });
                }
                Told::Trusted => self.inform(),
                Told::Step(job, text) => note(out, Grade::Info, None, Some(job), text),
                Told::Trouble(job, text) => note(out, Grade::Warning, None, Some(job), text),
            }
        }
        let hurry = self.update.as_ref().is_some_and(|update| !update.is_idle());
        self.cadence.set(Reason::Update, hurry);
    }

    fn asked(&mut self, asker: Asker, request: &Request, now: Now, out: &mut Vec<Command>) {
        let reply = match request {
            Request::Status => Reply::Status(Box::new(self.status(now))),
        };
        out.push(Command::Answer { asker, reply });
    }

    fn with_hands<T>(
        &mut self,
        now: Now,
        out: &mut Vec<Command>,
        act: impl FnOnce(&mut Hands<'_, '_>) -> T,
    ) -> T {
        act(&mut Hands {
            scene: &mut scene(now, &self.policy, out),
            jitter: &mut self.jitter,
            crew: &mut self.crew,
            ledger: &mut self.ledger,
            told: &mut self.told,
        })
    }

    fn with_update(
        &mut self,
        now: Now,
        out: &mut Vec<Command>,
        act: impl FnOnce(&mut Update, &mut Hands<'_, '_>),
    ) {
        if let Some(mut update) = self.update.take() {
            self.with_hands(now, out, |hands| act(&mut update, hands));
            self.update = Some(update);
        }
    }

    /// When there is something to do although nothing happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Ticks> {
        let crew = self.crew.next_deadline(&self.policy);
        if self.stopping {
            return crew;
        }
        [
            crew,
            self.update.as_ref().and_then(Update::next_deadline),
            self.mailbox.next_deadline(),
            self.outbox.next_deadline().filter(|_| self.session.is_up()),
            self.session.next_deadline(),
            self.query_at,
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
    }));
}
