//! Both clocks, read once per event.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use supervisor_core::time::{Now, Ticks, Wall};

/// The system's clocks; ticks count from its making.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// Ticks are nought now.
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// What both clocks say. A wall clock before 1970 is told as 1970.
    pub(crate) fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            ticks: Ticks(millis(self.start.elapsed())),
            wall: Wall(wall.map_or(0, millis)),
        }
    }

    /// The moment at which these ticks will have come.
    pub(crate) fn moment(&self, ticks: Ticks) -> Instant {
        // A deadline beyond what the clock can count is as good as a day away: the brain is asked again then.
        let day = Duration::from_secs(86_400);
        self.start
            .checked_add(Duration::from_millis(ticks.0))
            .unwrap_or_else(|| Instant::now() + day)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_start_at_nought_and_never_go_back() {
        let clock = Clock::start();
        let first = clock.now().ticks;
        assert!(first < Ticks(60_000));
        assert!(clock.now().ticks >= first);
        assert_eq!(
            clock.moment(Ticks(5)) - clock.start,
            Duration::from_millis(5)
        );
    }

    #[test]
    fn a_deadline_beyond_all_counting_is_still_a_moment() {
        let clock = Clock::start();
        assert!(clock.moment(Ticks(u64::MAX)) > Instant::now());
    }
}
