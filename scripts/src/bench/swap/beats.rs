//! What the programs wrote down: every beat, and what they were asked to do.

use super::SwapError;
use crate::bench::clock::Moment;
use std::collections::BTreeMap;
use std::path::Path;

/// The time between two beats, in milliseconds.
pub(super) const PERIOD_MS: f64 = 10.0;

/// What there was in a journal.
#[derive(Debug, Default)]
pub(super) struct Beats {
    /// From the last beat of each life to the first of the next, in milliseconds.
    pub(super) gaps: Vec<f64>,
    /// How many beats there were.
    pub(super) beats: usize,
    /// The longest time between any two beats, also within a life, in milliseconds.
    pub(super) longest: f64,
    /// How many beats did not count on from where the one before had stopped, in the same life or in the one before.
    pub(super) miscounted: usize,
    /// How often each request was carried out, by its number.
    pub(super) carried_out: BTreeMap<u64, u32>,
}

impl Beats {
    /// Reads a journal with so many swaps in it.
    ///
    /// # Errors
    /// When it cannot be read, or tells of more swaps or of fewer.
    pub(super) fn read(journal: &Path, swaps: usize) -> Result<Self, SwapError> {
        let text = std::fs::read_to_string(journal).map_err(|source| SwapError::File {
            path: journal.to_owned(),
            source,
        })?;
        let beats = Self::of(&text);
        if beats.gaps.len() != swaps {
            return Err(SwapError::Swaps {
                journal: journal.to_owned(),
                wanted: swaps,
                found: beats.gaps.len(),
            });
        }
        Ok(beats)
    }

    fn of(text: &str) -> Self {
        let mut all = Self::default();
        let mut before: Option<(Moment, &str)> = None;
        let mut count: Option<u64> = None;
        for line in text.lines().filter_map(Line::of) {
            match line.word {
                "beat" => {
                    all.beats += 1;
                    if let Some((at, who)) = before {
                        let pause = line.at.since(at);
                        all.longest = all.longest.max(pause);
                        if who != line.who {
                            all.gaps.push(pause);
                        }
                    }
                    if count.is_some_and(|count| count + 1 != line.number) {
                        all.miscounted += 1;
                    }
                    before = Some((line.at, line.who));
                    count = Some(line.number);
                }
                "set" => {
                    count = Some(line.number);
                    *all.carried_out.entry(line.number).or_default() += 1;
                }
                _ => *all.carried_out.entry(line.number).or_default() += 1,
            }
        }
        all
    }

    /// How many beats were due in the gaps and did not come: one for each whole period.
    pub(super) fn missed(&self) -> u64 {
        let missed = self
            .gaps
            .iter()
            .map(|gap| (gap / PERIOD_MS).floor().max(0.0));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count, not below 0"
        )]
        let missed = missed.sum::<f64>() as u64;
        missed
    }
}

/// A line is `<microseconds since 1970> <version> <process> <word> <number>`.
struct Line<'a> {
    at: Moment,
    who: &'a str,
    word: &'a str,
    number: u64,
}

impl<'a> Line<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let mut words = text.split(' ');
        let at = Moment(words.next()?.parse().ok()?);
        let _version = words.next()?;
        Some(Self {
            at,
            who: words.next()?,
            word: words.next()?,
            number: words.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_lies_between_two_lives_and_each_whole_period_in_it_misses_a_beat() {
        let text = "1000000 1.0.0 7 beat 1\n1010000 1.0.0 7 beat 2\n1010700 1.0.1 8 beat 3\n1020700 1.0.1 8 beat 4\n\
                    1051600 1.0.0 9 beat 5\n";
        let beats = Beats::of(text);
        assert_eq!(beats.gaps, [0.7, 30.9]);
        assert_eq!((beats.beats, beats.missed(), beats.miscounted), (5, 3, 0));
        assert!((beats.longest - 30.9).abs() < 1e-9);
    }

    #[test]
    fn requests_are_counted_by_their_numbers_and_beats_count_on_from_what_was_set() {
        let text = "1 a 7 beat 1\n2 a 7 set 40\n3 a 7 beat 41\n4 a 7 echo 50\n5 a 7 echo 50\n6 b 8 beat 42\n7 b 8 beat 44\n";
        let beats = Beats::of(text);
        assert_eq!(beats.carried_out, BTreeMap::from([(40, 1), (50, 2)]));
        assert_eq!(beats.miscounted, 1);
    }
}
