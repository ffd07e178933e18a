//! Medians, ratios, and how they read.

use super::Way;
use super::others::{Cost, Fetched};
use super::round::Sample;
use crate::paint;
use serde_json::{Value, json};

/// Aims, as the README states them.
const WALL_AIM: f64 = 1.10;
const CPU_AIM: f64 = 1.15;
const GROWTH_AIM: u64 = 2_000_000;

/// `md5sum` of a file in memory waits for nothing; when it took so many times its processor time, others had the processor.
const BUSY: f64 = 1.25;

/// What was measured for one way.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    pub(super) hotplate: Vec<Sample>,
    pub(super) curl: Vec<Fetched>,
    pub(super) md5sum: Vec<Cost>,
}

/// Medians for one way, in seconds and bytes.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    way: Way,
    hotplate: Sample,
    curl: Fetched,
    md5sum: Cost,
}

impl Rounds {
    /// The round that was played last, wall and processor time of each; empty before the first.
    pub(super) fn newest(&self) -> String {
        let (Some(hotplate), Some(curl), Some(md5sum)) =
            (self.hotplate.last(), self.curl.last(), self.md5sum.last())
        else {
            return String::new();
        };
        let both = |name: &str, wall: f64, cpu: f64| format!("{name} {wall:.2} s ({cpu:.2} s)");
        [
            both("hotplate", hotplate.wall, hotplate.cpu),
            both("curl", curl.cost.wall, curl.cost.cpu),
            both("md5sum", md5sum.wall, md5sum.cpu),
        ]
        .join(", ")
    }

    /// Each number's own median.
    pub(super) fn figures(&self, way: Way) -> Figures {
        let hotplate = |one: fn(&Sample) -> f64| median(self.hotplate.iter().map(one));
        let curl = |one: fn(&Fetched) -> f64| median(self.curl.iter().map(one));
        let md5sum = |one: fn(&Cost) -> f64| median(self.md5sum.iter().map(one));
        let mut growths: Vec<u64> = self.hotplate.iter().map(|sample| sample.growth).collect();
        growths.sort_unstable();
        Figures {
            way,
            hotplate: Sample {
                wall: hotplate(|it| it.wall),
                cpu: hotplate(|it| it.cpu),
                finish: hotplate(|it| it.finish),
                growth: growths.get(growths.len() / 2).copied().unwrap_or(0),
            },
            curl: Fetched {
                cost: Cost {
                    wall: curl(|it| it.cost.wall),
                    cpu: curl(|it| it.cost.cpu),
                },
                sync: curl(|it| it.sync),
            },
            md5sum: Cost {
                wall: md5sum(|it| it.wall),
                cpu: md5sum(|it| it.cpu),
            },
        }
    }
}

impl Figures {
    /// Hotplate's wall time over that of the slower of both, as if they ran at once.
    fn ratio_wall(&self) -> f64 {
        self.hotplate.wall / self.curl.cost.wall.max(self.md5sum.wall)
    }

    /// Hotplate's processor time over that of both together.
    fn ratio_cpu(&self) -> f64 {
        self.hotplate.cpu / (self.curl.cost.cpu + self.md5sum.cpu)
    }

    fn json(&self) -> Value {
        json!({
            "hotplate": {
                "wall_s": short(self.hotplate.wall),
                "cpu_s": short(self.hotplate.cpu),
                "rss_growth_bytes": self.hotplate.growth,
                "finish_s": short(self.hotplate.finish),
            },
            "curl": {
                "wall_s": short(self.curl.cost.wall),
                "cpu_s": short(self.curl.cost.cpu),
                "sync_s": short(self.curl.sync),
            },
            "md5sum": {
                "wall_s": short(self.md5sum.wall),
                "cpu_s": short(self.md5sum.cpu),
            },
            "ratio_wall": short(self.ratio_wall()),
            "ratio_cpu": short(self.ratio_cpu()),
        })
    }
}

/// One object: the first way's numbers on top, each further way's under its name.
pub(super) fn json(bytes: u64, rounds: u16, figures: &[Figures]) -> Value {
    let mut all = json!({"bytes": bytes, "rounds": rounds});
    for (place, figures) in figures.iter().enumerate() {
        let name = figures.way.key();
        if place == 0 {
            all["way"] = json!(name);
            if let (Value::Object(all), Value::Object(these)) = (&mut all, figures.json()) {
                all.extend(these);
            }
        } else {
            all[name] = figures.json();
        }
    }
    all
}

/// A few lines for people.
pub(super) fn table(bytes: u64, rounds: u16, figures: &Figures) -> String {
    let Figures {
        way,
        hotplate,
        curl,
        md5sum,
    } = figures;
    let row = |name: &str, wall: f64, cpu: f64, word: String| {
        format!(
            "  {name:<10}{wall:>8.2} s {cpu:>8.2} s   {}\n",
            paint::faint(&word)
        )
    };
    let aim = |name: &str, shown: String, holds: bool, aim: String| {
        let mark = if holds {
            paint::green("✓")
        } else {
            paint::red("✗")
        };
        format!("{mark} {name:<38}{shown:>9}   aim ≤ {aim}\n")
    };
    let mut text = format!(
        "{}\n  {:<10}{:>10} {:>10}\n",
        paint::bold(&format!(
            "{}: {:.2} GB from nginx over loopback, medians of {rounds}",
            way.key(),
            paint::giga(bytes)
        )),
        "",
        "wall",
        "processor"
    );
    let finish = format!(
        "from the push to the synced slot; {:.2} s ({:.0} %) of it after the last byte was written",
        hotplate.finish,
        hotplate.finish / hotplate.wall * 100.0
    );
    text += &row("hotplate", hotplate.wall, hotplate.cpu, finish);
    let sync = format!("not synced; a sync takes {:.2} s more", curl.sync);
    text += &row("curl", curl.cost.wall, curl.cost.cpu, sync);
    text += &row("md5sum", md5sum.wall, md5sum.cpu, String::new());
    if md5sum.wall > md5sum.cpu * BUSY {
        let word = "the machine was busy with other things meanwhile: the wall times say little";
        text += &format!("{} {word}\n", paint::yellow("!"));
    }
    let (wall, cpu) = (figures.ratio_wall(), figures.ratio_cpu());
    let times = |ratio: f64| format!("{ratio:.2} ×");
    text += &aim(
        "wall, against the slower of both",
        times(wall),
        wall <= WALL_AIM,
        times(WALL_AIM),
    );
    text += &aim(
        "processor, against both together",
        times(cpu),
        cpu <= CPU_AIM,
        times(CPU_AIM),
    );
    let mega = |bytes: u64| format!("{:.2} MB", paint::giga(bytes) * 1000.0);
    text += &aim(
        "growth of resident memory",
        mega(hotplate.growth),
        hotplate.growth <= GROWTH_AIM,
        mega(GROWTH_AIM),
    );
    text
}

/// Milliseconds are all the precision there is.
fn short(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The one in the middle, or between the two there; 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    match (values.get(low), values.get(high)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(way: Way, wall: f64) -> Figures {
        let sample = |wall| Sample {
            wall,
            cpu: 2.0,
            finish: 0.5,
            growth: 2_000_001,
        };
        let cost = |wall| Cost { wall, cpu: 1.0 };
        let rounds = Rounds {
            hotplate: vec![sample(9.0), sample(wall), sample(0.1)],
            curl: vec![Fetched {
                cost: cost(0.5),
                sync: 0.25,
            }],
            md5sum: vec![cost(1.0), cost(3.0)],
        };
        rounds.figures(way)
    }

    #[test]
    fn a_median_is_what_lies_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()).to_string(), "2");
        assert_eq!(median([4.0, 1.0].into_iter()).to_string(), "2.5");
        assert_eq!(median([].into_iter()).to_string(), "0");
    }

    #[test]
    fn the_first_way_stands_on_top_and_the_others_under_their_names() {
        let all = json(7, 3, &[figures(Way::Plain, 2.2), figures(Way::Tls, 4.0)]);
        assert_eq!(all["hotplate"]["wall_s"], 2.2);
        assert_eq!(all["ratio_wall"], 1.1);
        assert_eq!(all["ratio_cpu"], 1.0);
        assert_eq!(all["tls"]["ratio_wall"], 2.0);
        assert_eq!(all["tls"]["md5sum"]["wall_s"], 2.0);
        assert_eq!(all["curl"]["cpu_s"], 1.0);
        assert_eq!(all["hotplate"]["rss_growth_bytes"], 2_000_001);
    }

    #[test]
    fn an_aim_that_is_missed_is_marked() {
        let text = table(1_000_000_000, 3, &figures(Way::Plain, 2.1));
        let marks: Vec<_> = text
            .lines()
            .skip(5)
            .map(|row| row.chars().next().unwrap_or(' '))
            .collect();
        // Here `md5sum` takes 2 s for 1 s of processor time.
        assert_eq!(marks, ['!', '✓', '✓', '✗'], "{text}");
    }
}
