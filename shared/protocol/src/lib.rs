//! The words and bytes between the supervisor and its worker.
//!
//! This crate is pure: it knows no socket, no clock and no runtime, so that both ends can be driven in memory and every byte
//! can be pinned by a test. What was once sent is a promise: messages are only ever added, in a new version module, and the
//! golden bytes of an old one are never edited.

pub mod codec;
pub mod handshake;
pub mod preface;
pub mod v1;
pub mod value;

pub use codec::{CodecError, Decoder, LARGEST_FRAME, encode};
pub use value::{Element, Scalar, Value, ValueMap};
