//! Downloads: from wherever a build is to a verified slot, or to one plain fault.
//!
//! Each try runs in a task of its own ([`errand`]). Nothing is fetched for which there is no room ([`space`]); what comes from the network is
//! allowed before it is asked for ([`allowance`]), and comes no faster than it may ([`pace`]). Every file's bytes pass one chain of stages,
//! whatever their source: source ([`http`], [`blocks`], [`local`]) → size and progress ([`intake`]) → digests and signature ([`vouch`],
//! [`verify`]) and file ([`pipeline`], [`sink`], [`part`]). They go through a few bounded buffers, and nothing unverified ever has a slot's
//! name.
//!
//! What an interrupted try leaves is a part, and the next try goes on behind it. A part stays when its try may be worth repeating and
//! when the supervisor ends, and goes with its job. One interruption wastes at most what the buffer holds and the network had under way.

mod allowance;
mod answer;
mod blocks;
mod brief;
mod errand;
mod http;
mod intake;
mod local;
mod pace;
mod part;
mod pipeline;
mod sink;
mod space;
#[cfg(test)]
mod tests;
mod verify;
mod vouch;

pub(crate) use self::{
    http::server::{MOST_REDIRECTS, may_lead},
    vouch::with_ending,
};

use std::path::PathBuf;

use supervisor_core::event::{FetchOrder, JobId};
use tokio::{sync::oneshot, task::JoinHandle};

use self::{
    allowance::Account,
    brief::{Brief, Outlet},
    errand::{Errand, Leave},
    part::Part,
};
use super::{Events, store::layout::Layout};
use crate::config::Fetching;

/// The download under way; the brain asks for one at a time.
#[derive(Debug)]
pub(crate) struct Fetch {
    settings: Fetching,
    layout: Layout,
    events: Events,
    account: Account,
    /// The newest try, which may have ended.
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    job: JobId,
    parts: Vec<PathBuf>,
    /// Where blocks go that it waits for.
    outlet: Outlet,
    /// Takes a word why it is left.
    leave: oneshot::Sender<Leave>,
    /// The part, if it can be gone on with as it is.
    ended: JoinHandle<Option<Part>>,
}

impl Current {
    /// A try that nobody hears of any more. The next download waits for its end, as it may use the same file.
    fn ending(job: JobId, parts: Vec<PathBuf>, ended: JoinHandle<Option<Part>>) -> Self {
        Self {
            job,
            parts,
            outlet: brief::channel().0,
            leave: oneshot::channel().0,
            ended,
        }
    }
}

impl Fetch {
    pub(crate) fn new(settings: Fetching, layout: Layout, events: Events) -> Self {
        Self {
            settings,
            account: Account::at(layout.budget()),
            layout,
            events,
            current: None,
        }
    }

    /// Answered by `FetchProgress` any number of times, then `Fetched` or `FetchFailed`.
    pub(crate) fn start(&mut self, order: FetchOrder) {
        let (leave, left) = oneshot::channel();
        let (outlet, inlet) = brief::channel();
        let parts = order.files.iter().map(|file| self.layout.part_of(file));
        let parts: Vec<_> = parts.collect();
        let job = order.job;
        let errand = Errand {
            brief: Brief {
                settings: self.settings.clone(),
                events: self.events.clone(),
                blocks: inlet,
                order,
            },
            layout: self.layout.clone(),
            account: self.account.clone(),
        };
        // A former try has ended or ends now: its sender is dropped.
        let former = self.current.take().map(|former| former.ended);
        let ended = tokio::spawn(errand.run(left, former));
        self.current = Some(Current {
            job,
            parts,
            outlet,
            leave,
            ended,
        });
    }

    /// Hands over a block that a download waits for.
    pub(crate) fn block(&self, job: JobId, offset: u64, bytes: Vec<u8>) {
        if let Some(current) = self.current.as_ref().filter(|current| current.job == job) {
            current.outlet.put(offset, bytes);
        }
    }

    /// Stops a download; what is there of it stays for the next one.
    pub(crate) fn hold(&mut self, job: JobId) {
        if let Some(current) = self.current.take_if(|current| current.job == job) {
            // Fails only when the try has ended.
            let _ = current.leave.send(Leave::Held);
            self.current = Some(Current::ending(job, current.parts, current.ended));
        }
    }

    /// Stops a download; what is there of it is removed. That may have been left by a former process.
    pub(crate) fn abandon(&mut self, job: JobId) {
        let (parts, former) = match self.current.take() {
            Some(Current {
                job: its,
                parts,
                leave,
                ended,
                ..
            }) if its == job => {
                // Fails only when the try has ended.
                let _ = leave.send(Leave::Abandoned);
                (Some(parts), Some(ended))
            }
            other => (None, other.map(|other| other.ended)),
        };
        let known = parts.clone().unwrap_or_default();
        let folder = self.layout.parts();
        let ended = tokio::spawn(async move {
            if let Some(former) = former {
                // Closed before they are removed, as some systems want it.
                drop(former.await);
            }
            // Fails only when the runtime is ending; what stays is removed at the next start.
            let _ = tokio::task::spawn_blocking(move || {
                // There is one job at a time: what a former process left is this one's or nobody's.
                part::remove_all(&parts.unwrap_or_else(|| part::all_in(&folder)));
            })
            .await;
            None
        });
        self.current = Some(Current::ending(job, known, ended));
    }
}
