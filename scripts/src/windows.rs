//! `cargo xtask windows`: builds supervisor and worker for Windows on another system, and runs them under Wine.
//!
//! Wine is not Windows: it may allow what Windows forbids, so what
//! holds here is a first sign, and hosted CI on Windows is the proof.

use crate::cross::Target;
use crate::needs::{self, Need};
use crate::run;
use crate::step::{Failure, Held, Outcome, Steps};
use crate::systems::{Report, Show, Suite};
use crate::workspace::Workspace;
use e2e::System;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const TARGET: Target = Target {
    triple: "x86_64-pc-windows-gnu",
    name: "windows",
    c_compiler: "x86_64-w64-mingw32-gcc",
    suffix: ".exe",
    // Debian has no standard library for Windows, but the sources.
    std: Need {
        package: "rust-web-src",
        met: || Path::new("/usr/lib/rustlib/src/rust/library/Cargo.toml").exists(),
    },
    std_is_built: true,
};

const NEEDS: [Need; 3] = [
    Need {
        package: "gcc-mingw-w64-x86-64",
        met: || needs::program(TARGET.c_compiler),
    },
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

/// What `--check` runs of the suite: each thing once that a device on Windows must live through. The rest is left to `--all`, because Wine is
/// slow.
const CHECKED: &[&str] = &[
    // The road from a push to a trusted worker, also after a kill of the supervisor in the download and in the trial.
    "road::",
    // Each kind of bad worker is taken back, or not taken at all.
    "rollback::",
    // A worker is killed, dies again and again, hangs; a supervisor is killed before its worker.
    "respawn::",
    // The same in the other phases of an update, and both workers at once.
    "deaths::",
    // Downloads that break off and go on. What is sent to a killed one is counted in a whole run: Wine now and then keeps its connection open.
    "resume::breaks::the_image_that_always_breaks_off",
    "packages::what_lies_beside",
    // The hot swap, fifty times in a row, and with calls that never pause.
    "switch::calls_that_never_pause",
    "switch::fifty_upgrades_in_a_row",
    "switch::limits::",
    "switch::consent::what_waits_for_a_window",
    // Odd and long paths, files that scanners hold.
    "places::",
    // A key asks it to end. Service control is left to a whole run: Wine gives a new service ten seconds, of which a busy machine needs more.
    "cli::asked_to_end",
    "checkpoints::a_supervisor_that_is_stopped_in_order",
];

/// Most of a test's time is waiting, so that more of them than processors run at a time.
const AT_A_TIME: usize = 4;

/// How to build, and whether to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Install missing Debian packages (as root); otherwise they are named
    #[arg(long)]
    install: bool,
    /// Build with the release profile
    #[arg(long)]
    release: bool,
    /// Run under Wine what a device must live through: upgrades, roll-backs, kills, broken downloads, fifty hot swaps, odd paths, a stop
    #[arg(long)]
    check: bool,
    /// Run the whole end-to-end suite under Wine
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    show: Show,
}

/// The target, and what a build for it needs that runs nothing.
pub(crate) fn builder() -> (&'static Target, &'static [Need]) {
    (&TARGET, NEEDS.split_at(1).0)
}

/// Runs the steps and tells whether all of them held.
///
/// # Errors
/// When the workspace cannot be read at all.
pub(crate) fn windows(args: &Args) -> Result<bool, crate::Error> {
    if cfg!(windows) {
        return Err(crate::Error::Usage(
            "cross-build on Windows itself; use `cargo build` and `cargo xtask systems` here"
                .to_owned(),
        ));
    }
    let workspace = Workspace::read()?;
    let toolchain = TARGET.toolchain();
    let programs = TARGET.folder(&workspace).join("programs");
    let mut steps = Steps::new();
    let mut report: Option<Report> = None;
    let go = steps.step("tools", || TARGET.tools(toolchain, &NEEDS, args.install))
        && steps.step("build for Windows", || {
            TARGET.build(&workspace, toolchain, args.release, &programs)
        })
        && steps.step("a world for Wine", || world(&workspace));
    if go {
        // Without it everything still works, only slower; a Wine that cannot start at all shows in the next step.
        let _session = Session::start(&workspace);
        let go = steps.step("starts under Wine", || starts(&workspace, &programs));
        if go && (args.check || args.all) {
            let suite = suite(&workspace, &programs, args.all);
            steps.step("the suite under Wine", || {
                suite.step(&workspace, &mut report)
            });
        }
    }
    Ok(args.show.finish(steps, TARGET.name, report.as_ref()))
}

/// The end-to-end suite with the programs for Windows in place of ours.
fn suite(workspace: &Workspace, programs: &Path, all: bool) -> Suite {
    let title = format!("Windows x86-64 ({})", version());
    let mut suite = Suite::of(System::Wine, title)
        .with_programs(programs)
        .with("HOTPLATE_RUNNER", "wine")
        .at_a_time(AT_A_TIME);
    for (name, value) in wine_environment(workspace) {
        suite = suite.with(name, value);
    }
    if all { suite } else { suite.only(CHECKED) }
}

/// Wine's own word for its version.
fn version() -> String {
    let said = run::captured(&mut run::command("wine", ["--version"])).unwrap_or_default();
    let number = said.trim().strip_prefix("wine-").unwrap_or(said.trim());
    // Debian adds a word of its own.
    let number = number.split([' ', '~']).next().unwrap_or_default();
    format!("Wine {number}").trim_end().to_owned()
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
    let mut compile = run::command(TARGET.c_compiler, ["-shared", "-O2", "-s", "-o"]);
    compile.arg(&library).arg(&source).arg("-ladvapi32");
    std::fs::write(&source, SHIM).map_err(|error| Failure::from_error(&error, next))?;
    run::captured(&mut compile).map_err(|error| Failure::from_error(&error, next))?;
    Ok(Held::default())
}

/// The environment in which a program for Windows runs under Wine: a world of its own in the build folder, quiet, and without
/// the questions about parts we do not use.
#[must_use]
pub(crate) fn wine_environment(workspace: &Workspace) -> [(&'static str, PathBuf); 4] {
    [
        ("WINEPREFIX", workspace.target.join("windows").join("wine")),
        ("WINEDEBUG", PathBuf::from("-all")),
        ("WINEDLLOVERRIDES", PathBuf::from("mscoree,mshtml=")),
        // By which Wine reads command lines; those of the tests are not all in ASCII.
        ("LC_ALL", PathBuf::from("C.UTF-8")),
    ]
}

/// Wine's own system processes, kept running. Otherwise the first program of each test would start them, they would inherit its
/// output, and whoever reads that output to its end would wait for them.
struct Session {
    prompt: Child,
    environment: [(&'static str, PathBuf); 4],
}

impl Session {
    /// Starts a command prompt that does nothing and ends with its input.
    fn start(workspace: &Workspace) -> std::io::Result<Self> {
        let environment = wine_environment(workspace);
        let prompt = |word| quiet("wine", &["cmd", word], &environment);
        // One that ends at once is waited for: only when it has ended it is sure that it started the system's processes, and no later one does.
        prompt("/c").arg("exit").stdin(Stdio::null()).status()?;
        let prompt = prompt("/k").stdin(Stdio::piped()).spawn()?;
        Ok(Self {
            prompt,
            environment,
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.prompt.stdin.take());
        // A prompt that cannot be waited for is gone already.
        let _ = self.prompt.wait();
        // A console whose program was killed in a test would stay for good, and keep Wine's server busy. This ends what runs in our world.
        let _ = quiet("wineserver", &["-k"], &self.environment).status();
    }
}

/// A command in our world whose output nobody reads.
fn quiet(program: &str, arguments: &[&str], environment: &[(&str, PathBuf)]) -> Command {
    let mut command = run::command(program, arguments);
    command
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
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
