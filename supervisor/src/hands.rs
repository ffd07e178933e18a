//! Which hand carries out which command.

use std::ops::ControlFlow;

use supervisor_core::event::Command;

use crate::{
    drivers::{
        cloud::Cloud,
        control::Control,
        fetch::Fetch,
        flight::Flight,
        link::Link,
        process::Processes,
        store::Store,
        store::{layout::Layout, verify::Manifest},
    },
    log,
};

/// All drivers.
#[derive(Debug)]
pub(crate) struct Hands {
    pub(crate) cloud: Cloud,
    pub(crate) fetch: Fetch,
    pub(crate) store: Store,
    pub(crate) processes: Processes,
    pub(crate) link: Link,
    pub(crate) control: Control,
    pub(crate) flight: Flight,
    pub(crate) layout: Layout,
}

impl Hands {
    /// Carries out a command without waiting; breaks at `Exit`.
    pub(crate) fn carry_out(&mut self, command: Command) -> ControlFlow<()> {
        match command {
            Command::Connect => self.cloud.connect(),
            Command::Subscribe { topics } => self.cloud.subscribe(topics),
            Command::Publish {
                ticket,
                topic,
                payload,
            } => self.cloud.publish(ticket, topic, payload),
            Command::Disconnect => self.cloud.disconnect(),
            Command::Fetch(order) => self.fetch.start(order),
            Command::Block { job, offset, bytes } => self.fetch.block(job, offset, bytes),
            Command::HoldFetch { job } => self.fetch.hold(job),
            Command::AbandonFetch { job } => self.fetch.abandon(job),
            Command::Save { save, record } => self.store.save(save, record),
            Command::SaveCheckpoint(checkpoint) => self.store.save_checkpoint(checkpoint),
            Command::RemoveSlot { slot } => self.store.remove(slot),
            Command::Spawn { tenure, slot } => {
                let leash = self.link.leash(tenure);
                let manifest = Manifest::of(&self.layout, &slot);
                self.processes.spawn(tenure, manifest, leash);
            }
            Command::Kill { tenure } => self.processes.kill(tenure),
            Command::Send { tenure, message } => self.link.send(tenure, message),
            Command::HangUp { tenure } => self.link.hang_up(tenure),
            Command::Answer { asker, reply } => self.control.answer(asker, reply),
            Command::Note(note) => {
                self.flight.note(&note);
                log::note(&note);
            }
            Command::Exit => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }
}
