//! The local socket between supervisor and worker.
//!
//! This crate moves the words of `worker-protocol` and decides nothing about them: it lets in exactly those workers that
//! were given a [`Leash`], carries messages both ways within bounds, and says why a conversation ended. The supervisor holds
//! a [`Listener`], a worker calls [`connect`]. Everything runs on a single-threaded tokio runtime.

mod carry;
mod connection;
pub mod endpoint;
mod leash;
mod listen;
mod queue;
mod random;

pub use connection::{ConnectError, Connection, Facts, Receiver, Sender, connect, connect_over};
pub use leash::{Leash, LeashError};
pub use listen::{LinkEvent, ListenError, Listener, Options, SendError};
pub use queue::{Full, Placed};
