//! `cargo xtask fuzz`: made-up bytes for every reader of foreign bytes, for a while each.
//!
//! What must hold of the readers is in package `fuzz-targets`; `cargo fuzz` builds a program for each of its targets, and libFuzzer
//! in it makes up the bytes. A run begins with the committed corpus and leaves it as it is, unless it is told to keep what it
//! found; everything else goes into the build folder. An input that breaks a promise stays there and is named, with
//! the command that shows it again.

mod engine;
mod keep;
mod report;

use crate::run::RunError;
use crate::workspace::Workspace;
use crate::{Error, paint};
use engine::Engine;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where the targets are.
const FOLDER: &str = "tests/fuzz";

/// What to fuzz.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this target
    target: Option<String>,
    /// How long each target is fuzzed
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Give the target this one input, and show what it says
    #[arg(long, value_name = "FILE", requires = "target", conflicts_with_all = ["seconds", "keep", "json"])]
    input: Option<PathBuf>,
    /// Put the few inputs that led furthest beyond the committed corpus into it
    #[arg(long)]
    keep: bool,
    /// Install `cargo fuzz` if it is missing
    #[arg(long)]
    install: bool,
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    json: bool,
}

/// The fuzzer could not do its work; an input that breaks a promise is not an error but what it is there for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FuzzError {
    /// The tool that builds the programs is missing.
    #[error("find `cargo fuzz`: say `--install`, or run `cargo install cargo-fuzz --locked`")]
    NoTool,
    /// The tool could not be installed.
    #[error("install `cargo fuzz`")]
    Install(#[source] RunError),
    /// The compiler does not tell about itself.
    #[error("ask the compiler about itself")]
    Compiler(#[source] RunError),
    /// The lockfile of the programs does not fit any more.
    #[error(
        "build with the committed lockfile: run `cargo update --workspace --manifest-path {FOLDER}/cargo-fuzz/Cargo.toml`, then commit it"
    )]
    Lockfile(#[source] RunError),
    /// The programs could not be built.
    #[error("build the fuzzer's programs")]
    Build(#[source] RunError),
    /// A program ended with a failure that is no input's fault.
    #[error("run the fuzzer's program for `{target}`")]
    Program {
        /// Which.
        target: String,
        /// How it ended.
        source: RunError,
    },
    /// A file or folder could not be read or written.
    #[error("use `{path}`")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Fuzzes, and tells whether every promise held.
///
/// # Errors
/// When there is no such target, or the fuzzer cannot be built or run.
pub(crate) fn fuzz(args: &Args) -> Result<bool, Error> {
    let workspace = Workspace::read()?;
    let targets = targets(&workspace, args.target.as_deref())?;
    let tell = |line: String| {
        if args.json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    };
    let start = Instant::now();
    let engine = Engine::build(&workspace, args.target.as_deref(), args.install)?;
    tell(step(true, "programs", start.elapsed(), &engine.to_string()));
    if let (Some(input), [target]) = (&args.input, targets.as_slice()) {
        return Ok(engine.replay(target, input)?);
    }
    let mut all = Vec::new();
    for target in targets {
        let found = engine.run(&target, Duration::from_secs(args.seconds))?;
        let time = Duration::from_secs_f64(found.seconds);
        tell(step(
            found.broken.is_none(),
            &target,
            time,
            &found.to_string(),
        ));
        if let Some(broken) = &found.broken {
            let shown = broken.input.strip_prefix(&workspace.root);
            tell(broken.words(&target, shown.unwrap_or(&broken.input)));
        }
        if args.keep && found.broken.is_none() {
            let kept = keep::keep(&engine, &target)?;
            tell(format!("  {kept} files put into the committed corpus"));
        }
        all.push(found);
    }
    if args.json {
        println!("{}", json!({"engine": engine.to_string(), "targets": all}));
    }
    Ok(all.iter().all(|found| found.broken.is_none()))
}

/// The targets to fuzz: each has a folder in the corpus.
fn targets(workspace: &Workspace, only: Option<&str>) -> Result<Vec<String>, Error> {
    let corpus = workspace.root.join(FOLDER).join("corpus");
    let mut names: Vec<String> = files_in(&corpus)?
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    match only {
        None => Ok(names),
        Some(name) if names.iter().any(|it| it == name) => Ok(vec![name.to_owned()]),
        Some(name) => Err(Error::Usage(format!(
            "no target is called `{name}`; there are {}",
            names.join(", ")
        ))),
    }
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>, FuzzError> {
    let failed = |source| FuzzError::File {
        path: folder.to_owned(),
        source,
    };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<Result<_, _>>().map_err(failed)
}

/// A folder with nothing in it.
fn emptied(folder: &Path) -> Result<(), FuzzError> {
    let gone = match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => std::fs::create_dir_all(folder),
    };
    gone.map_err(|source| FuzzError::File {
        path: folder.to_owned(),
        source,
    })
}

/// One line about what was done, as every script prints it.
fn step(held: bool, name: &str, time: Duration, note: &str) -> String {
    let mark = if held {
        paint::green("✓")
    } else {
        paint::red("✗")
    };
    let time = paint::faint(&format!("{:>12}", paint::duration(time)));
    format!("{mark} {name:<28}{time}  {}", paint::faint(note))
}
