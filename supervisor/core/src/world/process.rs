//! Worker processes, good and bad.

use worker_protocol::v1::{
    Ask, Consent, Done, FromWorker, Handover, Health, Refusal, RequestId, ToWorker,
};

use super::{Durable, Happening, World};
use crate::{
    event::{Event, Exit, Tenure},
    record::Slot,
};

/// How a version behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Behaviour {
    Good,
    NeverHello,
    ExitAtOnce,
    OtherVersion,
    Unfit,
    NeverReady,
    FailActivate,
    HangActivate,
    DieProving,
    UnwellProving,
    HangProving,
    /// Hangs in the last moment of its window.
    HangLate,
    DownWarming,
    DownActivating,
    /// Dies again and again, but only some time after each activation.
    DieLater,
    /// Takes the machine down again and again, but only some time after each activation.
    DownLater,
    /// Good, but never hands over.
    KeepHandover,
}

impl Behaviour {
    /// Every behaviour of a new version that must be taken back, and the step the platform must be told.
    pub(crate) const BAD: [(Self, i8); 13] = [
        (Self::NeverHello, -4),
        (Self::ExitAtOnce, -4),
        (Self::OtherVersion, -4),
        (Self::Unfit, -4),
        (Self::NeverReady, -4),
        (Self::FailActivate, -1),
        (Self::HangActivate, -1),
        (Self::DieProving, -1),
        (Self::UnwellProving, -1),
        (Self::HangProving, -1),
        (Self::HangLate, -1),
        (Self::DownWarming, -1),
        (Self::DownActivating, -1),
    ];

    /// Every behaviour there is.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let others = [Self::Good, Self::DieLater, Self::KeepHandover];
        let bad = Self::BAD.into_iter().map(|(behaviour, _)| behaviour);
        others.into_iter().chain(bad)
    }

    /// May it ever be trusted?
    pub(crate) fn may_be_trusted(self) -> bool {
        matches!(
            self,
            Self::Good | Self::DieLater | Self::DownLater | Self::KeepHandover
        )
    }
}

/// One process.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) slot: Slot,
    pub(crate) behaviour: Behaviour,
    pub(crate) alive: bool,
    pub(crate) told_active: bool,
    /// What it was given when it was told to act.
    pub(crate) handed: Option<Handover>,
    linked: bool,
    silent: bool,
    pub(crate) words: u32,
    /// When the last word on the link arrives; later ones never overtake it.
    link_free: u64,
}

impl Process {
    /// Can it be told anything?
    pub(crate) fn hears(&self) -> bool {
        self.linked && !self.silent
    }
}

impl World {
    pub(crate) fn spawn(&mut self, tenure: Tenure, slot: Slot) {
        let version = slot.version.to_string();
        let behaviours = &self.durable.behaviours;
        let behaviour = behaviours.get(&version).copied();
        self.durable
            .laws
            .spawned(&self.durable.disk, &slot, self.policy.tries);
        if self.durable.disk.is_found_damaged(slot.id) {
            let Durable { disk, laws, .. } = &mut self.durable;
            laws.found_damaged(disk, slot.id);
            let why = "its file `worker` has other bytes".to_owned();
            self.tell_later(1, Event::SlotDamaged { tenure, why });
            return;
        }
        if self.durable.disk.is_found_unreadable(slot.id) {
            let Durable { disk, laws, .. } = &mut self.durable;
            laws.found_unreadable(disk, slot.id);
            let why = "its file `worker` cannot be read".to_owned();
            self.tell_later(1, Event::SlotUnreadable { tenure, why });
            return;
        }
        if self.failing_spawns > 0 {
            self.failing_spawns -= 1;
            let why = "too many files".to_owned();
            self.tell_later(1, Event::SpawnFailed { tenure, why });
            return;
        }
        let behaviour = behaviour.unwrap_or(Behaviour::Good);
        let process = Process {
            slot,
            behaviour,
            alive: true,
            told_active: false,
            handed: None,
            linked: false,
            silent: false,
            words: 0,
            link_free: 0,
        };
        self.processes.insert(tenure, process);
        self.tell_later(1, Event::Spawned { tenure, pid: 99 });
        match behaviour {
            Behaviour::NeverHello => {}
            Behaviour::ExitAtOnce => self.later(2, Happening::End(tenure, 3)),
            _ => {
                let version = match behaviour {
                    Behaviour::OtherVersion => "6.6.6".to_owned(),
                    _ => version,
                };
                let process = self.processes.get_mut(&tenure).unwrap();
                process.linked = true;
                process.link_free = self.now + 5;
                let pid = 99;
                self.tell_later(
                    5,
                    Event::Joined {
                        tenure,
                        version,
                        pid,
                    },
                );
                self.later(2000, Happening::Beat(tenure));
                match behaviour {
                    Behaviour::NeverReady => {}
                    Behaviour::Unfit => {
                        let reason = "no sensor".to_owned();
                        self.say(tenure, 10, FromWorker::Unfit { reason });
                        self.later(12, Happening::End(tenure, 4));
                    }
                    Behaviour::DownWarming => self.later(9, Happening::MachineDown(tenure)),
                    _ => self.say(tenure, 15, FromWorker::Ready),
                }
            }
        }
    }

    /// A worker says something, if it still can.
    pub(crate) fn say(&mut self, tenure: Tenure, delay: u64, message: FromWorker) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(&tenure) else {
            return;
        };
        if !process.alive || !process.linked {
            return;
        }
        process.link_free = process.link_free.max(now + delay);
        let wait = process.link_free - now;
        self.tell_later(wait, Event::Said { tenure, message });
    }

    fn reply(&mut self, tenure: Tenure, id: RequestId, result: Result<Done, Refusal>) {
        self.say(tenure, 10, FromWorker::Reply { id, result });
    }

    /// A snapshot nobody else would give.
    fn snapshot(&mut self, tenure: Tenure) -> Vec<u8> {
        let process = self.processes.get_mut(&tenure).unwrap();
        process.words += 1;
        format!("{{\"life\":{},\"word\":{}}}", tenure.0, process.words).into_bytes()
    }

    pub(crate) fn beat(&mut self, tenure: Tenure) {
        let Some(process) = self.processes.get(&tenure) else {
            return;
        };
        if !process.alive || process.silent {
            return;
        }
        self.say(tenure, 0, FromWorker::Heartbeat { beat: 0 });
        self.later(2000, Happening::Beat(tenure));
        if self.processes[&tenure].told_active {
            let snapshot = self.snapshot(tenure);
            self.say(tenure, 0, FromWorker::Checkpoint { snapshot });
        }
    }

    pub(crate) fn hear(&mut self, tenure: Tenure, message: ToWorker) {
        let ToWorker::Request { id, ask } = message else {
            return;
        };
        if matches!(ask, Ask::Quiesce | Ask::Stop) {
            self.durable.laws.switch_begins();
        }
        let Some(process) = self.processes.get_mut(&tenure) else {
            return;
        };
        if !process.alive || !process.linked || process.silent {
            return;
        }
        match ask {
            Ask::Activate { from } => self.activate(tenure, id, from.as_ref()),
            Ask::Quiesce if process.behaviour == Behaviour::KeepHandover => {}
            Ask::Quiesce => {
                let snapshot = self.snapshot(tenure);
                self.reply(tenure, id, Ok(Done::Snapshot(snapshot)));
                self.later(8, Happening::End(tenure, 0));
            }
            Ask::MayI => {
                let consent = if self.durable.later > 0 {
                    self.durable.later -= 1;
                    let (after_ms, reason) = (5000, "the door is open".to_owned());
                    Consent::Later { after_ms, reason }
                } else {
                    Consent::Now
                };
                self.reply(tenure, id, Ok(Done::Consent(consent)));
            }
            Ask::Set { .. } => self.reply(tenure, id, Ok(Done::Accepted)),
            Ask::Call { .. } => self.reply(tenure, id, Ok(Done::Accepted)),
            Ask::Stop => {
                if self.processes[&tenure].told_active {
                    let snapshot = self.snapshot(tenure);
                    self.say(tenure, 9, FromWorker::Checkpoint { snapshot });
                }
                self.reply(tenure, id, Ok(Done::Stopping));
                self.later(8, Happening::End(tenure, 0));
            }
        }
    }

    fn activate(&mut self, tenure: Tenure, id: RequestId, from: Option<&Handover>) {
        let others = self.processes.iter();
        let other = others
            .filter(|(other, it)| **other != tenure && it.alive && it.told_active)
            .map(|(other, _)| *other)
            .next();
        assert_eq!(
            other,
            None,
            "one_active: {tenure:?} and another\n{}",
            self.tail()
        );
        let process = self.processes.get_mut(&tenure).unwrap();
        process.told_active = true;
        process.handed = from.cloned();
        let behaviour = process.behaviour;
        let slot = process.slot.clone();
        self.durable.laws.activated(&self.durable.disk, &slot, from);
        match behaviour {
            Behaviour::FailActivate => {
                let message = "the heater does not answer".to_owned();
                let code = 100_001;
                self.reply(tenure, id, Err(Refusal { code, message }));
            }
            Behaviour::HangActivate => {}
            Behaviour::DownActivating => self.later(5, Happening::MachineDown(tenure)),
            _ => {
                self.reply(tenure, id, Ok(Done::Active));
                self.say(tenure, 11, FromWorker::Health(Health::Well));
            }
        }
        match behaviour {
            Behaviour::DieProving => self.later(3000, Happening::End(tenure, 101)),
            Behaviour::DieLater => self.later(30_000, Happening::End(tenure, 101)),
            Behaviour::DownLater => self.later(30_000, Happening::MachineDown(tenure)),
            Behaviour::UnwellProving => {
                let reason = "the fan stands still".to_owned();
                self.say(tenure, 2500, FromWorker::Health(Health::Unwell { reason }));
            }
            Behaviour::HangProving => self.fall_silent(tenure),
            Behaviour::HangLate => {
                // All that it has to say until shortly before the end of its window, and then nothing.
                for at in [2000, 4000, 6000, 8000, 9900] {
                    self.later(at, Happening::Tell(beat(tenure)));
                }
                self.fall_silent(tenure);
            }
            _ => {}
        }
    }

    /// From now on it neither says nor hears anything, and still runs.
    pub(crate) fn fall_silent(&mut self, tenure: Tenure) {
        if let Some(process) = self.processes.get_mut(&tenure) {
            process.silent = true;
        }
    }

    /// The process ends; what it said before is heard first.
    pub(crate) fn end(&mut self, tenure: Tenure, code: i32) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(&tenure) else {
            return;
        };
        if !process.alive {
            return;
        }
        process.alive = false;
        let slot = process.slot.id.0;
        let exit = match code {
            code if code < 0 => Exit::Signal(-code),
            code => Exit::Code(code),
        };
        let drained = process.link_free.max(now) - now + 1;
        let linked = std::mem::take(&mut process.linked);
        // The system reports the end of the process before or after that of the link.
        let number = if self.still { slot } else { tenure.0 };
        let reaped = if number.is_multiple_of(2) {
            1
        } else {
            drained + 2
        };
        self.tell_later(reaped, Event::Exited { tenure, exit });
        if linked {
            let why = "end of file".to_owned();
            self.tell_later(drained, Event::Parted { tenure, why });
        }
    }

    /// The link ends, and with it whatever was said and not heard yet. One that was never seen to begin is not seen to end.
    pub(crate) fn hang_up(&mut self, tenure: Tenure) {
        let Some(process) = self.processes.get_mut(&tenure) else {
            return;
        };
        if !std::mem::take(&mut process.linked) {
            return;
        }
        let mut began = true;
        self.queue.retain(|_, happening| match happening {
            Happening::Tell(Event::Joined { tenure: of, .. }) if *of == tenure => {
                began = false;
                false
            }
            Happening::Tell(Event::Said { tenure: of, .. }) => *of != tenure,
            _ => true,
        });
        if began {
            let why = "hung up".to_owned();
            self.tell_later(1, Event::Parted { tenure, why });
        }
    }
}

fn beat(tenure: Tenure) -> Event {
    let message = FromWorker::Heartbeat { beat: 0 };
    Event::Said { tenure, message }
}
