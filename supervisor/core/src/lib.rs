//! Hotplate's decisions.
//!
//! One brain without hands: it is told what happened ([`event::Event`]), answers with what to do ([`event::Command`]), and knows no
//! clock, no disk, no socket and no process. Time is an argument, randomness is a seed, and so every history can be
//! replayed.

pub mod agent;
pub mod alink;
pub mod cadence;
pub mod checkpoint;
pub mod crew;
pub mod event;
pub mod log_upload;
pub mod mailbox;
pub mod maintenance;
pub mod memory;
pub mod operator;
pub mod outbox;
pub mod outcome;
pub mod plan;
pub mod policy;
pub mod record;
pub mod seal;
pub mod session;
pub mod status;
pub mod tenure;
pub mod time;
pub mod update;

#[cfg(test)]
mod world;
