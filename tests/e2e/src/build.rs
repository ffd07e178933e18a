//! Builds the programs under test, once per test process, so that plain `cargo test` needs nothing but Rust.
//!
//! They go into the target folder this test was built into, with the same cargo; the results are copied to a folder of their own,
//! because one source yields several versions of the worker. A file lock keeps test processes that run at the same time apart.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

/// The versions of the oven that tests upgrade from and to. The first one is also what a plain build makes.
const VERSIONS: [&str; 2] = ["1.0.7", "1.0.0"];

const SUFFIX: &str = env::consts::EXE_SUFFIX;

/// The folder with all programs, freshly built; the error is what the compiler said.
pub(crate) fn build() -> Result<PathBuf, String> {
    let target = target();
    let programs = target.join("e2e");
    fs::create_dir_all(&programs)
        .expect("the target folder can be written, this test came out of it");
    let lock =
        File::create(programs.join("lock")).expect("a lock file can be made in the target folder");
    lock.lock().expect("the system has file locks");
    let made = target.join("debug");
    for version in VERSIONS {
        cargo(&target, version)?;
        keep(
            &made.join(format!("worker{SUFFIX}")),
            &programs.join(format!("worker-{version}{SUFFIX}")),
        );
    }
    keep(
        &made.join(format!("supervisor{SUFFIX}")),
        &programs.join(format!("supervisor{SUFFIX}")),
    );
    keep(
        &made.join("examples").join(format!("misfit{SUFFIX}")),
        &programs.join(format!("misfit{SUFFIX}")),
    );
    Ok(programs)
}

/// This program lies in `<target>/<profile>/deps`.
fn target() -> PathBuf {
    let own = env::current_exe().expect("a program knows its own path");
    own.ancestors()
        .nth(3)
        .expect("cargo puts a test three folders deep")
        .to_owned()
}

fn cargo(target: &Path, version: &str) -> Result<(), String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args([
            "build",
            "--quiet",
            "--package",
            "supervisor",
            "--package",
            "worker",
            "--bins",
            "--examples",
        ])
        .arg("--target-dir")
        .arg(target)
        .env("HOTPLATE_WORKER_VERSION", version)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    // What cargo tells this test about its own package would make build scripts run again, theirs and ours in turn.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let about_us = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
        if about_us.iter().any(|beginning| text.starts_with(beginning)) {
            command.env_remove(&name);
        }
    }
    let output = command
        .output()
        .expect("cargo, which runs this test, can be started");
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "the programs under test could not be built:\n{said}"
    ))
}

/// Copies a program unless the copy is the same already: one that runs in another test process could not be replaced everywhere.
fn keep(from: &Path, to: &Path) {
    let new =
        fs::read(from).unwrap_or_else(|why| panic!("`{}` was not built: {why}", from.display()));
    if fs::read(to).is_ok_and(|old| old == new) {
        return;
    }
    let beside = to.with_extension("new");
    fs::copy(from, &beside).expect("the target folder can be written");
    fs::rename(&beside, to).expect("a program that has changed is not running any more");
}
