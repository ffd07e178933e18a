//! Time as an argument: ticks, the wall clock, back-off with seeded jitter.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A supervisor that acts later than this after its deadline was kept from running; what it heard so late may have been said that
/// much earlier.
pub const TARDY: Duration = Duration::from_millis(250);

/// A day in milliseconds; UTC as computers count it has no leap seconds.
const DAY: u64 = 86_400_000;

/// The last second that RFC 3339 can name, 9999-12-31T23:59:59Z, in milliseconds since 1970.
const LATEST: u64 = 253_402_300_799_000;

/// Milliseconds on a clock that never goes back; it starts when the supervisor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ticks(pub u64);

impl Ticks {
    /// This much later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// How long it is since an earlier moment; nothing if that lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Milliseconds since 1970 UTC by a clock that may jump; for telling people and for knowing the day, never for measuring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wall(pub u64);

impl Wall {
    /// RFC 3339 text in UTC, with whole seconds. That form ends with the year 9999; whatever is later is told as its last second.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let at = std::time::UNIX_EPOCH + Duration::from_millis(self.0.min(LATEST));
        humantime::format_rfc3339_seconds(at).to_string()
    }

    /// The same with milliseconds and the offset in digits, as the platform writes times: `2020-03-06T15:15:27.000+0000`.
    #[must_use]
    pub fn with_millis(self) -> String {
        let at = std::time::UNIX_EPOCH + Duration::from_millis(self.0.min(LATEST));
        let text = humantime::format_rfc3339_millis(at).to_string();
        format!("{}+0000", text.trim_end_matches('Z'))
    }

    /// How long until the next day begins in UTC; never nothing.
    #[must_use]
    pub fn until_midnight(self) -> Duration {
        Duration::from_millis(DAY - self.0 % DAY)
    }

    /// This much later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }
}

/// Both clocks, read once per event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// For waiting.
    pub ticks: Ticks,
    /// For telling people, and for knowing the day.
    pub wall: Wall,
}

/// The earlier of two deadlines, where either may be missing.
#[must_use]
pub fn sooner(a: Option<Ticks>, b: Option<Ticks>) -> Option<Ticks> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A seeded source of jitter (splitmix64); good for spreading load, not for secrets.
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// Equal seeds give equal sequences.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A span between nothing and `most`, evenly spread.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        Duration::from_millis(self.next() % (millis(most).saturating_add(1)))
    }

    /// A span between nine and eleven tenths of `about`.
    pub fn around(&mut self, about: Duration) -> Duration {
        about * 9 / 10 + self.up_to(about / 5)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// Exponential back-off with full jitter: the wait is evenly spread between nothing and a ceiling that doubles up to a cap.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// The first ceiling is `base`, the last is `cap`.
    #[must_use]
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap,
            failures: 0,
        }
    }

    /// The wait after one more failure.
    pub fn next(&mut self, jitter: &mut Jitter) -> Duration {
        let ceiling = self
            .base
            .saturating_mul(1 << self.failures.min(20))
            .min(self.cap);
        self.failures = self.failures.saturating_add(1);
        jitter.up_to(ceiling)
    }

    /// How many failures in a row so far.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Something went well.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// At most so many a second: as many at once, refilled evenly.
#[derive(Debug, Clone)]
pub struct Bucket {
    size: u64,
    /// In thousandths of one.
    left: u64,
    filled: Ticks,
}

impl Bucket {
    /// A full bucket of this size, at least 1.
    #[must_use]
    pub fn per_second(size: u32) -> Self {
        let size = u64::from(size.max(1));
        Self {
            size,
            left: size * 1000,
            filled: Ticks(0),
        }
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now: Ticks) -> bool {
        let passed = now.0.saturating_sub(self.filled.0);
        self.left = passed
            .saturating_mul(self.size)
            .saturating_add(self.left)
            .min(self.size * 1000);
        self.filled = self.filled.max(now);
        let there = self.left >= 1000;
        if there {
            self.left -= 1000;
        }
        there
    }

    /// When there is one again, if there was none at the last look.
    #[must_use]
    pub fn next(&self) -> Ticks {
        let missing = 1000_u64.saturating_sub(self.left);
        Ticks(self.filled.0.saturating_add(missing.div_ceil(self.size)))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_off_doubles_to_its_cap_and_starts_again_after_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let mut jitter = Jitter::new(1);
        for ceiling in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(backoff.next(&mut jitter) <= Duration::from_secs(ceiling));
        }
        backoff.reset();
        assert!(backoff.next(&mut jitter) <= Duration::from_secs(1));
    }

    #[test]
    fn full_jitter_uses_the_whole_span() {
        let mut jitter = Jitter::new(7);
        let waits: Vec<u64> = (0..1000)
            .map(|_| millis(jitter.up_to(Duration::from_secs(1))))
            .collect();
        assert!(waits.iter().any(|wait| *wait < 50));
        assert!(waits.iter().any(|wait| *wait > 950));
        assert!(waits.iter().all(|wait| *wait <= 1000));
    }

    #[test]
    fn a_bucket_gives_its_size_at_once_and_then_so_many_a_second() {
        let mut bucket = Bucket::per_second(4);
        let taken = (0..100).filter(|_| bucket.take(Ticks(7))).count();
        assert_eq!(taken, 4);
        assert_eq!(bucket.next(), Ticks(257));
        assert!(!bucket.take(Ticks(256)));
        assert!(bucket.take(bucket.next()));
        let taken = (0..10_000)
            .filter(|ms| bucket.take(Ticks(1000 + ms)))
            .count();
        assert!((40..=44).contains(&taken), "{taken}");
    }

    #[test]
    fn a_wall_time_is_told_in_rfc_3339() {
        assert_eq!(Wall(1_524_448_722_000).rfc3339(), "2018-04-23T01:58:42Z");
    }

    #[test]
    fn a_wall_time_that_the_form_cannot_hold_is_told_as_its_last_second() {
        for beyond in [LATEST, LATEST + 999, LATEST + 1_000, u64::MAX] {
            assert_eq!(Wall(beyond).rfc3339(), "9999-12-31T23:59:59Z");
        }
        assert_eq!(Wall(LATEST - 1).rfc3339(), "9999-12-31T23:59:58Z");
    }

    #[test]
    fn the_next_day_begins_at_midnight_in_utc_and_never_now() {
        let wall = Wall(1_524_448_722_000);
        let midnight = wall.after(wall.until_midnight());
        assert_eq!(midnight.rfc3339(), "2018-04-24T00:00:00Z");
        assert_eq!(midnight.until_midnight(), Duration::from_secs(86_400));
        assert_eq!(Wall(DAY - 1).until_midnight(), Duration::from_millis(1));
    }
}
