//! How the world carries out a command.

use std::collections::BTreeSet;

use super::{Durable, Happening, World};
use crate::event::{CloudLoss, Command, Event};

impl World {
    pub(crate) fn obey(&mut self, command: Command) {
        match command {
            Command::Connect => {
                let refused = self.durable.cloud.refusals.checked_sub(1);
                let event = if self.durable.cloud.up && refused.is_none() {
                    Event::CloudUp
                } else {
                    let loss = CloudLoss::Broken("nobody there".to_owned());
                    Event::CloudDown { loss }
                };
                self.durable.cloud.refusals = refused.unwrap_or(0);
                self.tell_later(50, event);
            }
            Command::Publish {
                ticket,
                topic,
                payload,
            } => {
                if self.losing {
                    // Said into a connection that is gone without the brain knowing it.
                    return;
                }
                let up = self.durable.cloud.connected;
                assert!(up, "published while the link is down: {topic}");
                let Durable {
                    disk, cloud, laws, ..
                } = &mut self.durable;
                cloud.receive(&topic, &payload, disk, laws);
                if topic.ends_with("/thing/ota/firmware/get")
                    && let Some((topic, payload)) = self.durable.cloud.queried()
                {
                    self.tell_later(20, Event::Arrived { topic, payload });
                }
                if topic.ends_with("/thing/file/download") {
                    self.answer_block(&payload);
                }
                if let Some(ticket) = ticket
                    && !self.durable.cloud.withholds
                    && !self.durable.cloud.silent
                {
                    self.tell_later(5, Event::Published { ticket });
                }
            }
            Command::Answer { asker, reply } => self.answered(asker, reply),
            Command::Subscribe { .. } | Command::Note(_) => {}
            Command::Disconnect => self.durable.cloud.power_cut(),
            Command::Fetch(order) => self.fetch(order),
            Command::Block { job, offset, bytes } => self.take_block(job, offset, &bytes),
            Command::HoldFetch { job } => {
                self.fetches.under_way.remove(&job);
                self.fetches.waiting.remove(&job);
            }
            Command::AbandonFetch { job } => {
                self.fetches.under_way.remove(&job);
                self.fetches.waiting.remove(&job);
                self.durable.disk.parts.remove(&job.0);
            }
            Command::Save { save, record } => {
                self.durable.disk.unanswered += 1;
                if self.durable.disk.next_save_fails() {
                    let why = "no room".to_owned();
                    self.tell_later(3, Event::SaveFailed { save, why });
                } else {
                    let Durable {
                        disk,
                        laws,
                        behaviours,
                        ..
                    } = &mut self.durable;
                    laws.saved(disk, &record, behaviours);
                    laws.forgets(disk, &record);
                    self.durable.disk.record = Some(*record);
                    self.tell_later(3, Event::Saved { save });
                }
            }
            Command::SaveCheckpoint(checkpoint) => self.save_checkpoint(*checkpoint),
            Command::RemoveSlot { slot } => {
                let running: BTreeSet<_> = self.alive().map(|process| process.slot.id).collect();
                self.durable.disk.remove(slot, &running);
            }
            Command::Spawn { tenure, slot } => self.spawn(tenure, slot),
            Command::Kill { tenure } => {
                self.later(2, Happening::End(tenure, -9));
            }
            Command::Send { tenure, message } => self.hear(tenure, message),
            Command::HangUp { tenure } => self.hang_up(tenure),
            Command::Exit => self.exited = true,
        }
    }
}
