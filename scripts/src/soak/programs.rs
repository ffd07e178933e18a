//! The programs under test: built by our cargo, and copied so that another build does not change them under way.

use std::io;
use std::path::{Path, PathBuf};

use super::SoakError;
use crate::run;
use crate::workspace::Workspace;

/// The programs.
#[derive(Debug)]
pub(super) struct Programs {
    /// The supervisor.
    pub(super) supervisor: PathBuf,
    /// The emulator.
    pub(super) emulator: PathBuf,
    /// The misfit's bytes, without orders.
    pub(super) misfit: Vec<u8>,
}

impl Programs {
    /// Builds them and copies them into a folder.
    ///
    /// # Errors
    /// When one cannot be built or copied.
    pub(super) fn build(workspace: &Workspace, folder: &Path) -> Result<Self, SoakError> {
        // Packages as the end-to-end tests put them together, so that one build serves both.
        let device = ["-p", "supervisor", "-p", "worker", "--bins", "--examples"];
        let platform = ["-p", "cloud-emulator", "--bins"];
        for packages in [device.as_slice(), platform.as_slice()] {
            let mut cargo = workspace.cargo(&["build", "--locked", "--quiet"]);
            run::captured(cargo.args(packages))?;
        }
        let built = workspace.target.join("debug");
        let copied = |from: &Path| -> Result<PathBuf, SoakError> {
            let to = folder.join(from.file_name().unwrap_or_default());
            std::fs::copy(from, &to).map_err(SoakError::at(from))?;
            Ok(to)
        };
        let program = |name: &str| format!("{name}{}", std::env::consts::EXE_SUFFIX);
        let misfit = copied(&built.join("examples").join(program("misfit")))?;
        slim(&misfit).map_err(SoakError::at(&misfit))?;
        Ok(Self {
            supervisor: copied(&built.join(program("supervisor")))?,
            emulator: copied(&built.join(program("cloud-emulator")))?,
            misfit: std::fs::read(&misfit).map_err(SoakError::at(&misfit))?,
        })
    }
}

/// Takes away what only a debugger reads, where there is a tool for that: it is most of the file, and each update carries it.
fn slim(program: &Path) -> io::Result<()> {
    if cfg!(target_os = "linux")
        && let Some(strip) = run::which("strip")
    {
        // One that cannot strip leaves the file as it is, which only costs time.
        std::process::Command::new(strip).arg(program).output()?;
    }
    Ok(())
}
