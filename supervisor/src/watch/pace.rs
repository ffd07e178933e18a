//! How fast a download goes, by what was on the disk at the last looks.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How far back is looked: a single pause of the network should not show as a halt, and a halt should soon.
const SPAN: Duration = Duration::from_secs(5);

/// No more looks are kept; the oldest is forgotten first.
const MOST_LOOKS: usize = 16;

/// What was on the disk when.
#[derive(Debug, Default)]
pub(super) struct Pace {
    looks: VecDeque<(Instant, u64)>,
    size: u64,
}

impl Pace {
    /// So many bytes are on the disk, of so many; or nothing is being fetched.
    pub(super) fn look(&mut self, now: Instant, fetched: Option<(u64, u64)>) {
        let Some((on_disk, size)) = fetched else {
            self.looks.clear();
            return;
        };
        let is_other = self.size != size;
        // Bytes that are gone were another image's, or bad ones.
        if is_other
            || self
                .looks
                .back()
                .is_some_and(|(_, before)| *before > on_disk)
        {
            self.looks.clear();
        }
        self.size = size;
        let is_old = |(at, _): &(Instant, u64)| now.duration_since(*at) > SPAN;
        while self.looks.len() >= MOST_LOOKS || self.looks.front().is_some_and(is_old) {
            self.looks.pop_front();
        }
        self.looks.push_back((now, on_disk));
    }

    /// Bytes a second, once that can be known.
    pub(super) fn rate(&self) -> Option<u64> {
        let ((from, least), (to, most)) = (self.looks.front()?, self.looks.back()?);
        let span = to.duration_since(*from).as_secs_f64();
        (span > 0.0).then(|| ((most - least) as f64 / span).round() as u64)
    }

    /// Seconds until all is there, if it goes on like this.
    pub(super) fn left(&self) -> Option<u64> {
        let (_, on_disk) = self.looks.back()?;
        let rate = self.rate().filter(|rate| *rate > 0)?;
        Some(self.size.saturating_sub(*on_disk).div_ceil(rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(seen: &[(u64, u64)]) -> Pace {
        let start = Instant::now();
        let mut pace = Pace::default();
        for (at, on_disk) in seen {
            let now = start + Duration::from_millis(*at);
            pace.look(now, Some((*on_disk, 1_000_000)));
        }
        pace
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds_and_says_how_long_the_rest_takes() {
        let pace = looks(&[(0, 0), (1000, 100_000), (2000, 200_000)]);
        assert_eq!((pace.rate(), pace.left()), (Some(100_000), Some(8)));
        let slower = looks(&[(0, 0), (1000, 500_000), (7000, 500_000), (8000, 501_000)]);
        assert_eq!(slower.rate(), Some(1000));
    }

    #[test]
    fn one_look_a_halt_and_a_new_start_give_no_time() {
        assert_eq!(looks(&[(0, 5)]).rate(), None);
        let halted = looks(&[(0, 5), (1000, 5)]);
        assert_eq!((halted.rate(), halted.left()), (Some(0), None));
        assert_eq!(looks(&[(0, 500), (1000, 5)]).rate(), None);
    }
}
