use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::timeout,
};
use worker_protocol::{
    Decoder, Value, ValueMap,
    codec::LARGEST_HANDSHAKE,
    encode,
    handshake::{Answer, TOKEN_BYTES, Welcome},
    preface::{self, PREFACE_BYTES, Versions, answer_from_bytes},
    v1::{Ask, Done, RequestId},
};

use super::*;
use crate::{ConnectError, Connection, Facts, carry::read_one, connect, connect_over};

/// Longer than anything here takes; a hang fails instead of lasting.
const PATIENCE: Duration = Duration::from_secs(30);

fn facts() -> Facts {
    Facts {
        version: "1.0.7".to_owned(),
        model_digest: [3; 32],
    }
}

fn hello(token: [u8; TOKEN_BYTES]) -> Hello {
    Hello {
        token,
        version: "1.0.7".to_owned(),
        model_digest: [3; 32],
        pid: 1,
    }
}

async fn next(events: &mut mpsc::Receiver<LinkEvent>) -> LinkEvent {
    timeout(PATIENCE, events.recv())
        .await
        .expect("an event comes in time")
        .expect("the listener lives")
}

async fn parted(events: &mut mpsc::Receiver<LinkEvent>) -> String {
    loop {
        if let LinkEvent::Parted { tenure: 7, why } = next(events).await {
            return why;
        }
    }
}

async fn stranger(events: &mut mpsc::Receiver<LinkEvent>) -> String {
    match next(events).await {
        LinkEvent::Stranger { why } => why,
        other => panic!("{other:?} instead of a stranger"),
    }
}

/// A peer's end of a new connection whose buffers hold `capacity` bytes each way.
fn peer(listener: &Listener, capacity: usize) -> DuplexStream {
    let (ours, theirs) = duplex(capacity);
    listener.attach(ours);
    theirs
}

/// A worker of tenure 7 that has joined.
async fn joined(listener: &Listener, events: &mut mpsc::Receiver<LinkEvent>) -> Connection {
    let leash = listener.expect(7).unwrap();
    let stream = peer(listener, 4096);
    let (connection, welcome) = connect_over(stream, &leash, &facts(), PATIENCE)
        .await
        .unwrap();
    assert_eq!(welcome.tenure, 7);
    assert!(matches!(
        next(events).await,
        LinkEvent::Joined { tenure: 7, .. }
    ));
    connection
}

/// A peer that speaks by hand: its bytes after a good preface.
async fn after_preface(listener: &Listener, bytes: &[u8]) -> DuplexStream {
    let mut stream = peer(listener, 8192);
    stream.write_all(&Versions::OURS.to_bytes()).await.unwrap();
    let mut answer = [0; PREFACE_BYTES];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer_from_bytes(answer), Ok(Some(1)));
    stream.write_all(bytes).await.unwrap();
    stream
}

async fn answered(stream: &mut DuplexStream) -> Answer {
    read_one(stream, &mut Decoder::new(LARGEST_HANDSHAKE))
        .await
        .unwrap()
}

async fn is_hung_up(stream: &mut DuplexStream) {
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("the stream ends in time")
        .unwrap();
}

mod bounds;
mod handshake;
mod sockets;
