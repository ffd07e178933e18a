//! Numbers that look random and can be had again from their seed, for faults and ids; never for secrets that matter.

use std::hash::{BuildHasher, RandomState};

/// The SplitMix64 generator.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Seeded from the standard library's per-process hash keys: different in every run.
    pub(crate) fn unseeded() -> Self {
        Self(RandomState::new().hash_one(std::time::SystemTime::now()))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True with this chance, 0.0 to 1.0.
    pub(crate) fn chance(&mut self, chance: f64) -> bool {
        // 53 bits fill a double's mantissa exactly, so that 1.0 always and 0.0 never holds.
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        unit < chance
    }

    /// This many hexadecimal characters.
    pub(crate) fn hex(&mut self, length: usize) -> String {
        let mut text = String::new();
        while text.len() < length {
            text.push_str(&format!("{:016x}", self.next()));
        }
        text.truncate(length);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_chances_keep_their_ends() {
        let mut one = Random::seeded(7);
        let mut two = Random::seeded(7);
        assert_eq!(one.hex(40), two.hex(40));
        assert!((0..1000).all(|_| one.chance(1.0)));
        assert!((0..1000).all(|_| !one.chance(0.0)));
        let hits = (0..10_000).filter(|_| two.chance(0.5)).count();
        assert!((4_500..5_500).contains(&hits), "{hits} of 10000");
    }
}
