//! One conversation, both ways at once.
//!
//! A connection is one task that reads and writes until one side is done. It holds a piece of four kibibytes each way, and
//! whatever one frame needs. What is read is handed over through a bounded channel; while that is full, nothing more is
//! read, and the peer's own queue fills and applies its rules. A connection that ends tells why, once.

use std::{error::Error, io, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::mpsc,
    time::timeout,
};
use worker_protocol::{CodecError, Decoder, LARGEST_FRAME, encode};

use crate::queue::{Phase, Queue, Queued};

/// How many bytes are read at once, and after how many no further message joins a write.
const PIECE: usize = 4 * 1024;

/// How long a closing connection may still write what waits, and read what the peer said last.
const LINGER: Duration = Duration::from_secs(1);

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
    while let Some(first) = queue.next().await {
        let (frames, unsendable) = together(first, queue);
        if let Err(error) = writer.write_all(&frames).await {
            return Parting::Broken(error);
        }
        if let Some(error) = unsendable {
            return Parting::Unsendable(error);
        }
    }
    Parting::HungUp
}

/// The frames of this message and of those that wait behind it, as long as there is room in a piece, up to one that cannot be sent. What is
/// said in one breath is one write, and wakes its reader once.
fn together<Out>(first: Out, queue: &Queue<Out>) -> (Vec<u8>, Option<CodecError>)
where
    Out: Queued + Serialize,
{
    let mut frames = Vec::new();
    let mut next = Some(first);
    while let Some(message) = next {
        match encode(&message) {
            Ok(mut frame) => frames.append(&mut frame),
            Err(error) => return (frames, Some(error)),
        }
        next = (frames.len() < PIECE).then(|| queue.take()).flatten();
    }
    (frames, None)
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

#[cfg(test)]
mod tests {
    use worker_protocol::v1::{Done, FromWorker, RequestId};

    use super::*;

    fn reply(id: u32, bytes: usize) -> FromWorker {
        FromWorker::Reply {
            id: RequestId(id),
            result: Ok(Done::Snapshot(vec![b'x'; bytes])),
        }
    }

    fn read(bytes: &[u8]) -> Vec<FromWorker> {
        let mut decoder = Decoder::default();
        decoder.push(bytes);
        let read = std::iter::from_fn(|| decoder.take().unwrap()).collect();
        assert!(decoder.is_empty());
        read
    }

    #[test]
    fn what_waits_is_written_at_once_until_a_piece_is_full() {
        let queue = Queue::new();
        for id in 1..=4 {
            queue.push(reply(id, PIECE / 2)).unwrap();
        }
        let (frames, unsendable) = together(reply(0, 1), &queue);
        assert!(unsendable.is_none());
        let said = [reply(0, 1), reply(1, PIECE / 2), reply(2, PIECE / 2)];
        assert_eq!(read(&frames), said);
        assert_eq!(queue.take(), Some(reply(3, PIECE / 2)));
    }

    #[test]
    fn what_was_said_before_a_message_that_cannot_be_sent_is_written() {
        let queue = Queue::new();
        queue.push(reply(1, LARGEST_FRAME)).unwrap();
        queue.push(reply(2, 1)).unwrap();
        let (frames, unsendable) = together(reply(0, 1), &queue);
        assert_eq!(read(&frames), [reply(0, 1)]);
        assert!(unsendable.unwrap().to_string().contains("at most"));
    }
}
