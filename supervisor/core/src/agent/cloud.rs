//! What comes from the cloud: offers, property sets, service calls; and what is said first after a connection.

use std::time::Duration;

use worker_protocol::v1::Ask;

use super::{Agent, note, report};
use crate::{
    alink::{
        codec::{
            OfferFrom, RequestFault, block_request, parse_offer, parse_property_set, parse_reply,
            parse_rrpc, parse_service_call,
        },
        topics::{Action, Identifier, Route},
        version::Version,
    },
    event::{Command, Grade, JobId},
    outbox::Report,
    outcome::Outcome,
    plan::{Busy, Verdict, wanted, weigh},
    record::Wanted,
    time::Now,
    update::Update,
};

/// When an offer came that is looked at now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    JustNow,
    /// During the job before it, or a pause.
    Waited,
}

impl Agent {
    pub(super) fn cloud_up(&mut self, now: Now, out: &mut Vec<Command>) {
        self.session.up(now.ticks);
        note(
            out,
            Grade::Info,
            None,
            None,
            "the cloud link is up".to_owned(),
        );
        // The version first: an update that ended while the link was down is closed by it.
        self.inform();
        self.outbox.connected(now.ticks);
        let has_to_tell = self.has_to_tell();
        if has_to_tell {
            self.outbox.await_word(now.ticks);
        }
        self.flush(now, out);
        out.push(Command::Subscribe {
            topics: self.topics.subscriptions(),
        });
        let wait = match has_to_tell {
            true => Duration::ZERO,
            false => self.jitter.up_to(self.policy.query_after_connect),
        };
        self.query_at = Some(now.ticks.after(wait));
        self.posted = None;
        self.crew.report_all(out);
    }

    /// Is there a job, from before the connection that has just been made, of which the platform is to hear?
    fn has_to_tell(&self) -> bool {
        let waits = |update: &Update| update.is_offer_waiting();
        self.is_told_of() || self.outbox.has_reports() || self.update.as_ref().is_some_and(waits)
    }

    /// Owes the cloud the trusted version.
    pub(super) fn inform(&mut self) {
        self.uninformed = false;
        let running = self.runs();
        let version = running.map_or_else(report::no_version, |slot| slot.version.clone());
        self.outbox.inform(version);
    }

    pub(super) fn ask_for_offer(&mut self, now: Now, out: &mut Vec<Command>) {
        if self.query_at.is_none_or(|at| now.ticks < at) {
            return;
        }
        let wait = self.jitter.around(self.policy.query_every);
        self.query_at = Some(now.ticks.after(wait));
        let id = self.outbox.id();
        out.push(Command::Publish {
            ticket: None,
            topic: self.topics.firmware_get(),
            payload: crate::alink::codec::firmware_get(&id, self.policy.module.as_deref()),
        });
    }

    /// Asks for the block a download waits for, if that is due.
    pub(super) fn ask_for_block(&mut self, now: Now, out: &mut Vec<Command>) {
        let Some(update) = self.update.as_mut().filter(|_| self.session.is_up()) else {
            return;
        };
        if let Some(block) = update.block_due() {
            let id = self.outbox.id();
            out.push(Command::Publish {
                ticket: None,
                topic: self.topics.file_download(),
                payload: block_request(
                    &id,
                    block.stream_id,
                    block.file_id,
                    block.offset,
                    block.size,
                ),
            });
            update.block_asked(id, now.ticks.after(self.policy.block_wait));
        }
    }

    pub(super) fn arrived(
        &mut self,
        topic: &str,
        payload: &[u8],
        now: Now,
        out: &mut Vec<Command>,
    ) {
        match self.topics.parse(topic) {
            Route::Upgrade => self.offered(payload, OfferFrom::Push, now, out),
            Route::FirmwareReply => self.offered(payload, OfferFrom::Reply, now, out),
            Route::PropertySet => {
                let reply = self.topics.property_set_reply();
                match parse_property_set(payload) {
                    Ok(request) => {
                        let properties = request.params;
                        self.accept(request.id, reply, Ask::Set { properties }, now, out);
                    }
                    Err(fault) => refuse(&fault, reply, out),
                }
            }
            Route::Service { id } => {
                let reply = self.topics.service_reply(&id);
                self.service(&id, payload, reply, now, out);
            }
            Route::RrpcRequest { message_id } => {
                let reply = self.topics.rrpc_response(&message_id);
                match parse_rrpc(payload) {
                    Ok((Action::SetProperties, request)) => {
                        let properties = request.params;
                        self.accept(request.id, reply, Ask::Set { properties }, now, out);
                    }
                    Ok((Action::Call(service), request)) => {
                        let ask = call(&service, request.params);
                        self.accept(request.id, reply, ask, now, out);
                    }
                    Err(fault) => refuse(&fault, reply, out),
                }
            }
            Route::ExtRrpc { action, topic, .. } => match action {
                Action::Call(service) => self.service(&service, payload, topic, now, out),
                Action::SetProperties => match parse_property_set(payload) {
                    Ok(request) => {
                        let properties = request.params;
                        self.accept(request.id, topic, Ask::Set { properties }, now, out);
                    }
                    Err(fault) => refuse(&fault, topic, out),
                },
            },
            Route::PropertyReply | Route::EventReply { .. } => {
                if let Ok(reply) = parse_reply(payload)
                    && !reply.is_ok()
                {
                    let text = format!(
                        "the platform answered {} on `{topic}`: {}",
                        reply.code, reply.message
                    );
                    self.chatter
                        .note(now.ticks, Grade::Warning, None, text, out);
                }
            }
            Route::FileReply => {
                let mut awaited = false;
                self.with_update(now, out, |it, hands| {
                    awaited = it.block_came(payload, hands);
                });
                if !awaited {
                    let text = "a block of a file that nobody waits for was left alone".to_owned();
                    self.chatter.note(now.ticks, Grade::Detail, None, text, out);
                }
            }
            Route::Foreign => {
                let text = "a message on a topic that is not ours was left alone".to_owned();
                self.chatter.note(now.ticks, Grade::Detail, None, text, out);
            }
        }
    }

    fn service(
        &mut self,
        service: &Identifier,
        payload: &[u8],
        reply: String,
        now: Now,
        out: &mut Vec<Command>,
    ) {
        match parse_service_call(payload) {
            Ok(request) => {
                let ask = call(service, request.params);
                self.accept(request.id, reply, ask, now, out);
            }
            Err(fault) => refuse(&fault, reply, out),
        }
    }

    fn accept(
        &mut self,
        id: crate::alink::codec::Id,
        reply: String,
        ask: Ask,
        now: Now,
        out: &mut Vec<Command>,
    ) {
        self.mailbox
            .accept(id, reply, ask, now.ticks, &self.policy, out);
    }

    fn offered(&mut self, payload: &[u8], from: OfferFrom, now: Now, out: &mut Vec<Command>) {
        match parse_offer(payload, from) {
            Ok(None) => self.outbox.heard_word(),
            Ok(Some(offer)) => match wanted(&offer, &self.policy) {
                Ok(None) => {
                    let module = offer.module.as_deref().unwrap_or("default");
                    let text = format!("an offer for module `{module}` is left alone");
                    note(out, Grade::Detail, None, None, text);
                }
                Ok(Some(wanted)) => {
                    self.outbox.heard_word();
                    self.consider(wanted, Arrival::JustNow, now, out);
                }
                Err(outcome) => {
                    self.outbox.heard_word();
                    if self.is_another(&offer.version) {
                        self.hear_of_another(&offer.version, now, out);
                    }
                    self.refuse_offer(outcome, true, out);
                }
            },
            Err(fault) => {
                let why = fault.to_string();
                match fault.subject() {
                    Some(subject) if subject.module == self.policy.module => {
                        self.refuse_offer(Outcome::BadOffer { why }, true, out);
                    }
                    Some(_) => {}
                    None => {
                        let text = format!("a message about updates cannot be understood: {why}");
                        self.last_refusal = Some(text.clone());
                        note(out, Grade::Warning, None, None, text);
                    }
                }
            }
        }
    }

    /// Weighs an offer and acts on the verdict, which whoever asked may want to know.
    pub(super) fn consider(
        &mut self,
        wanted: Wanted,
        arrival: Arrival,
        now: Now,
        out: &mut Vec<Command>,
    ) -> Verdict {
        let busy = self.update.as_ref().map_or(Busy::Job, Update::busy);
        let idle = busy == Busy::Idle;
        let verdict = weigh(&wanted, &self.ledger, busy, &self.policy);
        if wanted.is_reported() && arrival == Arrival::JustNow {
            match &verdict {
                // That is no job.
                Verdict::Running if !idle => {}
                Verdict::SameJob => self.settle_reports(None),
                Verdict::Ended => {
                    let last = self.ledger.record.owed.last().map(|owed| owed.job);
                    self.settle_reports(last);
                }
                Verdict::Running | Verdict::Install | Verdict::Remember | Verdict::Refuse(_) => {
                    self.hear_of_another(&wanted.version, now, out);
                }
            }
        }
        match &verdict {
            Verdict::Install => {
                if wanted.is_reported() {
                    self.outbox.begin();
                }
                self.with_update(now, out, |it, hands| it.open(wanted, hands));
            }
            Verdict::Running => {
                let text = format!("version {} was offered and runs already", wanted.version);
                note(out, Grade::Info, None, None, text);
                self.inform();
            }
            Verdict::SameJob => {
                self.with_update(now, out, |it, hands| it.renew(wanted, hands));
            }
            Verdict::Ended => {
                let text = format!(
                    "version {} was offered again before the cloud knows how its update ended",
                    wanted.version
                );
                note(out, Grade::Detail, None, None, text);
            }
            Verdict::Remember => {
                let when = match idle {
                    true => "while updates are paused; it is looked at after `resume`",
                    false => "during an update; it is looked at after that",
                };
                let text = format!("version {} was offered {when}", wanted.version);
                note(out, Grade::Info, None, None, text);
                self.with_update(now, out, |it, hands| it.remember(wanted, hands));
            }
            Verdict::Refuse(outcome) => {
                self.refuse_offer(outcome.clone(), wanted.is_reported(), out);
            }
        }
        verdict
    }

    /// The platform names another job than the one it heard of so far, which is over for it, and whatever is told of that one from now on
    /// would pass for the new one's. An offer that waited says nothing about it.
    fn hear_of_another(&mut self, version: &Version, now: Now, out: &mut Vec<Command>) {
        self.settle_reports(None);
        if self.is_told_of() {
            self.outbox.begin();
        }
        self.with_update(now, out, |it, hands| it.supersede(version, hands));
    }

    /// Is this another version than that of the job the platform hears of, or is to hear the end of?
    fn is_another(&self, version: &Version) -> bool {
        let record = &self.ledger.record;
        let job = record.job.as_ref().map(|job| &job.wanted.version);
        let owed = record.owed.last().and_then(|owed| owed.version.as_ref());
        job.or(owed) != Some(version)
    }

    /// Does the platform hear how the job under way goes?
    fn is_told_of(&self) -> bool {
        let job = self.ledger.record.job.as_ref();
        let update = self.update.as_ref();
        update.is_some_and(|update| update.is_told_of(job))
    }

    /// The platform says which job it has: it has taken down how every other one ended, or has ended it by itself. What is owed of those,
    /// told now or told once more, would pass for the end of that one.
    fn settle_reports(&mut self, but: Option<JobId>) {
        self.outbox.settle(but);
        let owed = self.ledger.record.owed.iter().map(|owed| owed.job);
        let settled: Vec<JobId> = owed.filter(|job| Some(*job) != but).collect();
        for job in settled {
            self.ledger.forget_owed(job);
        }
    }

    /// The offer that waited for the end of a job.
    pub(super) fn take_waiting(&mut self, now: Now, out: &mut Vec<Command>) {
        let waiting = self.update.as_mut().and_then(Update::next_offer);
        if let Some(wanted) = waiting {
            self.ledger.wait_for(None);
            self.consider(wanted, Arrival::Waited, now, out);
            self.hear_told(out);
        }
    }

    /// Tells the cloud why its offer is not taken. While it hears of a job that is only logged, because the platform would take the report
    /// for the end of that job.
    fn refuse_offer(&mut self, outcome: Outcome, reported: bool, out: &mut Vec<Command>) {
        let text = format!("an offer was refused: {outcome}");
        self.last_refusal = Some(text.clone());
        note(out, Grade::Warning, None, None, text);
        if reported && !self.is_told_of() {
            self.outbox.report(Report { job: None, outcome });
        }
    }

    pub(super) fn report_status(&mut self, now: Now, out: &mut Vec<Command>) {
        let own = self.own();
        let due = now.ticks >= self.cadence.due(&self.policy);
        let changed = self
            .posted
            .as_ref()
            .is_none_or(|posted| posted.differs(&own));
        if due {
            self.cadence.reported(now.ticks);
            if self.session.is_up() {
                self.crew.report_all(out);
            }
        }
        if (due || changed) && self.session.is_up() {
            self.outbox.properties(report::values(&own));
            self.posted = Some(own);
        }
    }
}

fn call(service: &Identifier, args: worker_protocol::ValueMap) -> Ask {
    Ask::Call {
        service: service.as_str().to_owned(),
        args,
    }
}

fn refuse(fault: &RequestFault, topic: String, out: &mut Vec<Command>) {
    if let Some(payload) = fault.answer() {
        let text = format!("a request of the cloud was refused: {fault}");
        note(out, Grade::Warning, None, None, text);
        out.push(Command::Publish {
            ticket: None,
            topic,
            payload,
        });
    }
}
