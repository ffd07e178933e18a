//! The speed limit of downloads: after every piece as long a pause as the piece should have taken.
//!
//! The server notices by its own pressure: what is not read stays in its queue. The pauses lie between two reads, so that none of them
//! counts as the server's silence.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// So much time is made up for when a pause took longer than it should; more would be a burst.
const CREDIT: Duration = Duration::from_millis(50);

/// A speed limit in force.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_s: u64,
    due: Instant,
}

impl Pace {
    /// So many bytes a second, at least 1.
    pub(super) fn new(bytes_per_s: u64) -> Self {
        Self {
            bytes_per_s: bytes_per_s.max(1),
            due: Instant::now(),
        }
    }

    /// So many bytes came: returns when the next may be read.
    pub(super) async fn after(&mut self, bytes: u64) {
        let now = Instant::now();
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_s);
        let span = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.due = self.due.max(now.checked_sub(CREDIT).unwrap_or(now)) + span;
        sleep_until(self.due).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_take_as_long_as_the_limit_says_whatever_their_pieces() {
        for piece in [1_u64, 100, 4096, 65_536, 1_000_000] {
            let mut pace = Pace::new(100_000);
            let begun = Instant::now();
            let mut had = 0;
            while had < 1_000_000 {
                pace.after(piece).await;
                had += piece;
                // At every moment, not only in the end.
                let least = Duration::from_secs_f64(had as f64 / 100_000.0);
                assert!(begun.elapsed() + CREDIT >= least, "{piece}");
            }
            let most = Duration::from_secs_f64(had as f64 / 100_000.0) + CREDIT;
            assert!(begun.elapsed() <= most, "{piece}: {:?}", begun.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_was_slow_for_long_does_not_earn_a_burst() {
        let mut pace = Pace::new(1000);
        tokio::time::advance(Duration::from_secs(3600)).await;
        let begun = Instant::now();
        for _ in 0..10 {
            pace.after(1000).await;
        }
        assert!(begun.elapsed() + CREDIT >= Duration::from_secs(10));
    }
}
