//! Who may depend on whom, and what the two pure packages may never reach.
//!
//! Cargo enforces that a wall has no unnamed door; this module enforces that nobody names a new one. The brain decides
//! without a clock, a disk, a socket or a process, so nothing it depends on, however deep, may bring them.

use crate::run;
use crate::step::{Failure, Held, Outcome};
use crate::workspace::Workspace;
use std::collections::BTreeMap;

/// Every package of ours and the packages of ours it may name.
const DOORS: [(&str, &[&str]); 11] = [
    ("worker-protocol", &[]),
    ("supervisor-core", &["worker-protocol"]),
    ("worker-link", &["worker-protocol"]),
    ("worker-sdk", &["worker-link", "worker-protocol"]),
    ("worker", &["worker-sdk"]),
    (
        "supervisor",
        &["supervisor-core", "worker-link", "worker-protocol"],
    ),
    ("cloud-emulator", &[]),
    ("e2e", &["cloud-emulator"]),
    ("fuzz-targets", &["supervisor-core", "worker-protocol"]),
    // What it has in common with the supervisor is what a worker cannot do without.
    ("yardstick", &["worker-link", "worker-protocol"]),
    ("xtask", &["cloud-emulator", "e2e"]),
];

/// What a package may name beyond that for its tests and examples. The worker's `misfit` must speak where the sdk never would.
const DOORS_FOR_TESTS: [(&str, &[&str]); 1] = [("worker", &["worker-link", "worker-protocol"])];

/// The packages that only compute.
const PURE: [&str; 2] = ["supervisor-core", "worker-protocol"];

/// What would give a pure package hands.
const HANDS: [&str; 5] = ["tokio", "mio", "rumqttc", "reqwest", "interprocess"];

/// Who names whom, and whether only for tests and examples.
type Named<'a> = BTreeMap<&'a str, Vec<(&'a str, bool)>>;

/// Checks every manifest against the doors.
pub(super) fn walls(workspace: &Workspace) -> Outcome {
    let named: Named<'_> = workspace
        .packages
        .iter()
        .map(|package| {
            (
                package.name.as_str(),
                package
                    .dependencies
                    .iter()
                    .map(|it| (it.name.as_str(), it.for_tests()))
                    .collect(),
            )
        })
        .collect();
    let broken = broken_walls(&named);
    if broken.is_empty() {
        return Ok(Held::with(format!("{} packages", named.len())));
    }
    Err(Failure::new(
        broken.join("\n"),
        "take the dependency out, or move the code to a package that may have it",
    ))
}

/// Each package that names one of ours it may not, and each package that has no place in the plan.
fn broken_walls(named: &Named<'_>) -> Vec<String> {
    let open = |doors: &[(&str, &[&str])], from: &str, to: &str| {
        doors
            .iter()
            .any(|(name, may)| *name == from && may.contains(&to))
    };
    let mut broken = Vec::new();
    for (package, dependencies) in named {
        if !DOORS.iter().any(|(name, _)| name == package) {
            broken.push(format!(
                "`{package}` has no place in the plan of who may depend on whom"
            ));
            continue;
        }
        for (name, for_tests) in dependencies
            .iter()
            .filter(|(name, _)| named.contains_key(name))
        {
            let door = open(&DOORS, package, name)
                || (*for_tests && open(&DOORS_FOR_TESTS, package, name));
            if !door {
                broken.push(format!("`{package}` may not depend on `{name}`"));
            }
        }
    }
    broken
}

/// Checks the trees of the pure packages, for every system and with every feature.
pub(super) fn purity(workspace: &Workspace) -> Outcome {
    let next = "a pure package reports what should happen; let a driver of the supervisor do it";
    let mut found = Vec::new();
    for package in PURE {
        let args = [
            "tree",
            "-p",
            package,
            "-e",
            "normal",
            "--target",
            "all",
            "--all-features",
            "--prefix",
            "none",
            "--locked",
        ];
        let tree = run::captured(&mut workspace.cargo(&args))
            .map_err(|error| Failure::from_error(&error, next))?;
        found.extend(hands_in(&tree).map(|hand| format!("`{package}` reaches `{hand}`")));
    }
    if found.is_empty() {
        Ok(Held::with(PURE.join(", ")))
    } else {
        Err(Failure::new(found.join("\n"), next))
    }
}

/// The hands named in a tree printed one package per line.
fn hands_in(tree: &str) -> impl Iterator<Item = &'static str> {
    HANDS
        .into_iter()
        .filter(|hand| tree.lines().any(|row| row.split(' ').next() == Some(hand)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_names_the_supervisor_breaks_a_wall() {
        let worker = vec![
            ("worker-sdk", false),
            ("serde", false),
            ("supervisor", true),
        ];
        let named = BTreeMap::from([
            ("worker", worker),
            ("supervisor", vec![]),
            ("worker-sdk", vec![]),
        ]);
        assert_eq!(
            broken_walls(&named),
            ["`worker` may not depend on `supervisor`"]
        );
    }

    #[test]
    fn a_door_for_tests_is_no_door_for_the_product() {
        let named = |for_tests| {
            BTreeMap::from([
                ("worker", vec![("worker-link", for_tests)]),
                ("worker-link", vec![]),
            ])
        };
        assert!(broken_walls(&named(true)).is_empty());
        assert_eq!(
            broken_walls(&named(false)),
            ["`worker` may not depend on `worker-link`"]
        );
    }

    #[test]
    fn a_package_of_others_is_no_business_of_the_walls() {
        assert!(
            broken_walls(&BTreeMap::from([(
                "supervisor-core",
                vec![("serde", false), ("worker", false)]
            )]))
            .is_empty()
        );
    }

    #[test]
    fn a_new_package_must_be_given_its_place() {
        assert_eq!(broken_walls(&BTreeMap::from([("gadget", vec![])])).len(), 1);
    }

    #[test]
    fn hands_are_found_by_their_whole_name_only() {
        let tree = "supervisor-core v0.1.0\ntokio-util v0.7.0\nmio v1.0.0\n";
        assert_eq!(hands_in(tree).collect::<Vec<_>>(), ["mio"]);
    }
}
