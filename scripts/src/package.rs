//! `cargo xtask package`: what a person downloads to run Hotplate: a `.deb`, a `.tar.gz`, a `.zip`, each with its checksum.
//!
//! All come from one list of contents and one build. The unit in the Debian package is what `supervisor service print` says, so that both ways to
//! a service give the same one. With `--check` the Debian package lives its whole life on this machine.

mod archive;
mod contents;
mod debian;
mod life;

use crate::run;
use crate::stage::build_release;
use crate::step::{Failure, Held, Outcome, Steps};
use crate::workspace::Workspace;
use archive::Format;
use debian::Debian;
use std::fs;
use std::path::{Path, PathBuf};

/// The version the packaged worker says it is, and one to upgrade it to.
const WORKERS: [&str; 2] = ["1.0.0", "1.0.7"];

/// What to pack.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The system the programs are for
    #[arg(long, value_name = "TRIPLE", default_value = env!("HOTPLATE_TARGET"))]
    target: String,
    /// A folder with that system's release programs; without it they are built, for this system
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
    /// Let the Debian package be installed, run, upgraded and purged on this machine, as root
    #[arg(long)]
    check: bool,
    /// Build `cargo-deb` into the build folder when it is missing; otherwise it is named
    #[arg(long)]
    install: bool,
}

/// There is no package.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackageError {
    /// A file could not be read or written.
    #[error("`{file}`", file = file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody else's program did not do its work.
    #[error(transparent)]
    Run(#[from] run::RunError),
}

/// What is packed for whom.
struct Packed<'a> {
    workspace: &'a Workspace,
    target: &'a str,
    /// The programs for that system.
    programs: PathBuf,
    /// Where the packages go.
    folder: PathBuf,
}

/// Makes the packages and tells whether all of them are there, and hold what they promise.
///
/// # Errors
/// When the workspace cannot be read, or programs for another system are not given.
pub(crate) fn package(args: &Args) -> Result<bool, crate::Error> {
    let here = args.target == env!("HOTPLATE_TARGET");
    if !here && args.programs.is_none() {
        return Err(crate::Error::Usage(format!(
            "the programs for `{}` are not built by this command: build them, and name their folder with `--programs`",
            args.target
        )));
    }
    if args.check && (!here || !args.target.contains("linux")) {
        return Err(crate::Error::Usage(format!(
            "`--check` runs the programs, and those for `{}` do not run here",
            args.target
        )));
    }
    let workspace = Workspace::read()?;
    let release = workspace.target.join("release");
    let packed = Packed {
        workspace: &workspace,
        target: &args.target,
        programs: args.programs.clone().unwrap_or_else(|| release.clone()),
        folder: workspace.target.join("package"),
    };
    let next = packed.folder.join(format!("oven-{}", WORKERS[1]));
    let mut steps = Steps::new();
    let mut go = true;
    if args.check {
        go = steps.step("fit for the check", || {
            life::fit().map(|()| Held::default())
        });
    }
    if args.programs.is_none() {
        let next = args.check.then_some(next.as_path());
        go = go && steps.step("release programs", || build(&workspace, next));
    }
    go = go && steps.step("archive", || packed.archive());
    if args.target.contains("linux") {
        go = go && steps.step("cargo-deb", || tool(&workspace, args.install));
        go = go
            && steps.step("Debian package", || {
                packed.debian(1).map(|file| named(&file))
            });
        if go && args.check {
            match packed.debian(2) {
                Ok(second) => {
                    let first = packed.deb(1);
                    let life = life::Life {
                        packages: [first, second],
                        next,
                        versions: WORKERS,
                    };
                    life.play(&mut steps);
                }
                Err(failure) => {
                    steps.step("its next revision", || Err(failure));
                }
            }
        }
    }
    Ok(steps.finish("package"))
}

/// Builds the programs for this system; the worker's next version first, if one is wanted, and kept elsewhere.
fn build(workspace: &Workspace, next: Option<&Path>) -> Outcome {
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

fn tool(workspace: &Workspace, install: bool) -> Outcome {
    if debian::has_tool(workspace) {
        return Ok(Held::with("there"));
    }
    if !install {
        return Err(Failure::new(
            "`cargo-deb` is missing",
            "cargo xtask package --install",
        ));
    }
    debian::bring_tool(workspace).map_err(|error| failed(&error))?;
    Ok(Held::with("built"))
}

impl Packed<'_> {
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// The name of what is packed, without what is behind it.
    fn name(&self) -> String {
        format!("hotplate-{}-{}", self.version(), self.target)
    }

    fn windows(&self) -> bool {
        self.target.contains("windows")
    }

    fn entries(&self) -> Result<Vec<contents::Entry>, PackageError> {
        let suffix = if self.windows() { ".exe" } else { "" };
        contents::gather(&self.workspace.root, &self.programs, suffix, &self.name())
    }

    fn archive(&self) -> Outcome {
        let format = if self.windows() {
            Format::Zip
        } else {
            Format::TarGz
        };
        let entries = self.entries().map_err(|error| failed(&error))?;
        let packed = format.pack(&entries).map_err(|error| failed(&error))?;
        fs::create_dir_all(&self.folder).map_err(|error| failed(&error))?;
        let file = self
            .folder
            .join(format!("{}.{}", self.name(), format.extension()));
        archive::write(&file, &packed).map_err(|error| failed(&error))?;
        Ok(named(&file))
    }

    fn made(&self, revision: u32) -> Debian<'_> {
        Debian {
            workspace: self.workspace,
            target: self.target,
            version: self.version(),
            revision,
        }
    }

    fn deb(&self, revision: u32) -> PathBuf {
        self.made(revision).file(&self.folder)
    }

    fn debian(&self, revision: u32) -> Result<PathBuf, Failure> {
        let entries = self.entries().map_err(|error| failed(&error))?;
        self.made(revision)
            .make(&entries, &self.folder)
            .map_err(|error| failed(&error))
    }
}

fn named(file: &Path) -> Held {
    let size = fs::metadata(file).map_or(0, |it| it.len());
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Held::with(format!("{name}, {:.1} MB", size as f64 / 1e6))
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::from_error(error, "look at what it says")
}
