//! Many samples in three numbers.

use serde_json::{Value, json};

/// How samples are spread, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Spread {
    /// Half of them are not above this.
    pub(crate) p50: f64,
    /// 99 of 100 are not above this; of fewer than 100 samples it is the largest.
    pub(crate) p99: f64,
    /// None is above this.
    pub(crate) max: f64,
}

impl Spread {
    /// Of samples in milliseconds; all zero of none.
    pub(crate) fn of(samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        // The smallest sample that so many percent are not above.
        let rank = |percent: usize| (sorted.len() * percent).div_ceil(100);
        let at = |rank: usize| sorted.get(rank.saturating_sub(1)).copied();
        Self {
            p50: at(rank(50)).unwrap_or_default(),
            p99: at(rank(99)).unwrap_or_default(),
            max: at(sorted.len()).unwrap_or_default(),
        }
    }

    /// Rounded to microseconds.
    pub(super) fn json(&self) -> Value {
        let short = |value: f64| (value * 1000.0).round() / 1000.0;
        json!({"p50": short(self.p50), "p99": short(self.p99), "max": short(self.max)})
    }

    /// Three columns of a table.
    pub(super) fn columns(&self) -> String {
        format!("{:>9.2} {:>9.2} {:>9.2}", self.p50, self.p99, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_that_so_many_are_not_above() {
        let hundred: Vec<f64> = (1..=100_u8).rev().map(f64::from).collect();
        let spread = Spread::of(&hundred);
        assert_eq!(
            spread.json(),
            json!({"p50": 50.0, "p99": 99.0, "max": 100.0})
        );
        let three = Spread::of(&[3.0, 1.0, 2.0]);
        assert_eq!(three.json(), json!({"p50": 2.0, "p99": 3.0, "max": 3.0}));
        assert_eq!(Spread::of(&[]), Spread::default());
    }
}
