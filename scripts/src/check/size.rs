//! Alarms about size: packages that outgrow their budget and files that outgrow a screen's worth of scrolling.
//!
//! Budgets count code only: tests, blank lines and comments are free, because none of them should ever be cut to fit. An
//! alarm fails nothing; it asks for a second look.

use crate::step::{Failure, Held, Outcome};
use crate::workspace::Workspace;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Lines of code a package should do with.
const BUDGETS: [(&str, usize); 7] = [
    ("supervisor-core", 2_600),
    ("supervisor", 2_700),
    ("worker-protocol", 950),
    ("worker-link", 450),
    ("worker-sdk", 1_000),
    ("worker", 750),
    ("cloud-emulator", 2_000),
];

/// Lines, of any kind, above which a file should be taken apart.
const LONGEST_FILE: usize = 500;

/// Counts every package that has a budget, and looks at the length of every file.
pub(super) fn sizes(workspace: &Workspace) -> Outcome {
    let mut held = Held::default();
    let mut notes = Vec::new();
    for package in &workspace.packages {
        let mut sources = Vec::new();
        collect(
            package.folder(),
            &workspace
                .packages
                .iter()
                .map(|other| other.folder().to_owned())
                .collect(),
            &mut sources,
        )
        .map_err(|error| Failure::from_error(&error, "make the sources readable"))?;
        for (path, text) in &sources {
            let length = text.lines().count();
            if length > LONGEST_FILE {
                let shown = path.strip_prefix(&workspace.root).unwrap_or(path).display();
                held.alarms.push(format!(
                    "{shown} has {length} lines (alarm at {LONGEST_FILE})"
                ));
            }
        }
        if let Some((name, budget)) = BUDGETS.iter().find(|(name, _)| *name == package.name) {
            let lines = code_lines(&package.folder().join("src"), &sources);
            notes.push(format!("{name} {lines}/{budget}"));
            if lines > *budget {
                held.alarms.push(format!(
                    "{name} has {lines} lines of code (budget {budget})"
                ));
            }
        }
    }
    held.note = notes.join(" · ");
    Ok(held)
}

/// Gathers the Rust files of one package, leaving out packages that live inside its folder, and build output.
fn collect(
    folder: &Path,
    packages: &BTreeSet<PathBuf>,
    into: &mut Vec<(PathBuf, String)>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if !packages.contains(&path) && !path.ends_with("target") {
                collect(&path, packages, into)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            into.push((path, text));
        }
    }
    Ok(())
}

/// The lines of code of the files under `src`, modules that exist for tests left out.
fn code_lines(src: &Path, sources: &[(PathBuf, String)]) -> usize {
    let counted: Vec<(&Path, Counted)> = sources
        .iter()
        .filter_map(|(path, text)| Some((path.strip_prefix(src).ok()?, count(text))))
        .collect();
    let for_tests: BTreeSet<PathBuf> = counted
        .iter()
        .flat_map(|(path, counted)| counted.test_modules.iter().map(|module| module.place(path)))
        .collect();
    let only_for_tests = |path: &Path| {
        path.with_extension("")
            .ancestors()
            .any(|place| for_tests.contains(place))
    };
    counted
        .iter()
        .filter(|(path, _)| !only_for_tests(path))
        .map(|(_, counted)| counted.code)
        .sum()
}

/// The folder in which a file's own modules lie: `a.rs` keeps them in `a/`, `main.rs`, `lib.rs` and `mod.rs` beside them.
fn module_folder(file: &Path) -> PathBuf {
    let stem = file.with_extension("");
    let beside = ["main", "lib", "mod"]
        .iter()
        .any(|name| stem.file_name().is_some_and(|stem| stem == *name));
    if beside {
        stem.parent().map(Path::to_owned).unwrap_or_default()
    } else {
        stem
    }
}

/// What one file holds.
#[derive(Debug, Default, PartialEq)]
struct Counted {
    /// Lines that are neither blank, nor only a comment, nor part of a test.
    code: usize,
    /// Modules in files of their own that are compiled for tests only.
    test_modules: Vec<Module>,
}

/// A module that lies in a file of its own.
#[derive(Debug, PartialEq)]
enum Module {
    /// Where the language looks for it, going by its name.
    Named(String),
    /// In the file that a `path` attribute names.
    At(String),
}

impl Module {
    /// Its file, or the folder of its own modules, without extension, seen from where `parent` is counted.
    fn place(&self, parent: &Path) -> PathBuf {
        match self {
            Self::Named(name) => module_folder(parent).join(name),
            Self::At(file) => parent.with_file_name(file).with_extension(""),
        }
    }
}

/// Counts one file. Relies on the formatter: an item ends at the first line with its own indentation that closes it.
fn count(text: &str) -> Counted {
    let mut counted = Counted::default();
    let mut lines = text.lines();
    while let Some(row) = lines.next() {
        let code = row.trim_start();
        if code.is_empty() || code.starts_with("//") {
            continue;
        }
        if code.starts_with("#[cfg(test)]") {
            let indent = row.len() - code.len();
            let mut at = None;
            for inner in lines.by_ref() {
                let trimmed = inner.trim_start();
                if let Some(file) = trimmed
                    .strip_prefix("#[path = \"")
                    .and_then(|rest| rest.strip_suffix("\"]"))
                {
                    at = Some(Module::At(file.to_owned()));
                }
                if let Some(name) = trimmed
                    .strip_prefix("mod ")
                    .and_then(|rest| rest.strip_suffix(';'))
                {
                    counted
                        .test_modules
                        .push(at.take().unwrap_or_else(|| Module::Named(name.to_owned())));
                }
                let outermost = inner.len() - trimmed.len() == indent;
                if outermost && (trimmed.starts_with('}') || trimmed.ends_with([';', '}'])) {
                    break;
                }
            }
            continue;
        }
        counted.code += 1;
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "//! Why.\n\nuse std::fmt;\n\n/// Doc.\nfn one() {\n    // Why.\n    two();\n}\n\n#[cfg(test)]\nmod tests {\n    fn three() {}\n}\n";

    #[test]
    fn blank_lines_comments_and_tests_are_free() {
        assert_eq!(
            count(FILE),
            Counted {
                code: 4,
                test_modules: Vec::new()
            }
        );
    }

    #[test]
    fn code_after_a_test_only_item_counts_again() {
        let text = "#[cfg(test)]\nuse a;\nuse b;\n    #[cfg(test)]\n    fn c() {\n        d();\n    }\n    fn e() {}\n";
        assert_eq!(count(text).code, 2);
    }

    #[test]
    fn a_module_in_a_file_of_its_own_for_tests_is_left_out_with_all_below_it() {
        let sources = [
            ("src/lib.rs", "mod plan;\n#[cfg(test)]\nmod world;\n"),
            ("src/plan.rs", "fn a() {}\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\n#[path = \"plan_golden.rs\"]\nmod golden;\n"),
            ("src/plan/tests.rs", "fn b() {}\n"),
            ("src/plan_golden.rs", "fn f() {}\n"),
            ("src/world.rs", "fn c() {}\n"),
            ("src/world/cut.rs", "fn d() {}\n"),
            ("tests/e.rs", "fn e() {}\n"),
        ]
        .map(|(path, text)| (PathBuf::from(path), text.to_owned()));
        assert_eq!(code_lines(Path::new("src"), &sources), 2);
    }
}
