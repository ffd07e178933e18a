//! `cargo xtask replay` as people call it: with a path as they type it, for a walk that keeps the laws, one that breaks one, and no walk.

use std::path::Path;
use std::process::{Command, Output};

/// A good update with one fault in it.
const GOOD: &str = "# as it happens\nhotplate walk 1\nstill yes\nanswers yes\noffered 1.0.7\n16 places lose-cloud 3\nend rest\n";

/// Nobody ever offers what this one wants.
const BROKEN: &str = "hotplate walk 1\nstill yes\nanswers yes\noffered 1.0.7\nwants 9.9.9\n30 places cut\nend rest\n";

fn replay(folder: &Path, file: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["replay", file]).current_dir(folder);
    command.env_remove("WALK").env("NO_COLOR", "1");
    command.output().expect("it runs")
}

fn folder_with(name: &str, text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(name), text).expect("a file");
    folder
}

/// What was printed, and with which code it ended.
fn told(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        text(&output.stdout),
        text(&output.stderr),
        output.status.code(),
    )
}

#[test]
fn a_walk_is_told_step_by_step_and_ends_with_its_verdict() {
    let folder = folder_with("good.walk", GOOD);
    let (story, aside, code) = told(&replay(folder.path(), "good.walk"));
    assert_eq!(code, Some(0), "{story}{aside}");
    let at = |words: &str| {
        let at = story.find(words);
        at.unwrap_or_else(|| panic!("`{words}` is not in\n{story}{aside}"))
    };
    let places = [
        at("is offered 1.0.7"),
        at("step 1 of 1, after 16 places: lose-cloud 3"),
        at("version 1.0.7 is trusted"),
        at("✓ every law held, and the world came to rest"),
    ];
    assert!(places.is_sorted(), "{story}");

    let folder = folder_with("broken.walk", BROKEN);
    let (story, aside, code) = told(&replay(folder.path(), "./broken.walk"));
    assert_eq!(code, Some(1), "{story}{aside}");
    let last = story.lines().last().unwrap_or_default();
    let verdict = "✗ `comes_to_rest` broke after step 1, the last one, at ";
    assert!(last.starts_with(verdict), "{story}");
}

#[test]
fn what_is_no_walk_is_named_with_the_line_that_is_none() {
    let folder = folder_with(
        "no.walk",
        "hotplate walk 1\nstill yes\n12 places dance\nend rest\n",
    );
    for (file, words) in [
        ("no.walk", "line 3, `12 places dance`, is none of a walk"),
        ("missing.walk", "failed to read the walk `missing.walk`: "),
        (".", "failed to read the walk `.`: "),
    ] {
        let (story, aside, code) = told(&replay(folder.path(), file));
        assert_eq!(code, Some(2), "{story}{aside}");
        assert!(aside.contains(words), "{aside}");
    }
}
