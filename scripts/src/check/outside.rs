//! The project stands alone: nothing in it names a place outside of it.
//!
//! Two kinds of names are found: absolute paths of the machine the check runs on (the folder around the clone, and the
//! home of the user), in every text file; and links in pages and comments that climb out of the repository or lead to
//! nothing in it. Code is free to spell hostile paths, for instance in its tests.

use crate::run;
use crate::step::{Failure, Held, Outcome};
use crate::workspace::Workspace;
use std::path::{Component, Path, PathBuf};

/// Reads every file that git knows, or would know.
pub(super) fn outside(workspace: &Workspace) -> Outcome {
    let mut ask = run::command(
        "git",
        [
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
    );
    let listed = run::captured(ask.current_dir(&workspace.root)).map_err(|error| {
        Failure::from_error(
            &error,
            "run the check inside a git clone, with git installed",
        )
    })?;
    let places = places(&workspace.root);
    let mut found = Vec::new();
    let mut files = 0;
    for name in listed.split_terminator('\0') {
        // Not text, or deleted but not yet committed: neither holds a line to read.
        let Ok(text) = std::fs::read_to_string(workspace.root.join(name)) else {
            continue;
        };
        files += 1;
        let exists = |path: &Path| workspace.root.join(path).exists();
        for (number, row) in text.lines().enumerate() {
            let machine = places.iter().find(|place| names(row, place)).cloned();
            let dead =
                prose(Path::new(name), row).and_then(|row| dead_link(Path::new(name), row, exists));
            if let Some(what) = machine.or(dead) {
                found.push(format!("{name}:{}: `{what}`", number + 1));
            }
        }
    }
    if found.is_empty() {
        return Ok(Held::with(format!("{files} files")));
    }
    Err(Failure::new(
        found.join("\n"),
        "say it without a place outside of the repository, or mend the link",
    ))
}

/// The folders of this machine that must not be named. Those so common that ordinary text names them are left out.
fn places(root: &Path) -> Vec<String> {
    let home = std::env::home_dir();
    let common = [
        Path::new("/"),
        &std::env::temp_dir(),
        Path::new("/root"),
        Path::new("/home"),
        Path::new("/src"),
    ];
    [root.parent().map(Path::to_owned), home]
        .into_iter()
        .flatten()
        .filter(|place| place.components().count() > 1 && !common.contains(&place.as_path()))
        .map(|place| format!("{}{}", place.display(), std::path::MAIN_SEPARATOR))
        .collect()
}

/// Whether a line spells this place, as a path of its own and not as the tail of a longer one.
fn names(row: &str, place: &str) -> bool {
    row.match_indices(place).any(|(at, _)| {
        let before = row[..at].chars().next_back();
        before.is_none_or(|before| !(before.is_alphanumeric() || "._-/\\".contains(before)))
    })
}

/// The part of a line that speaks to people: all of a page, the comments of code and configuration.
fn prose<'a>(file: &Path, row: &'a str) -> Option<&'a str> {
    let mark = match file.extension()?.to_str()? {
        "md" => return Some(row),
        "rs" => "//",
        "toml" | "yml" | "yaml" => "#",
        _ => return None,
    };
    row.trim_start().strip_prefix(mark)
}

/// The first link of a line that climbs out of the repository or, in a page, leads to nothing in it.
fn dead_link(file: &Path, row: &str, exists: impl Fn(&Path) -> bool) -> Option<String> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let climbing = row
        .split(|letter: char| letter.is_whitespace() || "\"'`()[]<>,;#".contains(letter))
        .filter(|word| word.starts_with("../"))
        .find(|word| inside(folder, word).is_none_or(|path| !exists(&path)));
    let page = file.extension().is_some_and(|extension| extension == "md");
    let linked = row
        .split("](")
        .skip(1)
        .filter(|_| page)
        .filter_map(|rest| rest.split([')', '#', ' ']).next())
        .filter(|target| {
            !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:")
        })
        .find(|target| inside(folder, target).is_none_or(|path| !exists(&path)));
    climbing.or(linked).map(str::to_owned)
}

/// Where a relative path leads, counted from the repository's root; none when it leads out of it.
fn inside(folder: &Path, target: &str) -> Option<PathBuf> {
    let mut path = folder.to_owned();
    for component in Path::new(target).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Component::Normal(name) => path.push(name),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_of_the_machine_is_found_only_as_a_path_of_its_own() {
        assert!(names("see `/lab/notes.md`", "/lab/"));
        assert!(names("/lab/notes.md", "/lab/"));
        assert!(!names("https://example.com/lab/notes", "/lab/"));
        assert!(!names("the /laboratory", "/lab/"));
    }

    #[test]
    fn a_link_out_of_the_repository_is_dead_even_when_something_lies_there() {
        let dead = dead_link(Path::new("docs/design.md"), "see ../../notes.md", |_| true);
        assert_eq!(dead.as_deref(), Some("../../notes.md"));
    }

    #[test]
    fn a_link_to_a_page_that_is_there_is_alive() {
        let exists = |path: &Path| path == Path::new("README.md");
        assert_eq!(
            dead_link(
                Path::new("docs/design.md"),
                "[read](../README.md#start) https://x/../y",
                exists
            ),
            None
        );
        assert_eq!(
            dead_link(Path::new("README.md"), "[read](docs/gone.md)", exists).as_deref(),
            Some("docs/gone.md")
        );
    }

    #[test]
    fn only_the_comments_of_code_are_prose() {
        assert_eq!(
            prose(Path::new("a.rs"), "    // see ../x"),
            Some(" see ../x")
        );
        assert_eq!(prose(Path::new("a.rs"), "let bad = \"../../x\";"), None);
    }
}
