//! The gaps as a picture: one histogram for each way, one above the other on the same logarithmic axis.
//!
//! It is one file for light and for dark pages, as the picture itself asks which one it is on, and it says in words what it shows.

use super::beats::PERIOD_MS;
use super::report::Outcome;
use crate::bench::spread::Spread;
use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
/// Where the axis begins and ends.
const LEFT: f64 = 232.0;
const RIGHT: f64 = 832.0;
/// Where the first row begins, and the height of each with its distance to the next.
const TOP: f64 = 92.0;
const ROW: f64 = 78.0;
const BARS: f64 = 54.0;
/// Bars in a power of ten.
const FINE: usize = 24;

const STYLE: &str = "\
    text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; fill: #1f2937 }
    .page { fill: #fbfaf8 } .quiet { fill: #6b7280 } .grid { stroke: #e5e1d8 } .base { stroke: #c9c4ba }
    .ours { fill: #c2410c } .theirs { fill: #8aa0b8 } .beat { stroke: #0f766e; stroke-dasharray: 4 4 } .beat-word { fill: #0f766e }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .page { fill: #0d1117 } .quiet { fill: #9aa5b1 } .grid { stroke: #21262d } .base { stroke: #3d444d }
      .ours { fill: #fb923c } .theirs { fill: #6b8299 } .beat { stroke: #5eead4 } .beat-word { fill: #5eead4 }
    }";

/// The whole file.
pub(super) fn draw(outcome: &Outcome) -> String {
    let far = format!("its platform {} ms away", outcome.rtt_ms);
    let row = |name, word, class, gaps| Row {
        name,
        word,
        class,
        gaps,
        spread: Spread::of(gaps),
    };
    let rows = [
        row(
            "Hotplate",
            "warm standby, live session",
            "ours",
            &outcome.hotplate.gaps,
        ),
        row(
            "floor",
            "two bare children, no protocol",
            "theirs",
            &outcome.floor,
        ),
        row(
            "plain way",
            "stop, start, load the state",
            "theirs",
            &outcome.plain,
        ),
        row(
            "origin's way",
            "stop, start, log in again",
            "theirs",
            &outcome.origin,
        ),
        row("the same", &far, "theirs", &outcome.far),
    ];
    let axis = Axis::over(rows.iter().flat_map(|row| row.gaps.iter().copied()));
    let bottom = TOP + ROW * 5.0 - (ROW - BARS) + 8.0;
    let height = bottom + 58.0;
    let swaps = outcome.hotplate.gaps.len();
    let said = rows
        .iter()
        .map(|row| format!("{}: {}", row.name, row.numbers()));
    let said: Vec<String> = said.collect();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-size=\"14\" role=\"img\" aria-labelledby=\"t d\">\n\
         \x20 <title id=\"t\">How long nobody keeps the control loop when a device's program is swapped</title>\n\
         \x20 <desc id=\"d\">{}</desc>\n  <style>\n    {STYLE}\n  </style>\n\
         \x20 <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"14\"/>\n\
         \x20 <text x=\"28\" y=\"38\" font-size=\"18\" font-weight=\"700\">From the last beat of the old program to the first of the new</text>\n\
         \x20 <text class=\"quiet\" x=\"28\" y=\"60\">{swaps} swaps each way, in turns, on one machine</text>\n",
        said.join("; ")
    );
    for (value, word) in axis.marks() {
        let x = axis.x(value);
        let _ = writeln!(
            svg,
            "  <line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\n  \
             <text class=\"quiet\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"13\">{word}</text>",
            bottom + 22.0
        );
    }
    let beat = axis.x(PERIOD_MS);
    let _ = writeln!(
        svg,
        "  <line class=\"beat\" x1=\"{beat:.1}\" x2=\"{beat:.1}\" y1=\"{:.1}\" y2=\"{bottom}\"/>\n  \
         <text class=\"beat-word\" x=\"{:.1}\" y=\"{:.1}\" font-size=\"13\">a beat is missed →</text>",
        TOP - 10.0,
        beat + 6.0,
        TOP - 2.0
    );
    for (at, row) in rows.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "there are five")]
        let base = TOP + ROW * at as f64 + BARS;
        svg += &row.bars(&axis, base);
        let _ = writeln!(
            svg,
            "  <line class=\"base\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{base}\" y2=\"{base}\"/>\n  \
             <text x=\"28\" y=\"{:.1}\" font-weight=\"600\">{}</text>\n  \
             <text class=\"quiet\" x=\"28\" y=\"{:.1}\" font-size=\"13\">{}</text>\n  \
             <text class=\"quiet\" x=\"28\" y=\"{:.1}\" font-size=\"13\">{}</text>",
            base - 36.0,
            row.name,
            base - 18.0,
            row.word,
            base - 1.0,
            row.numbers()
        );
    }
    let _ = writeln!(
        svg,
        "  <text class=\"quiet\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"13\">milliseconds, logarithmic</text>\n</svg>",
        f64::midpoint(LEFT, RIGHT),
        bottom + 44.0
    );
    svg
}

/// One way.
struct Row<'a> {
    name: &'a str,
    word: &'a str,
    class: &'a str,
    gaps: &'a [f64],
    spread: Spread,
}

impl Row<'_> {
    fn numbers(&self) -> String {
        let Spread { p50, p99, .. } = self.spread;
        format!("p50 {} · p99 {} ms", short(p50), short(p99))
    }

    /// Its histogram; the highest bar has the full height.
    fn bars(&self, axis: &Axis, base: f64) -> String {
        let mut bins = vec![0_u32; axis.bins()];
        for gap in self.gaps {
            if let Some(bin) = bins.get_mut(axis.bin(*gap)) {
                *bin += 1;
            }
        }
        let most = f64::from(bins.iter().copied().max().unwrap_or(1).max(1));
        let width = axis.width();
        let mut bars = String::new();
        for (at, count) in bins.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            // What there was once only is seen, too.
            let height = (f64::from(count) / most * BARS).max(2.0);
            #[expect(clippy::cast_precision_loss, reason = "there are about a hundred")]
            let x = LEFT + width * at as f64;
            let _ = writeln!(
                bars,
                "  <rect class=\"{}\" x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{height:.2}\" rx=\"1\"/>",
                self.class,
                x + 0.4,
                base - height,
                width - 0.8
            );
        }
        bars
    }
}

/// Whole powers of ten, of milliseconds.
struct Axis {
    from: i32,
    to: i32,
}

impl Axis {
    /// Just large enough for all of these and one period.
    fn over(gaps: impl Iterator<Item = f64>) -> Self {
        let known = gaps.filter(|gap| *gap > 0.0).chain([PERIOD_MS]);
        let (least, most) = known.fold((f64::MAX, f64::MIN), |(least, most), gap| {
            (least.min(gap), most.max(gap))
        });
        #[expect(clippy::cast_possible_truncation, reason = "exponents are small")]
        let power = |value: f64| value as i32;
        let from = power(least.log10().floor());
        Self {
            from,
            to: power(most.log10().ceil()).max(from + 1),
        }
    }

    fn decades(&self) -> f64 {
        f64::from(self.to - self.from)
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (value.log10() - f64::from(self.from)) / self.decades() * (RIGHT - LEFT)
    }

    fn bins(&self) -> usize {
        usize::try_from(self.to - self.from).unwrap_or(1) * FINE
    }

    fn width(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "there are about a hundred")]
        let bins = self.bins() as f64;
        (RIGHT - LEFT) / bins
    }

    fn bin(&self, value: f64) -> usize {
        let at = ((self.x(value) - LEFT) / self.width()).max(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not below 0, and about a hundred at most"
        )]
        let bin = at as usize;
        bin.min(self.bins() - 1)
    }

    /// Each power of ten, and how it is written.
    fn marks(&self) -> Vec<(f64, String)> {
        let powers = (self.from..=self.to).map(|power| 10_f64.powi(power));
        powers.map(|value| (value, format!("{value}"))).collect()
    }
}

/// Two digits that count.
fn short(value: f64) -> String {
    if value < 1.0 {
        format!("{value:.2}")
    } else if value < 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_has_room_for_everything() {
        let axis = Axis::over([0.6, 36.0].into_iter());
        assert_eq!((axis.from, axis.to), (-1, 2));
        let marks: Vec<_> = axis.marks().into_iter().map(|(_, word)| word).collect();
        assert_eq!(marks, ["0.1", "1", "10", "100"]);
        assert!((axis.x(0.1) - LEFT).abs() < 1e-9 && (axis.x(100.0) - RIGHT).abs() < 1e-9);
        assert_eq!(axis.bin(0.01), 0);
        assert_eq!(axis.bin(1e9), axis.bins() - 1);
    }

    #[test]
    fn the_picture_says_in_words_what_it_shows_and_has_a_bar_for_each_different_gap() {
        let svg = draw(&super::super::report::example());
        assert!(svg.contains("Hotplate: p50 0.70 · p99 11 ms"), "{svg}");
        assert_eq!(svg.matches("<rect class=\"ours\"").count(), 3, "{svg}");
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    }
}
