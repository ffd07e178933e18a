//! What libFuzzer says about a run, as numbers and as one line.

use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many lines of a panic's words are shown.
const MOST_WORDS: usize = 12;

/// What a run over one target came to.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Found {
    target: String,
    /// How long it took.
    pub(super) seconds: f64,
    /// How many inputs were tried.
    runs: u64,
    runs_per_second: u64,
    /// How many edges between pieces of code were taken by some input.
    coverage: u64,
    /// How many inputs are needed to see all that was seen, the committed ones included.
    inputs: u64,
    /// The input that broke a promise.
    pub(super) broken: Option<Broken>,
}

/// An input that broke a promise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Broken {
    /// Where it lies.
    pub(super) input: PathBuf,
    /// What the target, or the fuzzer, said about it.
    said: Vec<String>,
}

impl Found {
    /// Reads what was printed; a number that was not printed is 0.
    pub(super) fn read(
        target: &str,
        time: Duration,
        printed: &str,
        broken: Option<Broken>,
    ) -> Self {
        let last = |word: &str| {
            let mut rows = printed.lines().rev().filter(|row| row.starts_with('#'));
            rows.find_map(|row| number_after(row, word)).unwrap_or(0)
        };
        let stat = |name: &str| {
            let mut rows = printed.lines();
            rows.find_map(|row| number_after(row.strip_prefix("stat::")?, name))
                .unwrap_or(0)
        };
        Self {
            target: target.to_owned(),
            seconds: time.as_secs_f64(),
            runs: stat("number_of_executed_units:"),
            runs_per_second: stat("average_exec_per_sec:"),
            coverage: last("cov:"),
            inputs: last("corp:"),
            broken,
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [runs, speed, coverage, inputs] =
            [self.runs, self.runs_per_second, self.coverage, self.inputs].map(grouped);
        let broken = if self.broken.is_some() {
            "1 crash"
        } else {
            "0 crashes"
        };
        write!(
            f,
            "{runs} runs · {speed} a second · coverage {coverage} · {inputs} inputs · {broken}"
        )
    }
}

impl Broken {
    /// Reads where the input was put and why; none if no input was to blame.
    pub(super) fn read(printed: &str) -> Option<Self> {
        let mark = "Test unit written to ";
        let mut rows = printed.lines();
        let input = rows.find_map(|row| Some(row.split_once(mark)?.1.trim().into()))?;
        // A panic speaks first, then the fuzzer with the stack, which says nothing more.
        let panic = printed
            .lines()
            .skip_while(|row| !row.contains("panicked at"));
        let mut said: Vec<String> = panic
            .take_while(|row| {
                !row.starts_with("note: ")
                    && !row.starts_with("==")
                    && !row.starts_with("stack backtrace")
            })
            .take(MOST_WORDS)
            .map(str::to_owned)
            .collect();
        if said.is_empty() {
            // Too slow, or too much memory: the fuzzer says which.
            let error = printed.lines().find(|row| row.contains("ERROR: "));
            said.extend(error.map(str::to_owned));
        }
        Some(Self { input, said })
    }

    /// What to tell about it, and what to do.
    pub(super) fn words(&self, target: &str, input: &Path) -> String {
        let mut text = String::new();
        for row in &self.said {
            text.push_str(&format!("  │ {row}\n"));
        }
        let input = input.display();
        text.push_str(&format!("  input:  {input}\n"));
        text.push_str(&format!(
            "  replay: cargo xtask fuzz {target} --input {input}\n"
        ));
        text.push_str(&format!(
            "  next:   mend it, and copy the input to tests/fuzz/corpus/{target} under a name that says what it was"
        ));
        text
    }
}

/// The whole number that follows a word.
fn number_after(row: &str, word: &str) -> Option<u64> {
    let rest = row.split_once(word)?.1.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

/// A number as people read it: `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by libFuzzer of LLVM 22.
    const QUIET: &str = "\
#64\tINITED cov: 900 ft: 1800 corp: 60/9Kb exec/s: 0 rss: 100Mb
#263799\tDONE   cov: 1328 ft: 3688 corp: 683/79Kb lim: 436 exec/s: 29311 rss: 488Mb
Done 263799 runs in 9 second(s)
stat::number_of_executed_units: 263799
stat::average_exec_per_sec:     29311
stat::new_units_added:          2351
";

    const LOUD: &str = "\
#2\tINITED cov: 90 ft: 180 corp: 2/9b exec/s: 0 rss: 100Mb

thread '<unnamed>' (24281) panicked at tests/fuzz/src/cloud_json/request.rs:102:5:
{\"a\": Int(1)} came back as {}
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
==24281== ERROR: libFuzzer: deadly signal
artifact_prefix='/b/broken/cloud_json/'; Test unit written to /b/broken/cloud_json/crash-6e41
stat::number_of_executed_units: 34
stat::average_exec_per_sec:     0
";

    const SLOW: &str = "\
==7== ERROR: libFuzzer: out-of-memory (malloc(2147483648))
artifact_prefix='/b/'; Test unit written to /b/oom-da39
";

    fn found(printed: &str) -> Found {
        let broken = Broken::read(printed);
        Found::read("cloud_json", Duration::from_secs(9), printed, broken)
    }

    #[test]
    fn a_quiet_run_is_told_in_one_line() {
        assert_eq!(
            found(QUIET).to_string(),
            "263,799 runs · 29,311 a second · coverage 1,328 · 683 inputs · 0 crashes"
        );
    }

    #[test]
    fn an_input_that_breaks_a_promise_is_told_with_the_words_of_the_panic_and_how_to_see_it_again()
    {
        let broken = found(LOUD).broken.unwrap();
        assert_eq!(broken.said.len(), 2);
        let words = broken.words("cloud_json", &broken.input);
        assert!(words.starts_with("  │ thread '<unnamed>' (24281) panicked at tests/"));
        assert!(words.contains("\n  │ {\"a\": Int(1)} came back as {}\n  input: "));
        assert!(
            words.contains("cargo xtask fuzz cloud_json --input /b/broken/cloud_json/crash-6e41\n")
        );
        assert_eq!(found(LOUD).runs, 34);
    }

    #[test]
    fn an_input_that_takes_too_much_is_told_with_the_fuzzers_own_words() {
        let broken = found(SLOW).broken.unwrap();
        assert_eq!(broken.input, Path::new("/b/oom-da39"));
        assert!(broken.said[0].ends_with("out-of-memory (malloc(2147483648))"));
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
