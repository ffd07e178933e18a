//! Messages that wait to be written, within a bound.
//!
//! What happens at the bound depends on what a message is for:
//!
//! | message | while an earlier one waits | at most | beyond that |
//! |---|---|---|---|
//! | request, reply | waits behind it | [`MOST_ANSWERABLE`] | the connection is given up: none is ever dropped, and a peer that reads so little is stuck |
//! | properties | waits behind it | [`MOST_PROPERTIES`] | merged by name into the newest that wait |
//! | raised event | waits behind it | [`MOST_EVENTS`] | the oldest waiting event is dropped |
//! | hurry, relax | replaces the one of the same reason | [`MOST_REASONS`] | as a reply |
//! | any other | replaces the one of its kind | 1 | |

use std::{
    collections::VecDeque,
    mem::discriminant,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, watch};
use worker_protocol::{
    ValueMap,
    v1::{FromWorker, ToWorker},
};

/// How many requests, or replies, may wait.
pub(crate) const MOST_ANSWERABLE: usize = 64;
/// How many sets of property values may wait one by one.
pub(crate) const MOST_PROPERTIES: usize = 8;
/// How many raised events may wait.
pub(crate) const MOST_EVENTS: usize = 64;
/// How many reasons to hurry or to relax may wait.
pub(crate) const MOST_REASONS: usize = 16;

/// The connection is gone or was given up because its peer reads too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("queue a message: the connection has ended")]
pub struct Full;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It waits, on its own or merged into one that does.
    Waits,
    /// It waits, and the oldest waiting event was dropped for it.
    Displaced,
}

/// How far a connection's outgoing side has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Messages are taken and written.
    Open,
    /// What waits is still written, nothing more is taken.
    Closing,
    /// The peer does not read; the connection is given up.
    Overfull,
    /// The connection has ended.
    Ended,
}

/// A message that knows its rule at the bound.
pub(crate) trait Queued: Sized {
    fn place(self, waiting: &mut VecDeque<Self>) -> Result<Placed, Full>;
}

/// The outgoing side of one connection; clones share it.
#[derive(Debug)]
pub(crate) struct Queue<M> {
    shared: Arc<Shared<M>>,
}

#[derive(Debug)]
struct Shared<M> {
    waiting: Mutex<VecDeque<M>>,
    more: Notify,
    phase: watch::Sender<Phase>,
}

impl<M> Clone for Queue<M> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<M: Queued> Queue<M> {
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                waiting: Mutex::default(),
                more: Notify::new(),
                phase: watch::Sender::new(Phase::Open),
            }),
        }
    }

    /// Lets a message wait for its turn, or gives the connection up.
    pub(crate) fn push(&self, message: M) -> Result<Placed, Full> {
        if self.phase() != Phase::Open {
            return Err(Full);
        }
        let placed = message.place(&mut self.waiting());
        match placed {
            Ok(_) => self.shared.more.notify_one(),
            Err(Full) => self.enter(Phase::Overfull),
        }
        placed
    }

    /// The next message to write; `None` once a closing queue is empty.
    pub(crate) async fn next(&self) -> Option<M> {
        loop {
            if let Some(message) = self.take() {
                return Some(message);
            }
            if self.phase() != Phase::Open {
                return None;
            }
            self.shared.more.notified().await;
        }
    }

    /// Takes no more messages, but lets what waits be written.
    pub(crate) fn close(&self) {
        self.enter(Phase::Closing);
        self.shared.more.notify_one();
    }

    /// The connection has ended: nothing that waits will be written.
    pub(crate) fn end(&self) {
        self.enter(Phase::Ended);
        *self.waiting() = VecDeque::new();
        self.shared.more.notify_one();
    }

    /// Waits until the queue is no longer open, and says what it is then.
    pub(crate) async fn left_open(&self) -> Phase {
        self.until(|phase| phase != Phase::Open).await
    }

    /// Waits until the connection has ended.
    pub(crate) async fn ended(&self) {
        self.until(|phase| phase == Phase::Ended).await;
    }

    fn phase(&self) -> Phase {
        *self.shared.phase.borrow()
    }

    /// Phases only go forward.
    fn enter(&self, phase: Phase) {
        self.shared.phase.send_if_modified(|now| {
            let forward = (*now as u8) < (phase as u8);
            if forward {
                *now = phase;
            }
            forward
        });
    }

    async fn until(&self, wanted: impl Fn(Phase) -> bool) -> Phase {
        let mut phases = self.shared.phase.subscribe();
        phases
            .wait_for(|phase| wanted(*phase))
            .await
            .map_or(Phase::Ended, |phase| *phase)
    }

    /// The next message to write, if one waits.
    pub(crate) fn take(&self) -> Option<M> {
        let mut waiting = self.waiting();
        let message = waiting.pop_front();
        if waiting.is_empty() {
            waiting.shrink_to(0);
        }
        message
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<M>> {
        // A panic while placing a message leaves a whole queue behind.
        self.shared
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queued for FromWorker {
    fn place(self, waiting: &mut VecDeque<Self>) -> Result<Placed, Full> {
        match self {
            Self::Reply { .. } => append(self, waiting, MOST_ANSWERABLE),
            Self::Properties(newer) => {
                merge(newer, waiting);
                Ok(Placed::Waits)
            }
            Self::Raised { .. } => Ok(displace(self, waiting, MOST_EVENTS)),
            Self::Hurry { ref reason } | Self::Relax { ref reason } => {
                waiting.retain(|it| of_reason(it).is_none_or(|older| older != reason));
                let reasons = waiting.iter().filter_map(of_reason).count();
                if reasons >= MOST_REASONS {
                    return Err(Full);
                }
                waiting.push_back(self);
                Ok(Placed::Waits)
            }
            Self::Ready
            | Self::Unfit { .. }
            | Self::Health(_)
            | Self::Checkpoint { .. }
            | Self::Heartbeat { .. } => Ok(replace(self, waiting)),
        }
    }
}

impl Queued for ToWorker {
    fn place(self, waiting: &mut VecDeque<Self>) -> Result<Placed, Full> {
        match self {
            Self::Request { .. } => append(self, waiting, MOST_ANSWERABLE),
            Self::ReportAll | Self::Heartbeat { .. } => Ok(replace(self, waiting)),
        }
    }
}

fn append<M>(message: M, waiting: &mut VecDeque<M>, most: usize) -> Result<Placed, Full> {
    if like(&message, waiting) >= most {
        return Err(Full);
    }
    waiting.push_back(message);
    Ok(Placed::Waits)
}

fn displace<M>(message: M, waiting: &mut VecDeque<M>, most: usize) -> Placed {
    let placed = if like(&message, waiting) >= most {
        let kind = discriminant(&message);
        if let Some(oldest) = waiting.iter().position(|it| discriminant(it) == kind) {
            waiting.remove(oldest);
        }
        Placed::Displaced
    } else {
        Placed::Waits
    };
    waiting.push_back(message);
    placed
}

fn replace<M>(message: M, waiting: &mut VecDeque<M>) -> Placed {
    waiting.retain(|it| discriminant(it) != discriminant(&message));
    waiting.push_back(message);
    Placed::Waits
}

fn merge(newer: ValueMap, waiting: &mut VecDeque<FromWorker>) {
    let mut sets = waiting.iter_mut().filter_map(|it| match it {
        FromWorker::Properties(older) => Some(older),
        _ => None,
    });
    match sets.nth(MOST_PROPERTIES - 1) {
        Some(newest) => newest.extend(newer),
        None => waiting.push_back(FromWorker::Properties(newer)),
    }
}

fn of_reason(message: &FromWorker) -> Option<&str> {
    match message {
        FromWorker::Hurry { reason } | FromWorker::Relax { reason } => Some(reason),
        _ => None,
    }
}

fn like<M>(message: &M, waiting: &VecDeque<M>) -> usize {
    let kind = discriminant(message);
    waiting
        .iter()
        .filter(|it| discriminant(*it) == kind)
        .count()
}

#[cfg(test)]
mod tests;
