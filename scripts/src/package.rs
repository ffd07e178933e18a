//! `cargo xtask package`: what a person downloads to run Hotplate: a `.deb`, a `.tar.gz`, a `.zip`, each with its checksum.
//!
//! All come from one list of contents and one build, for this system or another. The unit in the Debian package is what `supervisor service print`
//! says, so that both ways to a service give the same one. Every package is read back when it is made; with `--check` the Debian package
//! lives its whole life on this machine.

mod archive;
mod contents;
mod debian;
mod life;
mod programs;
mod proof;

use crate::completions;
use crate::run;
use crate::step::{Failure, Held, Outcome, Steps};
use crate::workspace::Workspace;
use archive::Format;
use debian::Debian;
use programs::Programs;
use std::fs;
use std::path::{Path, PathBuf};

/// The version the packaged worker says it is, and one to upgrade it to.
const WORKERS: [&str; 2] = ["1.0.0", "1.0.7"];

/// What to pack.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The systems the programs are for, one after the other
    #[arg(long, value_name = "TRIPLE", num_args = 1.., default_value = env!("HOTPLATE_TARGET"))]
    target: Vec<String>,
    /// A folder with the release programs of the only target; without it they are built
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
    /// Let this system's Debian package be installed, run, upgraded and purged on this machine, as root
    #[arg(long)]
    check: bool,
    /// Build `cargo-deb` into the build folder when it is missing, and install the Debian packages that cross-builds need, as root;
    /// otherwise they are named
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
    programs: Programs<'a>,
    /// Where the packages go.
    folder: PathBuf,
}

/// Makes the packages and tells whether all of them are there, and hold what they promise.
///
/// # Errors
/// When the workspace cannot be read, or programs for another system can neither be built nor are given.
pub(crate) fn package(args: &Args) -> Result<bool, crate::Error> {
    if args.programs.is_some() && args.target.len() > 1 {
        return Err(crate::Error::Usage(
            "one folder has the programs of one system: name one `--target` with `--programs`"
                .to_owned(),
        ));
    }
    let checked = |target: &str| programs::is_own(target) && target.contains("linux");
    if args.check && !args.target.iter().any(|target| checked(target)) {
        return Err(crate::Error::Usage(format!(
            "`--check` runs the programs, and those for `{}` do not run here",
            args.target.join("`, `")
        )));
    }
    let workspace = Workspace::read()?;
    let mut packed = Vec::new();
    for target in &args.target {
        let programs = Programs::of(target, args.programs.as_deref()).ok_or_else(|| {
            crate::Error::Usage(format!(
                "the programs for `{target}` are not built by this command: build them, and name their folder with `--programs`"
            ))
        })?;
        packed.push(Packed {
            workspace: &workspace,
            target,
            programs,
            folder: workspace.target.join("package"),
        });
    }
    let mut steps = Steps::new();
    let mut go = true;
    if args.check {
        go = steps.step("fit for the check", || {
            life::fit().map(|()| Held::default())
        });
    }
    for packed in packed {
        go = go && packed.make(&mut steps, args, args.check && checked(packed.target));
    }
    Ok(steps.finish("package"))
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
    /// Makes all packages of one system, reads them back, and lets one live if that is wanted; stops at the first step that does not hold.
    fn make(&self, steps: &mut Steps, args: &Args, lives: bool) -> bool {
        let next = self.folder.join(format!("oven-{}", WORKERS[1]));
        let mut go = steps.step("release programs", || {
            let next = lives.then_some(next.as_path());
            self.programs.bring(self.workspace, args.install, next)
        }) && steps.step("archive", || self.archive())
            && steps.step("its contents", || self.prove_archive());
        if self.target.contains("linux") {
            go = go
                && steps.step("cargo-deb", || tool(self.workspace, args.install))
                && steps.step("Debian package", || self.debian(1).map(|file| named(&file)))
                && steps.step("its contents", || self.prove_debian());
        }
        if go && lives {
            go = match self.debian(2) {
                Ok(second) => {
                    let life = life::Life {
                        packages: [self.deb(1), second],
                        next,
                        versions: WORKERS,
                    };
                    life.play(steps)
                }
                Err(failure) => steps.step("its next revision", || Err(failure)),
            };
        }
        go
    }

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

    /// What goes into the package in which the supervisor is called so.
    fn entries(&self, called: &str) -> Result<Vec<contents::Entry>, PackageError> {
        let suffix = if self.windows() { ".exe" } else { "" };
        let programs = self.programs.folder(self.workspace);
        contents::gather(
            &self.workspace.root,
            &programs,
            suffix,
            &self.name(),
            called,
        )
    }

    fn archived(&self) -> PathBuf {
        let extension = Format::of(self.target).extension();
        self.folder.join(format!("{}.{extension}", self.name()))
    }

    fn archive(&self) -> Outcome {
        let entries = self
            .entries(completions::BUILT)
            .map_err(|error| failed(&error))?;
        let packed = Format::of(self.target)
            .pack(&entries)
            .map_err(|error| failed(&error))?;
        fs::create_dir_all(&self.folder).map_err(|error| failed(&error))?;
        let file = self.archived();
        archive::write(&file, &packed).map_err(|error| failed(&error))?;
        Ok(named(&file))
    }

    fn prove_archive(&self) -> Outcome {
        let entries = self
            .entries(completions::BUILT)
            .map_err(|error| failed(&error))?;
        proof::archive(&self.archived(), self.target, &entries)
    }

    fn prove_debian(&self) -> Outcome {
        let entries = self
            .entries(completions::PACKAGED)
            .map_err(|error| failed(&error))?;
        proof::debian(&self.deb(1), &self.made(1), &entries)
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
        let entries = self
            .entries(completions::PACKAGED)
            .map_err(|error| failed(&error))?;
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
