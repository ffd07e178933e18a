//! What became of each mistake, for people and for programs.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::table::Mutant;
use super::trial::How;
use crate::paint;

/// What became of a mistake.
#[derive(Debug)]
pub(super) enum Fate {
    /// It was caught.
    Caught {
        /// By this test.
        test: &'static str,
        /// Which says that this law was broken.
        law: Option<&'static str>,
        /// How the test ended.
        how: How,
    },
    /// It was not.
    Survived {
        /// Tests that failed without a word about the laws that the mistake breaks, and what they said.
        failed: Vec<(&'static str, String)>,
    },
}

/// A mistake and what became of it.
#[derive(Debug)]
pub(super) struct Found {
    mutant: &'static Mutant,
    fate: Fate,
    time: Duration,
}

impl Found {
    pub(super) fn new(mutant: &'static Mutant, fate: Fate, time: Duration) -> Self {
        Self { mutant, fate, time }
    }

    fn is_caught(&self) -> bool {
        matches!(self.fate, Fate::Caught { .. })
    }

    fn json(&self) -> Value {
        let Mutant { name, file, .. } = self.mutant;
        let (seconds, caught) = (self.time.as_secs_f64(), self.is_caught());
        match &self.fate {
            Fate::Caught { test, law, how } => json!({
                "name": name, "file": file, "caught": caught, "seconds": seconds,
                "law": law, "test": test, "how": how.to_string(),
            }),
            Fate::Survived { failed } => json!({
                "name": name, "file": file, "caught": caught, "seconds": seconds,
                "failed_otherwise": failed,
            }),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = match &self.fate {
            Fate::Caught { test, law, how } => {
                let by = law.map_or_else(|| format!("`{}`", last(test)), |law| format!("`{law}`"));
                match how {
                    How::OutOfTime | How::OutOfMemory => format!("caught: {} {how}", last(test)),
                    _ if law.is_some() => format!("caught by {by} in {}", last(test)),
                    _ => format!("caught by {by}"),
                }
            }
            Fate::Survived { failed } if failed.is_empty() => "nothing caught it".to_owned(),
            Fate::Survived { failed } => {
                let said = |(test, words): &(&str, String)| format!("{} ({words})", last(test));
                let failed: Vec<String> = failed.iter().map(said).collect();
                format!("no law of its own caught it, only {}", failed.join(", "))
            }
        };
        f.write_str(&line(self.is_caught(), self.mutant.name, self.time, &note))
    }
}

/// A test's own name.
fn last(test: &str) -> &str {
    test.rsplit_once("::").map_or(test, |(_, name)| name)
}

/// One line about what was done, and a second one for the details.
pub(super) fn line(held: bool, name: &str, time: Duration, note: &str) -> String {
    let mark = if held {
        paint::green("✓")
    } else {
        paint::red("✗")
    };
    let time = paint::faint(&format!("{:>12}", paint::duration(time)));
    format!("{mark} {name:<76} {time}\n    {}", paint::faint(note))
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct All {
    found: Vec<Found>,
    time: Duration,
}

impl All {
    pub(super) fn add(&mut self, found: Found) {
        self.found.push(found);
    }

    pub(super) fn ended(&mut self, time: Duration) {
        self.time = time;
    }

    fn caught(&self) -> usize {
        self.found.iter().filter(|it| it.is_caught()).count()
    }

    pub(super) fn all_caught(&self) -> bool {
        self.caught() == self.found.len()
    }

    pub(super) fn json(&self) -> Value {
        let rows: Vec<Value> = self.found.iter().map(Found::json).collect();
        json!({
            "mutants": self.found.len(),
            "caught": self.caught(),
            "survived": self.found.len() - self.caught(),
            "seconds": self.time.as_secs_f64(),
            "rows": rows,
        })
    }
}

impl fmt::Display for All {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, time) = (self.found.len(), paint::duration(self.time));
        if self.all_caught() {
            let mark = paint::green("✓");
            return write!(f, "{mark} {count} of {count} mistakes are caught ({time})");
        }
        let survived = self.found.iter().filter(|it| !it.is_caught());
        let names: Vec<String> = survived.map(|it| format!("`{}`", it.mutant.name)).collect();
        let mark = paint::red("✗");
        write!(
            f,
            "{mark} {} of {count} mistakes are caught, and not {} ({time})\n  next: find the law that lets it pass, or the test that does not look, and mend it",
            self.caught(),
            names.join(", ")
        )
    }
}
