//! The one clock that all processes of a machine share: the wall clock, in microseconds since 1970.
//!
//! Each process reads it by itself, so that nobody's delay in telling counts. A step of the clock in the middle of a round
//! would show as one sample that makes no sense.

use serde::Deserialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(super) struct Moment(pub(super) u64);

impl Moment {
    /// Now.
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self(since.map_or(0, |since| {
            u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
        }))
    }

    /// Milliseconds from an earlier moment to this one.
    pub(super) fn since(self, earlier: Self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds of a round are few"
        )]
        let micros = self.0 as f64 - earlier.0 as f64;
        micros / 1000.0
    }
}
