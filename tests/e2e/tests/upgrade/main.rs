//! The product end to end: real programs, a real MQTT session, real downloads, seen from outside.
//!
//! One test program, so that there is one link step; one file per promise. The same tests run against programs for Windows under Wine
//! (see the crate's documentation); what is only true on Unix says so.

// Always true here; the lint that allows `unwrap` in tests goes by this attribute.
#[cfg(test)]
mod bad_images;
#[cfg(test)]
mod bad_offers;
#[cfg(test)]
mod blocks;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod checkpoints;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod config;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod deaths;
#[cfg(test)]
mod downgrade;
#[cfg(test)]
mod health;
#[cfg(test)]
mod last_good;
#[cfg(test)]
mod local;
#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod model;
#[cfg(test)]
mod offers;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod orphans;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod packages;
#[cfg(test)]
mod phases;
#[cfg(test)]
mod places;
#[cfg(test)]
mod platform_key;
#[cfg(test)]
#[cfg(unix)]
mod privileges;
#[cfg(test)]
mod respawn;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod road;
#[cfg(test)]
mod rollback;
#[cfg(test)]
#[cfg(unix)]
mod service;
#[cfg(test)]
mod session;
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod space;
#[cfg(test)]
mod strangers;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod surroundings;
#[cfg(test)]
mod switch;
#[cfg(test)]
mod telling;
#[cfg(test)]
mod telltale;
#[cfg(test)]
#[cfg(unix)]
mod terminal;
#[cfg(test)]
mod windows_service;
