//! The product end to end: real programs, a real MQTT session, real downloads, seen from outside.
//!
//! One test program, so that there is one link step; one file per promise. The same tests run against programs for Windows under Wine
//! (see the crate's documentation); what is only true on Unix says so.

mod bad_images;
mod bad_offers;
mod cli;
mod config;
mod model;
mod offers;
mod respawn;
mod road;
mod rollback;
mod session;
mod strangers;
