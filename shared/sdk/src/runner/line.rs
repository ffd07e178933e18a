//! Everything a runner listens to besides its device, in one place: the supervisor, the leash, the heartbeat.

use std::{future::Future, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior, interval, interval_at, timeout},
};
use worker_link::{Connection, Receiver, Sender};
use worker_protocol::{
    handshake::Welcome,
    v1::{Done, FromWorker, Refusal, RequestId, ToWorker},
};

use crate::{
    leash::{End, Ends},
    log,
};

/// The shortest heartbeat, whatever the supervisor asks for.
const SHORTEST_BEAT: Duration = Duration::from_millis(100);

/// After this many of its own heartbeats without a word from the supervisor, a worker says so in the log.
const BEATS_OF_SILENCE: u32 = 10;

/// What a runner heard.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The supervisor said something.
    Said(ToWorker),
    /// Nothing more will be said.
    Ended(Ended),
}

/// Why a runner has to end without having been asked over the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The leash or the link has ended.
    SupervisorLost,
    /// A signal came.
    Terminated,
}

/// Why work on the device was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It took too long.
    Late,
    /// The worker has to end.
    Ended(Ended),
}

/// The link, the leash and the heartbeat.
#[derive(Debug)]
pub(crate) struct Line {
    sender: Sender,
    receiver: Receiver,
    ends: Ends,
    beats: Interval,
    beat: u64,
    heard: Instant,
    silence: Duration,
    silent: bool,
}

impl Line {
    pub(crate) fn new(connection: Connection, welcome: &Welcome, ends: Ends) -> Self {
        let period = Duration::from_millis(welcome.heartbeat_ms.into()).max(SHORTEST_BEAT);
        let mut beats = interval(period);
        beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self {
            sender: connection.sender,
            receiver: connection.receiver,
            ends,
            beats,
            beat: 0,
            heard: Instant::now(),
            silence: period.saturating_mul(BEATS_OF_SILENCE),
            silent: false,
        }
    }

    /// The next thing to act upon; heartbeats go on meanwhile. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Heard {
        loop {
            tokio::select! {
                biased;
                ended = ended(&mut self.ends) => return Heard::Ended(ended),
                said = self.receiver.next() => {
                    let Some(message) = said else {
                        let why = self.receiver.why().await;
                        log::warn(format_args!("the link to the supervisor is gone: {why}"));
                        return Heard::Ended(Ended::SupervisorLost);
                    };
                    self.heard = Instant::now();
                    self.silent = false;
                    return Heard::Said(message);
                }
                _ = self.beats.tick() => self.keep_beat(),
            }
        }
    }

    /// Lets the device work for at most `limit`; heartbeats go on as long as it does not block.
    ///
    /// # Errors
    /// When the work was given up, because of the limit or because the worker has to end.
    pub(crate) async fn attend<T>(
        &mut self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Cut> {
        tokio::pin!(work);
        let work = timeout(limit, work);
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done.map_err(|_elapsed| Cut::Late),
                ended = ended(&mut self.ends) => return Err(Cut::Ended(ended)),
                _ = self.beats.tick() => self.keep_beat(),
            }
        }
    }

    /// As [`Line::attend`], for work that matters most when the worker has to end.
    pub(crate) async fn attend_to_the_end<T>(
        &mut self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let work = timeout(limit, work);
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done.ok(),
                _ = self.beats.tick() => self.keep_beat(),
            }
        }
    }

    pub(crate) fn reply(&self, id: RequestId, result: Result<Done, Refusal>) {
        self.say(FromWorker::Reply { id, result });
    }

    pub(crate) fn say(&self, message: FromWorker) {
        // A connection that has ended is noticed where words come in.
        let _ = self.sender.send(message);
    }

    /// Waits, within the link's bound, until everything said has been written.
    pub(crate) async fn finish(&self) {
        self.sender.finish().await;
    }

    fn keep_beat(&mut self) {
        self.say(FromWorker::Heartbeat { beat: self.beat });
        self.beat += 1;
        if !self.silent && self.heard.elapsed() > self.silence {
            self.silent = true;
            log::warn(format_args!(
                "the supervisor has said nothing for {:?}",
                self.silence
            ));
        }
    }
}

async fn ended(ends: &mut Ends) -> Ended {
    match ends.wait_for(Option::is_some).await.map(|it| *it) {
        Ok(Some(End::Terminated)) => Ended::Terminated,
        Ok(_) => Ended::SupervisorLost,
        // Nobody can tell of an end any more, so none will come.
        Err(_) => std::future::pending().await,
    }
}

/// When the device's turns come.
#[derive(Debug)]
pub(crate) enum Turns {
    /// Not at all.
    Never,
    /// The first one is due at once. A timer would take up to a millisecond for that, as it counts in whole ones.
    First(Duration),
    /// By the clock; missed ones are skipped.
    Clock(Interval),
    /// When a test says so; it is told when a turn has been taken.
    Hand(mpsc::Receiver<tokio::sync::oneshot::Sender<()>>),
}

impl Turns {
    /// The device has become active and wants its turns: the first one at once, as nobody has looked after the hardware since the
    /// former life's last.
    pub(crate) fn begin(&mut self, period: Option<Duration>) {
        if matches!(self, Self::Hand(_)) {
            return;
        }
        *self = match period {
            Some(period) if !period.is_zero() => Self::First(period),
            _ => Self::Never,
        };
    }

    /// The next turn, and whom to tell when it has been taken. Dropping the future loses none.
    pub(crate) async fn next(&mut self) -> Option<tokio::sync::oneshot::Sender<()>> {
        match self {
            Self::Never => std::future::pending().await,
            Self::First(period) => {
                let mut turns = interval_at(Instant::now() + *period, *period);
                turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
                *self = Self::Clock(turns);
                None
            }
            Self::Clock(turns) => {
                turns.tick().await;
                None
            }
            Self::Hand(turns) => match turns.recv().await {
                Some(told) => Some(told),
                None => std::future::pending().await,
            },
        }
    }
}
