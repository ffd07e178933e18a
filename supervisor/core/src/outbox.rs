//! What must reach the cloud, and in which order.
//!
//! | what | at the bound | while offline | told how |
//! |---|---|---|---|
//! | the running version | one | again after every connection, first | QoS 1 |
//! | outcomes of jobs | 32, oldest dropped and counted | kept, in order, also on the disk | QoS 1, until acknowledged |
//! | refusals | 8, oldest dropped and counted | kept, in order | QoS 1, until acknowledged |
//! | events | 128 and 512 KiB, oldest dropped and counted | kept, in order | QoS 1, until acknowledged, at most 20 a second |
//! | progress | newest | newest | QoS 1, at most one per 5 % or second, the first of a job when the outcomes before it are acknowledged, also on the disk |
//! | properties | 256 names and 512 KiB, further ones dropped and counted | newest per name | QoS 0, at most ten messages a second |
//!
//! What is owed of a job from before a connection waits on that connection until the platform has said which job it has, and for 10 s at the
//! most: it may have put another one in its place meanwhile, for which outcome and progress would pass.
//!
//! What was sent and not acknowledged when the connection ended is sent again after the next one; at most 16 messages are in that
//! state, and four places are for versions and outcomes alone. A connection on which one of them stays unacknowledged for too long is given up for a new one. Whatever a worker says, and however fast, costs no more memory than this table and no more messages than a platform
//! bears from one device.

#[cfg(test)]
mod tests;
mod weight;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use worker_protocol::ValueMap;

use crate::{
    alink::{
        codec::{Id, Step, event_post, inform, progress, property_post},
        topics::{Identifier, Topics},
        version::Version,
    },
    event::{Command, JobId, Ticket},
    outcome::Outcome,
    record::MOST_OWED,
    status::Dropped,
    time::{Bucket, Ticks, sooner},
};

/// How many events wait at most.
pub const MOST_EVENTS: usize = 128;

/// How many properties wait at most.
pub const MOST_PROPERTIES: usize = 256;

/// How many bytes the events, and the properties, that wait may have at most.
pub const MOST_BYTES: usize = 512 * 1024;

/// How many refusals of offers wait at most.
pub const MOST_REFUSALS: usize = 8;

/// How many events are sent per second.
const EVENTS_PER_SECOND: u32 = 20;

/// How long after a message of properties the next one is sent.
const PROPERTY_PERIOD: Duration = Duration::from_millis(100);

/// How many messages may be unacknowledged at once.
const WINDOW: usize = 16;

/// So many of them are versions and outcomes only, however slow the broker is to acknowledge the rest.
const RESERVED: usize = 4;

/// Progress is told when it grew by so many percent …
const PROGRESS_STEP: u8 = 5;

/// … or so long after the last time, if it grew at all.
const PROGRESS_PERIOD: Duration = Duration::from_secs(1);

/// So long the platform's word about its job is waited for, before it is told of one from before the connection.
const WORD_LIMIT: Duration = Duration::from_secs(10);

/// An event of the device.
#[derive(Debug, Clone, PartialEq)]
pub struct Raised {
    /// Its identifier.
    pub event: Identifier,
    /// Its outputs.
    pub outputs: ValueMap,
    /// When, in milliseconds since 1970 UTC.
    pub at_ms: u64,
}

/// An outcome to report; one that ends no job (a refused offer) has no number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The job it ends.
    pub job: Option<JobId>,
    /// What happened.
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq)]
enum Message {
    Inform(Version),
    Report(Report),
    Raised(Raised),
    Progress,
}

/// What must reach the cloud.
#[derive(Debug, Clone)]
pub struct Outbox {
    topics: Topics,
    module: Option<String>,
    queue: VecDeque<Message>,
    /// What was sent and when, the oldest first.
    flying: BTreeMap<Ticket, (Ticks, Message)>,
    properties: ValueMap,
    posted: Option<Ticks>,
    events: Bucket,
    /// An event waits for the bucket.
    held: bool,
    percent: Option<u8>,
    told: Option<(u8, Ticks)>,
    /// The disk may still say that the end of a job is owed.
    unsettled: bool,
    /// Until when nothing is told of a job, because the platform may have another one.
    unsure: Option<Ticks>,
    next_id: u32,
    next_ticket: u64,
    dropped: Dropped,
}

impl Outbox {
    /// Nothing waits yet. The first message has this id, the next ones count on.
    #[must_use]
    pub fn new(topics: Topics, module: Option<String>, first_id: u32) -> Self {
        Self {
            topics,
            module,
            queue: VecDeque::new(),
            flying: BTreeMap::new(),
            properties: ValueMap::new(),
            posted: None,
            events: Bucket::per_second(EVENTS_PER_SECOND),
            held: false,
            percent: None,
            told: None,
            unsettled: false,
            unsure: None,
            next_id: first_id,
            next_ticket: 0,
            dropped: Dropped::default(),
        }
    }

    /// The cloud is to be told which version runs, before anything else.
    pub fn inform(&mut self, version: Version) {
        let is_inform = |message: &Message| matches!(message, Message::Inform(_));
        self.queue.retain(|message| !is_inform(message));
        self.queue.push_front(Message::Inform(version));
    }

    /// An update begins: its progress is counted from here.
    pub fn begin(&mut self) {
        self.percent = None;
        self.told = None;
    }

    /// So much of an update is done, 1 to 100 percent.
    pub fn progress(&mut self, percent: u8) {
        self.percent = Some(percent);
    }

    /// Is everything on the disk that the cloud acknowledged? Until it is, a power cut would bring back reports that it has.
    pub fn settled(&mut self, is_durable: bool) {
        self.unsettled = !is_durable;
    }

    /// An update ended without success, or an offer was refused.
    pub fn report(&mut self, report: Report) {
        self.percent = None;
        // A refusal ends no job: however many there are, they are no reason to forget how one ended.
        if report.job.is_some() {
            let of_jobs =
                |message: &Message| matches!(message, Message::Report(it) if it.job.is_some());
            self.push(Message::Report(report), of_jobs, MOST_OWED);
        } else {
            let refusals =
                |message: &Message| matches!(message, Message::Report(it) if it.job.is_none());
            self.push(Message::Report(report), refusals, MOST_REFUSALS);
        }
    }

    /// The platform wants to hear of no outcome but that of this job, if of any: the others are not told, or not told again.
    pub fn settle(&mut self, but: Option<JobId>) {
        let stays = |message: &Message| match message {
            Message::Report(report) => report.job.is_some() && report.job == but,
            _ => true,
        };
        self.flying.retain(|_, (_, message)| stays(message));
        self.queue.retain(stays);
    }

    /// Does an outcome or a refusal wait to be told?
    #[must_use]
    pub fn has_reports(&self) -> bool {
        let mut waiting = self.queue.iter();
        waiting.any(|message| matches!(message, Message::Report(_)))
    }

    /// Nothing is told of a job until the platform has said which one it has, or has kept silent for too long.
    pub fn await_word(&mut self, now: Ticks) {
        self.unsure = Some(now.after(WORD_LIMIT));
    }

    /// The platform has said which job it has.
    pub fn heard_word(&mut self) {
        self.unsure = None;
    }

    /// The device raised an event.
    pub fn raise(&mut self, raised: Raised) {
        let events = |message: &Message| matches!(message, Message::Raised(_));
        self.push(Message::Raised(raised), events, MOST_EVENTS);
        while self.queue.iter().map(Message::weight).sum::<usize>() > MOST_BYTES
            && let Some(oldest) = self.queue.iter().position(events)
        {
            self.drop_at(oldest);
        }
    }

    fn push(&mut self, message: Message, alike: impl Fn(&Message) -> bool, most: usize) {
        self.queue.push_back(message);
        while self.queue.iter().filter(|other| alike(other)).count() > most
            && let Some(oldest) = self.queue.iter().position(&alike)
        {
            self.drop_at(oldest);
        }
    }

    fn drop_at(&mut self, at: usize) {
        let count = match self.queue.remove(at) {
            Some(Message::Raised(_)) => &mut self.dropped.events,
            // Those of jobs are counted on the disk, where they are dropped as well.
            Some(Message::Report(it)) if it.job.is_some() => return,
            _ => &mut self.dropped.reports,
        };
        *count = count.saturating_add(1);
    }

    /// Properties have these values now. A name that cannot be one of the platform's is dropped.
    pub fn properties(&mut self, values: ValueMap) {
        for (name, value) in values {
            let before = self.properties.remove(&name);
            let bytes = weight::of_map(&self.properties) + weight::of(&name, &value);
            let fits = self.properties.len() < MOST_PROPERTIES && bytes <= MOST_BYTES;
            if fits && Identifier::new(&name).is_ok() {
                self.properties.insert(name, value);
            } else {
                self.drop_properties(1);
                if let Some(before) = before {
                    self.properties.insert(name, before);
                }
            }
        }
    }

    fn drop_properties(&mut self, many: usize) {
        let properties = &mut self.dropped.properties;
        *properties = properties.saturating_add(many as u64);
    }

    /// Sends what may be sent. To be called only while the link is up.
    pub fn flush(&mut self, now: Ticks, wall_ms: u64, out: &mut Vec<Command>) {
        self.held = false;
        self.unsure.take_if(|until| now >= *until);
        let mut from = 0;
        while self.flying.len() < WINDOW && from < self.queue.len() {
            let is_event = matches!(self.queue[from], Message::Raised(_));
            let is_report = matches!(self.queue[from], Message::Report(_));
            if is_report && self.unsure.is_some() {
                from += 1;
            } else if is_event && (self.held || !self.has_room() || !self.events.take(now)) {
                // What is not an event goes past those that must wait.
                self.held = true;
                from += 1;
            } else if let Some(message) = self.queue.remove(from) {
                self.send(message, now, out);
            }
        }
        self.flush_progress(now, out);
        self.flush_properties(now, wall_ms, out);
    }

    fn flush_properties(&mut self, now: Ticks, wall_ms: u64, out: &mut Vec<Command>) {
        if self
            .posted
            .is_some_and(|at| now < at.after(PROPERTY_PERIOD))
        {
            return;
        }
        while !self.properties.is_empty() {
            self.posted = Some(now);
            let id = self.id();
            let written = property_post(&id, &self.properties, Some(wall_ms));
            let posted = self.properties.len();
            let mut rest = ValueMap::new();
            for omitted in written.omitted {
                if omitted.reason == crate::alink::codec::ValueFault::NoRoom
                    && let Some(value) = self.properties.remove(&omitted.name)
                {
                    rest.insert(omitted.name, value);
                } else {
                    self.drop_properties(1);
                }
            }
            // A message that took nothing would be written for ever.
            let stuck = rest.len() == posted;
            self.drop_properties(if stuck { posted } else { 0 });
            self.properties = if stuck { ValueMap::new() } else { rest };
            out.push(Command::Publish {
                ticket: None,
                topic: self.topics.property_post(),
                payload: written.payload,
            });
        }
    }

    fn flush_progress(&mut self, now: Ticks, out: &mut Vec<Command>) {
        let Some(percent) = self.percent else { return };
        let due = match self.told {
            // A message about progress names no job: whatever is told of the one before from now on would pass for the end of this one.
            None => !self.owes() && !self.unsettled,
            Some((told, _)) if percent <= told => return,
            Some((told, at)) => {
                percent == 100
                    || percent - told >= PROGRESS_STEP
                    || now >= at.after(PROGRESS_PERIOD)
            }
        };
        if due && self.has_room() && self.unsure.is_none() {
            self.told = Some((percent, now));
            self.send(Message::Progress, now, out);
        }
    }

    /// Is it uncertain whether the cloud knows how a job ended?
    fn owes(&self) -> bool {
        let sent = self.flying.values().map(|(_, message)| message);
        let mut all = self.queue.iter().chain(sent);
        all.any(|message| matches!(message, Message::Report(it) if it.job.is_some()))
    }

    /// May one more be sent that is neither a version nor an outcome?
    fn has_room(&self) -> bool {
        self.flying.len() + RESERVED < WINDOW
    }

    fn send(&mut self, message: Message, now: Ticks, out: &mut Vec<Command>) {
        let id = self.id();
        let module = self.module.as_deref();
        let (topic, payload) = match &message {
            Message::Inform(version) => (self.topics.inform(), inform(&id, version, module)),
            Message::Report(report) => {
                let step = Step::from(&report.outcome);
                let text = report.outcome.to_string();
                (self.topics.progress(), progress(&id, step, &text, module))
            }
            Message::Raised(raised) => (
                self.topics.event_post(&raised.event),
                event_post(&id, &raised.event, &raised.outputs, raised.at_ms).payload,
            ),
            Message::Progress => {
                let percent = self.told.map_or(1, |(percent, _)| percent);
                let step = Step::percent(percent);
                (self.topics.progress(), progress(&id, step, "", module))
            }
        };
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.flying.insert(ticket, (now, message));
        out.push(Command::Publish {
            ticket: Some(ticket),
            topic,
            payload,
        });
    }

    /// The broker has a message. Answers the report it was, if it was one.
    pub fn published(&mut self, ticket: Ticket) -> Option<Report> {
        match self.flying.remove(&ticket)? {
            (_, Message::Report(report)) => Some(report),
            _ => None,
        }
    }

    /// There is a connection. The properties that wait are as old as its predecessor's end: whoever has newer values has a moment to say
    /// so first.
    pub fn connected(&mut self, now: Ticks) {
        self.posted = Some(now);
    }

    /// The connection is lost: what was not acknowledged waits again, before what came later.
    pub fn lost(&mut self) {
        self.unsure = None;
        let flying = std::mem::take(&mut self.flying);
        for (_, (_, message)) in flying.into_iter().rev() {
            match message {
                Message::Progress => self.told = None,
                // It is informed anew, first thing after the next connection.
                Message::Inform(_) => {}
                message => self.queue.push_front(message),
            }
        }
    }

    /// An id for a message of ours.
    pub fn id(&mut self) -> Id {
        let id = Id::from(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        id
    }

    /// Since when something sent waits to be acknowledged.
    #[must_use]
    pub fn unheard_since(&self) -> Option<Ticks> {
        self.flying.first_key_value().map(|(_, (at, _))| *at)
    }

    /// The supervisor itself was not running for so long: what was acknowledged or said meanwhile has not been heard yet.
    pub fn excuse(&mut self, lost: Duration) {
        for (at, _) in self.flying.values_mut() {
            *at = at.after(lost);
        }
        self.unsure = self.unsure.map(|until| until.after(lost));
    }

    /// How much was dropped at a bound; outcomes of jobs are counted where they are kept on the disk.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// When there is something to send without a new event.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Ticks> {
        let room = self.has_room();
        let may = room && self.unsure.is_none();
        let progress = match (self.told, self.percent) {
            (Some((told, at)), Some(percent)) if percent > told && may => {
                Some(at.after(PROGRESS_PERIOD))
            }
            _ => None,
        };
        let event = (self.held && room).then(|| self.events.next());
        let properties = self.posted.filter(|_| !self.properties.is_empty());
        let properties = properties.map(|at| at.after(PROPERTY_PERIOD));
        sooner(sooner(progress, self.unsure), sooner(event, properties))
    }
}

impl From<&Outcome> for Step {
    fn from(outcome: &Outcome) -> Self {
        match outcome.step() {
            -2 => Self::DOWNLOAD_FAILED,
            -3 => Self::VERIFY_FAILED,
            -4 => Self::INSTALL_FAILED,
            _ => Self::FAILED,
        }
    }
}
