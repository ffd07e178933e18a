//! The door itself: who may come in, and what is done with whom.

use std::{
    collections::BTreeMap,
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

use super::{LinkEvent, Options};
use crate::{
    carry::{carry, read_one},
    endpoint::Endpoint,
    queue::Queue,
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

/// What the tasks of one listener share.
#[derive(Debug, Clone)]
pub(super) struct Door {
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
    pub(super) fn new(options: Options) -> (Self, mpsc::Receiver<LinkEvent>) {
        let (events, receiver) = mpsc::channel(MOST_EVENTS);
        let shared = Arc::new(Shared {
            options,
            table: Mutex::default(),
            tasks: Mutex::default(),
            unproved: Arc::new(Semaphore::new(MOST_UNPROVED)),
            strangers: AtomicU64::new(0),
        });
        (Self { shared, events }, receiver)
    }

    /// Accepts whoever comes, for as long as the listener lives.
    pub(super) fn open(&self, endpoint: Endpoint) {
        self.spawn(self.clone().answer(endpoint));
    }

    /// Treats a stream as a peer that has just connected.
    pub(super) fn let_in<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let door = self.clone();
        self.spawn(async move {
            if let Some(permit) = door.permit().await {
                door.meet(stream, permit).await;
            }
        });
    }

    pub(super) fn expect(&self, tenure: u64, token: [u8; TOKEN_BYTES]) {
        let mut table = self.table();
        table.expected.insert(tenure, token);
        while table.expected.len() > MOST_EXPECTED {
            table.expected.pop_first();
        }
    }

    pub(super) fn forget(&self, tenure: u64) {
        self.table().expected.remove(&tenure);
    }

    /// What waits for a tenure that has joined.
    pub(super) fn queue(&self, tenure: u64) -> Option<Queue<ToWorker>> {
        self.table().joined.get(&tenure).cloned()
    }

    pub(super) fn strangers(&self) -> u64 {
        self.shared.strangers.load(Ordering::Relaxed)
    }

    /// Ends every connection at once.
    pub(super) fn shut(&self) {
        self.tasks().abort_all();
    }

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
                let welcome = welcome(&self.shared.options, tenure);
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

fn welcome(options: &Options, tenure: u64) -> Welcome {
    Welcome {
        tenure,
        heartbeat_ms: u32::try_from(options.heartbeat.as_millis()).unwrap_or(u32::MAX),
        largest_snapshot: options.largest_snapshot,
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
