//! What cargo says about this workspace: its folders, its packages and who names whom as a dependency.
//!
//! The facts come from `cargo metadata`, never from reading the manifests, so that they are the ones cargo acts on.

use crate::run::{self, RunError};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The workspace as cargo sees it.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    /// The folder that holds the workspace manifest.
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where builds go.
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
    /// Our own packages, without what they depend on.
    pub(crate) packages: Vec<Package>,
}

/// One of our own packages.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its manifest.
    pub(crate) manifest_path: PathBuf,
    /// What it names in its manifest, of every kind and for every system.
    pub(crate) dependencies: Vec<Dependency>,
}

/// A dependency as a manifest names it.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// The name of the package depended on.
    pub(crate) name: String,
    /// `dev`, `build`, or nothing for an ordinary one.
    kind: Option<String>,
}

impl Dependency {
    /// Whether only tests and examples have it.
    pub(crate) fn for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

/// Why the workspace could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkspaceError {
    /// Cargo would not tell.
    #[error("ask cargo about the workspace")]
    Ask(#[from] RunError),
    /// Cargo's answer was not understood.
    #[error("read the answer of `cargo metadata`")]
    Read(#[from] serde_json::Error),
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// When cargo fails or its answer has another shape.
    pub(crate) fn read() -> Result<Self, WorkspaceError> {
        let mut ask = run::cargo();
        ask.args(["metadata", "--no-deps", "--format-version", "1"]);
        // Asked from our own manifest, so that the scripts work from any folder.
        ask.current_dir(manifest_folder());
        Ok(serde_json::from_str(&run::captured(&mut ask)?)?)
    }

    /// A command for our cargo, to be run in the workspace's folder.
    #[must_use]
    pub(crate) fn cargo(&self, args: &[&str]) -> std::process::Command {
        let mut command = run::cargo();
        command.args(args).current_dir(&self.root);
        command
    }
}

impl Package {
    /// The package's folder.
    #[must_use]
    pub(crate) fn folder(&self) -> &Path {
        // A manifest is a file in a folder, so the parent is always there.
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

/// The folder of our own manifest: told by cargo when it runs us, otherwise where the caller stands.
fn manifest_folder() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from)
}
