//! One conversation, both ways at once, and the worker's end of it.
//!
//! A connection is one task that reads and writes until one side is done. It holds a piece of four kibibytes and whatever
//! one frame needs. What is read is handed over through a bounded channel; while that is full, nothing more is read, and
//! the peer's own queue fills and applies its rules. A connection that ends tells why, once.

use std::{error::Error, future::Future, io, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::{mpsc, oneshot},
    time::timeout,
};
use worker_protocol::{
    CodecError, Decoder, LARGEST_FRAME,
    codec::LARGEST_HANDSHAKE,
    encode,
    handshake::{Answer, Hello, Welcome},
    preface::{self, PREFACE_BYTES, PrefaceError, Versions},
    v1::{FromWorker, ToWorker},
};

use crate::{
    endpoint::Pipe,
    leash::Leash,
    queue::{Full, Phase, Placed, Queue, Queued},
};

/// How many bytes are read at once.
const PIECE: usize = 4 * 1024;

/// How long a closing connection may still write what waits, and read what the peer said last.
const LINGER: Duration = Duration::from_secs(1);

/// How many messages from the supervisor may wait for the device; then no more are read.
const MOST_UNREAD: usize = 16;

/// What a worker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The version the program says it is, 1 to 64 characters.
    pub version: String,
    /// SHA-256 of the thing model's text.
    pub model_digest: [u8; 32],
}

/// Connects a worker to the supervisor that holds its leash; the whole handshake takes at most `limit`.
///
/// # Errors
/// When the supervisor cannot be reached, does not answer in time, or refuses.
pub async fn connect(
    leash: &Leash,
    facts: &Facts,
    limit: Duration,
) -> Result<(Connection, Welcome), ConnectError> {
    in_time(limit, async {
        let pipe =
            Pipe::connect(&leash.address)
                .await
                .map_err(|source| ConnectError::Unreachable {
                    address: leash.address.clone(),
                    source,
                })?;
        greet(pipe, leash, facts).await
    })
    .await
}

/// As [`connect`], over a stream that is already there.
///
/// # Errors
/// When the supervisor does not answer in time, or refuses.
pub async fn connect_over<S>(
    stream: S,
    leash: &Leash,
    facts: &Facts,
    limit: Duration,
) -> Result<(Connection, Welcome), ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    in_time(limit, greet(stream, leash, facts)).await
}

/// A worker's end of the conversation.
#[derive(Debug)]
pub struct Connection {
    /// Says things.
    pub sender: Sender,
    /// Hears things.
    pub receiver: Receiver,
}

/// Says things to the supervisor; clones share one bounded queue.
#[derive(Debug, Clone)]
pub struct Sender {
    queue: Queue<FromWorker>,
}

impl Sender {
    /// Lets a message wait for its turn; never blocks. The module `queue` says what happens at the bound of each kind.
    ///
    /// # Errors
    /// When the connection has ended, or is given up by this message.
    pub fn send(&self, message: FromWorker) -> Result<Placed, Full> {
        self.queue.push(message)
    }

    /// Writes what waits, then ends the connection. It takes at most two seconds; the supervisor will get what was
    /// written even if this process exits right after.
    pub async fn finish(&self) {
        self.queue.close();
        self.queue.ended().await;
    }
}

/// Hears what the supervisor says.
#[derive(Debug)]
pub struct Receiver {
    said: mpsc::Receiver<ToWorker>,
    parting: Option<oneshot::Receiver<String>>,
}

impl Receiver {
    /// The next message; `None` once the connection has ended. Dropping the future loses none.
    pub async fn next(&mut self) -> Option<ToWorker> {
        self.said.recv().await
    }

    /// Why the connection ended; waits until it has.
    pub async fn why(&mut self) -> String {
        match self.parting.take() {
            Some(parting) => parting.await.unwrap_or_default(),
            None => String::new(),
        }
    }
}

/// Why a worker could not join its supervisor.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens at the address.
    #[error("connect to the supervisor at `{address}`")]
    Unreachable {
        /// Where.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The supervisor did not answer.
    #[error("join the supervisor: no answer within {0:?}")]
    Silent(Duration),
    /// The stream failed or ended in the handshake.
    #[error("join the supervisor")]
    Broken(#[source] io::Error),
    /// What answered is no supervisor.
    #[error("join the supervisor")]
    Preface(#[source] PrefaceError),
    /// The supervisor speaks none of this worker's versions.
    #[error("join the supervisor: it speaks none of the versions `{0}`")]
    NoCommonVersion(Versions),
    /// The answer to the hello is not one.
    #[error("join the supervisor")]
    Answer(#[source] CodecError),
    /// The supervisor does not want this worker.
    #[error("join the supervisor: refused, {0}")]
    Refused(String),
}

async fn in_time<T>(
    limit: Duration,
    greeting: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    timeout(limit, greeting)
        .await
        .unwrap_or(Err(ConnectError::Silent(limit)))
}

async fn greet<S>(
    mut stream: S,
    leash: &Leash,
    facts: &Facts,
) -> Result<(Connection, Welcome), ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let ours = Versions::OURS;
    stream
        .write_all(&ours.to_bytes())
        .await
        .map_err(ConnectError::Broken)?;
    let mut answer = [0; PREFACE_BYTES];
    stream
        .read_exact(&mut answer)
        .await
        .map_err(ConnectError::Broken)?;
    preface::answer_from_bytes(answer)
        .map_err(ConnectError::Preface)?
        .filter(|version| ours.contains(*version))
        .ok_or(ConnectError::NoCommonVersion(ours))?;

    let hello = encode(&Hello {
        token: leash.token,
        version: facts.version.clone(),
        model_digest: facts.model_digest,
        pid: std::process::id(),
    })
    .map_err(ConnectError::Answer)?;
    stream
        .write_all(&hello)
        .await
        .map_err(ConnectError::Broken)?;
    let mut decoder = Decoder::new(LARGEST_HANDSHAKE);
    match read_one(&mut stream, &mut decoder).await {
        Ok(Answer::Welcome(welcome)) => Ok((start(stream, decoder), welcome)),
        Ok(Answer::Refused { reason }) => Err(ConnectError::Refused(reason)),
        Err(Parting::Garbage(source)) => Err(ConnectError::Answer(source)),
        Err(Parting::Broken(source)) => Err(ConnectError::Broken(source)),
        Err(_) => Err(ConnectError::Broken(io::ErrorKind::UnexpectedEof.into())),
    }
}

fn start<S>(stream: S, decoder: Decoder) -> Connection
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let queue = Queue::new();
    let (said_sender, said) = mpsc::channel(MOST_UNREAD);
    let (why, parting) = oneshot::channel();
    let outgoing = queue.clone();
    tokio::spawn(async move {
        let parting = carry(stream, decoder, &outgoing, &said_sender, |it: ToWorker| it).await;
        // The device may have stopped listening already.
        let _ = why.send(parting.in_words());
    });
    Connection {
        sender: Sender { queue },
        receiver: Receiver {
            said,
            parting: Some(parting),
        },
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Parting {
    #[error("the other side closed the connection")]
    Closed,
    #[error("the connection was cut inside a message")]
    Cut,
    #[error("the other side said something unreadable")]
    Garbage(#[source] CodecError),
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    #[error("the other side does not read what it is told; too much waits for it")]
    Overfull,
    #[error("a message could not be sent")]
    Unsendable(#[source] CodecError),
    #[error("this side closed the connection")]
    HungUp,
}

impl Parting {
    /// The whole chain in one line.
    pub(crate) fn in_words(&self) -> String {
        let mut words = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            words.push_str(": ");
            words.push_str(&error.to_string());
            source = error.source();
        }
        words
    }
}

/// Carries messages both ways until one side is done, and says why it was.
pub(crate) async fn carry<S, Out, In, Event>(
    stream: S,
    mut decoder: Decoder,
    queue: &Queue<Out>,
    events: &mpsc::Sender<Event>,
    wrap: impl Fn(In) -> Event,
) -> Parting
where
    S: AsyncRead + AsyncWrite,
    Out: Queued + Serialize,
    In: DeserializeOwned,
{
    decoder.set_limit(LARGEST_FRAME);
    let (mut reader, mut writer) = tokio::io::split(stream);
    let parting = {
        let reading = read_all(&mut reader, &mut decoder, events, wrap);
        tokio::pin!(reading);
        let parting = tokio::select! {
            parting = &mut reading => return ended(queue, parting),
            parting = write_all(&mut writer, queue) => parting,
            parting = given_up(queue) => parting,
        };
        if matches!(parting, Parting::Broken(_)) {
            // The peer may have said its last word and gone before this side tried to write: read that word.
            match timeout(LINGER, reading).await {
                Ok(Parting::Broken(_)) | Err(_) => parting,
                Ok(last) => last,
            }
        } else {
            parting
        }
    };
    // Whether or not the peer takes note, the connection is over.
    let _ = timeout(LINGER, writer.shutdown()).await;
    ended(queue, parting)
}

/// Reads one message of the handshake.
pub(crate) async fn read_one<S, M>(stream: &mut S, decoder: &mut Decoder) -> Result<M, Parting>
where
    S: AsyncRead + Unpin,
    M: DeserializeOwned,
{
    let mut piece = [0; 256];
    loop {
        if let Some(message) = decoder.take().map_err(Parting::Garbage)? {
            return Ok(message);
        }
        let read = stream.read(&mut piece).await.map_err(of_read)?;
        if read == 0 {
            return Err(at_end(decoder));
        }
        decoder.push(&piece[..read]);
    }
}

fn ended<Out: Queued>(queue: &Queue<Out>, parting: Parting) -> Parting {
    queue.end();
    parting
}

async fn read_all<S, In, Event>(
    reader: &mut ReadHalf<S>,
    decoder: &mut Decoder,
    events: &mpsc::Sender<Event>,
    wrap: impl Fn(In) -> Event,
) -> Parting
where
    S: AsyncRead,
    In: DeserializeOwned,
{
    let mut piece = vec![0; PIECE];
    loop {
        loop {
            match decoder.take() {
                Ok(Some(message)) => {
                    if events.send(wrap(message)).await.is_err() {
                        return Parting::HungUp;
                    }
                }
                Ok(None) => break,
                Err(error) => return Parting::Garbage(error),
            }
        }
        match reader.read(&mut piece).await {
            Ok(0) => return at_end(decoder),
            Ok(read) => decoder.push(&piece[..read]),
            Err(error) => return of_read(error),
        }
    }
}

async fn write_all<S, Out>(writer: &mut WriteHalf<S>, queue: &Queue<Out>) -> Parting
where
    S: AsyncWrite,
    Out: Queued + Serialize,
{
    while let Some(message) = queue.next().await {
        let frame = match encode(&message) {
            Ok(frame) => frame,
            Err(error) => return Parting::Unsendable(error),
        };
        if let Err(error) = writer.write_all(&frame).await {
            return Parting::Broken(error);
        }
    }
    Parting::HungUp
}

/// Ends a connection whose peer does not read: at once when too much waits, after a while when it is being closed.
async fn given_up<Out: Queued>(queue: &Queue<Out>) -> Parting {
    match queue.left_open().await {
        Phase::Overfull => Parting::Overfull,
        Phase::Open | Phase::Closing | Phase::Ended => {
            tokio::time::sleep(LINGER).await;
            Parting::HungUp
        }
    }
}

fn at_end(decoder: &Decoder) -> Parting {
    if decoder.is_empty() {
        Parting::Closed
    } else {
        Parting::Cut
    }
}

/// Systems differ in how they say that a peer has gone.
fn of_read(error: io::Error) -> Parting {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Parting::Closed,
        _ => Parting::Broken(error),
    }
}
