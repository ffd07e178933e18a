//! How time goes on in the world: commands one by one, then the next thing that happens, then the commands that follow from it.
//!
//! Between any two of these a fault may be put, so that both are steps of their own here ([`World::advance`]).

use worker_protocol::v1::{Done, FromWorker};

use super::{Durable, Happening, SEED, World, build};
use crate::event::{CloudLoss, Command, Event, Request};

/// A deadline that was handled lies ahead afterwards; a few rounds may be needed when one thing leads to the next.
const MOST_TICKS: u32 = 4;

impl World {
    pub(crate) fn later(&mut self, delay: u64, happening: Happening) {
        self.queue
            .insert((self.now + delay, self.sequence), happening);
        self.sequence += 1;
    }

    pub(crate) fn tell_later(&mut self, delay: u64, event: Event) {
        self.later(delay, Happening::Tell(event));
    }

    /// The brain is told, and nothing of what it asks for is done yet.
    pub(crate) fn deliver(&mut self, event: Event) {
        let mut out = Vec::new();
        if self.still {
            self.agent.throw_dice(SEED);
        }
        self.is_named(&event);
        self.agent.handle(self.clock(), event, &mut out);
        self.ask_for(out);
    }

    /// The brain is told at once, and what it asks for is done.
    pub(crate) fn tell(&mut self, event: Event) {
        self.deliver(event);
        self.carry_out();
    }

    /// The brain asked for this: what is said to workers first.
    pub(super) fn ask_for(&mut self, commands: Vec<Command>) {
        let sent = |command: &Command| matches!(command, Command::Send { .. });
        assert!(commands.is_sorted_by_key(|it| !sent(it)), "{commands:?}");
        for command in commands {
            let Command::Note(note) = command else {
                self.tells_of_its_own(&command);
                self.pending.push_back(command);
                continue;
            };
            if self.loud {
                let tenure = note.tenure;
                let who = tenure.map_or_else(String::new, |it| format!("worker {}: ", it.0));
                println!("      {} ms: {who}{}", self.now, note.text);
            }
            self.log.push(format!("{} {}", self.now, note.text));
        }
    }

    /// Everything the brain asked for is done.
    pub(crate) fn carry_out(&mut self) {
        while self.obey_next() {}
    }

    /// The next thing the brain asked for is done, if there is one.
    fn obey_next(&mut self) -> bool {
        let Some(command) = self.pending.pop_front() else {
            return false;
        };
        self.obey(command);
        self.note_cut();
        true
    }

    /// The next thing happens, at the latest at this moment, and what follows from it is done.
    pub(crate) fn step(&mut self, until: u64) {
        self.carry_out();
        self.advance(until);
        self.carry_out();
    }

    /// One command is done; if there is none, the next thing happens, at the latest at this moment.
    pub(crate) fn advance(&mut self, until: u64) {
        if self.obey_next() {
            return;
        }
        let Some((at, is_deadline)) = self.next_moment().filter(|(at, _)| *at <= until) else {
            self.now = until;
            self.ticks = 0;
            return;
        };
        if at > self.now {
            self.ticks = 0;
        }
        self.now = at;
        if !is_deadline {
            self.ticks = 0;
            if let Some((_, happening)) = self.queue.pop_first() {
                self.happen(happening);
            }
            return;
        }
        if self.ticks == MOST_TICKS {
            let brain = self.agent.moving();
            panic!(
                "time_advances: the deadline {at} is still there after it was handled\n{brain:#?}"
            );
        }
        self.ticks += 1;
        self.deliver(Event::Tick);
    }

    /// When something happens next, and whether that is a deadline of the brain.
    fn next_moment(&self) -> Option<(u64, bool)> {
        let next = self.queue.keys().next().map(|(at, _)| (*at, false));
        let deadline = self.agent.next_deadline();
        let deadline = deadline.map(|at| (at.0.max(self.now), true));
        [next, deadline].into_iter().flatten().min()
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Tell(event) => {
                self.heed(&event);
                self.deliver(event);
            }
            Happening::Beat(tenure) => self.beat(tenure),
            Happening::End(tenure, code) => self.end(tenure, code),
            Happening::FetchStep(job, step) => self.fetch_step(job, step),
            Happening::BlockStep(job) => self.block_step(job),
            Happening::MachineDown(tenure) => {
                if self.processes.get(&tenure).is_some_and(|it| it.alive) {
                    self.wake_again();
                }
            }
        }
        self.note_cut();
    }

    /// What the world itself changes when an event reaches the brain.
    pub(super) fn heed(&mut self, event: &Event) {
        if let Event::Asked { asker, request } = event {
            self.asked.insert(*asker, (self.now, request.clone()));
            if let Request::Release(version) = request {
                let build = build(0, version.as_str());
                self.durable.laws.is_to_be_released(&build.sha256);
            }
        }
        if let Event::CloudDown { .. } = event {
            self.losing = false;
        }
        if let Event::Saved { .. } | Event::SaveFailed { .. } = event {
            self.durable.disk.unanswered -= 1;
        }
        if let Event::CheckpointSaved | Event::CheckpointFailed { .. } = event {
            self.durable.kept.heard();
        }
        if let Event::Said { tenure, message } = event
            && let FromWorker::Checkpoint { snapshot }
            | FromWorker::Reply {
                result: Ok(Done::Snapshot(snapshot)),
                ..
            } = message
        {
            let slot = self.processes[tenure].slot.id;
            let Durable { disk, laws, .. } = &mut self.durable;
            laws.worker_said(disk, slot, snapshot);
        }
        if let Event::Spawned { tenure, .. } = event {
            let slot = self.processes[tenure].slot.id;
            self.durable.laws.could_be_read(slot);
        }
        if let Event::CloudUp = event {
            self.durable.cloud.connected = true;
            if let Some(topic_and_payload) = self.durable.cloud.push() {
                let (topic, payload) = topic_and_payload;
                self.tell_later(20, Event::Arrived { topic, payload });
            }
        }
    }

    /// The cloud goes away or comes back; a connection that stands is lost in this way.
    pub(crate) fn cloud_is(&mut self, up: bool, loss: CloudLoss) {
        self.durable.cloud.up = up;
        if self.durable.cloud.connected {
            self.durable.cloud.power_cut();
            let lost = |happening: &Happening| {
                matches!(
                    happening,
                    Happening::Tell(Event::Published { .. } | Event::Arrived { .. })
                )
            };
            self.queue.retain(|_, happening| !lost(happening));
            self.losing = true;
            self.tell_later(1, Event::CloudDown { loss });
        }
    }

    fn note_cut(&mut self) {
        if let Some(cuts) = &mut self.cuts {
            cuts.push(self.durable.clone());
        }
    }

    /// The supervisor alone stands still for so long; whatever happens meanwhile reaches it afterwards.
    pub(crate) fn freeze(&mut self, span: u64) {
        let until = self.now + span;
        let missed: Vec<_> = self
            .queue
            .keys()
            .copied()
            .filter(|key| key.0 < until)
            .collect();
        for (at, sequence) in missed {
            if let Some(happening) = self.queue.remove(&(at, sequence)) {
                self.queue.insert((until, sequence), happening);
            }
        }
        self.now = until;
        self.ticks = 0;
    }

    /// Lets so many milliseconds pass.
    pub(crate) fn run(&mut self, span: u64) {
        let until = self.now + span;
        while self.now < until && !self.exited {
            self.step(until);
        }
    }
}
