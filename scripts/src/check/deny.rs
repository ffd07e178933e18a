//! Licences, bans and sources of everything we depend on, and known advisories about it, by `cargo-deny` and `deny.toml`.
//!
//! The tool is taken from the user when there, and otherwise built once, at a fixed version, into the build folder. A database
//! of advisories that cannot be fetched is an alarm, not a failure: the rest of the check must work without a network.

use crate::run::{self, RunError};
use crate::step::{Failure, Held, Outcome};
use crate::workspace::Workspace;
use std::path::PathBuf;

/// The version built when the user has none. Fixed, so that a new release of the tool cannot turn the check red.
const VERSION: &str = "0.20.2";

/// What `cargo-deny` says when it cannot have the database, in which case it has checked nothing.
const NO_DATABASE: &str = "failed to fetch advisory database";

/// Licences, bans and sources; needs no network.
pub(super) fn rules(workspace: &Workspace) -> Outcome {
    check(workspace, &["licenses", "bans", "sources"])?.map_err(|error| {
        Failure::from_error(
            &error,
            "choose another dependency, or give deny.toml the exception with its reason",
        )
    })?;
    Ok(Held::default())
}

/// Known advisories about what we depend on.
pub(super) fn advisories(workspace: &Workspace) -> Outcome {
    match check(workspace, &["advisories"])? {
        Ok(()) => Ok(Held::default()),
        Err(error) if error.to_string().contains(NO_DATABASE) => Ok(Held {
            note: String::new(),
            alarms: vec![
                "not checked: the advisory database could not be fetched (hosted CI can)"
                    .to_owned(),
            ],
        }),
        Err(error) => Err(Failure::from_error(
            &error,
            "update the dependency, or give deny.toml the advisory's id with the reason",
        )),
    }
}

/// Runs the tool on the given kinds of checks. The outer failure is about the tool, the inner one about what it found.
fn check(workspace: &Workspace, kinds: &[&str]) -> Result<Result<(), RunError>, Failure> {
    let mut command = run::command(
        tool(workspace)?,
        [
            "--all-features",
            "--locked",
            "--log-level",
            "error",
            "check",
            "--hide-inclusion-graph",
        ],
    );
    command.args(kinds).current_dir(&workspace.root);
    Ok(run::captured(&mut command).map(drop))
}

/// Finds the tool, or builds it: one minute on two cores.
fn tool(workspace: &Workspace) -> Result<PathBuf, Failure> {
    if let Some(own) = run::which("cargo-deny") {
        return Ok(own);
    }
    let folder = workspace.target.join("tools");
    let built = folder
        .join("bin")
        .join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if !built.is_file() {
        // Without optimisation it builds in a third of the time and still answers in two seconds.
        let mut install = workspace.cargo(&[
            "install",
            "cargo-deny",
            "--version",
            VERSION,
            "--locked",
            "--debug",
            "--quiet",
            "--root",
        ]);
        install
            .arg(&folder)
            .env("CARGO_TARGET_DIR", folder.join("build"));
        run::captured(&mut install).map_err(|error| {
            Failure::from_error(
                &error,
                format!("cargo install cargo-deny --version {VERSION} --locked"),
            )
        })?;
        // A gigabyte of intermediate files serves nobody any more; failing to remove it costs only disk.
        let _ = std::fs::remove_dir_all(folder.join("build"));
    }
    Ok(built)
}
