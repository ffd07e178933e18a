//! What the cloud asks of the device: held until a worker can be asked, answered once, by the deadline at the latest.
//!
//! At most [`MOST_HELD`] requests wait or are under way; a further one is refused at once. A request that was handed to a worker which
//! then ended is answered as failed, because nobody can tell whether it was carried out; one that was not yet handed over waits for
//! the next worker, in order.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use worker_protocol::v1::{Ask, Done, Refusal, RequestId};

use crate::{
    alink::codec::{Id, reply_ok, reply_refused},
    crew::Crew,
    event::{Command, Tenure},
    policy::Policy,
    time::{Ticks, sooner},
};

/// How many requests wait or are under way at most.
pub const MOST_HELD: usize = 32;

/// The platform's code for "too many requests".
const THROTTLED: u32 = 429;

/// Our code for "the worker did not answer"; the device's own codes begin at 100000.
const NO_ANSWER: u32 = 100_000;

#[derive(Debug, Clone)]
struct Held {
    id: Id,
    reply_topic: String,
    ask: Option<Ask>,
    sent: Option<(Tenure, RequestId)>,
    due: Ticks,
}

/// Requests of the cloud that are not answered yet.
#[derive(Debug, Clone, Default)]
pub struct Mailbox {
    held: VecDeque<Held>,
}

impl Mailbox {
    /// Takes a request; answered on the topic named.
    pub fn accept(
        &mut self,
        id: Id,
        reply_topic: String,
        ask: Ask,
        now: Ticks,
        policy: &Policy,
        out: &mut Vec<Command>,
    ) {
        if self.held.len() >= MOST_HELD {
            let payload = reply_refused(&id, THROTTLED, "too many requests are waiting");
            out.push(answer(reply_topic, payload));
            return;
        }
        self.held.push_back(Held {
            id,
            reply_topic,
            ask: Some(ask),
            sent: None,
            due: now.after(policy.answer_limit),
        });
    }

    /// Hands over what waits, if there is a worker that can be asked.
    pub fn deliver(&mut self, crew: &mut Crew, out: &mut Vec<Command>) {
        for held in &mut self.held {
            if crew.active().is_none() {
                return;
            }
            if let Some(ask) = held.ask.take() {
                held.sent = crew.ask_active(ask, out);
            }
        }
    }

    /// A worker answered.
    pub fn answered(
        &mut self,
        tenure: Tenure,
        request: RequestId,
        result: Result<Done, Refusal>,
        out: &mut Vec<Command>,
    ) {
        let sent = Some((tenure, request));
        let Some(at) = self.held.iter().position(|held| held.sent == sent) else {
            return;
        };
        let Some(held) = self.held.remove(at) else {
            return;
        };
        let payload = match result {
            Ok(Done::Outputs(outputs)) => reply_ok(&held.id, &outputs).payload,
            Ok(_) => reply_ok(&held.id, &worker_protocol::ValueMap::new()).payload,
            Err(refusal) => reply_refused(&held.id, not_200(refusal.code), &refusal.message),
        };
        out.push(answer(held.reply_topic, payload));
    }

    /// A worker is gone: what it was asked and did not answer has failed.
    pub fn gone(&mut self, tenure: Tenure, out: &mut Vec<Command>) {
        self.fail(out, "the worker ended before it answered", |held| {
            held.sent.is_some_and(|(asked, _)| asked == tenure)
        });
    }

    /// Answers what has waited too long.
    pub fn tick(&mut self, now: Ticks, out: &mut Vec<Command>) {
        self.fail(out, "the device did not answer in time", |held| {
            now >= held.due
        });
    }

    fn fail(&mut self, out: &mut Vec<Command>, why: &str, which: impl Fn(&Held) -> bool) {
        self.held.retain(|held| {
            let failed = which(held);
            if failed {
                let payload = reply_refused(&held.id, NO_ANSWER, why);
                out.push(answer(held.reply_topic.clone(), payload));
            }
            !failed
        });
    }

    /// When the next request has waited too long.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Ticks> {
        self.held
            .iter()
            .fold(None, |next, held| sooner(next, Some(held.due)))
    }
}

fn answer(topic: String, payload: Vec<u8>) -> Command {
    Command::Publish {
        ticket: None,
        topic,
        payload,
    }
}

/// A refusal is never told as a success, whatever code the worker chose, nor as no code at all.
fn not_200(code: u32) -> u32 {
    if matches!(code, 0 | 200) {
        NO_ANSWER
    } else {
        code
    }
}
