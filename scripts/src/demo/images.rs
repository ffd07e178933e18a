//! The programs of the story: one supervisor and three workers, the last of them bad; and a few more for playing afterwards.

use std::path::{Path, PathBuf};

use cloud_emulator::{Firmware, Package, SignMethod};

use super::DemoError;
use crate::{
    run,
    stage::{Plan, Stage, StageError},
    workspace::Workspace,
};

/// What the bad build is told to do: take over, and die a second later.
const BAD: &str = r#"{"version":"1.0.8","do":"die-while-proving","after_ms":1000}"#;

/// Bad builds for playing, and what they are told to do. Each has a version above those before it, so that none is refused for being old.
const LATER_BAD: [(&str, &str, &str); 2] = [
    (
        "1.2.0",
        "bad-dies-on-trial",
        r#"{"version":"1.2.0","do":"die-while-proving","after_ms":1000}"#,
    ),
    (
        "1.3.0",
        "bad-never-says-hello",
        r#"{"version":"1.3.0","do":"never-hello"}"#,
    ),
];

/// Good versions for playing: the first is there to be chosen, the second to be signed and brought by hand.
const LATER_GOOD: &str = "1.1.0";
pub(super) const FURTHER: &str = "1.4.0";

/// The programs, copied to a folder of their own.
pub(crate) struct Images {
    /// The supervisor.
    pub(crate) supervisor: PathBuf,
    /// Worker 1.0.0.
    pub(crate) first: PathBuf,
    /// Worker 1.0.7.
    pub(crate) good: PathBuf,
    /// Worker 1.0.8.
    pub(crate) bad: PathBuf,
    /// What there is to play with afterwards.
    pub(super) toys: Option<Toys>,
    _folder: tempfile::TempDir,
}

/// Programs for playing.
pub(super) struct Toys {
    /// Versions to be chosen in the console, good ones and bad ones.
    pub(super) ready: Vec<(&'static str, PathBuf)>,
    /// Worker [`FURTHER`].
    pub(super) further: PathBuf,
}

impl Images {
    /// How the stage is to be set with them.
    pub(crate) fn plan(&self, http_port: u16) -> Plan {
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
pub(crate) fn build(workspace: &Workspace, play: bool) -> Result<Images, DemoError> {
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
    let later = play
        .then(|| Ok::<_, DemoError>((worker(LATER_GOOD)?, worker(FURTHER)?)))
        .transpose()?;
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
    let misfit = built("examples/misfit");
    let stamped = |name: &str, orders: &str| {
        let to = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        let mut stamp = run::command(&misfit, ["--stamp"]);
        run::captured(stamp.args([&misfit, &to]).arg(orders)).map(|_| to)
    };
    let bad = stamped("worker-1.0.8", BAD)?;
    let toys = later.map(|(good, further)| {
        let mut ready = vec![(LATER_GOOD, good)];
        for (version, name, orders) in LATER_BAD {
            ready.push((version, stamped(name, orders)?));
        }
        Ok::<_, DemoError>(Toys { ready, further })
    });
    Ok(Images {
        supervisor,
        first,
        good,
        bad,
        toys: toys.transpose()?,
        _folder: temporary,
    })
}

/// Gives the platform a version, signed by the stage's publisher for this system.
///
/// # Errors
/// When the platform does not take it.
pub(crate) fn publish(
    stage: &Stage,
    version: &'static str,
    image: &Path,
) -> Result<Firmware, DemoError> {
    let package = Package::from_path(version, image)
        .sign_method(SignMethod::Sha256)
        .signed(stage.publisher(), env!("HOTPLATE_TARGET"));
    stage
        .emulator()
        .add_firmware(package)
        .map_err(|error| DemoError::Upload(version, error))
}

fn copy(from: &Path, folder: &Path, name: &str) -> Result<PathBuf, DemoError> {
    let to = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    match std::fs::copy(from, &to) {
        Ok(_) => Ok(to),
        Err(error) => Err(DemoError::Copy(from.to_path_buf(), error)),
    }
}
