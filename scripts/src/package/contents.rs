//! What a person gets, whatever it is packed into: the programs, an example configuration, the words that come with them, and what shells
//! complete.

use super::PackageError;
use crate::completions;
use std::fs;
use std::path::{Path, PathBuf};

/// One file of a package.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name inside, with `/` between folders.
    pub(super) name: String,
    /// What is in it.
    pub(super) bytes: Vec<u8>,
    /// Whether it can be run.
    pub(super) program: bool,
}

/// The programs, by the name of their package and the name they are given.
const PROGRAMS: [(&str, &str); 2] = [("supervisor", "supervisor"), ("worker", "oven")];

/// What is copied as it is, by its place in the workspace and the name it is given.
const TEXTS: [(&str, &str); 6] = [
    ("supervisor/hotplate.example.toml", "hotplate.example.toml"),
    ("supervisor/THREATS.md", "THREATS.md"),
    ("README.md", "README.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("LICENSE-MIT", "LICENSE-MIT"),
];

/// Gathers everything under one folder, which is named like the package. `suffix` is what the system puts behind a program's name, and
/// `called` is the supervisor's name there, behind which shells complete.
///
/// # Errors
/// When a file cannot be read, which names it.
pub(super) fn gather(
    root: &Path,
    programs: &Path,
    suffix: &str,
    folder: &str,
    called: &str,
) -> Result<Vec<Entry>, PackageError> {
    let of_programs = PROGRAMS.iter().map(|(package, name)| {
        let file = programs.join(format!("{package}{suffix}"));
        (file, format!("{name}{suffix}"), true)
    });
    let of_texts = TEXTS
        .iter()
        .map(|(place, name)| (root.join(place), (*name).to_owned(), false));
    let made = completions::of(called).into_iter();
    let made = made.map(|(name, bytes)| (format!("completions/{name}"), bytes));
    let manual = ("hotplate.8".to_owned(), completions::manual().into_bytes());
    let made = made.chain([manual]).map(|(name, bytes)| {
        Ok(Entry {
            name: format!("{folder}/{name}"),
            bytes,
            program: false,
        })
    });
    of_programs
        .chain(of_texts)
        .map(|(file, name, program)| {
            Ok(Entry {
                name: format!("{folder}/{name}"),
                bytes: read(file)?,
                program,
            })
        })
        .chain(made)
        .collect()
}

fn read(file: PathBuf) -> Result<Vec<u8>, PackageError> {
    fs::read(&file).map_err(|source| PackageError::File { file, source })
}
