//! Where the programs that are packed come from: a folder that is given, a build for this system, or a build for another one.

use super::WORKERS;
use crate::cross::Target;
use crate::needs::Need;
use crate::stage::build_release;
use crate::step::{Failure, Held, Outcome};
use crate::workspace::Workspace;
use crate::{arm64, windows};
use std::fs;
use std::path::{Path, PathBuf};

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Programs<'a> {
    /// They are in this folder already.
    Given(&'a Path),
    /// They are built for the system this runs on.
    Own,
    /// They are built for another system; beside Rust that takes what is named.
    Crossed(&'static Target, &'static [Need]),
}

impl<'a> Programs<'a> {
    /// Those for this target; none if nobody gives them, and nobody here knows how to build for it.
    pub(super) fn of(target: &str, given: Option<&'a Path>) -> Option<Self> {
        if let Some(folder) = given {
            return Some(Self::Given(folder));
        }
        if is_own(target) {
            return Some(Self::Own);
        }
        let mut builders = [arm64::builder(), windows::builder()].into_iter();
        let (target, needs) = builders.find(|(known, _)| known.triple == target)?;
        Some(Self::Crossed(target, needs))
    }

    /// The folder they lie in, once they are there.
    pub(super) fn folder(self, workspace: &Workspace) -> PathBuf {
        match self {
            Self::Given(folder) => folder.to_owned(),
            Self::Own => workspace.target.join("release"),
            Self::Crossed(target, _) => target.built(workspace, true),
        }
    }

    /// Builds what is to be built, with what that takes installed if that is wanted. The worker's next version is built first, if a
    /// place for it is named, and kept there.
    pub(super) fn bring(
        self,
        workspace: &Workspace,
        install: bool,
        next: Option<&Path>,
    ) -> Outcome {
        match self {
            Self::Given(folder) => Ok(Held::with(format!("from {}", folder.display()))),
            Self::Own => build(workspace, next),
            Self::Crossed(target, needs) => {
                let toolchain = target.toolchain();
                target.tools(toolchain, needs, install)?;
                target.release(workspace, toolchain, WORKERS[0])
            }
        }
    }
}

/// Whether that is the system this runs on.
pub(super) fn is_own(target: &str) -> bool {
    target == env!("HOTPLATE_TARGET")
}

fn build(workspace: &Workspace, next: Option<&Path>) -> Outcome {
    let failed = |error: &dyn std::error::Error| Failure::from_error(error, "look at what it says");
    let built = |version| build_release(workspace, version).map_err(|error| failed(&error));
    if let Some(next) = next {
        built(WORKERS[1])?;
        let worker = format!("worker{}", std::env::consts::EXE_SUFFIX);
        let folder = next.parent().unwrap_or(next);
        fs::create_dir_all(folder)
            .and_then(|()| fs::copy(workspace.target.join("release").join(worker), next))
            .map_err(|error| failed(&error))?;
    }
    built(WORKERS[0])?;
    Ok(Held::with(format!("the worker is {}", WORKERS[0])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_of_the_readme_are_built_for_and_others_must_be_given() {
        let of = |target| Programs::of(target, None);
        assert!(matches!(of(env!("HOTPLATE_TARGET")), Some(Programs::Own)));
        for target in ["aarch64-unknown-linux-gnu", "x86_64-pc-windows-gnu"] {
            assert!(of(target).is_some(), "{target}");
        }
        assert!(of("riscv64gc-unknown-linux-gnu").is_none());
        let given = Programs::of("riscv64gc-unknown-linux-gnu", Some(Path::new("here")));
        assert!(matches!(given, Some(Programs::Given(_))));
    }
}
