//! The package for Debian and its kin, laid out in a folder of its own and packed by `cargo-deb`.
//!
//! It brings the programs, the unit that the supervisor itself writes, and an example configuration. The service is enabled and not started, because
//! nobody has written `/etc/hotplate/hotplate.toml` yet. Removing the package keeps configuration and state, purging it takes both.

use super::PackageError;
use super::archive;
use super::contents::Entry;
use crate::run;
use crate::workspace::Workspace;
use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the package puts the supervisor.
pub(super) const PROGRAM: &str = "/usr/bin/hotplate";

/// The configuration the unit names.
pub(super) const CONFIG: &str = "/etc/hotplate/hotplate.toml";

/// Where the unit keeps the state, as `StateDirectory` has it.
pub(super) const STATE: &str = "/var/lib/hotplate";

/// The unit's name.
pub(super) const UNIT: &str = "hotplate.service";

/// The release of `cargo-deb` that is known to work with what is laid out here.
const CARGO_DEB: &str = "3.8.0";

/// What is done after the package is removed. The tool puts what belongs to the unit at the mark.
const POSTRM: &str = "#!/bin/sh\n\
    set -e\n\
    #DEBHELPER#\n\
    if [ \"$1\" = purge ]; then\n\
    \trm -rf /etc/hotplate /var/lib/hotplate\n\
    fi\n";

/// The example configuration, and the one line that is another in a package: beside the configuration is no place for the state there.
const EXAMPLE: &str = "hotplate.example.toml";
const STATE_BESIDE: &str = "# dir = \"state\" ";

/// Names of the entries, places in the package, and rights there. What is not named here stays out.
pub(super) const ASSETS: [(&str, &str, &str); 9] = [
    ("supervisor", "usr/bin/hotplate", "755"),
    ("oven", "usr/lib/hotplate/oven", "755"),
    (
        "hotplate.example.toml",
        "etc/hotplate/hotplate.example.toml",
        "644",
    ),
    ("hotplate.8", "usr/share/man/man8/hotplate.8", "644"),
    (
        "hotplate.bash",
        "usr/share/bash-completion/completions/hotplate",
        "644",
    ),
    (
        "_hotplate",
        "usr/share/zsh/vendor-completions/_hotplate",
        "644",
    ),
    (
        "hotplate.fish",
        "usr/share/fish/vendor_completions.d/hotplate.fish",
        "644",
    ),
    ("README.md", "usr/share/doc/hotplate/README.md", "644"),
    ("THREATS.md", "usr/share/doc/hotplate/THREATS.md", "644"),
];

/// What the package is made from.
pub(super) struct Debian<'a> {
    pub(super) workspace: &'a Workspace,
    /// The system the programs are for.
    pub(super) target: &'a str,
    /// The version of the programs.
    pub(super) version: &'a str,
    /// How often this version was packed; a package with a higher number is an upgrade.
    pub(super) revision: u32,
}

impl Debian<'_> {
    /// Makes the package and its checksum in this folder, and answers where it is.
    ///
    /// # Errors
    /// When something cannot be written, or `cargo-deb` does not do its work.
    pub(super) fn make(&self, entries: &[Entry], folder: &Path) -> Result<PathBuf, PackageError> {
        let laid = folder.join(format!("debian-{}-{}", self.target, self.revision));
        self.lay_out(entries, &laid)?;
        let file = self.file(folder);
        let mut pack = run::command(tool(self.workspace), ["deb", "--no-build", "--no-strip"]);
        pack.args(["--quiet", "--target", self.target, "--deb-revision"])
            .arg(self.revision.to_string())
            .arg("--output")
            .arg(&file)
            .arg("--manifest-path")
            .arg(laid.join("Cargo.toml"));
        run::captured(&mut pack)?;
        let bytes = read(&file)?;
        archive::checksum(&file, &bytes)?;
        Ok(file)
    }

    /// Where it is in this folder, once it is made.
    pub(super) fn file(&self, folder: &Path) -> PathBuf {
        let machine = self.machine();
        let Self {
            version, revision, ..
        } = self;
        folder.join(format!("hotplate_{version}-{revision}_{machine}.deb"))
    }

    /// Debian's word for the processor.
    pub(super) fn machine(&self) -> &'static str {
        match self.target.split('-').next() {
            Some("aarch64") => "arm64",
            _ => "amd64",
        }
    }

    fn lay_out(&self, entries: &[Entry], laid: &Path) -> Result<(), PackageError> {
        let scripts = laid.join("maintainer");
        fs::create_dir_all(&scripts).map_err(at(&scripts))?;
        for entry in entries {
            let name = entry.name.rsplit('/').next().unwrap_or(&entry.name);
            save(&laid.join(name), &as_packaged(name, &entry.bytes))?;
        }
        let unit = self.unit()?;
        save(&scripts.join(UNIT), unit.as_bytes())?;
        save(&scripts.join("postrm"), POSTRM.as_bytes())?;
        save(&laid.join("main.rs"), b"fn main() {}\n")?;
        save(&laid.join("Cargo.toml"), self.manifest().as_bytes())
    }

    /// The unit, as the supervisor itself writes it. One that runs here is asked, whatever system the package is for.
    pub(super) fn unit(&self) -> Result<String, PackageError> {
        let words = ["run", "--locked", "--quiet", "-p", "supervisor", "--"];
        let mut print = self.workspace.cargo(&words);
        print.args([
            "--config", CONFIG, "service", "print", "--system", "systemd",
        ]);
        print.args(["--program", PROGRAM]);
        Ok(run::captured(&mut print)?)
    }

    /// A manifest for the tool alone: it packs what lies beside it and builds nothing.
    fn manifest(&self) -> String {
        let assets: String = ASSETS
            .iter()
            .map(|(name, place, rights)| format!("    [{name:?}, {place:?}, {rights:?}],\n"))
            .collect();
        format!(
            "[workspace]\n\n\
             [package]\nname = \"hotplate\"\nversion = {version:?}\nedition = \"2024\"\nlicense = \"Apache-2.0 OR MIT\"\n\
             description = \"Keeps a device's program running and upgrades it over the air\"\n\n\
             [[bin]]\nname = \"hotplate\"\npath = \"main.rs\"\n\n\
             [package.metadata.deb]\n\
             maintainer = \"The authors of Hotplate <hotplate@localhost>\"\n\
             copyright = \"The authors of Hotplate\"\n\
             section = \"admin\"\npriority = \"optional\"\n\
             depends = \"libc6 (>= 2.34), libgcc-s1\"\n\
             recommends = \"ca-certificates\"\n\
             changelog = \"CHANGELOG.md\"\n\
             extended-description = \"\"\"\n\
             A supervisor keeps the link to the IoT platform, finds, downloads and verifies updates,\n\
             and swaps the device's program for its next version between two turns of its control loop.\n\
             A version that does not prove itself is taken back.\"\"\"\n\
             maintainer-scripts = \"maintainer\"\n\
             assets = [\n{assets}]\n\n\
             [package.metadata.deb.systemd-units]\n\
             unit-scripts = \"maintainer\"\n\
             unit-name = \"hotplate\"\n\
             enable = true\nstart = false\n",
            version = self.version,
        )
    }
}

/// The bytes of an entry as the package has them.
pub(super) fn as_packaged<'a>(name: &str, bytes: &'a [u8]) -> Cow<'a, [u8]> {
    if name == EXAMPLE {
        settled(bytes).into_bytes().into()
    } else {
        bytes.into()
    }
}

/// The example configuration as the package has it.
fn settled(example: &[u8]) -> String {
    let text = String::from_utf8_lossy(example);
    text.replace(STATE_BESIDE, &format!("dir = \"{STATE}\" "))
}

/// Whether the tool is there, in the release that is wanted.
pub(super) fn has_tool(workspace: &Workspace) -> bool {
    run::captured(&mut run::command(tool(workspace), ["--version"]))
        .is_ok_and(|told| told.trim().ends_with(CARGO_DEB))
}

/// Brings the tool into the build folder, where nothing else sees it.
///
/// # Errors
/// When it cannot be built.
pub(super) fn bring_tool(workspace: &Workspace) -> Result<(), PackageError> {
    let mut install = run::cargo();
    install
        .args([
            "install",
            "cargo-deb",
            "--locked",
            "--quiet",
            "--version",
            CARGO_DEB,
        ])
        .arg("--root")
        .arg(tools(workspace));
    run::captured(&mut install)?;
    Ok(())
}

fn tools(workspace: &Workspace) -> PathBuf {
    workspace.target.join("tools")
}

fn tool(workspace: &Workspace) -> PathBuf {
    let name = format!("cargo-deb{}", std::env::consts::EXE_SUFFIX);
    let own = tools(workspace).join("bin").join(&name);
    if own.is_file() {
        return own;
    }
    run::which("cargo-deb").unwrap_or(own)
}

fn save(file: &Path, bytes: &[u8]) -> Result<(), PackageError> {
    fs::write(file, bytes).map_err(at(file))
}

fn read(file: &Path) -> Result<Vec<u8>, PackageError> {
    fs::read(file).map_err(at(file))
}

fn at(file: &Path) -> impl FnOnce(std::io::Error) -> PackageError {
    let file = file.to_owned();
    move |source| PackageError::File { file, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packaged_example_keeps_the_state_where_the_unit_does() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let example = fs::read(root.join("supervisor").join(EXAMPLE)).expect("it is there");
        let settled = settled(&example);
        assert!(
            settled.contains("\ndir = \"/var/lib/hotplate\" "),
            "{settled}"
        );
    }
}
