//! The supervisor's end: lets in the workers it expects, and nobody else.
//!
//! A peer has a short time for its preface and hello, and only a few peers may be unproved at once: further ones wait in
//! the system's own queue. A token is good for one connection of one tenure. Everything that happens comes out of one
//! bounded channel; while that is full nothing more is read from workers, so a slow reader loses nothing but time
//! (only reports about strangers are then counted and dropped).

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use subtle::ConstantTimeEq as _;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::timeout,
};
use worker_protocol::{
    Decoder,
    codec::LARGEST_HANDSHAKE,
    encode,
    handshake::{Answer, Hello, TOKEN_BYTES, Welcome},
    preface::{self, PREFACE_BYTES, Versions},
    v1::{FromWorker, ToWorker},
};

use crate::{
    connection::{carry, read_one},
    endpoint::Endpoint,
    leash::Leash,
    queue::Queue,
    random,
};

/// How many peers may be connected that have not proved yet who they are.
const MOST_UNPROVED: usize = 8;

/// How many tenures may be expected at once; beyond that the oldest is forgotten.
const MOST_EXPECTED: usize = 16;

/// How many events may wait for the supervisor.
const MOST_EVENTS: usize = 64;

/// The pause after the system failed to accept, so that a lasting failure does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The longest version text of a hello, in bytes.
const LONGEST_VERSION: usize = 64;

/// What every worker is told, and how long it may take to speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How often each side says that it is alive.
    pub heartbeat: Duration,
    /// How long a snapshot may be, in bytes; at most 192 KiB, so that it fits a frame.
    pub largest_snapshot: u32,
    /// How long a peer may take from connecting to its hello.
    pub greeting_limit: Duration,
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
        }
    }
}

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
        let endpoint = Endpoint::listen(base).map_err(|source| ListenError {
            base: base.display().to_string(),
            source,
        })?;
        let (mut listener, events) = Self::unbound(options);
        endpoint.address().clone_into(&mut listener.address);
        listener.door.spawn(listener.door.clone().answer(endpoint));
        Ok((listener, events))
    }

    /// Listens nowhere; peers come by [`Listener::attach`] alone. For tests without a socket.
    #[must_use]
    pub fn unbound(mut options: Options) -> (Self, mpsc::Receiver<LinkEvent>) {
        options.largest_snapshot = options.largest_snapshot.min(Options::LARGEST_SNAPSHOT);
        let (events, receiver) = mpsc::channel(MOST_EVENTS);
        let door = Door {
            events,
            shared: Arc::new(Shared {
                options,
                table: Mutex::default(),
                tasks: Mutex::default(),
                unproved: Arc::new(Semaphore::new(MOST_UNPROVED)),
                strangers: AtomicU64::new(0),
            }),
        };
        let listener = Self {
            door,
            address: String::new(),
        };
        (listener, receiver)
    }

    /// Treats a stream as a peer that has just connected.
    pub fn attach<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let door = self.door.clone();
        self.door.spawn(async move {
            if let Some(permit) = door.permit().await {
                door.meet(stream, permit).await;
            }
        });
    }

    /// A leash for a worker that is about to be started; its token is good for one connection.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn expect(&self, tenure: u64) -> io::Result<Leash> {
        let token = random::bytes()?;
        let mut table = self.door.table();
        table.expected.insert(tenure, token);
        while table.expected.len() > MOST_EXPECTED {
            table.expected.pop_first();
        }
        Ok(Leash {
            address: self.address.clone(),
            token,
            tenure,
        })
    }

    /// No longer expects a tenure; a connection it already has is left alone.
    pub fn forget(&self, tenure: u64) {
        self.door.table().expected.remove(&tenure);
    }

    /// Lets a message for a worker wait for its turn; never blocks.
    ///
    /// # Errors
    /// When that tenure has no connection, or this message was one too many for a worker that does not read: then its
    /// connection is given up, and [`LinkEvent::Parted`] follows.
    pub fn send(&self, tenure: u64, message: ToWorker) -> Result<(), SendError> {
        let queue = self.door.table().joined.get(&tenure).cloned();
        let queue = queue.ok_or(SendError::NotJoined { tenure })?;
        queue
            .push(message)
            .map_err(|_full| SendError::GivenUp { tenure })?;
        Ok(())
    }

    /// Forgets a tenure, writes what still waits for it (for at most a second) and ends its connection;
    /// [`LinkEvent::Parted`] follows if it had one.
    pub fn close(&self, tenure: u64) {
        self.forget(tenure);
        if let Some(queue) = self.door.table().joined.get(&tenure) {
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
        self.door.shared.strangers.load(Ordering::Relaxed)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The tasks hold the door, and the door holds the tasks.
        self.door.tasks().abort_all();
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

/// What the tasks of one listener share.
#[derive(Debug, Clone)]
struct Door {
    shared: Arc<Shared>,
    events: mpsc::Sender<LinkEvent>,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    table: Mutex<Table>,
    tasks: Mutex<JoinSet<()>>,
    unproved: Arc<Semaphore>,
    strangers: AtomicU64,
}

#[derive(Default)]
struct Table {
    expected: BTreeMap<u64, [u8; TOKEN_BYTES]>,
    joined: BTreeMap<u64, Queue<ToWorker>>,
}

impl std::fmt::Debug for Table {
    /// Never shows a token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("expected", &self.expected.keys())
            .field("joined", &self.joined.keys())
            .finish()
    }
}

impl Door {
    /// Accepts for as long as the listener lives.
    async fn answer(self, endpoint: Endpoint) {
        while let Some(permit) = self.permit().await {
            match endpoint.accept().await {
                Ok(pipe) => {
                    let door = self.clone();
                    self.spawn(async move { door.meet(pipe, permit).await });
                }
                Err(error) => {
                    self.stranger(format!("could not be let in: {error}"));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// From a peer's first byte to its last.
    async fn meet<S>(self, mut stream: S, permit: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let limit = self.shared.options.greeting_limit;
        let mut decoder = Decoder::new(LARGEST_HANDSHAKE);
        let greeted = timeout(limit, self.greet(&mut stream, &mut decoder)).await;
        drop(permit);
        let (tenure, hello) = match greeted {
            Ok(Ok(guest)) => guest,
            Ok(Err(why)) => return self.stranger(why),
            Err(_elapsed) => return self.stranger(format!("said no hello within {limit:?}")),
        };
        let queue = Queue::new();
        self.table().joined.insert(tenure, queue.clone());
        let joined = LinkEvent::Joined { tenure, hello };
        if self.events.send(joined).await.is_ok() {
            let wrap = |message: FromWorker| LinkEvent::Said { tenure, message };
            let parting = carry(stream, decoder, &queue, &self.events, wrap).await;
            self.table().joined.remove(&tenure);
            let why = parting.in_words();
            // Nobody to tell is fine: the listener's owner has gone.
            let _ = self.events.send(LinkEvent::Parted { tenure, why }).await;
        }
    }

    /// The handshake; the error is why the peer is a stranger.
    async fn greet<S>(&self, stream: &mut S, decoder: &mut Decoder) -> Result<(u64, Hello), String>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut offer = [0; PREFACE_BYTES];
        stream
            .read_exact(&mut offer)
            .await
            .map_err(|error| format!("left before its preface: {error}"))?;
        let theirs = Versions::from_bytes(offer).map_err(|error| error.to_string())?;
        let chosen = Versions::OURS.choose(theirs);
        let answer = preface::answer_to_bytes(chosen);
        write(stream, &answer).await?;
        if chosen.is_none() {
            let ours = Versions::OURS;
            return Err(format!("speaks versions {theirs}, this supervisor {ours}"));
        }

        let mut hello: Hello = read_one(stream, decoder)
            .await
            .map_err(|parting| format!("said no hello: {}", parting.in_words()))?;
        let refused = match self.redeem(&hello.token) {
            None => "its token is not expected, or was used before",
            Some(_) if !is_version(&hello.version) => {
                "its version is not 1 to 64 printable characters"
            }
            Some(tenure) => {
                hello.token = [0; TOKEN_BYTES];
                let welcome = self.shared.options.welcome(tenure);
                write(stream, &frame(&Answer::Welcome(welcome))?).await?;
                return Ok((tenure, hello));
            }
        };
        let reason = refused.to_owned();
        write(stream, &frame(&Answer::Refused { reason })?).await?;
        // The refusal is a courtesy; whether it arrives does not matter.
        let _ = stream.shutdown().await;
        Err(refused.to_owned())
    }

    /// Whose token this is. Every expected token is compared in constant time, and a token found is used up.
    fn redeem(&self, token: &[u8; TOKEN_BYTES]) -> Option<u64> {
        let mut table = self.table();
        let mut found = None;
        for (tenure, expected) in &table.expected {
            if bool::from(expected.ct_eq(token)) {
                found = Some(*tenure);
            }
        }
        table.expected.remove(&found?);
        found
    }

    fn stranger(&self, why: String) {
        self.shared.strangers.fetch_add(1, Ordering::Relaxed);
        // At the bound the report is dropped and only the count remains.
        let _ = self.events.try_send(LinkEvent::Stranger { why });
    }

    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.unproved).acquire_owned().await.ok()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Both maps are whole at every point where a panic could leave the lock.
        self.shared
            .table
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.shared
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Options {
    fn welcome(&self, tenure: u64) -> Welcome {
        Welcome {
            tenure,
            heartbeat_ms: u32::try_from(self.heartbeat.as_millis()).unwrap_or(u32::MAX),
            largest_snapshot: self.largest_snapshot,
        }
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> Result<(), String> {
    stream
        .write_all(bytes)
        .await
        .map_err(|error| format!("left in the handshake: {error}"))
}

fn frame(answer: &Answer) -> Result<Vec<u8>, String> {
    encode(answer).map_err(|error| error.to_string())
}

fn is_version(text: &str) -> bool {
    (1..=LONGEST_VERSION).contains(&text.len()) && text.chars().all(|it| it.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
