//! What a script needs from the machine beyond Rust: found, installed when that is wanted and possible, otherwise named.
//!
//! Installing works on Debian and its kin as root. Everywhere else the missing packages are told, with the command that
//! brings them, and the script fails: it never goes on with half of what it promised.

use crate::run;
use crate::step::Failure;

/// One thing a script cannot do without.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    /// The Debian package that brings it; one of another architecture has that behind a colon.
    pub(crate) package: &'static str,
    /// Tells whether it is there, however it came.
    pub(crate) met: fn() -> bool,
}

/// Whether a program of this name is found.
#[must_use]
pub(crate) fn program(name: &str) -> bool {
    run::which(name).is_some()
}

/// Whether everything is there.
#[must_use]
pub(crate) fn all_met(needs: &[Need]) -> bool {
    needs.iter().all(|need| (need.met)())
}

/// Makes sure that everything is there, and tells in a few words what had to be done.
///
/// # Errors
/// When something is missing and may not or cannot be installed from here.
pub(crate) fn provide(needs: &[Need], install: bool) -> Result<String, Failure> {
    let missing: Vec<&str> = needs
        .iter()
        .filter(|need| !(need.met)())
        .map(|need| need.package)
        .collect();
    if missing.is_empty() {
        return Ok("all there".to_owned());
    }
    let foreign = missing
        .iter()
        .find_map(|package| package.split_once(':'))
        .map(|(_, architecture)| architecture);
    let by_hand = format!(
        "{}apt-get install --no-install-recommends {}",
        foreign
            .map(|it| format!("dpkg --add-architecture {it} && apt-get update && "))
            .unwrap_or_default(),
        missing.join(" ")
    );
    let named = || Failure::new(format!("missing: {}", missing.join(", ")), by_hand.clone());
    if !install || run::which("apt-get").is_none() || !is_root() {
        return Err(named());
    }
    let failed = |error| Failure::from_error(&error, by_hand.clone());
    if let Some(architecture) = foreign {
        run::captured(&mut run::command(
            "dpkg",
            ["--add-architecture", architecture],
        ))
        .map_err(failed)?;
    }
    run::captured(&mut run::command("apt-get", ["update", "--quiet"])).map_err(failed)?;
    let mut install = run::command(
        "apt-get",
        ["install", "--yes", "--quiet", "--no-install-recommends"],
    );
    install
        .args(&missing)
        .env("DEBIAN_FRONTEND", "noninteractive");
    run::captured(&mut install).map_err(failed)?;
    // A package that installs without bringing what it is for would otherwise show only much later, as something else.
    if all_met(needs) {
        Ok(format!("installed {}", missing.join(", ")))
    } else {
        Err(named())
    }
}

/// Whether we may install packages.
fn is_root() -> bool {
    run::captured(&mut run::command("id", ["-u"])).is_ok_and(|id| id.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_package_is_named_together_with_the_command_that_brings_it() {
        let needs = [
            Need {
                package: "gizmo",
                met: || program("no-such-program-anywhere"),
            },
            Need {
                package: "cargo",
                met: || program("cargo"),
            },
        ];
        let failure = provide(&needs, false).expect_err("the gizmo is missing");
        assert_eq!(failure.output, "missing: gizmo");
        assert_eq!(
            failure.next,
            "apt-get install --no-install-recommends gizmo"
        );
    }

    #[test]
    fn a_package_of_another_architecture_is_named_with_the_command_that_lets_it_in() {
        let needs = [Need {
            package: "gizmo:arm64",
            met: || false,
        }];
        let failure = provide(&needs, false).expect_err("the gizmo is missing");
        assert_eq!(
            failure.next,
            "dpkg --add-architecture arm64 && apt-get update && apt-get install --no-install-recommends gizmo:arm64"
        );
    }
}
