//! Building the programs for another system than this one, from what rustup or Debian has.
//!
//! Two toolchains serve. With the target installed by rustup it is an ordinary cross-build; without, Debian's `rustc-web` builds for
//! it, with a standard library that is packaged for the target or that it builds itself from the packaged sources.

use crate::needs::{self, Need};
use crate::run;
use crate::step::{Failure, Held, Outcome};
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The worker before and after the upgrade.
const VERSIONS: [&str; 2] = ["1.0.0", "1.0.7"];

/// Debian's own Rust, used when no other toolchain knows the target.
const DEBIAN_RUST: [Need; 2] = [
    Need {
        package: "rustc-web",
        met: || Path::new("/usr/bin/rustc").exists(),
    },
    Need {
        package: "cargo-web",
        met: || Path::new("/usr/bin/cargo").exists(),
    },
];

/// A system to build for.
#[derive(Debug)]
pub(crate) struct Target {
    /// As Rust names it.
    pub(crate) triple: &'static str,
    /// The word for it here: its folder in the build folder, and its subcommand.
    pub(crate) name: &'static str,
    /// The compiler and linker for C, which `ring` and the linking need.
    pub(crate) c_compiler: &'static str,
    /// What its programs' names end with.
    pub(crate) suffix: &'static str,
    /// What Debian's Rust needs for its standard library.
    pub(crate) std: Need,
    /// Is that the sources, which are built with every program?
    pub(crate) std_is_built: bool,
}

/// Who compiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Toolchain {
    /// The one that runs us: it has the target.
    Own,
    /// Debian's.
    Debian,
}

impl Target {
    /// Our own toolchain when it has the target's standard library, otherwise Debian's.
    pub(crate) fn toolchain(&self) -> Toolchain {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let asked = run::captured(&mut run::command(
            rustc,
            ["--print", "target-libdir", "--target", self.triple],
        ));
        let has_target = asked.is_ok_and(|folder| Path::new(folder.trim()).is_dir());
        if has_target {
            Toolchain::Own
        } else {
            Toolchain::Debian
        }
    }

    /// Everything the build needs, and what its caller needs beside; installed if that is wanted, otherwise named.
    pub(crate) fn tools(&self, toolchain: Toolchain, beside: &[Need], install: bool) -> Outcome {
        let mut needs = beside.to_vec();
        if toolchain == Toolchain::Debian {
            needs.extend(DEBIAN_RUST);
            needs.push(self.std);
        }
        let note = needs::provide(&needs, install).map_err(|mut failure| {
            failure.next = format!(
                "as root: cargo xtask {} --install, or by hand: {}",
                self.name, failure.next
            );
            failure
        })?;
        Ok(Held::with(match toolchain {
            Toolchain::Own => format!("{note}, the toolchain's own target"),
            Toolchain::Debian => format!("{note}, Debian's rustc"),
        }))
    }

    /// The folder all of this goes into.
    pub(crate) fn folder(&self, workspace: &Workspace) -> PathBuf {
        workspace.target.join(self.name)
    }

    /// The command that builds for the target; what to build is added by the caller.
    fn cargo(&self, workspace: &Workspace, toolchain: Toolchain) -> Command {
        let mut command = match toolchain {
            Toolchain::Own => workspace.cargo(&["build"]),
            Toolchain::Debian => {
                let mut command = run::command("/usr/bin/cargo", ["build"]);
                // What our own cargo put into the environment belongs to another toolchain.
                command
                    .current_dir(&workspace.root)
                    .env("RUSTC", "/usr/bin/rustc")
                    .env_remove("LD_LIBRARY_PATH")
                    .env_remove("RUSTUP_TOOLCHAIN")
                    .env_remove("CARGO");
                if self.std_is_built {
                    // The switch that builds the standard library is kept from stable compilers; the sources match this compiler,
                    // so it is safe to use.
                    command
                        .arg("-Zbuild-std=std,panic_unwind,panic_abort")
                        .env("RUSTC_BOOTSTRAP", "1");
                }
                command
            }
        };
        command
            .args(["--locked", "--target", self.triple, "--target-dir"])
            .arg(self.folder(workspace));
        let triple = self.triple.replace('-', "_");
        let linker = format!("CARGO_TARGET_{}_LINKER", triple.to_uppercase());
        command
            .env(format!("CC_{triple}"), self.c_compiler)
            .env(linker, self.c_compiler);
        command
    }

    /// Builds what the suite runs, in one folder: supervisor and misfit, and the worker once for each version an upgrade needs.
    pub(crate) fn build(
        &self,
        workspace: &Workspace,
        toolchain: Toolchain,
        release: bool,
        programs: &Path,
    ) -> Outcome {
        let built = self.built(workspace, release);
        let suffix = self.suffix;
        let take = |from: &str, to: &str| {
            let (from, to) = (format!("{from}{suffix}"), format!("{to}{suffix}"));
            std::fs::copy(built.join(from), programs.join(&to))
                .map(drop)
                .map_err(|error| {
                    Failure::from_error(&error, format!("see why `{to}` cannot be copied"))
                })
        };
        // What else is built changes the features of what all share; therefore it is the same each time, and most is built once.
        let compile = |version| {
            let what = ["--bins", "--examples"];
            self.compile(workspace, toolchain, release, &what, version)
        };
        std::fs::create_dir_all(programs)
            .map_err(|error| Failure::from_error(&error, "make the build folder writable"))?;
        for version in VERSIONS {
            compile(version)?;
            take("worker", &format!("worker-{version}"))?;
        }
        take("supervisor", "supervisor")?;
        take("examples/misfit", "misfit")?;
        Ok(Held::with(format!(
            "supervisor, misfit, worker {}",
            VERSIONS.join(" and ")
        )))
    }

    /// Builds what is shipped, the worker as this version. It lies where [`Self::built`] says.
    pub(crate) fn release(
        &self,
        workspace: &Workspace,
        toolchain: Toolchain,
        version: &str,
    ) -> Outcome {
        self.compile(workspace, toolchain, true, &["--bins"], version)?;
        Ok(Held::with(format!("the worker is {version}")))
    }

    /// The folder with the programs as they come from the compiler.
    pub(crate) fn built(&self, workspace: &Workspace, release: bool) -> PathBuf {
        let profile = if release { "release" } else { "debug" };
        self.folder(workspace).join(self.triple).join(profile)
    }

    fn compile(
        &self,
        workspace: &Workspace,
        toolchain: Toolchain,
        release: bool,
        what: &[&str],
        version: &str,
    ) -> Result<(), Failure> {
        let mut command = self.cargo(workspace, toolchain);
        command
            .args(["--quiet", "-p", "supervisor", "-p", "worker"])
            .args(what)
            .args(release.then_some("--release"))
            .env("HOTPLATE_WORKER_VERSION", version)
            // What runs elsewhere is never debugged there; without, it builds faster and is a fraction of the size to download.
            .env("CARGO_PROFILE_DEV_DEBUG", "none")
            .env("CARGO_PROFILE_DEV_STRIP", "symbols");
        // An emulated processor takes several times as long as a real one for the same instructions; a longer build spares many of them.
        if !self.triple.starts_with(std::env::consts::ARCH) {
            command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
        }
        run::captured(&mut command).map(drop).map_err(|error| {
            Failure::from_error(
                &error,
                format!(
                    "mend what does not compile for {}; what is `cfg` for one system needs its other half",
                    self.triple
                ),
            )
        })
    }
}
