//! A generation of something as bytes: magic, format, generation, length, body, checksum.
//!
//! What is written in turn into one of two files is told apart by this: the newest of the two wins, and one that is torn in any way is
//! nothing at all. Which file is read or written is the store's business, and what the body means is its owner's; here are
//! only bytes. The header is laid out by hand and never changes, whatever the format of the body.

use sha2::{Digest, Sha256};

const HEADER: usize = 8 + 4 + 8 + 4;
const CHECKSUM: usize = 32;

/// What a file holds, and in which format its body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The first bytes of every file of this kind.
    pub magic: [u8; 8],
    /// The format of the body that is written, and the only one that is read.
    pub format: u32,
}

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A write that was cut short, or rot.
    #[error("it is torn")]
    Torn,
    /// Nothing of ours, or not of this kind.
    #[error("it is something else")]
    Foreign,
    /// A later supervisor's.
    #[error("it has format {format}, written by a later supervisor")]
    Later {
        /// Its format.
        format: u32,
        /// Its generation; what is written from now on is newer.
        number: u64,
    },
    /// The checksum holds and the content does not.
    #[error("its content cannot be read")]
    Content {
        /// Its generation; what is written from now on is newer.
        number: u64,
    },
}

impl Damage {
    /// The generation, where it could be read all the same.
    #[must_use]
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Later { number, .. } | Self::Content { number } => Some(number),
            Self::Torn | Self::Foreign => None,
        }
    }
}

/// What is kept in frames.
pub trait Framed: Sized {
    /// The frame.
    const FRAME: Frame;

    /// No file of it is longer, in bytes.
    const LONGEST: usize;

    /// The body.
    fn body(&self) -> Vec<u8>;

    /// It from a body that is whole; `None` if it means nothing.
    fn of_body(body: &[u8]) -> Option<Self>;

    /// All bytes of a file.
    #[must_use]
    fn encode(&self, number: u64) -> Vec<u8> {
        Self::FRAME.wrap(number, &self.body())
    }

    /// Reads the generation and the value from bytes, which are all of a file's.
    ///
    /// # Errors
    /// The bytes are not exactly one whole value of this kind and format.
    fn decode(bytes: &[u8]) -> Result<(u64, Self), Damage> {
        let (number, body) = Self::FRAME.unwrap(bytes)?;
        match Self::of_body(body) {
            Some(found) => Ok((number, found)),
            None => Err(Damage::Content { number }),
        }
    }
}

impl Frame {
    /// No body of `body` bytes makes more bytes than this.
    #[must_use]
    pub const fn length(body: usize) -> usize {
        HEADER + body + CHECKSUM
    }

    /// Puts a body into the frame. It is at most 4 GiB long.
    #[must_use]
    pub fn wrap(self, number: u64, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("bodies are bounded by their owners");
        let mut bytes = Vec::with_capacity(Self::length(body.len()));
        bytes.extend(self.magic);
        bytes.extend(self.format.to_le_bytes());
        bytes.extend(number.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(body);
        let checksum = Sha256::digest(&bytes);
        bytes.extend(checksum.as_slice());
        bytes
    }

    /// Takes the generation and the body out of the frame, which is all of a file's bytes.
    ///
    /// # Errors
    /// The bytes are not exactly one whole frame of this kind and format.
    pub fn unwrap(self, bytes: &[u8]) -> Result<(u64, &[u8]), Damage> {
        let (magic, rest) = take::<8>(bytes)?;
        if magic != self.magic {
            return Err(Damage::Foreign);
        }
        let (format, rest) = take(rest)?;
        let format = u32::from_le_bytes(format);
        let (number, rest) = take(rest)?;
        let number = u64::from_le_bytes(number);
        let (length, rest) = take(rest)?;
        let length = usize::try_from(u32::from_le_bytes(length)).map_err(|_| Damage::Torn)?;
        let (body, checksum) = rest.split_at_checked(length).ok_or(Damage::Torn)?;
        if Sha256::digest(&bytes[..HEADER + length]).as_slice() != checksum {
            return Err(Damage::Torn);
        }
        if format != self.format {
            return Err(Damage::Later { format, number });
        }
        Ok((number, body))
    }
}

fn take<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), Damage> {
    let (head, rest) = bytes.split_first_chunk().ok_or(Damage::Torn)?;
    Ok((*head, rest))
}
