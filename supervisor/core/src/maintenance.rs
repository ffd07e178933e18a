//! Maintenance windows: at which times of the week a new worker may take the old one's place.
//!
//! A window is written as days and a span of wall-clock time in the device's own zone: `mon-fri 02:00-04:30`, `sat,sun 22:00-05:00`,
//! `daily 03:00-04:00`. It belongs to the day it begins on, also when it ends on the next. What is asked here is only whether a moment lies
//! in a window and when the next one opens; how long a clock may be believed is decided by whoever asks.
//!
//! Where clocks are set forward, a time that does not exist counts as the moment of the change; where they are set back, a time that
//! exists twice is both of them.

#[cfg(test)]
mod tests;
mod window;

use std::time::Duration;

use tz::TimeZone;

pub use self::window::{Window, WindowFault};
use crate::time::Wall;

/// More windows than this are no help to anybody.
pub const MOST_WINDOWS: usize = 32;

/// How far ahead a window is looked for. Every window opens once a week, and a day on which clocks are set may swallow one.
const HORIZON_MINUTES: u64 = 15 * 24 * 60;

/// At which times a switch may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    zone: TimeZone,
    windows: Vec<Window>,
}

impl Default for Maintenance {
    fn default() -> Self {
        Self {
            zone: TimeZone::utc(),
            windows: Vec::new(),
        }
    }
}

impl Maintenance {
    /// These windows, by the clocks of this zone. Without any, every time is a good time. Of more than [`MOST_WINDOWS`] only the first
    /// ones count.
    #[must_use]
    pub fn new(zone: TimeZone, mut windows: Vec<Window>) -> Self {
        windows.truncate(MOST_WINDOWS);
        Self { zone, windows }
    }

    /// May a switch happen at this moment?
    #[must_use]
    pub fn is_open(&self, at: Wall) -> bool {
        if self.windows.is_empty() {
            return true;
        }
        let (day, minute) = self.local(at);
        self.windows
            .iter()
            .any(|window| window.contains(day, minute))
    }

    /// How long until a switch may happen: nothing if it may now. Windows open on whole minutes; a week and more without one means
    /// that the zone cannot be reckoned so far ahead, and is told as a day: whoever waits looks again by then.
    #[must_use]
    pub fn opens_in(&self, at: Wall) -> Duration {
        if self.is_open(at) {
            return Duration::ZERO;
        }
        let next = at.0.saturating_add(60_000 - self.within_minute(at));
        (0..HORIZON_MINUTES)
            .map(|later| Wall(next.saturating_add(later * 60_000)))
            .find(|moment| self.is_open(*moment))
            .map_or(Duration::from_secs(24 * 3600), |moment| {
                Duration::from_millis(moment.0 - at.0)
            })
    }

    /// Milliseconds since the last full minute on the clocks of the zone, which need not be off by whole ones.
    fn within_minute(&self, at: Wall) -> u64 {
        let offset = i64::from(self.offset(at)).rem_euclid(60);
        at.0.saturating_add(offset.unsigned_abs() * 1000) % 60_000
    }

    /// By how many seconds the clocks of the zone are ahead of UTC. A moment that the zone cannot name is told in UTC, which is off by
    /// hours and not by days.
    fn offset(&self, at: Wall) -> i32 {
        let unix = i64::try_from(at.0 / 1000).unwrap_or(i64::MAX / 2);
        let found = self.zone.find_local_time_type(unix);
        found.map_or(0, tz::LocalTimeType::ut_offset)
    }

    /// The day of the week, Monday being 0, and the minute of the day on the clocks of the zone.
    fn local(&self, at: Wall) -> (u8, u16) {
        let unix = i64::try_from(at.0 / 1000).unwrap_or(i64::MAX / 2);
        let minutes = (unix + i64::from(self.offset(at))).div_euclid(60);
        // 1970 began on a Thursday.
        let day = (minutes.div_euclid(24 * 60) + 3).rem_euclid(7);
        let minute = minutes.rem_euclid(24 * 60);
        (
            u8::try_from(day).expect("a remainder of 7"),
            u16::try_from(minute).expect("a remainder of a day's minutes"),
        )
    }
}
