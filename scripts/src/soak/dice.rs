//! Numbers that look random and follow from a seed, so that what they decide can be had again. Good for plans, not for secrets.

use std::time::Duration;

/// The SplitMix64 generator.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// One that follows from all of these numbers.
    pub(super) fn of(numbers: &[u64]) -> Self {
        let mut dice = Self(0);
        for number in numbers {
            dice.0 ^= number.wrapping_mul(0xff51_afd7_ed55_8ccd);
            dice.0 = dice.next();
        }
        dice
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// At least `least` and at most `most`.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    /// True so many times in a hundred.
    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.between(1, 100) <= chance
    }

    /// At most so many milliseconds.
    pub(super) fn within(&mut self, most_ms: u64) -> Duration {
        Duration::from_millis(self.between(0, most_ms))
    }

    /// One of them; there must be one.
    pub(super) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = self.next() % of.len() as u64;
        &of[usize::try_from(at).expect("it is below a length")]
    }

    /// One of them, each as likely as its weight says.
    pub(super) fn weighed<'a, T>(&mut self, of: &'a [(u64, T)]) -> &'a T {
        let all: u64 = of.iter().map(|(weight, _)| weight).sum();
        let mut at = self.next() % all;
        for (weight, one) in of {
            if at < *weight {
                return one;
            }
            at -= weight;
        }
        unreachable!("it is below the sum of the weights")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_numbers_give_the_same_dice_and_others_other_ones() {
        let thrown = |numbers: &[u64]| Dice::of(numbers).next();
        assert_eq!(thrown(&[1, 2, 3]), thrown(&[1, 2, 3]));
        for other in [[1, 2, 4], [1, 3, 2], [2, 1, 3], [0, 2, 3]] {
            assert_ne!(thrown(&[1, 2, 3]), thrown(&other));
        }
    }

    #[test]
    fn what_is_drawn_keeps_its_bounds_and_its_weights() {
        let mut dice = Dice::of(&[7]);
        assert!((0..1000).all(|_| (3..=5).contains(&dice.between(3, 5))));
        let heavy = (0..1000)
            .filter(|_| *dice.weighed(&[(9, true), (1, false)]))
            .count();
        assert!((850..950).contains(&heavy), "{heavy}");
        assert!((0..1000).all(|_| dice.percent(100) && !dice.percent(0)));
    }
}
