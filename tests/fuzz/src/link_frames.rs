//! What a worker, or whoever found the socket, may say to the supervisor, and the other way round.
//!
//! The bytes are taken for a stream of each kind of message, for a whole conversation from its preface on, and for the body of
//! one frame, so that made-up bytes need not guess a length.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};
use worker_protocol::{
    CodecError, Decoder, LARGEST_FRAME,
    codec::LARGEST_HANDSHAKE,
    encode,
    handshake::{Answer, Hello},
    preface::{PREFACE_BYTES, Versions, answer_from_bytes, answer_to_bytes},
    v1::{FromWorker, ToWorker},
};

use crate::{Understood, in_few_words, understood};

/// Hands the bytes to every reader of what is said over the link.
///
/// # Panics
/// A reader breaks a promise.
#[must_use]
pub fn link_frames(bytes: &[u8]) -> Understood {
    alone::<Hello>(bytes, LARGEST_HANDSHAKE);
    alone::<Answer>(bytes, LARGEST_HANDSHAKE);
    alone::<FromWorker>(bytes, LARGEST_FRAME);
    alone::<ToWorker>(bytes, LARGEST_FRAME);
    understood([
        ("answer", stream::<Answer>(bytes, LARGEST_HANDSHAKE)),
        ("conversation", conversation(bytes)),
        ("from-worker", stream::<FromWorker>(bytes, LARGEST_FRAME)),
        ("hello", stream::<Hello>(bytes, LARGEST_HANDSHAKE)),
        ("to-worker", stream::<ToWorker>(bytes, LARGEST_FRAME)),
    ])
}

/// A message is what it says.
trait Message: Serialize + DeserializeOwned + Debug {}
impl<T: Serialize + DeserializeOwned + Debug> Message for T {}

/// The bytes as the body of one frame.
fn alone<T: Message>(body: &[u8], limit: usize) {
    let Ok(length) = u32::try_from(body.len()) else {
        return;
    };
    let frame = [&length.to_le_bytes(), body].concat();
    let mut decoder = Decoder::new(limit);
    decoder.push(&frame);
    match decoder.take::<T>() {
        Ok(message) => {
            let message = message.expect("a whole frame was pushed");
            assert!(decoder.is_empty(), "something of the frame is left");
            can_be_said_again(&message, frame.len());
        }
        Err(fault) => in_few_words(&fault),
    }
}

/// The message written by us is the same one, and no longer than it came: whatever is read can be passed on.
fn can_be_said_again<T: Message>(message: &T, longest: usize) {
    let frame = encode(message).expect("what was read can be written");
    assert!(frame.len() <= longest, "{} > {longest}", frame.len());
    let mut decoder = Decoder::default();
    decoder.push(&frame);
    let again: T = decoder
        .take()
        .expect("what was written can be read")
        .expect("the frame is whole");
    // Compared as bytes, because a number that is none is not equal to itself.
    let same = encode(&again).is_ok_and(|bytes| bytes == frame);
    assert!(same, "{message:?} came back as {again:?}");
}

/// Whether the bytes are one or more messages and nothing else. Where a message ends does not depend on how the bytes arrive.
fn stream<T: Message>(bytes: &[u8], limit: usize) -> bool {
    let (whole, end) = messages::<T>(bytes, bytes.len().max(1), limit);
    let piece = bytes.first().map_or(1, |byte| 1 + usize::from(byte % 16));
    let (pieces, end_of_pieces) = messages::<T>(bytes, piece, limit);
    assert_eq!(whole.len(), pieces.len());
    assert!(whole.iter().zip(&pieces).all(|(a, b)| a.1 == b.1));
    assert_eq!(end, end_of_pieces);
    let frames = frames_in(bytes);
    assert!(whole.len() <= frames.len());
    for ((message, _), frame) in whole.iter().zip(frames) {
        can_be_said_again(message, frame);
    }
    end == Ok(true) && !whole.is_empty()
}

/// A message, and the frame we would write for it.
type Said<T> = (T, Vec<u8>);

/// The messages until the end or the first fault, with the bytes arriving in pieces, and whether nothing was left at the end.
fn messages<T: Message>(
    bytes: &[u8],
    piece: usize,
    limit: usize,
) -> (Vec<Said<T>>, Result<bool, String>) {
    let mut decoder = Decoder::new(limit);
    let mut said = Vec::new();
    for bytes in bytes.chunks(piece) {
        decoder.push(bytes);
        loop {
            match decoder.take::<T>() {
                Ok(Some(message)) => {
                    let frame = encode(&message).expect("what was read can be written");
                    said.push((message, frame));
                }
                Ok(None) => break,
                Err(fault) => return (said, Err(fault.to_string())),
            }
        }
    }
    (said, Ok(decoder.is_empty()))
}

/// The lengths of the whole frames that lie one after the other in these bytes.
fn frames_in(mut bytes: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<{ size_of::<u32>() }>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let Some(rest) = rest.get(length..) else {
            break;
        };
        bytes = rest;
        lengths.push(size_of::<u32>() + length);
    }
    lengths
}

/// Whether the bytes are all that one side says, from its preface on.
fn conversation(bytes: &[u8]) -> bool {
    let Some((preface, rest)) = bytes.split_first_chunk::<PREFACE_BYTES>() else {
        return false;
    };
    let ours = match Versions::from_bytes(*preface) {
        Ok(theirs) => {
            assert_eq!(theirs.to_bytes(), *preface);
            let chosen = theirs.choose(Versions::OURS);
            assert_eq!(chosen, Versions::OURS.choose(theirs));
            assert!(chosen.is_none_or(|it| theirs.contains(it) && Versions::OURS.contains(it)));
            chosen.is_some()
        }
        Err(fault) => {
            in_few_words(&fault);
            false
        }
    };
    let chosen = answer_from_bytes(*preface).ok().flatten();
    if let Some(chosen) = chosen {
        assert_eq!(
            answer_from_bytes(answer_to_bytes(Some(chosen))),
            Ok(Some(chosen))
        );
    }
    (ours && after_preface::<Hello, FromWorker>(rest))
        || (chosen.is_some_and(|it| Versions::OURS.contains(it))
            && after_preface::<Answer, ToWorker>(rest))
}

/// The handshake's one message, in its narrow bound, then any number of others with one and the same decoder.
fn after_preface<First: Message, Then: Message>(bytes: &[u8]) -> bool {
    let mut decoder = Decoder::new(LARGEST_HANDSHAKE);
    decoder.push(bytes);
    let mut listen = || -> Result<bool, CodecError> {
        let Some(first) = decoder.take::<First>()? else {
            return Ok(false);
        };
        can_be_said_again(&first, LARGEST_HANDSHAKE + size_of::<u32>());
        decoder.set_limit(LARGEST_FRAME);
        while decoder.take::<Then>()?.is_some() {}
        Ok(decoder.is_empty())
    };
    listen().unwrap_or(false)
}
