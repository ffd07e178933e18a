//! What every room does once at the end of each event, and how an update reaches what it acts on.

use super::{Agent, cloud::Arrival, note, scene, turn};
use crate::{
    cadence::Reason,
    event::{Answered, Asker, Brought, Command, Grade, Reply, Request, Turn},
    operator::Wish,
    outbox::Report,
    plan::Verdict,
    time::Now,
    update::{Hands, Told, Update},
};

impl Agent {
    /// What every room does once, after whatever happened.
    pub(super) fn settle(&mut self, now: Now, out: &mut Vec<Command>) {
        let milestones = self.crew.tick(&mut scene(now, &self.policy, out));
        for (tenure, milestone) in milestones {
            self.reached(tenure, milestone, now, out);
        }
        if self.stopping {
            self.settle_stopping(now, out);
            return;
        }
        self.with_update(now, out, Update::tick);
        self.hear_told(out);
        self.take_waiting(now, out);
        self.crew.tend(&mut scene(now, &self.policy, out));
        self.mailbox.deliver(&mut self.crew, out);
        self.mailbox.tick(now.ticks, out);
        self.renew_silent_link(now, out);
        self.session.tick(now.ticks, out);
        self.ask_for_offer(now, out);
        self.ask_for_block(now, out);
        self.report_status(now, out);
        self.flush(now, out);
        // During an update the platform would take another version for its failure, and after that it hears why first.
        if self.uninformed && self.update.as_ref().is_some_and(Update::is_idle) {
            self.inform();
            self.flush(now, out);
        }
        self.tell_dropped(now, out);
        self.drop_unsendable(out);
        self.ledger.tidy(now.ticks, out);
        self.checkpoints.tend(now, self.crew.memory(), out);
        self.answer_wishes(now.ticks, out);
    }

    /// What was said straight to the cloud while the link is down is said in vain.
    fn drop_unsendable(&self, out: &mut Vec<Command>) {
        if !self.session.is_up() {
            out.retain(|command| !matches!(command, Command::Publish { .. }));
        }
    }

    pub(super) fn settle_stopping(&mut self, now: Now, out: &mut Vec<Command>) {
        self.hear_told(out);
        self.answer_wishes(now.ticks, out);
        self.drop_unsendable(out);
        if self.exited || !self.crew.lives().is_empty() {
            return;
        }
        self.checkpoints.end(now, self.crew.memory(), out);
        // A save under way is worth waiting for: it may be the commit. The shell bounds the whole.
        if self.ledger.is_settled() && self.checkpoints.is_settled() {
            self.wishes_unsaved(now.ticks);
            self.answer_wishes(now.ticks, out);
            self.session.end(out);
            self.exited = true;
            out.push(Command::Exit);
        }
    }

    /// Passes on what the update has to tell.
    pub(super) fn hear_told(&mut self, out: &mut Vec<Command>) {
        for told in std::mem::take(&mut self.told) {
            match told {
                // Without a link it is asked after the next connection anyway.
                Told::Ask(at) => self.query_at = self.query_at.map(|due| due.min(at)),
                Told::Progress(percent) => self.outbox.progress(percent),
                Told::Failed(owed) => {
                    let why = owed.outcome.to_string();
                    turn(out, Grade::Warning, owed.job, Turn::Failed { why });
                    self.outbox.report(Report {
                        job: Some(owed.job),
                        outcome: owed.outcome,
                    });
                }
                Told::Trusted => {
                    self.checkpoints.hurry();
                    self.outbox.begin();
                    self.inform();
                }
                Told::Lost(text) => {
                    note(out, Grade::Error, None, None, text);
                    self.uninformed = true;
                }
                Told::Recovered(text) => {
                    note(out, Grade::Info, None, None, text);
                    self.uninformed = true;
                }
                Told::Found(text) | Told::Regret(text) => {
                    note(out, Grade::Warning, None, None, text);
                }
                Told::Turn(job, it @ Turn::Failed { .. }) => turn(out, Grade::Warning, job, it),
                Told::Turn(job, it) => turn(out, Grade::Info, job, it),
                Told::Step(job, text) => note(out, Grade::Info, None, Some(job), text),
                Told::Trouble(job, text) => note(out, Grade::Warning, None, Some(job), text),
            }
        }
        // A rest of hours is none to hurry in: the reports would cost more than the bytes that are saved.
        let rests = |update: &Update| {
            update.waits_for_tomorrow() || update.waits_for_window() || update.is_held()
        };
        let hurries = |update: &Update| !update.is_idle() && !rests(update);
        let hurry = self.update.as_ref().is_some_and(hurries);
        self.cadence.set(Reason::Update, hurry);
    }

    pub(super) fn asked(
        &mut self,
        asker: Asker,
        request: Request,
        now: Now,
        out: &mut Vec<Command>,
    ) {
        let wish = match request {
            Request::Status => {
                let reply = Reply::Status(Box::new(self.status(now)));
                out.push(Command::Answer { asker, reply });
                return;
            }
            Request::Update(file) => {
                let reply = Reply::Update(self.update_from(file, now, out));
                out.push(Command::Answer { asker, reply });
                return;
            }
            Request::Pause => Wish::Pause,
            Request::Resume => Wish::Resume,
            Request::Cancel => Wish::Cancel,
            Request::Rollback => Wish::Rollback,
            Request::Release(version) => Wish::Release(version),
            Request::Hasten => Wish::Hasten,
        };
        self.wished(asker, &wish, now, out);
    }

    /// An operator brings an image. The platform hears nothing of it but the version that runs in the end.
    fn update_from(&mut self, file: Brought, now: Now, out: &mut Vec<Command>) -> Answered {
        if self.stopping {
            let why = "the supervisor is stopping".to_owned();
            return Answered::Refused { why };
        }
        if file.size > self.policy.largest_image {
            let most = self.policy.largest_image;
            let why = format!("it has {} bytes, and at most {most} are allowed", file.size);
            return Answered::Refused { why };
        }
        match self.consider(file.wanted(), Arrival::JustNow, now, out) {
            Verdict::Install => Answered::Begun,
            Verdict::Running => Answered::Running,
            // An operator's wish is never taken for the platform's.
            Verdict::SameJob | Verdict::Ended => Answered::UnderWay,
            Verdict::Remember if self.update.as_ref().is_some_and(Update::is_idle) => {
                Answered::Paused
            }
            Verdict::Remember => Answered::Waits,
            Verdict::Refuse(outcome) => Answered::Refused {
                why: outcome.to_string(),
            },
        }
    }

    pub(super) fn with_hands<T>(
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

    pub(super) fn with_update(
        &mut self,
        now: Now,
        out: &mut Vec<Command>,
        act: impl FnOnce(&mut Update, &mut Hands<'_, '_>),
    ) {
        // While the supervisor is being stopped nothing new begins: only what waits for the disk hears how that ended.
        let may_act = |update: &Update| !self.stopping || update.is_ending();
        if !self.update.as_ref().is_some_and(may_act) {
            return;
        }
        if let Some(mut update) = self.update.take() {
            self.with_hands(now, out, |hands| act(&mut update, hands));
            self.update = Some(update);
        }
    }
}
