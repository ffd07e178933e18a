//! The platform's JSON: reading what arrives and writing what leaves.
//!
//! Arriving bytes are hostile until they have become one of this module's types. Nothing here panics, recurses without bound
//! or keeps more of a refused message than a fault needs. Fields nobody asked for are ignored, as the platform adds new ones.
//! Real senders differ from the documents in small things (ids as numbers, a code as text or number, a NUL after the
//! end); those are accepted, because a device in the field cannot ask for a better platform.

mod block;
mod digest;
mod offer;
mod outgoing;
mod read;
mod reply;
mod request;
mod url;
mod value;

use std::fmt;

use thiserror::Error;

use super::shown;

pub use block::{
    Block, BlockFault, LARGEST_BLOCK, LONGEST_BLOCK_FILE, SMALLEST_BLOCK, block_request,
    block_request_of, parse_block,
};
pub use digest::{Digest, DigestFault, DigestMethod};
pub use offer::{
    FileOffer, Offer, OfferFault, OfferFaultKind, OfferFrom, Source, Subject, parse_offer,
};
pub use outgoing::{
    LogLine, Step, Written, event_post, firmware_get, inform, log_post, progress, property_post,
    reply_ok, reply_refused,
};
pub use read::ReadFault;
pub use reply::{Reply, parse_reply};
pub use request::{
    Request, RequestFault, RequestFaultKind, parse_property_set, parse_rrpc, parse_service_call,
};
pub use url::{Scheme, Url, UrlFault};
pub use value::{Omitted, ValueFault};

/// The longest payload read or written, in bytes. It is the number usually quoted for the platform.
pub const LONGEST_PAYLOAD: usize = 256 * 1024;

/// The longest text value, in bytes (platform document 358843).
pub const LONGEST_TEXT: usize = 10_240;

/// The longest list value, in elements (platform document 358843).
pub const LONGEST_LIST: usize = 512;

/// The most properties, arguments or outputs in one message (the platform answers 6106 beyond it).
pub const MOST_VALUES: usize = 200;

/// A message's id. Senders write it as a number or as text of any form; it is echoed as the text it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(String);

impl Id {
    /// The longest id, in bytes. One device SDK puts a whole topic into its ids.
    pub const LONGEST: usize = 256;

    /// Takes 1 to 256 bytes of any text.
    ///
    /// # Errors
    /// The text is empty or too long.
    pub fn new(text: impl Into<String>) -> Result<Self, IdFault> {
        let text = text.into();
        if text.is_empty() || text.len() > Self::LONGEST {
            return Err(IdFault { text: shown(&text) });
        }
        Ok(Self(text))
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<u32> for Id {
    /// Our own ids, in the form the platform asks for: decimal, 0 to 4294967295 (platform document 89301).
    fn from(number: u32) -> Self {
        Self(number.to_string())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cannot be an id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the id `{text}` is not 1 to {} bytes long", Id::LONGEST)]
pub struct IdFault {
    text: String,
}

/// The name of a module, unless it is the default one, which stands for the whole device and is left unnamed
/// (platform document 89307).
fn named(module: Option<&str>) -> Option<&str> {
    module.filter(|name| !matches!(*name, "" | "default"))
}
