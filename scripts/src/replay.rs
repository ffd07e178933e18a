//! `cargo xtask replay <file>`: a recorded walk through the core's simulated world, step by step, with its verdict.
//!
//! The world is a part of the core's tests, so that one of them walks and this command shows what it prints. It judges nothing itself: what a
//! walk's lines mean, and which law broke, is known there alone.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::paint;
use crate::run::{self, RunError};
use crate::workspace::{Workspace, WorkspaceError};

/// The test that walks.
const TEST: &str = "world::replay::shown::the_walk_that_is_asked_for_is_shown";

/// The line before what it has to show.
const BEGINS: &str = "the story begins";

/// How its last line begins.
const VERDICT: &str = "verdict: ";

/// The good verdict begins so.
const HELD: &str = "every law held";

/// How its last line begins instead, if the file is no walk.
const NO_WALK: &str = "no walk: ";

/// A walk's first words.
const TITLE: &str = "hotplate walk";

/// No walk is longer, in bytes: sixty steps have a line each.
const LONGEST: u64 = 1024 * 1024;

/// What to walk again.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A recorded walk; a random walk or a search that breaks a law says where it left one
    file: PathBuf,
}

/// The walk could not be walked; a law that broke is not an error but what it is for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// There is no such file, or it may not be read.
    #[error("read the walk `{file}`")]
    Read {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is something else.
    #[error("read `{file}` as a walk: {why}")]
    NoWalk {
        /// Which.
        file: PathBuf,
        /// What is wrong with which line.
        why: String,
    },
    /// The workspace could not be read.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The core's tests could not be built or run.
    #[error("walk through the core's world")]
    Run(#[source] RunError),
    /// They ended without a verdict.
    #[error("get a verdict from the core's world; it printed\n{0}")]
    NoVerdict(String),
}

impl ReplayError {
    /// Is it about the file that was named, and not about what was done with it?
    pub(crate) fn is_usage(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::NoWalk { .. })
    }
}

/// Shows a walk, and tells whether every law held.
///
/// # Errors
/// When the file is no walk, or the core's tests cannot be built.
pub(crate) fn replay(args: &Args) -> Result<bool, crate::Error> {
    Ok(run(&args.file)?)
}

fn run(file: &Path) -> Result<bool, ReplayError> {
    let absolute = looked_at(file)?;
    let workspace = Workspace::read()?;
    eprintln!("{}", paint::faint("building the core's world …"));
    let mut test = workspace.cargo(&["test", "--quiet", "--package", "supervisor-core", "--lib"]);
    test.args([TEST, "--", "--exact", "--nocapture"]);
    test.env("WALK", &absolute);
    let verdict = told(&mut test, |line| println!("{line}"))?;
    if let Some(why) = verdict.strip_prefix(NO_WALK) {
        return Err(ReplayError::NoWalk {
            file: file.to_owned(),
            why: why.to_owned(),
        });
    }
    let words = verdict.strip_prefix(VERDICT).unwrap_or(&verdict);
    let held = words.starts_with(HELD);
    let mark = if held {
        paint::green("✓")
    } else {
        paint::red("✗")
    };
    println!("{mark} {words}");
    Ok(held)
}

/// The file's absolute path, if it may be a walk: whoever mistyped a name need not wait for a build to learn that.
fn looked_at(file: &Path) -> Result<PathBuf, ReplayError> {
    let failed = |source| ReplayError::Read {
        file: file.to_owned(),
        source,
    };
    let no_walk = |why: &str| ReplayError::NoWalk {
        file: file.to_owned(),
        why: why.to_owned(),
    };
    let absolute = std::path::absolute(file).map_err(failed)?;
    let opened = std::fs::File::open(&absolute).map_err(failed)?;
    let mut bytes = Vec::new();
    let read = opened.take(LONGEST + 1).read_to_end(&mut bytes);
    read.map_err(failed)?;
    if bytes.len() as u64 > LONGEST {
        return Err(no_walk("it has more than a mebibyte"));
    }
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|fault| {
        let line = bytes[..fault.valid_up_to()]
            .split(|it| *it == b'\n')
            .count();
        no_walk(&format!("line {line} is no text"))
    })?;
    let lines = text.lines().map(str::trim).enumerate();
    let said = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    match said.map(|(at, line)| (at + 1, line)).next() {
        Some((_, line)) if line.starts_with(TITLE) => Ok(absolute),
        Some((at, _)) => Err(no_walk(&format!("line {at} does not begin with `{TITLE}`"))),
        None => Err(no_walk("it is empty")),
    }
}

/// Runs the test, shows the lines of its story as they come, and answers the last one.
fn told(test: &mut Command, mut show: impl FnMut(&str)) -> Result<String, ReplayError> {
    let line = run::line(test);
    let failed = |source| {
        ReplayError::Run(RunError::Start {
            line: line.clone(),
            source,
        })
    };
    test.stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = test.spawn().map_err(failed)?;
    // What it has to say beside the story is of interest only if there is none.
    let aside = child.stderr.take().map(|stderr| {
        std::thread::spawn(move || {
            let mut text = String::new();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = writeln!(text, "{line}");
            }
            text
        })
    });
    let (mut before, mut begun, mut verdict) = (String::new(), false, None);
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.map_err(failed)?;
            if verdict.is_some() {
                // What the test's frame says after it.
            } else if line.starts_with(VERDICT) || line.starts_with(NO_WALK) {
                verdict = Some(line);
            } else if begun {
                show(&line);
            } else {
                begun = line == BEGINS;
                let _ = writeln!(before, "{line}");
            }
        }
    }
    let status = child.wait().map_err(failed)?;
    let aside = aside.and_then(|it| it.join().ok()).unwrap_or_default();
    match verdict {
        Some(verdict) => Ok(verdict),
        None if status.success() => Err(ReplayError::NoVerdict(format!("{before}{aside}"))),
        None => Err(ReplayError::Run(RunError::Failed {
            line,
            status,
            output: format!("{before}{aside}").trim_end().to_owned(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        (folder, path)
    }

    #[test]
    fn what_cannot_be_a_walk_is_told_at_once_with_its_line() {
        for (bytes, word) in [
            (&b""[..], "it is empty"),
            (b"# nothing\n\n", "it is empty"),
            (b"# a comment\nhello\n", "line 2"),
            (b"hotplate walk 1\n# \xff\n", "line 2 is no text"),
        ] {
            let (_folder, path) = folder_with("x.walk", bytes);
            let error = looked_at(&path).expect_err("it is no walk");
            assert!(
                error.is_usage() && error.to_string().contains(word),
                "{error}"
            );
        }
        let missing = looked_at(Path::new("no-such.walk")).expect_err("it is missing");
        let words = run::chain(&missing);
        assert!(
            words.starts_with("read the walk `no-such.walk`: "),
            "{words}"
        );
        assert!(missing.is_usage());
        let (_folder, path) = folder_with("y.walk", b"# so\nhotplate walk 1\nend rest\n");
        assert_eq!(looked_at(&path).expect("it may be one"), path);
    }

    #[test]
    fn the_words_of_the_story_are_those_of_the_core() {
        let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("../supervisor/core/src/world");
        let shown = std::fs::read_to_string(world.join("replay/shown.rs")).expect("it is there");
        for word in [BEGINS, VERDICT, NO_WALK] {
            assert!(shown.contains(&format!("= \"{word}\";")), "{word}");
        }
        assert!(shown.contains(&format!("const HELD: &str = \"{HELD}")));
        let (_, test) = TEST.rsplit_once("::").expect("it has a room");
        assert!(shown.contains(&format!("fn {test}(")), "{test}");
    }
}
