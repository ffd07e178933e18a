//! Running other programs: what they printed is kept, and shown only when they fail.
//!
//! One place knows how a command line is written for people and how its failure reads. It refuses to run anything through a
//! shell, so that each script behaves alike on Linux, macOS and Windows.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a program did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// It could not be started at all.
    #[error("start `{line}`")]
    Start {
        /// The command line.
        line: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ran and ended with a failure.
    #[error("run `{line}`: {status}\n{output}")]
    Failed {
        /// The command line.
        line: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// Everything it printed, standard output first.
        output: String,
    },
}

/// The command line as a person would type it.
#[must_use]
pub(crate) fn line(command: &Command) -> String {
    // The folder of a program says more about the machine than about what was run.
    let program = Path::new(command.get_program());
    std::iter::once(program.file_stem().unwrap_or(program.as_os_str()))
        .chain(command.get_args())
        .map(|word| {
            let word = word.to_string_lossy();
            if word.is_empty() || word.contains([' ', '"', '\'', '|', '&', ';', '$']) {
                format!("'{word}'")
            } else {
                word.into_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// When it cannot be started, or ends with a failure; the error then carries everything it printed.
pub(crate) fn captured(command: &mut Command) -> Result<String, RunError> {
    Ok(String::from_utf8_lossy(&bytes(command)?).into_owned())
}

/// The same for a program that prints no text.
///
/// # Errors
/// As there.
pub(crate) fn bytes(command: &mut Command) -> Result<Vec<u8>, RunError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| RunError::Start {
            line: line(command),
            source,
        })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let printed = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    Err(RunError::Failed {
        line: line(command),
        status: output.status,
        output: printed.trim_end().to_owned(),
    })
}

/// The cargo that runs us, so that the toolchain chosen by the caller is kept.
#[must_use]
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// How many tests passed, going by what `cargo test` printed.
#[must_use]
pub(crate) fn tests_passed(printed: &str) -> usize {
    printed
        .lines()
        .filter_map(|row| {
            row.strip_prefix("test result: ok. ")?
                .split(' ')
                .next()?
                .parse::<usize>()
                .ok()
        })
        .sum()
}

/// Where a program of this name is found, going by `PATH` and the places for system programs.
#[must_use]
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers in `/usr/sbin`, which is not on every user's path.
    let places =
        std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    places
        .map(|place| place.join(&file))
        .find(|candidate| candidate.is_file())
}

/// Puts an error and its sources on one line, outermost first.
#[must_use]
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        // Some libraries repeat the inner error in the outer text; once is enough.
        let words = inner.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = inner.source();
    }
    text
}

/// A command with its arguments, in one expression.
#[must_use]
pub(crate) fn command<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_quotes_what_a_shell_would_split() {
        assert_eq!(
            line(&command("cargo", ["build", "-p", "two words", ""])),
            "cargo build -p 'two words' ''"
        );
    }

    #[test]
    fn the_results_of_several_test_binaries_are_added() {
        let printed = "running 2 tests\ntest result: ok. 2 passed; 0 failed\n\ntest result: ok. 11 passed; 0 failed\n";
        assert_eq!(tests_passed(printed), 13);
    }

    #[test]
    fn a_program_that_does_not_exist_is_named_in_the_error() {
        let error = captured(&mut Command::new("no-such-program-anywhere"))
            .expect_err("it cannot be started");
        assert!(
            chain(&error).starts_with("start `no-such-program-anywhere`: "),
            "{}",
            chain(&error)
        );
    }

    #[test]
    fn a_failing_program_leaves_what_it_printed() {
        let error = captured(cargo().arg("no-such-subcommand")).expect_err("cargo refuses it");
        assert!(error.to_string().contains("no-such-subcommand"), "{error}");
    }
}
