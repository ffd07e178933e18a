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
use std::process::{Child, Command, Stdio};

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

/// Wine 8 lacks `bcryptprimitives.dll`, which Rust's standard library takes its random numbers from. Ours hands out the system's
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

/// The worker before and after the upgrade.
const VERSIONS: [&str; 2] = ["1.0.0", "1.0.7"];

/// The tests that run under Wine: the road from a push to a trusted worker, and one that is taken back.
const UPGRADES: [&str; 2] = [
    "road::an_oven_at_work",
    "rollback::a_worker_that_fails_to_activate",
];

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
    let programs = workspace.target.join("windows").join("programs");
    let mut steps = Steps::new();
    let mut go = true;
    go = go && steps.step("tools", || tools(toolchain, args.install));
    go = go
        && steps.step("build for Windows", || {
            build(&workspace, toolchain, args.release, &programs)
        });
    go = go && steps.step("a world for Wine", || world(&workspace));
    if go {
        // Without it everything still works, only slower; a Wine that cannot start at all shows in the next step.
        let _session = Session::start(&workspace);
        go = steps.step("starts under Wine", || starts(&workspace, &programs));
        if go && args.check {
            steps.step("upgrade under Wine", || upgrade(&workspace, &programs));
        }
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

/// Builds supervisor and worker, then the worker once more for each version an upgrade needs, and gathers all in one folder.
fn build(workspace: &Workspace, toolchain: Toolchain, release: bool, programs: &Path) -> Outcome {
    let built = workspace
        .target
        .join("windows")
        .join(TARGET)
        .join(if release { "release" } else { "debug" });
    let next = "mend what does not compile for Windows; `cfg(unix)` code needs its Windows half";
    let take = |from: &str, to: &str| {
        std::fs::copy(built.join(from), programs.join(to))
            .map(drop)
            .map_err(|error| {
                Failure::from_error(&error, format!("see why `{to}` cannot be copied"))
            })
    };
    let compile = |what: &[&str], version: &str| {
        let mut command = cargo_for_windows(workspace, toolchain);
        command
            .arg("--quiet")
            .args(what)
            .args(release.then_some("--release"))
            .env("HOTPLATE_WORKER_VERSION", version);
        // What runs under Wine is never debugged there; without, it builds faster and is a fraction of the size to download.
        command
            .env("CARGO_PROFILE_DEV_DEBUG", "none")
            .env("CARGO_PROFILE_DEV_STRIP", "symbols");
        run::captured(&mut command).map_err(|error| Failure::from_error(&error, next))
    };
    std::fs::create_dir_all(programs)
        .map_err(|error| Failure::from_error(&error, "make the build folder writable"))?;
    compile(
        &["-p", "supervisor", "-p", "worker", "--bins", "--examples"],
        VERSIONS[0],
    )?;
    take("supervisor.exe", "supervisor.exe")?;
    take("examples/misfit.exe", "misfit.exe")?;
    for version in VERSIONS {
        compile(&["-p", "supervisor", "-p", "worker", "--bins"], version)?;
        take("worker.exe", &format!("worker-{version}.exe"))?;
    }
    Ok(Held::with(format!(
        "supervisor, misfit, worker {}",
        VERSIONS.join(" and ")
    )))
}

/// Makes Wine's world, once, and puts the missing library among the system's own: workers start from the slots they are unpacked
/// into, so that beside the programs it would not be found.
fn world(workspace: &Workspace) -> Outcome {
    let next = "remove the folder `windows/wine` in the build folder, and see that Wine and the compiler for Windows work";
    let prefix = workspace.target.join("windows").join("wine");
    let system = prefix.join("drive_c").join("windows").join("system32");
    let (source, library) = (
        prefix.join("bcryptprimitives.c"),
        system.join("bcryptprimitives.dll"),
    );
    if std::fs::read(&source).is_ok_and(|old| old == SHIM.as_bytes()) && library.is_file() {
        return Ok(Held::with("as before"));
    }
    // Its output is not captured: the system's processes would keep the pipe open for as long as they live.
    let mut boot = run::command("wine", ["wineboot", "--init"]);
    boot.envs(wine_environment(workspace))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    boot.status()
        .map_err(|error| Failure::from_error(&error, next))?;
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

/// Wine's own system processes, kept running. Otherwise the first program of each test would start them, they would inherit its
/// output, and whoever reads that output to its end would wait for them.
struct Session(Child);

impl Session {
    /// Starts a command prompt that does nothing and ends with its input.
    fn start(workspace: &Workspace) -> std::io::Result<Self> {
        let mut prompt = run::command("wine", ["cmd", "/k"]);
        prompt
            .envs(wine_environment(workspace))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        prompt.spawn().map(Self)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // A prompt that cannot be waited for is gone already.
        let _ = self.0.wait();
    }
}

/// Runs the supervisor once, so that what Wine misses shows here and not as an upgrade that fails.
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

/// The end-to-end tests of an upgrade and of one taken back, with the programs for Windows in place of ours.
fn upgrade(workspace: &Workspace, programs: &Path) -> Outcome {
    let mut command =
        workspace.cargo(&["test", "--locked", "-p", "e2e", "--test", "upgrade", "--"]);
    command
        .args(UPGRADES)
        .env("HOTPLATE_BIN_DIR", programs)
        .env("HOTPLATE_RUNNER", "wine");
    let printed = run::captured(command.envs(wine_environment(workspace))).map_err(|error| {
        Failure::from_error(
            &error,
            "run the named test without Wine first, then read the supervisor's log above",
        )
    })?;
    match run::tests_passed(&printed) {
        0 => Err(Failure::new(
            format!("no test is named {}", UPGRADES.join(", ")),
            "name those that are there",
        )),
        passed => Ok(Held::with(format!("{passed} tests passed"))),
    }
}
