//! `cargo xtask interop`: the product against programs that others wrote.
//!
//! Mosquitto as the broker, nginx as the firmware server, minisign as the publisher's tool, and the platform's official device SDK for Python
//! against the emulator.
//! The tests are in package `e2e`; this brings what they need and tells them where it is. What cannot be had makes the run
//! fail: these tests are never skipped in silence.

use crate::needs::{self, Need};
use crate::run;
use crate::step::{Failure, Held, Outcome, Steps};
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};

const PROGRAMS: [Need; 3] = [
    Need {
        package: "mosquitto",
        met: || needs::program("mosquitto"),
    },
    Need {
        package: "nginx",
        met: || needs::program("nginx"),
    },
    Need {
        package: "minisign",
        met: || needs::program("minisign"),
    },
];

const PYTHON: [Need; 1] = [Need {
    package: "python3-venv",
    met: || python().is_some(),
}];

/// The SDK and the MQTT library it was written for; with a newer one it connects and never says so.
const PACKAGES: [&str; 2] = ["aliyun-iot-linkkit==1.2.13", "paho-mqtt<2"];

/// Fails unless the packages above are there.
const PROBE: &str = "from importlib.metadata import version as v; \
    assert v('aliyun-iot-linkkit') == '1.2.13' and int(v('paho-mqtt').split('.')[0]) < 2; import linkkit.linkkit";

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only tests whose names contain this
    filter: Option<String>,
}

/// Runs the steps and tells whether all of them held.
///
/// # Errors
/// When the workspace cannot be read at all.
pub(crate) fn interop(args: &Args) -> Result<bool, crate::Error> {
    let workspace = Workspace::read()?;
    let environment = workspace.target.join("interop").join("python");
    let python = environment.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let mut steps = Steps::new();
    let ready = steps.step("programs and Python", provide)
        && steps.step("device SDK for Python", || sdk(&environment, &python));
    if ready {
        steps.step("tests", || {
            tests(&workspace, &python, args.filter.as_deref())
        });
    }
    Ok(steps.finish("interop"))
}

fn provide() -> Outcome {
    let all: Vec<Need> = PROGRAMS.into_iter().chain(PYTHON).collect();
    Ok(Held::with(needs::provide(&all, true)?))
}

/// A Python that can make environments. Debian packages that ability apart, so finding a Python is not enough.
fn python() -> Option<PathBuf> {
    ["python3", "python", "/usr/bin/python3"]
        .into_iter()
        .map(PathBuf::from)
        .find(|python| {
            run::captured(&mut run::command(python, ["-c", "import venv, ensurepip"])).is_ok()
        })
}

/// Makes the environment and fills it, unless it is there already and holds what it must.
fn sdk(environment: &Path, python_there: &Path) -> Outcome {
    let holds = || run::captured(&mut run::command(python_there, ["-c", PROBE]));
    if holds().is_ok() {
        return Ok(Held::with("as before"));
    }
    let next = "see that the Python package index can be reached (or a mirror is configured for pip), then run this again";
    let failed = |error: run::RunError| Failure::from_error(&error, next);
    let python = python()
        .ok_or_else(|| Failure::new("no Python can make environments", "install python3-venv"))?;
    let mut make = run::command(python, ["-m", "venv", "--clear"]);
    run::captured(make.arg(environment)).map_err(failed)?;
    let mut install = run::command(
        python_there,
        [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ],
    );
    run::captured(install.args(PACKAGES)).map_err(failed)?;
    holds().map_err(failed)?;
    Ok(Held::with(PACKAGES.join(", ")))
}

/// Runs the tests, which fail by themselves when one of these variables is missing.
fn tests(workspace: &Workspace, python: &Path, filter: Option<&str>) -> Outcome {
    let mut command = workspace.cargo(&[
        "test",
        "--locked",
        "-p",
        "e2e",
        "--features",
        "interop",
        "--test",
        "interop",
    ]);
    command.args(filter);
    command.env("HOTPLATE_INTEROP_PYTHON", python);
    for (variable, program) in [
        ("HOTPLATE_INTEROP_MOSQUITTO", "mosquitto"),
        ("HOTPLATE_INTEROP_NGINX", "nginx"),
        ("HOTPLATE_INTEROP_MINISIGN", "minisign"),
    ] {
        // Shown to be there by the first step.
        command.env(
            variable,
            run::which(program).unwrap_or_else(|| PathBuf::from(program)),
        );
    }
    let printed = run::captured(&mut command).map_err(|error| {
        Failure::from_error(&error, "run `cargo xtask interop <name of the test>`; the server's own log is in the output above")
    })?;
    match run::tests_passed(&printed) {
        0 => Err(Failure::new(
            "no test ran",
            "name a test that exists, or none to run them all",
        )),
        passed => Ok(Held::with(format!("{passed} tests passed"))),
    }
}
