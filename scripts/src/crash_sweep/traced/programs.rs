//! The programs that are swept: the supervisor, and a misfit to be made into workers.

use std::path::PathBuf;
use std::process::Command;

use super::SweepError;
use crate::run;
use crate::workspace::Workspace;

/// Where they are.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) supervisor: PathBuf,
    pub(super) misfit: PathBuf,
    /// Kept because it is removed with them.
    _folder: tempfile::TempDir,
}

impl Programs {
    /// Builds them as the tests do. The copies that are used have no debug information, where `strip` is there: every history fetches,
    /// hashes and writes a whole misfit.
    pub(super) fn build(workspace: &Workspace) -> Result<Self, SweepError> {
        let mut build = workspace.cargo(&[
            "build",
            "--locked",
            "--quiet",
            "--package",
            "supervisor",
            "--package",
            "worker",
            "--bins",
            "--examples",
        ]);
        run::captured(&mut build)?;
        let folder = tempfile::tempdir().map_err(SweepError::at("a temporary folder"))?;
        let made = workspace.target.join("debug");
        let keep = |from: PathBuf, name: &str| {
            let to = folder.path().join(name);
            std::fs::copy(&from, &to).map_err(SweepError::at(&from))?;
            // Without it they are larger, and the sweep takes longer.
            let _ = Command::new("strip").arg(&to).status();
            Ok::<_, SweepError>(to)
        };
        Ok(Self {
            supervisor: keep(made.join("supervisor"), "supervisor")?,
            misfit: keep(made.join("examples").join("misfit"), "misfit")?,
            _folder: folder,
        })
    }
}
