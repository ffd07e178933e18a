//! The supervisor's end: lets in the workers it expects, and nobody else.
//!
//! A peer has a short time for its preface and hello, and only a few peers may be unproved at once: further ones wait in
//! the system's own queue. A token is good for one connection of one tenure. Everything that happens comes out of one
//! bounded channel; while that is full nothing more is read from workers, so a slow reader loses nothing but time
//! (only reports about strangers are then counted and dropped).

use std::{io, path::Path, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};
use worker_protocol::{
    handshake::Hello,
    v1::{FromWorker, ToWorker},
};

use crate::{
    endpoint::{self, Endpoint, Guest},
    leash::Leash,
    random,
};

use door::Door;

mod door;

/// What every worker is told, and how long it may take to speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How often each side says that it is alive.
    pub heartbeat: Duration,
    /// How long a snapshot may be, in bytes; at most 192 KiB, so that it fits a frame.
    pub largest_snapshot: u32,
    /// How long a peer may take from connecting to its hello.
    pub greeting_limit: Duration,
    /// Whom workers run as, where that is another user than this process.
    pub guest: Option<Guest>,
}

impl Options {
    /// What [`Options::largest_snapshot`] is cut to.
    pub const LARGEST_SNAPSHOT: u32 = 192 * 1024;
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(2),
            largest_snapshot: 64 * 1024,
            greeting_limit: Duration::from_secs(2),
            guest: None,
        }
    }
}

/// The file in `base` that a worker holds locked while it may touch the hardware. One name for all supervisors of a state folder,
/// the one before this one included.
const GUARD: &str = "active.lock";

/// What happens on the link.
#[derive(Debug)]
pub enum LinkEvent {
    /// A worker said a hello with its token and was welcomed.
    Joined {
        /// Which life.
        tenure: u64,
        /// What it said, its token blanked.
        hello: Hello,
    },
    /// A word of a worker.
    Said {
        /// Which life.
        tenure: u64,
        /// What.
        message: FromWorker,
    },
    /// A worker's connection has ended; nothing more of this tenure follows.
    Parted {
        /// Which life.
        tenure: u64,
        /// Why, in one line.
        why: String,
    },
    /// Somebody without a valid token tried, and was refused.
    Stranger {
        /// What was wrong, in one line.
        why: String,
    },
}

/// The supervisor's end of all its workers' connections. Dropping it ends them.
#[derive(Debug)]
pub struct Listener {
    door: Door,
    address: String,
    guard: Option<String>,
}

impl Listener {
    /// Listens on a fresh local socket in `base` (see [`Endpoint::listen`]). Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the system gives no socket there.
    pub fn bind(
        base: &Path,
        options: Options,
    ) -> Result<(Self, mpsc::Receiver<LinkEvent>), ListenError> {
        let guest = options.guest;
        let open = || {
            let endpoint = Endpoint::listen_to(base, guest)?;
            if let Some(guest) = guest {
                // The lock of a worker that may make no files here.
                endpoint::system::make_for(guest, &base.join(GUARD))?;
            }
            Ok(endpoint)
        };
        let endpoint = open().map_err(|source| ListenError {
            base: base.display().to_string(),
            source,
        })?;
        let (mut listener, events) = Self::unbound(options);
        endpoint.address().clone_into(&mut listener.address);
        // A path that is no text cannot go into a line of JSON; such a worker does without.
        listener.guard = base.join(GUARD).to_str().map(str::to_owned);
        listener.door.open(endpoint);
        Ok((listener, events))
    }

    /// Listens nowhere; peers come by [`Listener::attach`] alone. For tests without a socket.
    #[must_use]
    pub fn unbound(mut options: Options) -> (Self, mpsc::Receiver<LinkEvent>) {
        options.largest_snapshot = options.largest_snapshot.min(Options::LARGEST_SNAPSHOT);
        let (door, receiver) = Door::new(options);
        let listener = Self {
            door,
            address: String::new(),
            guard: None,
        };
        (listener, receiver)
    }

    /// Treats a stream as a peer that has just connected.
    pub fn attach<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.door.let_in(stream);
    }

    /// A leash for a worker that is about to be started; its token is good for one connection.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn expect(&self, tenure: u64) -> io::Result<Leash> {
        let token = random::bytes()?;
        self.door.expect(tenure, token);
        Ok(Leash {
            address: self.address.clone(),
            token,
            tenure,
            guard: self.guard.clone(),
        })
    }

    /// No longer expects a tenure; a connection it already has is left alone.
    pub fn forget(&self, tenure: u64) {
        self.door.forget(tenure);
    }

    /// Lets a message for a worker wait for its turn; never blocks.
    ///
    /// # Errors
    /// When that tenure has no connection, or this message was one too many for a worker that does not read: then its
    /// connection is given up, and [`LinkEvent::Parted`] follows.
    pub fn send(&self, tenure: u64, message: ToWorker) -> Result<(), SendError> {
        let queue = self
            .door
            .queue(tenure)
            .ok_or(SendError::NotJoined { tenure })?;
        queue
            .push(message)
            .map_err(|_full| SendError::GivenUp { tenure })?;
        Ok(())
    }

    /// Forgets a tenure, writes what still waits for it (for at most a second) and ends its connection;
    /// [`LinkEvent::Parted`] follows if it had one.
    pub fn close(&self, tenure: u64) {
        self.forget(tenure);
        if let Some(queue) = self.door.queue(tenure) {
            queue.close();
        }
    }

    /// Where the socket is; empty for an unbound listener.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many strangers were refused so far, also those no event told of.
    #[must_use]
    pub fn strangers(&self) -> u64 {
        self.door.strangers()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The tasks hold the door, and the door holds the tasks.
        self.door.shut();
    }
}

/// Why the supervisor cannot listen for workers.
#[derive(Debug, thiserror::Error)]
#[error("listen for workers in `{base}`")]
pub struct ListenError {
    base: String,
    source: io::Error,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// That worker has not said hello, or has gone.
    #[error("tell the worker of tenure `{tenure}`: it is not connected")]
    NotJoined {
        /// Whom.
        tenure: u64,
    },
    /// The connection is ending, or is given up because too much waits.
    #[error("tell the worker of tenure `{tenure}`: its connection is given up")]
    GivenUp {
        /// Whom.
        tenure: u64,
    },
}

#[cfg(test)]
mod tests;
