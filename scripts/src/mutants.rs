//! `cargo xtask mutants`: mistakes made in the core on purpose, one at a time, each of which its laws and tests must catch.
//!
//! The table in [`table`] names each mistake, where it is made, and which tests must fail because of it, breaking which law. They are made in a
//! copy of the workspace, never in the workspace itself. The copy goes when the command ends, however it ends; what was built stays in
//! the build folder, so that the next run begins sooner.

mod copy;
mod report;
mod table;
#[cfg(test)]
mod tests;
mod trial;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use self::copy::Copy;
use self::report::{Fate, Found};
use self::table::{MUTANTS, Mutant};
use crate::bench::live::{Stopped, watch_for_stop};
use crate::paint::{self, Live};
use crate::run::RunError;
use crate::workspace::{Workspace, WorkspaceError};

/// How to try the core.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the mistakes whose names have these words in them; may be said several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Say which mistakes there are, and make none
    #[arg(long)]
    list: bool,
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    json: bool,
}

/// The core could not be tried; a mistake that nothing catches is not an error but what this is there for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MutantsError {
    /// A file could not be read, written or removed.
    #[error("use `{path}`")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody else is at it.
    #[error("try the core: another run of this command is under way, by `{0}`")]
    Busy(PathBuf),
    /// The table does not fit the core any more.
    #[error(
        "make the mistake `{name}`: its text is in `{file}` {count} times and must be there once; bring `scripts/src/mutants/table.rs` up to date"
    )]
    Outdated {
        /// The mistake.
        name: &'static str,
        /// Where it is to be made.
        file: &'static str,
        /// How often its text is there.
        count: usize,
    },
    /// The same, by the compiler's word.
    #[error(
        "build the core with the mistake `{name}`; bring `scripts/src/mutants/table.rs` up to date"
    )]
    NoBuild {
        /// The mistake.
        name: &'static str,
        /// What the compiler said.
        source: RunError,
    },
    /// The core as it is could not be built.
    #[error("build the core's tests")]
    Build(#[source] RunError),
    /// The compiler did not say where the tests are.
    #[error("find the core's tests among what was built")]
    NoTests,
    /// A test that is to catch a mistake is not there.
    #[error("find the test `{0}`; bring `scripts/src/mutants/table.rs` up to date")]
    NoTest(String),
    /// The core fails without any mistake of ours.
    #[error("see the core hold as it is: `{test}` {how}\n{output}")]
    Unsound {
        /// Which test.
        test: String,
        /// How it ended.
        how: String,
        /// What it printed.
        output: String,
    },
    /// A program could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The workspace could not be read.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// By whoever sits in front of it.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl MutantsError {
    fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

/// Makes every mistake, and tells whether each of them was caught.
///
/// # Errors
/// When the table does not fit the core, the core cannot be built or tried, or it does not hold as it is.
pub(crate) fn mutants(args: &Args) -> Result<bool, crate::Error> {
    let chosen = chosen(&args.only)?;
    if args.list {
        for mutant in &chosen {
            println!("{mutant}");
        }
        return Ok(true);
    }
    let found = run(&chosen, args.json)?;
    if args.json {
        println!("{}", found.json());
    }
    Ok(found.all_caught())
}

/// The mistakes that were asked for: without a word, all.
fn chosen(only: &[String]) -> Result<Vec<&'static Mutant>, crate::Error> {
    let named = |words: &String, mutant: &Mutant| {
        let name = mutant.name.to_lowercase();
        name.contains(&words.to_lowercase())
    };
    if let Some(words) = only
        .iter()
        .find(|words| !MUTANTS.iter().any(|mutant| named(words, mutant)))
    {
        return Err(crate::Error::Usage(format!(
            "name a mistake: none has `{words}` in it; `cargo xtask mutants --list` says which there are"
        )));
    }
    let is_meant =
        |mutant: &&Mutant| only.is_empty() || only.iter().any(|words| named(words, mutant));
    Ok(MUTANTS.iter().filter(is_meant).collect())
}

fn run(chosen: &[&'static Mutant], json: bool) -> Result<report::All, MutantsError> {
    watch_for_stop();
    let begun = Instant::now();
    let tell = |line: &str| match json {
        true => eprintln!("{line}"),
        false => println!("{line}"),
    };
    let workspace = Workspace::read()?;
    for mutant in chosen {
        mutant.fits(&workspace.root)?;
    }
    let copy = Copy::make(&workspace)?;
    hold_as_it_is(&copy, chosen)?;
    let built = begun.elapsed();
    tell(&report::line(
        true,
        "the core as it is",
        built,
        "every test named below passes",
    ));
    let mut all = report::All::default();
    for (at, mutant) in chosen.iter().enumerate() {
        let mut live = Live::new();
        if !json && paint::moves() {
            let percent = u8::try_from(at * 100 / chosen.len()).unwrap_or(100);
            let bar = paint::bar(percent, 20);
            live.show(&format!(
                "{bar} {} of {}: {}",
                at + 1,
                chosen.len(),
                mutant.name
            ));
        }
        let start = Instant::now();
        let fate = try_mutant(&copy, mutant);
        if !json && paint::moves() {
            live.show("");
        }
        let found = Found::new(mutant, fate?, start.elapsed());
        tell(&found.to_string());
        all.add(found);
    }
    all.ended(begun.elapsed());
    tell(&all.to_string());
    Ok(all)
}

/// Every test that is to catch a mistake passes as long as there is none.
fn hold_as_it_is(copy: &Copy, chosen: &[&Mutant]) -> Result<(), MutantsError> {
    let tests = trial::build(copy).map_err(|error| match error {
        trial::BuildError::Failed(source) => MutantsError::Build(source),
        trial::BuildError::Other(error) => error,
    })?;
    let mut named: Vec<&str> = chosen.iter().flat_map(|it| it.tests).copied().collect();
    named.sort_unstable();
    named.dedup();
    for test in named {
        let ended = trial::run(copy, &tests, test)?;
        if ended.count == 0 && ended.is_passed() {
            return Err(MutantsError::NoTest(test.to_owned()));
        } else if !ended.is_passed() {
            return Err(MutantsError::Unsound {
                test: test.to_owned(),
                how: ended.how.to_string(),
                output: ended.output,
            });
        }
    }
    Ok(())
}

/// What becomes of the core with this mistake in it.
fn try_mutant(copy: &Copy, mutant: &'static Mutant) -> Result<Fate, MutantsError> {
    let _made = copy.with(mutant)?;
    let tests = trial::build(copy).map_err(|error| match error {
        trial::BuildError::Failed(source) => {
            let name = mutant.name;
            MutantsError::NoBuild { name, source }
        }
        trial::BuildError::Other(error) => error,
    })?;
    let mut failed = Vec::new();
    for test in mutant.tests {
        let ended = trial::run(copy, &tests, test)?;
        if ended.is_passed() {
            continue;
        }
        let law = ended.law_of(mutant.laws);
        if law.is_some() || mutant.laws.is_empty() || ended.is_out_of_bounds() {
            return Ok(Fate::Caught {
                test,
                law,
                how: ended.how,
            });
        }
        failed.push((*test, ended.words()));
    }
    Ok(Fate::Survived { failed })
}

/// How long a command may take that is over in seconds otherwise.
const BUILD_LIMIT: Duration = Duration::from_secs(1200);
