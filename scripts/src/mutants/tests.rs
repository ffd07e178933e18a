//! The table keeps up with the core: these tests fail in the change that makes a row wrong, long before the mistakes are made again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::table::MUTANTS;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The sources of the core, each with its room.
fn rooms() -> Vec<(String, String)> {
    fn walk(folder: &Path, room: &str, rooms: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).expect("the core is there") {
            let path = entry.expect("it is listed").path();
            let name = path.file_stem().and_then(|it| it.to_str()).expect("text");
            let inner = match (room, name) {
                (_, "mod" | "lib") => room.to_owned(),
                ("", name) => name.to_owned(),
                (room, name) => format!("{room}::{name}"),
            };
            if path.is_dir() {
                walk(&path, &inner, rooms);
            } else if path.extension().is_some_and(|it| it == "rs") {
                rooms.push((inner, fs::read_to_string(&path).expect("it is text")));
            }
        }
    }
    let mut rooms = Vec::new();
    walk(&root().join("supervisor/core/src"), "", &mut rooms);
    rooms
}

#[test]
fn the_text_of_every_mistake_is_in_the_core_exactly_once() {
    for mutant in MUTANTS {
        if let Err(error) = mutant.fits(&root()) {
            panic!("{error}");
        }
        assert_ne!(mutant.from, mutant.to, "{}", mutant.name);
    }
}

#[test]
fn every_test_and_law_that_is_to_catch_a_mistake_is_in_the_core() {
    let rooms = rooms();
    for mutant in MUTANTS {
        assert!(!mutant.tests.is_empty(), "{}", mutant.name);
        for test in mutant.tests {
            let (room, name) = test.rsplit_once("::").expect("it has a room");
            let has = |(of, text): &(String, String)| {
                of == room && text.contains(&format!("#[test]\nfn {name}("))
            };
            assert!(rooms.iter().any(has), "{}: {test}", mutant.name);
        }
        for law in mutant.laws {
            let said = format!("\"{law}: ");
            let has =
                |(of, text): &(String, String)| of.starts_with("world") && text.contains(&said);
            assert!(rooms.iter().any(has), "{}: {law}", mutant.name);
        }
    }
}

#[test]
fn no_two_mistakes_have_one_name() {
    let names: BTreeSet<&str> = MUTANTS.iter().map(|it| it.name).collect();
    assert_eq!(names.len(), MUTANTS.len());
}

#[test]
fn a_mistake_is_chosen_by_words_of_its_name() {
    let chosen = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|&it| it.to_owned()).collect();
        super::chosen(&words).map(|chosen| chosen.len())
    };
    assert_eq!(chosen(&["Healthy SECONDS"]).expect("there is one"), 1);
    let two = chosen(&["healthy seconds", "is never quarantined"]);
    assert_eq!(two.expect("there are two"), 2);
    assert!(matches!(
        chosen(&["healthy seconds", "no such mistake"]),
        Err(crate::Error::Usage(_))
    ));
    assert_eq!(chosen(&[]).expect("all"), MUTANTS.len());
}
