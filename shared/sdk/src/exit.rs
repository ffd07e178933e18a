//! How a worker ends, in one place.

use std::process::ExitCode;

/// A worker's exit code. Any other code, or a signal, means that it crashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It handed over or stopped as it was asked to; the device is safe.
    Done = 0,
    /// It did not become safe in time, or could not write what it was asked to print.
    Failed = 1,
    /// It was started in a way it does not understand.
    Usage = 2,
    /// Its warm-up or its activation failed.
    Unfit = 3,
    /// It could not join the supervisor that holds its leash.
    NotJoined = 4,
    /// The supervisor has gone; the device was made safe.
    SupervisorLost = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
