//! The worker's end: how it joins its supervisor, and how it speaks and hears then.

use std::{future::Future, io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::{mpsc, oneshot},
    time::timeout,
};
use worker_protocol::{
    CodecError, Decoder,
    codec::LARGEST_HANDSHAKE,
    encode,
    handshake::{Answer, Hello, Welcome},
    preface::{self, PREFACE_BYTES, PrefaceError, Versions},
    v1::{FromWorker, ToWorker},
};

use crate::{
    carry::{Parting, carry, read_one},
    endpoint::Pipe,
    leash::Leash,
    queue::{Full, Placed, Queue},
};

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
    /// Lets a message wait for its turn; never blocks.
    ///
    /// Beyond its bound a set of properties is merged by name into the newest that waits (8 may wait), an event displaces
    /// the oldest that waits (64), a reply or a reason gives the connection up (64 and 16), and of everything else only
    /// the newest waits.
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
