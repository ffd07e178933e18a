//! What tests of the suite have measured by the way, such as how long nobody held the device at a switch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bench::spread::Spread;

/// How the samples of one thing are spread, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// How many there are.
    pub(crate) samples: usize,
    /// Half of them are not above this.
    pub(crate) p50_ms: f64,
    /// 99 of 100 are not above this; of fewer than 100 samples it is the largest.
    pub(crate) p99_ms: f64,
}

/// A line as a test writes it.
#[derive(Debug, Deserialize)]
struct Line {
    name: String,
    samples_ms: Vec<f64>,
}

impl Figure {
    /// All that are in a file of such lines, by their names; samples of the same name belong together.
    ///
    /// # Errors
    /// When a line is none.
    pub(super) fn all(text: &str) -> Result<BTreeMap<String, Self>, serde_json::Error> {
        let mut samples: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for line in text.lines() {
            let line: Line = serde_json::from_str(line)?;
            samples
                .entry(line.name)
                .or_default()
                .extend(line.samples_ms);
        }
        let figures = samples.into_iter();
        Ok(figures.map(|(name, all)| (name, Self::of(&all))).collect())
    }

    fn of(samples: &[f64]) -> Self {
        let spread = Spread::of(samples);
        Self {
            samples: samples.len(),
            p50_ms: spread.p50,
            p99_ms: spread.p99,
        }
    }

    /// The whole of it in a few words.
    pub(super) fn words(&self, name: &str) -> String {
        format!(
            "{name}: p50 {:.1} ms, p99 {:.1} ms of {}",
            self.p50_ms, self.p99_ms, self.samples
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_one_name_are_put_together() {
        let text = "{\"name\":\"gap\",\"samples_ms\":[3.0,1.0]}\n{\"name\":\"gap\",\"samples_ms\":[2.0]}\n";
        let figures = Figure::all(text).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(
            figures["gap"].words("gap"),
            "gap: p50 2.0 ms, p99 3.0 ms of 3"
        );
        assert!(Figure::all("gap 3.0").is_err());
    }
}
