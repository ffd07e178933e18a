//! The core's tests, built with or without a mistake in it, and one of them run within bounds.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::copy::Copy;
use super::{BUILD_LIMIT, MutantsError};
use crate::bench::live::stopped;
use crate::run::{self, RunError};

/// One test takes no longer; each that is named takes seconds as long as nothing is broken.
const TEST_LIMIT: Duration = Duration::from_secs(180);

/// One test needs no more memory, in bytes: a mistake may make a search find new states for ever.
const MOST_MEMORY: u64 = 4 << 30;

/// How often is looked whether a program has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Why there are no tests to run.
pub(super) enum BuildError {
    /// The compiler does not take the core.
    Failed(RunError),
    /// Something else.
    Other(MutantsError),
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Well.
    Passed,
    /// With a failure.
    Failed,
    /// Never: it was ended after [`TEST_LIMIT`].
    OutOfTime,
    /// Never: it was ended when it had [`MOST_MEMORY`].
    OutOfMemory,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Failed => f.write_str("failed"),
            Self::OutOfTime => write!(f, "was not over after {} s", TEST_LIMIT.as_secs()),
            Self::OutOfMemory => write!(f, "took more than {} GiB", MOST_MEMORY >> 30),
        }
    }
}

/// What became of a test.
pub(super) struct Ended {
    /// How it ended.
    pub(super) how: How,
    /// How many tests there were of that name.
    pub(super) count: usize,
    /// What it printed.
    pub(super) output: String,
}

impl Ended {
    pub(super) fn is_passed(&self) -> bool {
        self.how == How::Passed
    }

    /// Was it ended by us?
    pub(super) fn is_out_of_bounds(&self) -> bool {
        matches!(self.how, How::OutOfTime | How::OutOfMemory)
    }

    /// What it said first of its failure.
    pub(super) fn words(&self) -> String {
        let mut lines = self.output.lines().map(str::trim);
        let panicked = lines.any(|line| line.contains("panicked at "));
        let words = lines.next().filter(|_| panicked);
        words.map_or_else(|| self.how.to_string(), str::to_owned)
    }

    /// Which of these laws it says was broken.
    pub(super) fn law_of(&self, laws: &'static [&'static str]) -> Option<&'static str> {
        laws.iter()
            .find(|law| self.output.contains(&format!("{law}: ")))
            .copied()
    }
}

/// Builds the core's tests, and answers where they are.
pub(super) fn build(copy: &Copy) -> Result<PathBuf, BuildError> {
    let mut cargo = run::cargo();
    cargo.args([
        "test",
        "--quiet",
        "--locked",
        "--package",
        "supervisor-core",
        "--lib",
    ]);
    cargo.args(["--no-run", "--message-format", "json-render-diagnostics"]);
    cargo.arg("--target-dir").arg(&copy.target);
    // A mistake is a line: whatever else was built stays built, also where builds are made from nothing otherwise.
    cargo.current_dir(&copy.root).env("CARGO_INCREMENTAL", "1");
    let line = run::line(&cargo);
    let bounds = Bounds {
        time: BUILD_LIMIT,
        memory: u64::MAX,
    };
    let other = |error: MutantsError| BuildError::Other(error);
    let (end, printed, aside) = bounded(&mut cargo, bounds).map_err(other)?;
    match end {
        End::Itself(status) if status.success() => {
            executable(&printed).ok_or(BuildError::Other(MutantsError::NoTests))
        }
        End::Itself(status) => Err(BuildError::Failed(RunError::Failed {
            line,
            status,
            output: aside.trim_end().to_owned(),
        })),
        End::OutOfTime(status) | End::OutOfMemory(status) => {
            Err(BuildError::Failed(RunError::Failed {
                line,
                status,
                output: format!("it was not over after {} s", BUILD_LIMIT.as_secs()),
            }))
        }
    }
}

/// Where cargo says that the tests are.
fn executable(printed: &str) -> Option<PathBuf> {
    printed.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_tests =
            message["profile"]["test"] == true && message["target"]["name"] == "supervisor_core";
        let path = message["executable"].as_str().filter(|_| is_tests)?;
        Some(path.into())
    })
}

/// Runs one test to its end, or to the end of our patience.
pub(super) fn run(copy: &Copy, tests: &Path, test: &str) -> Result<Ended, MutantsError> {
    let mut program = Command::new(tests);
    program.args(["--exact", test, "--test-threads", "1"]);
    program.current_dir(copy.root.join("supervisor").join("core"));
    program.env("RUST_BACKTRACE", "0");
    // A broken law leaves a walk, which goes with us.
    for name in ["TMPDIR", "TMP", "TEMP"] {
        program.env(name, copy.scratch.path());
    }
    let bounds = Bounds {
        time: TEST_LIMIT,
        memory: MOST_MEMORY,
    };
    let (end, printed, aside) = bounded(&mut program, bounds)?;
    let how = match end {
        End::Itself(status) if status.success() => How::Passed,
        End::Itself(_) => How::Failed,
        End::OutOfTime(_) => How::OutOfTime,
        End::OutOfMemory(_) => How::OutOfMemory,
    };
    Ok(Ended {
        how,
        count: run::tests_passed(&printed),
        output: format!("{printed}{aside}"),
    })
}

/// How much a program may take.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    time: Duration,
    /// In bytes.
    memory: u64,
}

/// How a program ended.
#[derive(Debug)]
enum End {
    Itself(ExitStatus),
    OutOfTime(ExitStatus),
    OutOfMemory(ExitStatus),
}

/// Runs a program within bounds. Answers how it ended and what it printed, on standard output and on standard error.
fn bounded(command: &mut Command, bounds: Bounds) -> Result<(End, String, String), MutantsError> {
    let line = run::line(command);
    let failed = |source| {
        MutantsError::Run(RunError::Start {
            line: line.clone(),
            source,
        })
    };
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let printed = child.stdout.take().map(collected);
    let aside = child.stderr.take().map(collected);
    let end = watched(&mut child, bounds).map_err(failed)?;
    let text = |from: Option<std::thread::JoinHandle<String>>| {
        from.and_then(|it| it.join().ok()).unwrap_or_default()
    };
    let texts = (text(printed), text(aside));
    stopped()?;
    Ok((end, texts.0, texts.1))
}

/// Everything that comes, as it comes: a pipe that nobody reads holds a program up.
fn collected(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What cannot be read any more is as good as its end.
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits for the end of a program, and ends it when it takes more than it may or nobody waits any more.
fn watched(child: &mut Child, bounds: Bounds) -> std::io::Result<End> {
    let start = Instant::now();
    // Where the system does not show its processes, time alone bounds them.
    let mut system = System::new().ok();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(End::Itself(status));
        }
        let is_over = start.elapsed() > bounds.time;
        let is_large =
            bounds.memory < u64::MAX && memory_of(&mut system, child.id()) > bounds.memory;
        if is_over || is_large || stopped().is_err() {
            child.kill()?;
            let status = child.wait()?;
            return Ok(if is_large {
                End::OutOfMemory(status)
            } else {
                End::OutOfTime(status)
            });
        }
        std::thread::sleep(LOOK);
    }
}

/// How much memory a process has, in bytes.
fn memory_of(system: &mut Option<System>, process: u32) -> u64 {
    let Some(system) = system else { return 0 };
    let process = Pid::from_u32(process);
    let what = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[process]), true, what);
    system.process(process).map_or(0, sysinfo::Process::memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Something that takes a while on every system: cargo, which is there whenever these tests are.
    fn slow() -> Command {
        let mut cargo = run::cargo();
        cargo.args(["metadata", "--format-version", "1"]);
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo
    }

    #[test]
    fn a_program_that_takes_more_than_it_may_is_ended_and_told_apart() {
        let (time, memory) = (Duration::ZERO, u64::MAX);
        let (end, _, _) = bounded(&mut slow(), Bounds { time, memory }).expect("it runs");
        assert!(matches!(end, End::OutOfTime(_)), "{end:?}");
        let (time, memory) = (TEST_LIMIT, 1);
        let (end, _, _) = bounded(&mut slow(), Bounds { time, memory }).expect("it runs");
        assert!(matches!(end, End::OutOfMemory(_)), "{end:?}");
        let (time, memory) = (TEST_LIMIT, MOST_MEMORY);
        let (end, printed, _) = bounded(&mut slow(), Bounds { time, memory }).expect("it runs");
        assert!(
            matches!(end, End::Itself(status) if status.success()),
            "{end:?}"
        );
        assert!(printed.starts_with('{'));
    }

    #[test]
    fn the_tests_are_found_among_what_cargo_says() {
        let row = |test: bool, name: &str, path: &str| {
            serde_json::json!({
                "profile": {"test": test}, "target": {"name": name}, "executable": path,
            })
        };
        let rows = [
            row(false, "supervisor_core", "/a"),
            row(true, "worker_protocol", "/b"),
            row(true, "supervisor_core", "/c"),
        ];
        let printed = rows.map(|it| it.to_string()).join("\n");
        assert_eq!(executable(&printed), Some("/c".into()));
        assert_eq!(executable("{}\nwords"), None);
    }

    #[test]
    fn a_law_is_known_by_its_name_and_a_colon() {
        let ended = |output: &str| Ended {
            how: How::Failed,
            count: 0,
            output: output.to_owned(),
        };
        let laws: &[&str] = &["one_active", "told_truth"];
        let said = ended("panicked at x.rs:1:\ntold_truth: job 3 ends twice\n");
        assert_eq!(said.law_of(laws), Some("told_truth"));
        assert_eq!(said.words(), "told_truth: job 3 ends twice");
        assert_eq!(ended("told_truth holds").law_of(laws), None);
        assert_eq!(ended("nothing").words(), "failed");
    }
}
