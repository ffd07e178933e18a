//! Everything that may go wrong in the world, or be wished of it, under one name each.
//!
//! A name is what a recorded walk has on its lines, so that it is never changed; further ones are added.

mod words;

use super::{Happening, World, blocks::Answer};
use crate::event::{Asker, CloudLoss, Event, FetchFault, Request, SlotId, Tenure};

/// How long after a pause its operator says `resume`, in milliseconds.
pub(crate) const PAUSE: u64 = 12_000;

/// What may go wrong at one place, or be wished there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power goes out, and comes on again.
    Cut,
    /// The supervisor is killed, and started again; the machine runs on.
    Kill,
    /// The supervisor is stopped in order, and started again.
    Stop,
    /// The next so many saves fail.
    FailSaves(u64),
    /// The next so many checkpoints cannot be kept.
    FailCheckpoints(u32),
    /// The next so many starts of a process fail.
    FailSpawns(u32),
    /// A slot is not what it was.
    Damage(SlotId),
    /// The next so many looks at a slot are in vain.
    Unread(SlotId, u32),
    /// The download under way fails.
    FailFetch(Broken),
    /// The next so many downloads fail in their middle.
    FailFetches(u64, Broken),
    /// A worker ends by itself.
    Die(Tenure),
    /// A worker neither says nor hears anything any more, and still runs.
    Hang(Tenure),
    /// The link to a worker ends, and it still runs.
    Unlink(Tenure),
    /// The connection to the cloud breaks; so many tries to connect are in vain.
    LoseCloud(u32),
    /// The broker closes the connection; the next try is not in vain.
    KickCloud,
    /// The broker takes what is said on this connection, and acknowledges nothing of it.
    Withhold,
    /// The platform wants this version now.
    Offer(String),
    /// An operator says so; whoever says `pause` says `resume` after [`PAUSE`].
    Ask(Request),
    /// The supervisor alone stands still for so many milliseconds.
    Freeze(u64),
    /// The running worker will put the switch off so many times.
    PutOff(u32),
    /// The platform answers the next requests for blocks so.
    Blocks(u32, Answer),
    /// The platform sets a property.
    Set,
    /// Nothing: only time goes by.
    Wait,
}

/// How a download fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The connection breaks.
    Short,
    /// The server is busy.
    Busy,
    /// The address is too old.
    Expired,
    /// Nothing is there.
    Gone,
    /// The bytes are others than promised.
    Other,
    /// The disk has no room.
    Room,
}

impl Broken {
    fn fault(self) -> FetchFault {
        match self {
            Self::Short => {
                let (got, promised) = (1, 2);
                FetchFault::Short { got, promised }
            }
            Self::Busy => FetchFault::Status(503),
            Self::Expired => FetchFault::Status(403),
            Self::Gone => FetchFault::Status(404),
            Self::Other => {
                let method = "SHA256".to_owned();
                FetchFault::OtherDigest { method }
            }
            Self::Room => FetchFault::Disk("no room".to_owned()),
        }
    }
}

impl World {
    /// It goes wrong, or is wished, now. What the brain asks for because of it has not been done yet.
    pub(crate) fn suffer(&mut self, fault: &Fault) {
        match fault {
            Fault::Cut => self.wake_again(),
            Fault::Kill => self.lose_supervisor(),
            Fault::Stop => {
                self.stopping.get_or_insert(self.now);
                self.deliver(Event::Stop);
            }
            Fault::FailSaves(many) => {
                let first = self.durable.disk.saves + 1;
                self.durable.disk.failing.extend(first..first + many);
            }
            Fault::FailCheckpoints(many) => self.durable.kept.failing = *many,
            Fault::FailSpawns(many) => self.failing_spawns = *many,
            Fault::Damage(slot) => {
                self.durable.disk.damaged.insert(*slot);
            }
            Fault::Unread(slot, many) => {
                self.durable.disk.unreadable.insert(*slot, *many);
            }
            Fault::FailFetch(broken) => {
                if let Some((job, _)) = self.fetches.under_way.pop_first() {
                    self.fetches.waiting.remove(&job);
                    let fault = broken.fault();
                    self.deliver(Event::FetchFailed { job, fault });
                }
            }
            Fault::FailFetches(many, broken) => {
                let faults = (0..*many).map(|_| broken.fault());
                self.durable.disk.downloads.extend(faults);
            }
            Fault::Die(tenure) => self.end(*tenure, 101),
            Fault::Hang(tenure) => self.fall_silent(*tenure),
            Fault::Unlink(tenure) => self.hang_up(*tenure),
            Fault::LoseCloud(tries) => {
                self.durable.cloud.refusals = *tries;
                self.cloud_is(true, CloudLoss::Broken("no route".to_owned()));
            }
            Fault::KickCloud => self.cloud_is(true, CloudLoss::Closed),
            Fault::Withhold => self.durable.cloud.silent = self.durable.cloud.connected,
            Fault::Offer(version) => {
                let pushes = self.durable.cloud.may_offer(version);
                if pushes && self.durable.cloud.connected {
                    self.hear_what_is_on_its_way();
                    let (topic, payload) = self.durable.cloud.push_of(version);
                    self.deliver(Event::Arrived { topic, payload });
                }
            }
            Fault::Wait => {}
            Fault::Ask(request) => self.ask(request.clone()),
            Fault::Freeze(span) => self.freeze(*span),
            Fault::PutOff(times) => self.durable.later = *times,
            Fault::Blocks(many, answer) => {
                if let Some(blocks) = &mut self.durable.cloud.blocks {
                    blocks.answers.extend((0..*many).map(|_| *answer));
                }
            }
            Fault::Set => {
                let topic = "/sys/pk/dn/thing/service/property/set".to_owned();
                let payload = br#"{"id":"5","params":{"target_temperature":99.5}}"#.to_vec();
                self.deliver(Event::Arrived { topic, payload });
            }
        }
    }

    /// One connection keeps its order: what the cloud said before comes first.
    fn hear_what_is_on_its_way(&mut self) {
        let is_said = |it: &Happening| matches!(it, Happening::Tell(Event::Arrived { .. }));
        let keys: Vec<_> = self.queue.iter().filter(|(_, it)| is_said(it)).collect();
        let keys: Vec<_> = keys.into_iter().map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(Happening::Tell(event)) = self.queue.remove(&key) {
                self.deliver(event);
            }
        }
    }

    fn ask(&mut self, request: Request) {
        if request == Request::Pause {
            self.durable.resumes = true;
            self.resume_later();
        }
        let asker = Asker(self.sequence);
        self.sequence += 1;
        let event = Event::Asked { asker, request };
        self.heed(&event);
        self.deliver(event);
    }

    /// An operator will say `resume`.
    pub(super) fn resume_later(&mut self) {
        let (asker, request) = (Asker(self.sequence), Request::Resume);
        self.tell_later(PAUSE, Event::Asked { asker, request });
    }

    /// Whatever still was to go wrong does not any more.
    pub(crate) fn make_peace(&mut self) {
        self.durable.disk.failing.clear();
        self.durable.disk.unreadable.clear();
        self.durable.kept.failing = 0;
        self.durable.disk.downloads.clear();
        self.failing_spawns = 0;
        self.durable.cloud.refusals = 0;
        if let Some(blocks) = &mut self.durable.cloud.blocks {
            blocks.answers.clear();
        }
    }
}
