//! The reports of several systems as one table in Markdown: a row for each file of tests, a column for each system.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::report::{Ended, Report};

/// What became of some tests on one system.
#[derive(Debug, Default)]
struct Cell {
    passed: usize,
    failed: usize,
    does_not_apply: usize,
    left_out: usize,
}

/// The table, and below it which tests do not apply and why.
pub(super) fn table(reports: &[Report]) -> String {
    let rows: BTreeSet<&str> = reports.iter().flat_map(names).map(file_of).collect();
    let titles: Vec<&str> = reports.iter().map(|it| it.title.as_str()).collect();
    let mut text = format!("| tests | {} |\n", titles.join(" | "));
    text.push_str(&format!("|---|{}\n", "---:|".repeat(reports.len())));
    let mut row = |name: &str, cells: Vec<String>| {
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    };
    for file in rows {
        let cells = reports
            .iter()
            .map(|report| Cell::of(report, |name| file_of(name) == file));
        row(
            &format!("`{file}`"),
            cells.map(|cell| cell.text()).collect(),
        );
    }
    let sums = reports.iter().map(|report| Cell::of(report, |_| true));
    row("**all**", sums.map(|cell| cell.text()).collect());
    for (name, cells) in figures(reports) {
        row(name, cells);
    }
    let mut reasons: BTreeMap<&str, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for report in reports {
        for (test, reason) in &report.does_not_apply {
            let tests = reasons.entry(reason).or_default();
            tests.entry(test).or_default().push(&report.title);
        }
    }
    text.push_str("\n✓ passed, ✗ failed, – does not apply, … left to a whole run; what was measured as p50 / p99.\n");
    for (reason, tests) in reasons {
        let _ = writeln!(text, "\nDoes not apply because {reason}:");
        for (test, systems) in tests {
            let _ = writeln!(text, "- `{test}`: {}", systems.join(", "));
        }
    }
    text
}

/// What was measured anywhere, and its cell for each system.
fn figures(reports: &[Report]) -> BTreeMap<&str, Vec<String>> {
    let names: BTreeSet<&str> = reports
        .iter()
        .flat_map(|it| it.figures.keys().map(String::as_str))
        .collect();
    let cell = |report: &Report, name| {
        let figure = report.figures.get(name);
        figure.map_or_else(String::new, |it| {
            format!("{:.1} / {:.1} ms", it.p50_ms, it.p99_ms)
        })
    };
    let row = |name| {
        let cells = reports.iter().map(|report| cell(report, name));
        (name, cells.collect())
    };
    names.into_iter().map(row).collect()
}

/// All tests a report knows of.
fn names(report: &Report) -> impl Iterator<Item = &str> {
    let ran = report.tests.keys();
    let others = report.does_not_apply.keys().chain(&report.left_out);
    ran.chain(others).map(String::as_str)
}

/// The file a test lies in, by its name.
fn file_of(test: &str) -> &str {
    test.split("::").next().unwrap_or(test)
}

impl Cell {
    fn of(report: &Report, belongs: impl Fn(&str) -> bool) -> Self {
        let mut cell = Self::default();
        for (_, ended) in report.tests.iter().filter(|(name, _)| belongs(name)) {
            match ended {
                Ended::Passed => cell.passed += 1,
                Ended::Failed => cell.failed += 1,
            }
        }
        let others = report.does_not_apply.keys().filter(|name| belongs(name));
        cell.does_not_apply = others.count();
        cell.left_out = report.left_out.iter().filter(|name| belongs(name)).count();
        cell
    }

    fn text(&self) -> String {
        let parts = [
            (self.passed, '✓'),
            (self.failed, '✗'),
            (self.does_not_apply, '–'),
            (self.left_out, '…'),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts
            .map(|(count, sign)| format!("{count} {sign}"))
            .collect();
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_has_a_row_and_each_system_a_column_and_nothing_is_lost() {
        let report = |system: &str, tests: &[(&str, Ended)], other: &[&str]| Report {
            system: system.to_owned(),
            title: system.to_uppercase(),
            ran: tests.len(),
            passed: 0,
            seconds: 0,
            tests: tests
                .iter()
                .map(|(name, end)| ((*name).to_owned(), *end))
                .collect(),
            does_not_apply: other
                .iter()
                .map(|name| ((*name).to_owned(), "of this".to_owned()))
                .collect(),
            left_out: vec!["b::three".to_owned()],
            figures: BTreeMap::new(),
            log: std::path::PathBuf::new(),
        };
        let text = table(&[
            report(
                "x",
                &[("a::one", Ended::Passed), ("a::two", Ended::Failed)],
                &[],
            ),
            report("y", &[("a::one", Ended::Passed)], &["a::two"]),
        ]);
        for row in [
            "| tests | X | Y |",
            "| `a` | 1 ✓, 1 ✗ | 1 ✓, 1 – |",
            "| `b` | 1 … | 1 … |",
            "| **all** | 1 ✓, 1 ✗, 1 … | 1 ✓, 1 –, 1 … |",
            "- `a::two`: Y",
        ] {
            assert!(
                text.lines().any(|line| line == row),
                "no `{row}` in\n{text}"
            );
        }
    }
}
