//! How long the machine keeps somebody waiting who has next to nothing to do, so that a device that is late on a machine that stands still is
//! not taken for one that fails.
//!
//! A device's waits are bounded, and a worker that gets no processor for all of that time is taken back rightly. Nothing but such a bound is
//! excused by this: that everything comes to rest, and that nobody lies, holds on any machine.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often it beats.
const EVERY: Duration = Duration::from_millis(100);

/// How many beats are remembered; some ten minutes, where a round lasts four at most.
const REMEMBERED: usize = 6000;

/// A beat this late is that of a machine that stands still. What a device waits for takes some dozens of turns of a processor and of the disk,
/// and its shortest wait for a good worker is 3 s.
const STANDSTILL: Duration = Duration::from_millis(250);

/// The pulse of a machine.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    beats: Mutex<VecDeque<(Instant, Duration)>>,
}

impl Pulse {
    /// Waits, writes a little to the disk, and remembers by how much that took longer than the wait.
    pub(super) fn beat(&self, file: &PathBuf) {
        let begun = Instant::now();
        std::thread::sleep(EVERY);
        // A disk that takes nothing shows elsewhere.
        let _ = File::create(file).and_then(|mut file| {
            file.write_all(b"beat")?;
            file.sync_data()
        });
        self.remember(Instant::now(), begun.elapsed().saturating_sub(EVERY));
    }

    fn remember(&self, at: Instant, late: Duration) {
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        if beats.len() >= REMEMBERED {
            beats.pop_front();
        }
        beats.push_back((at, late));
    }

    /// The latest beat since a moment.
    pub(super) fn slowest_since(&self, moment: Instant) -> Duration {
        let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        let since = beats.iter().rev().take_while(|(at, _)| *at >= moment);
        since.map(|(_, late)| *late).max().unwrap_or_default()
    }
}

/// Is that a machine that stands still?
pub(super) fn stands_still(beat: Duration) -> bool {
    beat >= STANDSTILL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_beat_since_a_moment_is_told_and_older_ones_are_not() {
        let pulse = Pulse::default();
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        for (ms, late) in [(100, 900), (200, 1), (300, 300), (400, 2)] {
            pulse.remember(at(ms), Duration::from_millis(late));
        }
        assert_eq!(pulse.slowest_since(at(150)), Duration::from_millis(300));
        assert!(stands_still(pulse.slowest_since(at(150))));
        assert!(!stands_still(pulse.slowest_since(at(350))));
        assert_eq!(pulse.slowest_since(at(500)), Duration::ZERO);
    }

    #[test]
    fn a_beat_is_remembered_and_their_number_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let pulse = Pulse::default();
        let begun = Instant::now();
        pulse.beat(&folder.path().join("pulse"));
        assert!(folder.path().join("pulse").is_file());
        for _ in 0..REMEMBERED + 10 {
            pulse.remember(begun, Duration::ZERO);
        }
        assert_eq!(pulse.beats.lock().unwrap().len(), REMEMBERED);
    }
}
