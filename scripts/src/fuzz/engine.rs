//! The compiler and the programs: libFuzzer needs instrumentation that only a nightly compiler has, or a stable one that is
//! told to behave as one.
//!
//! The address sanitizer is used where the compiler brings it. All the code is safe Rust, so it is a second look at the few
//! dependencies that are not; its absence is told and no failure.

use super::report::{Broken, Found};
use super::{FOLDER, FuzzError, emptied};
use crate::run::{self, RunError};
use crate::workspace::Workspace;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The longest input made up, in bytes: beyond the longest text any of the readers takes as a whole, that of a seal.
const LONGEST_INPUT: usize = 5_000;

/// An input that takes longer is one too many, in seconds.
const LONGEST_INPUT_TIME: u32 = 5;

/// The most memory a reader may ask for at once, in MiB. No input is near that, so more was asked for on the word of one.
const LARGEST_ALLOCATION: usize = 8;

/// The programs, built.
pub(super) struct Engine {
    compiler: Compiler,
    sanitizer: &'static str,
    programs: PathBuf,
    corpus: PathBuf,
    /// What a run finds goes here.
    pub(super) scratch: PathBuf,
}

/// Where the instrumentation comes from.
#[derive(Debug, PartialEq)]
enum Compiler {
    /// A nightly toolchain of this name, as `rustup` has it.
    Nightly(String),
    /// The compiler at hand, told to be a nightly one.
    Bootstrapped,
}

impl Engine {
    /// Builds all programs, or that of one target.
    pub(super) fn build(
        workspace: &Workspace,
        target: Option<&str>,
        install: bool,
    ) -> Result<Self, FuzzError> {
        provide(workspace, install)?;
        let folder = workspace.root.join(FOLDER);
        let manifest = folder.join("cargo-fuzz").join("Cargo.toml");
        let mut locked = workspace.cargo(&["metadata", "--locked", "--format-version", "1"]);
        run::captured(locked.arg("--manifest-path").arg(&manifest)).map_err(FuzzError::Lockfile)?;

        let compiler = Compiler::find();
        let ask = |what| {
            let printed = run::captured(compiler.command("rustc").args(["--print", what]));
            Ok(printed.map_err(FuzzError::Compiler)?.trim().to_owned())
        };
        let (host, libraries) = (ask("host-tuple")?, ask("target-libdir")?);
        let sanitizer = sanitizer_in(Path::new(&libraries));
        let scratch = workspace.target.join("fuzz");
        let built = scratch.join("build");
        let mut build = compiler.command("cargo");
        build.args(["fuzz", "build", "--target", &host, "--sanitizer", sanitizer]);
        build.arg("--fuzz-dir").arg(folder.join("cargo-fuzz"));
        build.arg("--target-dir").arg(&built).args(target);
        run::captured(build.current_dir(&workspace.root)).map_err(FuzzError::Build)?;
        Ok(Self {
            compiler,
            sanitizer,
            programs: built.join(host).join("release"),
            corpus: folder.join("corpus"),
            scratch,
        })
    }

    /// Lets the fuzzer make up inputs for this long, or until one breaks a promise.
    pub(super) fn run(&self, target: &str, time: Duration) -> Result<Found, FuzzError> {
        let [working, broken] = ["corpus", "broken"].map(|it| self.scratch.join(it).join(target));
        emptied(&working)?;
        std::fs::create_dir_all(&broken).map_err(|source| FuzzError::File {
            path: broken.clone(),
            source,
        })?;
        let mut program = self.program(target);
        program.arg(format!("-max_total_time={}", time.as_secs()));
        program.arg(format!("-artifact_prefix={}", broken.join("").display()));
        let words = self.corpus.with_file_name("words").join(target);
        if words.is_file() {
            program.arg(format!("-dict={}", words.display()));
        }
        program.arg("-print_final_stats=1");
        program.arg(&working).arg(self.committed(target));
        let start = Instant::now();
        let (held, printed) = match outcome(&mut program) {
            Ok(printed) => (true, printed),
            Err(RunError::Failed { output, .. }) if Broken::read(&output).is_some() => {
                (false, output)
            }
            Err(source) => {
                let target = target.to_owned();
                return Err(FuzzError::Program { target, source });
            }
        };
        let broken = if held { None } else { Broken::read(&printed) };
        Ok(Found::read(target, start.elapsed(), &printed, broken))
    }

    /// Gives the target one input, and tells whether every promise held.
    pub(super) fn replay(&self, target: &str, input: &Path) -> Result<bool, FuzzError> {
        std::fs::metadata(input).map_err(|source| FuzzError::File {
            path: input.to_owned(),
            source,
        })?;
        let mut program = self.program(target);
        let ended = program.arg(input).status();
        let ended = ended.map_err(|source| FuzzError::Program {
            target: target.to_owned(),
            source: RunError::Start {
                line: run::line(&program),
                source,
            },
        })?;
        Ok(ended.success())
    }

    /// The committed corpus of a target.
    pub(super) fn committed(&self, target: &str) -> PathBuf {
        self.corpus.join(target)
    }

    /// A target's program, with the bounds every input must keep.
    pub(super) fn program(&self, target: &str) -> Command {
        let file = format!("{target}{}", std::env::consts::EXE_SUFFIX);
        let mut program = Command::new(self.programs.join(file));
        program.arg(format!("-max_len={LONGEST_INPUT}"));
        program.arg(format!("-timeout={LONGEST_INPUT_TIME}"));
        program.arg(format!("-malloc_limit_mb={LARGEST_ALLOCATION}"));
        // Where processes may not watch each other the search for leaks fails by itself; safe Rust has none worth it.
        program.env("ASAN_OPTIONS", "detect_leaks=0");
        program
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sanitizer = match self.sanitizer {
            "none" => "no sanitizer",
            _ => "address sanitizer",
        };
        match &self.compiler {
            Compiler::Nightly(name) => write!(f, "{name}, {sanitizer}"),
            Compiler::Bootstrapped => write!(f, "the compiler at hand, {sanitizer}"),
        }
    }
}

impl Compiler {
    /// A nightly toolchain if there is one.
    fn find() -> Self {
        let listed = run::captured(&mut run::command("rustup", ["toolchain", "list"]));
        listed.map_or(Self::Bootstrapped, |listed| Self::among(&listed))
    }

    fn among(listed: &str) -> Self {
        let mut names = listed.lines().filter_map(|row| row.split(' ').next());
        names
            .find(|name| name.starts_with("nightly"))
            .map_or(Self::Bootstrapped, |name| Self::Nightly(name.to_owned()))
    }

    /// One of its programs.
    fn command(&self, program: &str) -> Command {
        match self {
            Self::Nightly(name) => {
                let mut command = run::command("rustup", ["run", name, program]);
                // Otherwise the tool goes on with the cargo that runs us.
                command.env_remove("CARGO").env_remove("RUSTC");
                command
            }
            Self::Bootstrapped => {
                let mut command = match program {
                    "cargo" => run::cargo(),
                    other => Command::new(other),
                };
                command.env("RUSTC_BOOTSTRAP", "1");
                command
            }
        }
    }
}

/// Makes sure that the tool is there.
fn provide(workspace: &Workspace, install: bool) -> Result<(), FuzzError> {
    let there = || run::captured(&mut workspace.cargo(&["fuzz", "--version"])).is_ok();
    if there() {
        return Ok(());
    }
    if !install {
        return Err(FuzzError::NoTool);
    }
    let mut tool = workspace.cargo(&["install", "cargo-fuzz", "--locked", "--quiet"]);
    run::captured(&mut tool).map_err(FuzzError::Install)?;
    if there() {
        Ok(())
    } else {
        Err(FuzzError::NoTool)
    }
}

/// The address sanitizer, if the compiler's libraries have it.
fn sanitizer_in(libraries: &Path) -> &'static str {
    let has = std::fs::read_dir(libraries).is_ok_and(|entries| {
        let mut names = entries.flatten().map(|entry| entry.file_name());
        names.any(|name| name.to_string_lossy().contains("rt.asan"))
    });
    if has { "address" } else { "none" }
}

/// What the program printed, of which only what it says about errors matters: libFuzzer says everything there.
fn outcome(program: &mut Command) -> Result<String, RunError> {
    let output = program.output().map_err(|source| RunError::Start {
        line: run::line(program),
        source,
    })?;
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    Err(RunError::Failed {
        line: run::line(program),
        status: output.status,
        output: printed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nightly_toolchain_is_preferred_and_without_one_the_stable_is_told_to_be_one() {
        let listed = "stable-x86_64-unknown-linux-gnu (active, default)\nnightly-2026-05-20-x86_64-unknown-linux-gnu\n";
        let name = "nightly-2026-05-20-x86_64-unknown-linux-gnu".to_owned();
        assert_eq!(Compiler::among(listed), Compiler::Nightly(name));
        assert_eq!(
            Compiler::among("no installed toolchains\n"),
            Compiler::Bootstrapped
        );
    }

    #[test]
    fn the_sanitizer_is_left_out_where_the_compiler_has_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(sanitizer_in(folder.path()), "none");
        assert_eq!(sanitizer_in(&folder.path().join("missing")), "none");
        std::fs::write(folder.path().join("librustc-nightly_rt.asan.a"), "").unwrap();
        assert_eq!(sanitizer_in(folder.path()), "address");
    }
}
