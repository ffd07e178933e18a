//! The emulator as a device meets it: rumqttc as the device, plain sockets for downloads.

#![expect(
    clippy::unwrap_used,
    reason = "what a test's tools cannot unwrap fails the test"
)]

mod api;
mod calls;
mod client;
mod console;
mod downloads;
mod faults;
mod login;
mod ota;
mod restarts;
mod sessions;
mod signatures;
mod signed_uploads;
mod things;
