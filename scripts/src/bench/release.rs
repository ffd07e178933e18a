//! Programs built as they are shipped.

use crate::run::{self, RunError};
use crate::workspace::Workspace;
use std::path::PathBuf;

/// Builds them.
///
/// # Errors
/// When they cannot be built.
pub(super) fn build(workspace: &Workspace, what: &[&str]) -> Result<(), RunError> {
    build_as(workspace, what, "1.0.0")
}

/// Builds them, and workers among them in this version.
///
/// # Errors
/// When they cannot be built.
pub(super) fn build_as(
    workspace: &Workspace,
    what: &[&str],
    version: &str,
) -> Result<(), RunError> {
    let mut cargo = workspace.cargo(&["build", "--release", "--locked", "--quiet"]);
    run::captured(cargo.args(what).env("HOTPLATE_WORKER_VERSION", version)).map(drop)
}

/// Where such a program is.
pub(super) fn program(workspace: &Workspace, name: &str) -> PathBuf {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    workspace.target.join("release").join(file)
}
