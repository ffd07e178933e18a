//! `cargo xtask arm64`: builds supervisor and worker for Linux on 64-bit ARM, and runs them under QEMU's emulation of programs.
//!
//! The kernel starts such a program under QEMU by itself once that is registered with it, so that the supervisor's workers are
//! emulated like the supervisor. The kernel below is this machine's own: what holds here is a sign for the processor and its library,
//! not for a board.

use crate::cross::Target;
use crate::needs::{self, Need};
use crate::run;
use crate::step::{Failure, Held, Outcome, Steps};
use crate::systems::{Report, Show, Suite};
use crate::workspace::Workspace;
use e2e::System;
use std::path::Path;

const TARGET: Target = Target {
    triple: "aarch64-unknown-linux-gnu",
    name: "arm64",
    c_compiler: "aarch64-linux-gnu-gcc",
    suffix: "",
    std: Need {
        package: "libstd-rust-web-dev:arm64",
        met: || Path::new("/usr/lib/rustlib/aarch64-unknown-linux-gnu/lib").is_dir(),
    },
    std_is_built: false,
};

const QEMU: &str = "qemu-aarch64-static";

const NEEDS: [Need; 3] = [
    Need {
        package: "gcc-aarch64-linux-gnu",
        met: || needs::program(TARGET.c_compiler),
    },
    Need {
        package: "libc6-dev-arm64-cross",
        met: || Path::new(LIBRARIES).join("lib/libc.so.6").exists(),
    },
    Need {
        package: "qemu-user-static",
        met: || needs::program(QEMU),
    },
];

/// Where the cross-compiler's C library lies, and where the loader is if the system has one of the target's own.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";
const LOADER: &str = "/lib/ld-linux-aarch64.so.1";

/// Where the kernel is told which programs are run by which others, and what the package of QEMU has for it.
const REGISTRY: &str = "/proc/sys/fs/binfmt_misc";
const ENTRY: &str = "qemu-aarch64";
const RULE: &str = "/usr/lib/binfmt.d/qemu-aarch64.conf";

/// What `--check` runs of the suite: an upgrade, each kind of bad worker, workers and supervisors that are killed in each phase, downloads
/// that break off, switches while calls come in, and fifty upgrades in a row. The rest is left to `--all`, because emulation is slow.
const CHECKED: &[&str] = &[
    "bad_images::a_program_for_another_system",
    "blocks::a_supervisor_killed_in_mid_download",
    "checkpoints::after_the_supervisors_death",
    "damage::a_new_slot_damaged_in_its_trial",
    "deaths::",
    "orphans::a_worker_that_makes_its_device_safe",
    "respawn::",
    "resume::breaks::a_program_in_fifty_pieces",
    "resume::kills::",
    "road::",
    "rollback::",
    "switch::",
];

/// Most of a test's time is waiting, so that more of them than processors run at a time.
const AT_A_TIME: usize = 3;

/// How to build, and whether to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Install missing Debian packages (as root); otherwise they are named
    #[arg(long)]
    install: bool,
    /// Build with the release profile
    #[arg(long)]
    release: bool,
    /// Run under QEMU what matters most of the end-to-end suite
    #[arg(long)]
    check: bool,
    /// Run the whole end-to-end suite under QEMU
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    show: Show,
}

/// The target, and what a build for it needs that runs nothing.
pub(crate) fn builder() -> (&'static Target, &'static [Need]) {
    (&TARGET, NEEDS.split_at(2).0)
}

/// Runs the steps and tells whether all of them held.
///
/// # Errors
/// When the workspace cannot be read at all, or this is no Linux.
pub(crate) fn arm64(args: &Args) -> Result<bool, crate::Error> {
    if !cfg!(target_os = "linux") {
        return Err(crate::Error::Usage(
            "programs for Linux are emulated on Linux only; use `cargo xtask systems` here"
                .to_owned(),
        ));
    }
    let workspace = Workspace::read()?;
    let toolchain = TARGET.toolchain();
    let programs = TARGET.folder(&workspace).join("programs");
    let mut steps = Steps::new();
    let mut report: Option<Report> = None;
    let go = steps.step("tools", || TARGET.tools(toolchain, &NEEDS, args.install))
        && steps.step("build for 64-bit ARM", || {
            TARGET.build(&workspace, toolchain, args.release, &programs)
        })
        && steps.step("known to the kernel", register)
        && steps.step("starts under QEMU", || starts(&programs));
    if go && (args.check || args.all) {
        let mut suite = Suite::of(System::Arm64, format!("Linux ARM64 ({})", version()))
            .with_programs(&programs)
            .at_a_time(AT_A_TIME);
        if let Some(libraries) = libraries() {
            suite = suite.with("QEMU_LD_PREFIX", libraries);
        }
        if !args.all {
            suite = suite.only(CHECKED);
        }
        steps.step("the suite under QEMU", || {
            suite.step(&workspace, &mut report)
        });
    }
    Ok(args.show.finish(steps, TARGET.name, report.as_ref()))
}

/// Has the kernel start programs for 64-bit ARM under QEMU, unless it does so already. Only root may tell it.
fn register() -> Outcome {
    let entry = Path::new(REGISTRY).join(ENTRY);
    if entry.exists() || cfg!(target_arch = "aarch64") {
        return Ok(Held::with("as before"));
    }
    let next = format!(
        "as root: mount -t binfmt_misc binfmt_misc {REGISTRY} (unless it is mounted), then cat {RULE} > {REGISTRY}/register"
    );
    let failed = |error: &dyn std::error::Error| Failure::from_error(error, next.clone());
    if !Path::new(REGISTRY).join("register").exists() {
        let mut mount = run::command("mount", ["-t", "binfmt_misc", "binfmt_misc", REGISTRY]);
        run::captured(&mut mount).map_err(|error| failed(&error))?;
    }
    // Mounted just now, it may show what was told to the kernel before.
    if !entry.exists() {
        let rule = std::fs::read(RULE).map_err(|error| failed(&error))?;
        let register = Path::new(REGISTRY).join("register");
        std::fs::write(register, rule.trim_ascii()).map_err(|error| failed(&error))?;
    }
    Ok(Held::with("registered"))
}

/// Runs the supervisor once, so that a missing library shows here and not as an upgrade that fails.
fn starts(programs: &Path) -> Outcome {
    let mut command = run::command(programs.join("supervisor"), ["--help"]);
    command.envs(libraries().map(|folder| ("QEMU_LD_PREFIX", folder)));
    run::captured(&mut command).map_err(|error| {
        Failure::from_error(&error, "see what the same line says on a terminal")
    })?;
    Ok(Held::default())
}

/// Where QEMU is to look for loader and library. Nowhere else if the system itself has them: a loader from one place and a library from the
/// other do not fit together, and the first thread would never start.
fn libraries() -> Option<&'static str> {
    (!Path::new(LOADER).exists()).then_some(LIBRARIES)
}

/// QEMU's own word for its version.
fn version() -> String {
    let said = run::captured(&mut run::command(QEMU, ["--version"])).unwrap_or_default();
    let number = said.split_whitespace().nth(2).unwrap_or_default();
    format!("QEMU {number}").trim_end().to_owned()
}
