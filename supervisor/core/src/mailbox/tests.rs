use serde_json::Value as Json;

use super::*;
use crate::{
    crew::Scene,
    event::Exit,
    record::{Slot, SlotId},
    tenure::Role,
    time::Now,
};
use worker_protocol::v1::{FromWorker, ToWorker};

/// A mailbox beside a crew with one active worker, unless it was told otherwise.
struct Office {
    mailbox: Mailbox,
    crew: Crew,
    policy: Policy,
    out: Vec<Command>,
}

fn slot() -> Slot {
    Slot {
        id: SlotId(1),
        version: "1.0.0".parse().unwrap(),
        sha256: String::new(),
        size: 1,
        package: None,
    }
}

impl Office {
    fn empty() -> Self {
        let policy = Policy::default();
        Self {
            mailbox: Mailbox::default(),
            crew: Crew::new(&policy),
            policy,
            out: Vec::new(),
        }
    }

    fn with_worker() -> (Self, Tenure) {
        let mut office = Self::empty();
        let tenure = office.worker();
        (office, tenure)
    }

    fn worker(&mut self) -> Tenure {
        let mut out = Vec::new();
        let mut scene = Scene {
            now: Now::default(),
            policy: &self.policy,
            out: &mut out,
        };
        let tenure = self.crew.start(slot(), Role::Active, &mut scene);
        let (now, limits) = (Ticks(0), &self.policy.life);
        let life = self.crew.life_mut(tenure).unwrap();
        life.joined("1.0.0", now, limits, &mut out);
        life.said(FromWorker::Ready, now, limits, &mut out).unwrap();
        life.activate(None, now, limits, &mut out);
        let id = requests(&out)[0];
        let result = Ok(Done::Active);
        let reply = FromWorker::Reply { id, result };
        life.said(reply, now, limits, &mut out).unwrap();
        tenure
    }

    fn ask(&mut self, id: u32) {
        let properties = worker_protocol::ValueMap::new();
        let ask = Ask::Set { properties };
        let topic = format!("reply/{id}");
        let (now, policy) = (Ticks(0), &self.policy);
        self.mailbox
            .accept(Id::from(id), topic, ask, now, policy, &mut self.out);
        self.mailbox.deliver(&mut self.crew, &mut self.out);
    }

    /// The answers given so far: id and code.
    fn answers(&mut self) -> Vec<(String, u64)> {
        let answers = self.out.drain(..).filter_map(|command| match command {
            Command::Publish { topic, payload, .. } => {
                let json: Json = serde_json::from_slice(&payload).unwrap();
                let id = json["id"].as_str().unwrap().to_owned();
                assert_eq!(topic, format!("reply/{id}"));
                Some((id, json["code"].as_u64().unwrap()))
            }
            _ => None,
        });
        answers.collect()
    }
}

fn requests(out: &[Command]) -> Vec<RequestId> {
    let sent = out.iter().filter_map(|command| match command {
        Command::Send {
            message: ToWorker::Request { id, .. },
            ..
        } => Some(*id),
        _ => None,
    });
    sent.collect()
}

#[test]
fn a_request_is_answered_once_and_only_by_the_worker_it_was_given_to() {
    let (mut office, tenure) = Office::with_worker();
    office.ask(5);
    let request = requests(&office.out)[0];
    let other = Tenure(99);
    let mut answer = |tenure| {
        let result = Ok(Done::Accepted);
        office
            .mailbox
            .answered(tenure, request, result, &mut office.out);
    };
    answer(other);
    answer(tenure);
    answer(tenure);
    assert_eq!(office.answers(), [("5".to_owned(), 200)]);
    assert_eq!(office.mailbox.next_deadline(), None);
}

#[test]
fn a_request_without_a_worker_waits_for_the_next_one_in_order() {
    let mut office = Office::empty();
    office.ask(1);
    office.ask(2);
    assert_eq!(requests(&office.out), []);
    office.worker();
    office.mailbox.deliver(&mut office.crew, &mut office.out);
    assert_eq!(requests(&office.out).len(), 2);
    office.mailbox.deliver(&mut office.crew, &mut office.out);
    assert_eq!(requests(&office.out).len(), 2, "given out twice");
}

#[test]
fn a_request_is_answered_at_its_deadline_and_a_late_word_counts_for_nothing() {
    let (mut office, tenure) = Office::with_worker();
    office.ask(5);
    let request = requests(&office.out)[0];
    let due = office.mailbox.next_deadline().unwrap();
    assert_eq!(due, Ticks(6000));
    office.mailbox.tick(Ticks(5999), &mut office.out);
    assert_eq!(office.answers(), []);
    office.mailbox.tick(due, &mut office.out);
    assert_eq!(office.answers(), [("5".to_owned(), 100_000)]);
    let result = Ok(Done::Accepted);
    office
        .mailbox
        .answered(tenure, request, result, &mut office.out);
    assert_eq!(office.answers(), []);
}

#[test]
fn what_a_worker_took_with_it_has_failed_and_what_waited_still_waits() {
    let (mut office, tenure) = Office::with_worker();
    office.ask(1);
    let life = office.crew.life_mut(tenure).unwrap();
    life.exited(Exit::Code(1), Ticks(1), &mut office.out);
    office.ask(2);
    office.mailbox.gone(tenure, &mut office.out);
    assert_eq!(office.answers(), [("1".to_owned(), 100_000)]);
    assert!(office.mailbox.next_deadline().is_some());
}

#[test]
fn a_refusal_is_never_told_as_a_success() {
    let (mut office, tenure) = Office::with_worker();
    for (id, code, told) in [(1, 200, 100_000), (2, 460, 460), (3, 0, 100_000)] {
        office.ask(id);
        let request = *requests(&office.out).last().unwrap();
        let message = "no".to_owned();
        let result = Err(Refusal { code, message });
        office
            .mailbox
            .answered(tenure, request, result, &mut office.out);
        assert_eq!(office.answers(), [(id.to_string(), told)]);
    }
}

#[test]
fn a_further_request_at_the_bound_is_refused_at_once() {
    let mut office = Office::empty();
    for id in 0..40 {
        office.ask(id);
    }
    let answers = office.answers();
    assert_eq!(answers.len(), 40 - MOST_HELD);
    assert!(answers.iter().all(|(_, code)| *code == 429));
}
