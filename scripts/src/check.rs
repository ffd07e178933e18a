//! `cargo xtask check`: everything a change must hold before it is committed, except that its tests pass.
//!
//! One line per step. The cheap steps come first. Steps never mend anything by themselves: each failure names the command
//! that would.

mod deny;
mod outside;
mod size;
mod walls;

use crate::run;
use crate::step::{Failure, Held, Outcome, Steps};
use crate::workspace::Workspace;

/// What to check.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Check only these steps, by the first word of their names
    only: Vec<String>,
}

/// A step's name, as it is printed and chosen by, and its work.
type Step = (&'static str, fn(&Workspace) -> Outcome);

/// Runs the steps and tells whether all of them held.
///
/// # Errors
/// When the workspace cannot be read at all.
pub(crate) fn check(args: &Args) -> Result<bool, crate::Error> {
    let workspace = Workspace::read()?;
    let steps: [Step; 11] = [
        ("format", format),
        ("lockfile", lockfile),
        ("walls between packages", walls::walls),
        ("purity", walls::purity),
        ("sizes", size::sizes),
        ("outside names", outside::outside),
        ("clippy", clippy),
        ("docs", docs),
        ("licences, bans, sources", deny::rules),
        ("advisories", deny::advisories),
        ("tools in git", executable),
    ];
    let known = |word: &String| {
        steps
            .iter()
            .any(|(name, _)| name.starts_with(word.as_str()))
    };
    if let Some(stranger) = args.only.iter().find(|word| !known(word)) {
        return Err(crate::Error::Usage(format!(
            "no step is called `{stranger}`"
        )));
    }
    let mut list = Steps::new();
    for (name, work) in steps {
        if args.only.is_empty() || args.only.iter().any(|word| name.starts_with(word.as_str())) {
            let _ = list.step(name, || work(&workspace));
        }
    }
    Ok(list.finish("check"))
}

/// Runs a cargo command that must succeed; its failure is shown with the given next step.
fn cargo_step(
    workspace: &Workspace,
    args: &[&str],
    environment: &[(&str, &str)],
    next: &str,
) -> Outcome {
    let mut command = workspace.cargo(args);
    command.envs(environment.iter().copied());
    match run::captured(&mut command) {
        Ok(_) => Ok(Held::default()),
        Err(error) => Err(Failure::from_error(&error, next)),
    }
}

fn format(workspace: &Workspace) -> Outcome {
    cargo_step(
        workspace,
        &["fmt", "--all", "--check"],
        &[],
        "cargo fmt --all",
    )
}

fn lockfile(workspace: &Workspace) -> Outcome {
    let metadata = ["metadata", "--locked", "--format-version", "1"];
    let next = "run any cargo command without `--locked`, then commit Cargo.lock by itself";
    cargo_step(workspace, &metadata, &[], next)?;
    // The fuzzer's programs have a workspace and a lockfile of their own, which nothing else here would miss.
    let manifest = "tests/fuzz/cargo-fuzz/Cargo.toml";
    let next = format!("run `cargo update --workspace --manifest-path {manifest}`, then commit it");
    let theirs = [&metadata[..], &["--manifest-path", manifest]].concat();
    cargo_step(workspace, &theirs, &[], &next)
}

fn clippy(workspace: &Workspace) -> Outcome {
    let args = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--locked",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ];
    cargo_step(
        workspace,
        &args,
        &[],
        "mend what is named; silence nothing without #[expect(..., reason = ...)]",
    )
}

fn docs(workspace: &Workspace) -> Outcome {
    let args = ["doc", "--workspace", "--no-deps", "--locked", "--quiet"];
    cargo_step(
        workspace,
        &args,
        &[("RUSTDOCFLAGS", "-D warnings")],
        "mend the doc comments named above",
    )
}

/// The one file that git must hand out as a program is marked so.
fn executable(workspace: &Workspace) -> Outcome {
    let mut ask = run::command("git", ["ls-files", "--stage", "--", ".ci/run"]);
    let listed = run::captured(ask.current_dir(&workspace.root)).map_err(|error| {
        Failure::from_error(
            &error,
            "run the check inside a git clone, with git installed",
        )
    })?;
    if listed.starts_with("100755 ") {
        return Ok(Held::default());
    }
    Err(Failure::new(
        "`.ci/run` is not marked as executable in git",
        "git update-index --chmod=+x .ci/run",
    ))
}
