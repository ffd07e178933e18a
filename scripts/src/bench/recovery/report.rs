//! What was measured, as JSON and as a table.

use super::device::Bad;
use crate::bench::spread::Spread;
use crate::paint;
use serde_json::{Value, json};

/// Aims for the 99th percentile in milliseconds, as the README states them.
const RESPAWN_AIM: f64 = 15.0;
const ROLLBACK_AIM: f64 = 15.0;
const START_AIM: f64 = 30.0;

/// All samples, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub(super) respawn: Vec<f64>,
    pub(super) start: Vec<f64>,
    pub(super) plain: Vec<f64>,
    dies: Vec<f64>,
    unwell: Vec<f64>,
}

impl Samples {
    /// A version was taken back.
    pub(super) fn take_back(&mut self, bad: Bad, took: f64) {
        match bad {
            Bad::Dies => self.dies.push(took),
            Bad::Unwell => self.unwell.push(took),
        }
    }

    fn rollback(&self) -> Vec<f64> {
        [self.dies.as_slice(), &self.unwell].concat()
    }

    /// One object.
    pub(super) fn json(&self) -> Value {
        json!({
            "rounds": self.respawn.len(),
            "respawn_ms": Spread::of(&self.respawn).json(),
            "rollback_ms": Spread::of(&self.rollback()).json(),
            "start_ms": Spread::of(&self.start).json(),
            "plain_restart_ms": Spread::of(&self.plain).json(),
        })
    }

    /// A few lines for people.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{}\n  {:<46}{:>9} {:>9} {:>9}\n",
            paint::bold(&format!(
                "until the worker acts again, in ms, {} rounds",
                self.respawn.len()
            )),
            "",
            "p50",
            "p99",
            "max"
        );
        let mut row = |name: &str, samples: &[f64], aim: Option<f64>| {
            let spread = Spread::of(samples);
            let (mark, aim) = match aim {
                Some(aim) if spread.p99 <= aim => (paint::green("✓"), told(aim)),
                Some(aim) => (paint::red("✗"), told(aim)),
                None => (" ".to_owned(), String::new()),
            };
            text += &format!("{mark} {name:<46}{}{aim}\n", spread.columns());
        };
        row("the worker is killed", &self.respawn, Some(RESPAWN_AIM));
        let rollback = self.rollback();
        row(
            "a new version fails while it is proved",
            &rollback,
            Some(ROLLBACK_AIM),
        );
        row("  because it dies", &self.dies, None);
        row("  because it finds itself unwell", &self.unwell, None);
        row("the supervisor starts", &self.start, Some(START_AIM));
        row(
            "a plain loop, which starts it again at once",
            &self.plain,
            None,
        );
        text += &paint::faint("  systemd waits another 100 ms (RestartSec) by default\n");
        text
    }
}

fn told(aim: f64) -> String {
    format!("   aim p99 ≤ {aim:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Samples {
        let mut samples = Samples {
            respawn: vec![3.0, 16.0],
            start: vec![30.0, 9.0],
            plain: vec![2.0, 2.5],
            ..Samples::default()
        };
        samples.take_back(Bad::Dies, 4.0);
        samples.take_back(Bad::Unwell, 5.0);
        samples
    }

    #[test]
    fn the_keys_are_what_was_promised() {
        let all = samples().json();
        assert_eq!(all["rounds"], 2);
        assert_eq!(all["respawn_ms"]["max"], 16.0);
        assert_eq!(all["rollback_ms"]["p99"], 5.0);
        assert_eq!(all["start_ms"]["p50"], 9.0);
        assert_eq!(all["plain_restart_ms"]["p99"], 2.5);
    }

    #[test]
    fn an_aim_that_is_missed_is_marked() {
        let text = samples().table();
        let mark = |name: &str| {
            let row = text.lines().find(|row| row.contains(name)).unwrap();
            row.chars().next().unwrap()
        };
        assert_eq!(mark("is killed"), '✗', "{text}");
        assert_eq!(mark("new version fails"), '✓', "{text}");
        assert_eq!(mark("supervisor starts"), '✓', "{text}");
        assert_eq!(mark("a plain loop"), ' ', "{text}");
    }
}
