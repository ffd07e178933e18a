//! The programs of the story: one supervisor and three workers, the last of them bad; and one more for playing afterwards.

use std::path::{Path, PathBuf};

use super::DemoError;
use crate::{
    run,
    stage::{Plan, StageError},
    workspace::Workspace,
};

/// What the bad build is told to do: take over, and die a second later.
const BAD: &str = r#"{"version":"1.0.8","do":"die-while-proving","after_ms":1000}"#;

/// The version for playing.
pub(super) const FURTHER: &str = "1.1.0";

/// The programs, copied to a folder of their own.
pub(super) struct Images {
    /// The supervisor.
    pub(super) supervisor: PathBuf,
    /// Worker 1.0.0.
    pub(super) first: PathBuf,
    /// Worker 1.0.7.
    pub(super) good: PathBuf,
    /// Worker 1.0.8.
    pub(super) bad: PathBuf,
    /// Worker [`FURTHER`], for playing afterwards.
    pub(super) further: Option<PathBuf>,
    _folder: tempfile::TempDir,
}

impl Images {
    /// How the stage is to be set with them.
    pub(super) fn plan(&self, http_port: u16) -> Plan {
        Plan {
            supervisor: self.supervisor.clone(),
            worker: self.first.clone(),
            version: "1.0.0",
            telltale: "current_temperature",
            http_port,
            settings: "proving_s = 2\nquery_after_connect_s = 0.5\n".to_owned(),
            place: None,
        }
    }
}

/// Builds them all, the one for playing only if there will be any.
///
/// # Errors
/// When one cannot be built or copied.
pub(super) fn build(workspace: &Workspace, play: bool) -> Result<Images, DemoError> {
    let temporary = tempfile::tempdir().map_err(|source| StageError::Prepare {
        what: std::env::temp_dir(),
        source,
    })?;
    let folder = temporary.path();
    let built = |name: &str| {
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        workspace.target.join("debug").join(file)
    };
    let worker = |version: &str| -> Result<PathBuf, DemoError> {
        let mut cargo =
            workspace.cargo(&["build", "--locked", "--quiet", "-p", "worker", "--bins"]);
        run::captured(cargo.env("HOTPLATE_WORKER_VERSION", version))?;
        copy(&built("worker"), folder, &format!("worker-{version}"))
    };
    run::captured(&mut workspace.cargo(&[
        "build",
        "--locked",
        "--quiet",
        "-p",
        "supervisor",
        "--bins",
    ]))?;
    let supervisor = copy(&built("supervisor"), folder, "supervisor")?;
    let first = worker("1.0.0")?;
    let good = worker("1.0.7")?;
    let further = play.then(|| worker(FURTHER)).transpose()?;
    let mut cargo = workspace.cargo(&[
        "build",
        "--locked",
        "--quiet",
        "-p",
        "worker",
        "--example",
        "misfit",
    ]);
    run::captured(&mut cargo)?;
    let bad = folder.join(format!("worker-1.0.8{}", std::env::consts::EXE_SUFFIX));
    let misfit = built("examples/misfit");
    run::captured(
        run::command(&misfit, ["--stamp"])
            .args([&misfit, &bad])
            .arg(BAD),
    )?;
    Ok(Images {
        supervisor,
        first,
        good,
        bad,
        further,
        _folder: temporary,
    })
}

fn copy(from: &Path, folder: &Path, name: &str) -> Result<PathBuf, DemoError> {
    let to = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    match std::fs::copy(from, &to) {
        Ok(_) => Ok(to),
        Err(error) => Err(DemoError::Copy(from.to_path_buf(), error)),
    }
}
