//! What was measured, as JSON and as a table.

use super::beats::Beats;
use super::requests::Judged;
use crate::bench::spread::Spread;
use crate::paint;
use serde_json::{Value, json};

/// Aims, as the README states them: against the floor, the plain way and the origin's way.
const FLOOR_AIM: f64 = 1.5;
const PLAIN_AIM: f64 = 10.0;
const ORIGIN_AIM: f64 = 50.0;

/// Everything; gaps in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) hotplate: Beats,
    pub(super) floor: Vec<f64>,
    pub(super) plain: Vec<f64>,
    /// With its platform on this machine.
    pub(super) origin: Vec<f64>,
    /// With its platform a round trip away.
    pub(super) far: Vec<f64>,
    pub(super) rtt_ms: u16,
    pub(super) requests: Judged,
    /// How often the device has logged in.
    pub(super) connections: u64,
}

impl Outcome {
    /// One object.
    pub(super) fn json(&self) -> Value {
        let spread = |gaps: &[f64]| Spread::of(gaps).json();
        json!({
            "swaps": self.hotplate.gaps.len(),
            "gap_ms": spread(&self.hotplate.gaps),
            "floor_gap_ms": spread(&self.floor),
            "plain_gap_ms": spread(&self.plain),
            "origin_gap_ms": spread(&self.origin),
            "origin_far_gap_ms": spread(&self.far),
            "origin_far_rtt_ms": self.rtt_ms,
            "ticks": self.hotplate.beats,
            "ticks_missed": self.hotplate.missed(),
            "ticks_miscounted": self.hotplate.miscounted,
            "requests": self.requests.made,
            "requests_lost": self.requests.lost,
            "requests_doubled": self.requests.doubled,
            "requests_late": self.requests.late,
            "mqtt_connections": self.connections,
        })
    }

    /// A few lines for people.
    pub(super) fn table(&self) -> String {
        let ways = [
            &self.hotplate.gaps,
            &self.floor,
            &self.plain,
            &self.origin,
            &self.far,
        ];
        let [gap, floor, plain, origin, far] = ways.map(|gaps| Spread::of(gaps));
        let rtt = self.rtt_ms;
        let mut text = format!(
            "{}\n  {:<34}{:>9} {:>9} {:>9}\n",
            paint::bold(&format!(
                "from the last beat of the old program to the first of the new, in ms, {} swaps",
                self.hotplate.gaps.len()
            )),
            "",
            "p50",
            "p99",
            "max"
        );
        let far_name = format!("origin, its platform {rtt} ms away");
        for (name, spread) in [
            ("hotplate", &gap),
            ("floor: two bare children", &floor),
            ("plain: stop, start, load", &plain),
            ("origin: stop, start, log in", &origin),
            (&far_name, &far),
        ] {
            text += &format!("  {name:<34}{}\n", spread.columns());
        }
        let mut row = |holds: bool, name: &str, value: String, aim: String| {
            let mark = if holds {
                paint::green("✓")
            } else {
                paint::red("✗")
            };
            text += &format!("{mark} {name:<34}{value:>12}   {}\n", paint::faint(&aim));
        };
        let times = |value: f64| format!("{value:.1} ×");
        let over = [gap.p50 / floor.p50, gap.p99 / floor.p99];
        for (name, over) in ["p50 against the floor's", "p99 against the floor's"]
            .iter()
            .zip(over)
        {
            row(
                over <= FLOOR_AIM,
                name,
                times(over),
                format!("aim ≤ {FLOOR_AIM}"),
            );
        }
        for (name, other, aim) in [
            ("shorter than the plain way", plain, PLAIN_AIM),
            ("shorter than the origin's way", origin, ORIGIN_AIM),
            ("the same from far away", far, ORIGIN_AIM),
        ] {
            let ratio = other.p50 / gap.p50;
            row(
                ratio >= aim,
                name,
                times(ratio),
                format!("p50, aim ≥ {aim:.0}"),
            );
        }
        let none = |count: usize| (count == 0, count.to_string());
        let Judged {
            made,
            lost,
            doubled,
            late,
            slowest,
        } = self.requests;
        let missed = self.hotplate.missed();
        let beats = self.hotplate.beats;
        row(
            missed == 0,
            "beats missed",
            missed.to_string(),
            format!("of {beats}, at 100 Hz"),
        );
        let (holds, count) = none(self.hotplate.miscounted);
        row(
            holds,
            "beats miscounted",
            count,
            "the state came along".to_owned(),
        );
        let (holds, count) = none(lost);
        row(holds, "requests lost", count, format!("of {made}"));
        let (holds, count) = none(doubled);
        row(holds, "requests doubled", count, String::new());
        let (holds, count) = none(late);
        let word = format!("over 1 s; the slowest took {slowest:.0} ms");
        row(holds, "requests late", count, word);
        let connections = self.connections;
        row(
            connections == 1,
            "MQTT connections",
            connections.to_string(),
            String::new(),
        );
        let longest = format!("{:.1} ms", self.hotplate.longest);
        text += &paint::faint(&format!(
            "  the longest pause between any two beats was {longest}\n"
        ));
        text
    }
}

#[cfg(test)]
pub(super) fn example() -> Outcome {
    Outcome {
        hotplate: Beats {
            gaps: vec![0.6, 0.7, 11.0],
            beats: 3000,
            ..Beats::default()
        },
        floor: vec![0.5, 0.5, 0.6],
        plain: vec![7.0, 7.1, 8.0],
        origin: vec![30.0, 31.0, 36.0],
        far: vec![150.0, 151.0, 156.0],
        rtt_ms: 30,
        requests: Judged {
            made: 900,
            doubled: 1,
            ..Judged::default()
        },
        connections: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_what_was_promised() {
        let all = example().json();
        assert_eq!(all["swaps"], 3);
        assert_eq!(all["gap_ms"]["p50"], 0.7);
        assert_eq!(all["floor_gap_ms"]["max"], 0.6);
        assert_eq!(all["plain_gap_ms"]["p99"], 8.0);
        assert_eq!(all["origin_gap_ms"]["p50"], 31.0);
        assert_eq!(all["origin_far_gap_ms"]["p50"], 151.0);
        assert_eq!(all["ticks_missed"], 1);
        assert_eq!(all["requests_lost"], 0);
        assert_eq!(all["requests_doubled"], 1);
        assert_eq!(all["mqtt_connections"], 1);
    }

    #[test]
    fn what_does_not_hold_is_marked() {
        let text = example().table();
        let mark = |name: &str| {
            let row = text.lines().find(|row| row.contains(name)).unwrap();
            row.chars().next().unwrap()
        };
        assert_eq!(mark("p50 against"), '✓', "{text}");
        assert_eq!(mark("p99 against"), '✗', "{text}");
        assert_eq!(mark("the plain way"), '✓', "{text}");
        assert_eq!(mark("the origin's way"), '✗', "{text}");
        assert_eq!(mark("from far away"), '✓', "{text}");
        assert_eq!(mark("beats missed"), '✗', "{text}");
        assert_eq!(mark("requests lost"), '✓', "{text}");
        assert_eq!(mark("requests doubled"), '✗', "{text}");
        assert_eq!(mark("MQTT"), '✓', "{text}");
    }
}
