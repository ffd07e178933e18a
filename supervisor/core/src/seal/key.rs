//! The public half of a publisher's key, as the configuration names it.
//!
//! One line of Base64, which is the second line of the key file the stock tool writes. The file's first line is a comment
//! and no part of the key; it is refused here, so that a key has one spelling only. What was found is never shown: it may be
//! the secret half, put in by mistake.

use std::fmt;

use thiserror::Error;

use super::keyed;

/// The first two bytes of every public key.
const ED25519: [u8; 2] = *b"Ed";

/// A key whose seals are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SealKey {
    /// The id its seals name.
    pub id: KeyId,
    /// The Ed25519 public key; that it is a point of the curve is found out when a seal is checked.
    pub key: [u8; 32],
}

/// The number by which a seal names its key. It proves nothing.
///
/// As text it is what the stock tool prints: a little-endian number in upper-case hexadecimal without leading zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

/// Why a text is not a public key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SealKeyFault {
    /// It is no key at all, or the secret half, or a whole file.
    #[error(
        "the public key is not 42 bytes of Base64, which are the second line of its `.pub` file alone"
    )]
    Form,
    /// It is a key of an unknown kind.
    #[error("the public key's algorithm is {found:02x?}, not `Ed`")]
    Algorithm {
        /// Its first two bytes.
        found: [u8; 2],
    },
}

impl SealKey {
    /// Reads one line of Base64, without its end: two bytes of algorithm, eight of key id, 32 of key.
    ///
    /// # Errors
    /// The text is anything else.
    pub fn parse(text: &str) -> Result<Self, SealKeyFault> {
        let (algorithm, id, key) = keyed(text).ok_or(SealKeyFault::Form)?;
        match algorithm {
            ED25519 => Ok(Self { id, key }),
            found => Err(SealKeyFault::Algorithm { found }),
        }
    }
}

impl fmt::Display for SealKey {
    /// Shows the key's id, which is what people compare.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}", u64::from_le_bytes(self.0))
    }
}
