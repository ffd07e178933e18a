//! `cargo xtask windows`: builds supervisor and worker for Windows on another system, and runs them under Wine.
//!
//! Two toolchains serve. With the target installed by rustup it is an ordinary cross-build; without, Debian's `rustc-web`
//! builds the standard library from its packaged sources. Wine is not Windows: it may allow what Windows forbids, so what
//! holds here is a first sign, and hosted CI on Windows is the proof.

use crate::needs::{self, Need};
use crate::run;
use crate::step::{Failure, Held, Outcome, Steps};
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "x86_64-pc-windows-gnu";

/// The compiler and linker for C, which `ring` and the linker step need.
const C_COMPILER: &str = "x86_64-w64-mingw32-gcc";

const LINKER: Need = Need {
    package: "gcc-mingw-w64-x86-64",
    met: || needs::program(C_COMPILER),
};

/// Debian's own Rust, used when no other toolchain knows the target.
const DEBIAN_RUST: [Need; 3] = [
    Need {
        package: "rustc-web",
        met: || Path::new("/usr/bin/rustc").exists(),
    },
    Need {
        package: "cargo-web",
        met: || Path::new("/usr/bin/cargo").exists(),
    },
    Need {
        package: "rust-web-src",
        met: || Path::new("/usr/lib/rustlib/src/rust/library/Cargo.toml").exists(),
    },
];

const WINE: [Need; 2] = [
    Need {
        package: "wine",
        met: || needs::program("wine"),
    },
    Need {
        package: "wine64",
        met: || Path::new("/usr/lib/wine/wine64").exists(),
    },
];

/// Wine 8 lacks this library, which Rust's standard library takes its random numbers from. Ours hands out the system's
/// numbers under the missing name. It serves under Wine only and is never shipped.
const SHIM: &str = r"
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T length)
{
    while (length > 0) {
        ULONG part = length > 65536 ? 65536 : (ULONG)length;
        if (!RtlGenRandom(bytes, part))
            return FALSE;
        bytes += part;
        length -= part;
    }
    return TRUE;
}
";

/// How to build, and whether to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Install missing Debian packages (as root); otherwise they are named
    #[arg(long)]
    install: bool,
    /// Build with the release profile
    #[arg(long)]
    release: bool,
    /// Run one upgrade end to end under Wine
    #[arg(long)]
    check: bool,
}

/// Who compiles.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Toolchain {
    /// The one that runs us: it has the target.
    Own,
    /// Debian's, which builds the target's standard library as well.
    Debian,
}

/// Runs the steps and tells whether all of them held.
///
/// # Errors
/// When the workspace cannot be read at all.
pub(crate) fn windows(args: &Args) -> Result<bool, crate::Error> {
    if cfg!(windows) {
        return Err(crate::Error::Usage(
            "cross-build on Windows itself; use `cargo build` and `cargo test` here".to_owned(),
        ));
    }
    let workspace = Workspace::read()?;
    let toolchain = toolchain();
    let profile = if args.release { "release" } else { "debug" };
    let programs = workspace.target.join("windows").join(TARGET).join(profile);
    let mut steps = Steps::new();
    let mut go = true;
    go = go && steps.step("tools", || tools(toolchain, args.install));
    go = go
        && steps.step("build for Windows", || {
            build(&workspace, toolchain, args.release)
        });
    go = go && steps.step("library missing in Wine", || shim(&programs));
    go = go && steps.step("starts under Wine", || starts(&workspace, &programs));
    if go && args.check {
        steps.step("upgrade under Wine", || upgrade(&workspace, &programs));
    }
    Ok(steps.finish("windows"))
}

/// Our own toolchain when it has the target's standard library, otherwise Debian's.
fn toolchain() -> Toolchain {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = run::captured(&mut run::command(
        rustc,
        ["--print", "target-libdir", "--target", TARGET],
    ));
    let has_target = asked.is_ok_and(|folder| Path::new(folder.trim()).is_dir());
    if has_target {
        Toolchain::Own
    } else {
        Toolchain::Debian
    }
}

fn tools(toolchain: Toolchain, install: bool) -> Outcome {
    let mut needs = vec![LINKER];
    needs.extend(WINE);
    if toolchain == Toolchain::Debian {
        needs.extend(DEBIAN_RUST);
    }
    let note = needs::provide(&needs, install).map_err(|mut failure| {
        failure.next = format!(
            "as root: cargo xtask windows --install, or by hand: {}",
            failure.next
        );
        failure
    })?;
    Ok(Held::with(match toolchain {
        Toolchain::Own => format!("{note}, the toolchain's own target"),
        Toolchain::Debian => format!("{note}, Debian's rustc"),
    }))
}

/// The command that builds for Windows; what to build is added by the caller.
fn cargo_for_windows(workspace: &Workspace, toolchain: Toolchain) -> Command {
    let mut command = match toolchain {
        Toolchain::Own => workspace.cargo(&["build"]),
        Toolchain::Debian => {
            let mut command = run::command(
                "/usr/bin/cargo",
                ["build", "-Zbuild-std=std,panic_unwind,panic_abort"],
            );
            // The switch that builds the standard library is kept from stable compilers; the sources match this compiler, so
            // it is safe to use. What our own cargo put into the environment belongs to another toolchain.
            command
                .current_dir(&workspace.root)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("RUSTC", "/usr/bin/rustc");
            command
                .env_remove("LD_LIBRARY_PATH")
                .env_remove("RUSTUP_TOOLCHAIN")
                .env_remove("CARGO");
            command
        }
    };
    command
        .args(["--locked", "--target", TARGET, "--target-dir"])
        .arg(workspace.target.join("windows"));
    command
        .env("CC_x86_64_pc_windows_gnu", C_COMPILER)
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", C_COMPILER);
    command
}

fn build(workspace: &Workspace, toolchain: Toolchain, release: bool) -> Outcome {
    let mut command = cargo_for_windows(workspace, toolchain);
    command.args(["--quiet", "--bins", "-p", "supervisor", "-p", "worker"]);
    if release {
        command.arg("--release");
    }
    run::captured(&mut command).map_err(|error| {
        Failure::from_error(
            &error,
            "mend what does not compile for Windows; `cfg(unix)` code needs its Windows half",
        )
    })?;
    Ok(Held::default())
}

/// Puts the missing library beside the programs, where Windows looks first.
fn shim(programs: &Path) -> Outcome {
    let source = programs.join("bcryptprimitives.c");
    let library = programs.join("bcryptprimitives.dll");
    let next = "make the build folder writable, and see that the compiler for Windows works";
    if std::fs::read(&source).is_ok_and(|old| old == SHIM.as_bytes()) && library.is_file() {
        return Ok(Held::with("as before"));
    }
    let mut compile = run::command(C_COMPILER, ["-shared", "-O2", "-s", "-o"]);
    compile.arg(&library).arg(&source).arg("-ladvapi32");
    std::fs::write(&source, SHIM).map_err(|error| Failure::from_error(&error, next))?;
    run::captured(&mut compile).map_err(|error| Failure::from_error(&error, next))?;
    Ok(Held::default())
}

/// The environment in which a program for Windows runs under Wine: a world of its own in the build folder, quiet, and without
/// the questions about parts we do not use.
#[must_use]
pub(crate) fn wine_environment(workspace: &Workspace) -> [(&'static str, PathBuf); 3] {
    [
        ("WINEPREFIX", workspace.target.join("windows").join("wine")),
        ("WINEDEBUG", PathBuf::from("-all")),
        ("WINEDLLOVERRIDES", PathBuf::from("mscoree,mshtml=")),
    ]
}

/// Runs the supervisor once. The first start also makes Wine's world, which takes some seconds.
fn starts(workspace: &Workspace, programs: &Path) -> Outcome {
    let mut command = run::command(
        "wine",
        [
            programs.join("supervisor.exe").as_os_str(),
            "--help".as_ref(),
        ],
    );
    command.envs(wine_environment(workspace));
    run::captured(&mut command).map_err(|error| {
        Failure::from_error(
            &error,
            "run the same line with WINEDEBUG unset to see what Wine misses",
        )
    })?;
    Ok(Held::default())
}

/// The end-to-end upgrade, with the programs for Windows in place of ours.
fn upgrade(workspace: &Workspace, programs: &Path) -> Outcome {
    let mut command = workspace.cargo(&[
        "test", "--quiet", "--locked", "-p", "e2e", "--test", "upgrade",
    ]);
    command
        .envs(wine_environment(workspace))
        .env("HOTPLATE_BIN_DIR", programs)
        .env("HOTPLATE_RUNNER", "wine");
    run::captured(&mut command).map_err(|error| {
        Failure::from_error(
            &error,
            "run the named test without Wine first, then read the supervisor's log above",
        )
    })?;
    Ok(Held::default())
}
