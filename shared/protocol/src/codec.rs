//! Frames: a length, then a message. The only file that knows bincode.
//!
//! A frame is a little-endian `u32` length and that many bytes of bincode 2 in its standard configuration. A length is
//! judged before memory is taken for it, a message must fill its frame exactly, and no frame is longer than
//! [`LARGEST_FRAME`]. What bincode calls its limit counts every number at its full width however short it was written, so
//! it stands at eight times the frame: whatever fits a frame can be read again, and a lying count inside one cannot
//! reserve more than that.

use bincode::config::{self, Config};
use serde::{Serialize, de::DeserializeOwned};

/// The longest message in bytes, without its four bytes of length.
pub const LARGEST_FRAME: usize = 256 * 1024;

/// The longest message in bytes that is accepted from a peer who has not proved yet who it is.
pub const LARGEST_HANDSHAKE: usize = 1024;

const LENGTH_BYTES: usize = 4;
const DECODE_LIMIT: usize = 8 * LARGEST_FRAME;

/// A decoder's buffer goes back to this many bytes once a longer frame has been read.
const RESTING_CAPACITY: usize = 4 * 1024;

/// One message as a whole frame.
///
/// # Errors
/// When the message would be longer than [`LARGEST_FRAME`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, CodecError> {
    let mut frame = vec![0; LENGTH_BYTES];
    bincode::serde::encode_into_std_write(message, &mut frame, standard())
        .map_err(|source| CodecError::Unwritable(Box::new(source)))?;
    let length = frame.len() - LENGTH_BYTES;
    if length > LARGEST_FRAME {
        return Err(CodecError::TooLong {
            length,
            limit: LARGEST_FRAME,
        });
    }
    let prefix = u32::try_from(length).expect("the largest frame fits 32 bits");
    frame[..LENGTH_BYTES].copy_from_slice(&prefix.to_le_bytes());
    Ok(frame)
}

/// Makes messages of bytes as they arrive, in pieces of any size.
///
/// Push what was read, then take messages until there are none; so the buffer never holds more than one frame and one piece.
/// After an error the stream has lost its order and the decoder must be dropped.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    limit: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(LARGEST_FRAME)
    }
}

impl Decoder {
    /// A decoder that refuses messages of more than `limit` bytes (never more than [`LARGEST_FRAME`]).
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            limit: limit.min(LARGEST_FRAME),
        }
    }

    /// Accepts longer or shorter messages from now on, when a handshake has ended.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(LARGEST_FRAME);
    }

    /// Takes in bytes that were read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, or `None` when more bytes are needed for it.
    ///
    /// # Errors
    /// When the length is over the limit, or the bytes are no such message, or more than one.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, CodecError> {
        let Some((prefix, rest)) = self.buffer.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_le_bytes(*prefix)).unwrap_or(usize::MAX);
        if length > self.limit {
            return Err(CodecError::TooLong {
                length,
                limit: self.limit,
            });
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let (message, read) = bincode::serde::decode_from_slice(body, standard())
            .map_err(|source| CodecError::Unreadable(Box::new(source)))?;
        if read < length {
            return Err(CodecError::LeftOver {
                bytes: length - read,
            });
        }
        self.buffer.drain(..LENGTH_BYTES + length);
        if self.buffer.capacity() > RESTING_CAPACITY {
            self.buffer.shrink_to(RESTING_CAPACITY);
        }
        Ok(Some(message))
    }

    /// Whether no frame has been begun; a stream that ends elsewhere was cut.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

/// Why bytes are not a message, or a message cannot become bytes.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The message is longer than this side sends or accepts.
    #[error("carry a message of {length} bytes: at most {limit} are allowed")]
    TooLong {
        /// The message's length in bytes.
        length: usize,
        /// The largest length allowed here.
        limit: usize,
    },
    /// The frame goes on after its message has ended.
    #[error("read a message: {bytes} bytes of its frame are left over")]
    LeftOver {
        /// How many.
        bytes: usize,
    },
    /// The bytes are no message of the expected kind.
    #[error("read a message")]
    Unreadable(#[source] Box<bincode::error::DecodeError>),
    /// The message has a form that cannot be written.
    #[error("write a message")]
    Unwritable(#[source] Box<bincode::error::EncodeError>),
}

fn standard() -> impl Config {
    config::standard().with_limit::<DECODE_LIMIT>()
}

#[cfg(test)]
mod tests;
