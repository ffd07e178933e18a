//! The publisher's signature over an image, in minisign's format.
//!
//! What the platform calls a signature is a digest that anybody can make. A seal is made with a key that never leaves the
//! publisher, by a tool everybody can have, and is four lines of text: a comment nobody vouches for, the signature over the
//! image's hash, a trusted comment, and the signature over the first signature and the trusted comment. The trusted comment
//! holds the claims ([`Claims`]): what the image is, for which device, and how long.
//!
//! This module reads text and compares claims. It refuses to calculate: whether a signature is genuine is found out where
//! the image's bytes are, and no claim may be believed before. Signatures over the image itself instead of its hash (the
//! format's older form) are refused, because they can only be checked with the whole image in memory.

mod claims;
mod fit;
mod key;
#[cfg(test)]
mod tests;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use thiserror::Error;

pub use self::{
    claims::{ClaimFault, Claims},
    fit::{Expected, Misfit},
    key::{KeyId, SealKey, SealKeyFault},
};

/// The first two bytes of a signature over an image's hash.
const OVER_HASH: [u8; 2] = *b"ED";

/// The first two bytes of a signature over an image itself.
const OVER_IMAGE: [u8; 2] = *b"Ed";

/// A publisher's signature, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The key it names as its own.
    pub key_id: KeyId,
    /// The Ed25519 signature over the image's BLAKE2b-512.
    pub signature: [u8; 64],
    /// What the publisher says about the image; at most [`Seal::LONGEST_COMMENT`] bytes.
    pub trusted_comment: String,
    /// The Ed25519 signature over [`Seal::global_message`].
    pub global_signature: [u8; 64],
}

/// Why a text is not a seal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SealFault {
    /// The text was not even looked at.
    #[error(
        "the signature has {length} bytes, at most {} are read",
        Seal::LONGEST_TEXT
    )]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A line is missing or something else.
    #[error("line {line} of the signature is not {wanted}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What it must be.
        wanted: &'static str,
    },
    /// There is more than a seal.
    #[error("the signature goes on after its fourth line")]
    Longer,
    /// The signature is over the image itself.
    #[error("the signature is of the legacy form `Ed`; sign with `-H` or with a newer minisign")]
    Legacy,
    /// The signature is of an unknown form.
    #[error("the signature's algorithm is {found:02x?}, not `ED`")]
    Algorithm {
        /// Its first two bytes.
        found: [u8; 2],
    },
    /// The trusted comment is too long.
    #[error(
        "the trusted comment has {length} bytes, at most {} are read",
        Seal::LONGEST_COMMENT
    )]
    LongComment {
        /// Its length in bytes.
        length: usize,
    },
}

impl Seal {
    /// The longest text of a seal, in bytes.
    pub const LONGEST_TEXT: usize = 4096;

    /// The longest trusted comment, in bytes.
    pub const LONGEST_COMMENT: usize = 1024;

    /// Reads the four lines of a signature file. Each may end as lines do on Windows, and the last need not end at all.
    ///
    /// # Errors
    /// The text is longer than the bounds, or not exactly a signature over a hash in minisign's format.
    pub fn parse(text: &str) -> Result<Self, SealFault> {
        if text.len() > Self::LONGEST_TEXT {
            return Err(SealFault::TooLong { length: text.len() });
        }
        let mut lines = Lines {
            rest: text,
            read: 0,
        };
        lines.next("`untrusted comment: …`", |line| {
            line.strip_prefix("untrusted comment: ")
        })?;
        let (algorithm, key_id, signature) = lines.next("74 bytes of Base64", keyed)?;
        match algorithm {
            OVER_HASH => {}
            OVER_IMAGE => return Err(SealFault::Legacy),
            found => return Err(SealFault::Algorithm { found }),
        }
        let trusted_comment = lines.next("`trusted comment: …`", |line| {
            line.strip_prefix("trusted comment: ")
        })?;
        if trusted_comment.len() > Self::LONGEST_COMMENT {
            return Err(SealFault::LongComment {
                length: trusted_comment.len(),
            });
        }
        let global_signature = lines.next("64 bytes of Base64", |line| {
            STANDARD.decode(line).ok()?.try_into().ok()
        })?;
        if !lines.rest.is_empty() {
            return Err(SealFault::Longer);
        }
        Ok(Self {
            key_id,
            signature,
            trusted_comment: trusted_comment.to_owned(),
            global_signature,
        })
    }

    /// What the global signature is over: the signature and the trusted comment's bytes.
    #[must_use]
    pub fn global_message(&self) -> Vec<u8> {
        [&self.signature, self.trusted_comment.as_bytes()].concat()
    }
}

/// What is left of a text, and how many lines were read from it.
struct Lines<'a> {
    rest: &'a str,
    read: usize,
}

impl<'a> Lines<'a> {
    /// Reads the next line, without its end, as what it must be.
    fn next<T>(
        &mut self,
        wanted: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, SealFault> {
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.read += 1;
        read(line.strip_suffix('\r').unwrap_or(line)).ok_or(SealFault::Line {
            line: self.read,
            wanted,
        })
    }
}

/// Takes apart what signatures and public keys have in common: Base64 of an algorithm, a key's id, and `N` further bytes.
fn keyed<const N: usize>(line: &str) -> Option<([u8; 2], KeyId, [u8; N])> {
    let bytes = STANDARD.decode(line).ok()?;
    let (algorithm, rest) = bytes.split_first_chunk()?;
    let (id, rest) = rest.split_first_chunk()?;
    Some((*algorithm, KeyId(*id), rest.try_into().ok()?))
}
