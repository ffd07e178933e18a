//! Every file of every corpus, as an ordinary test.
//!
//! A file is named `<readers>.<what it is>`: the readers that understand it, joined by `+`, or `none`. What a fuzzer found to
//! lead somewhere new is named `found.<hash>`; of that only the promises are checked. A crash that was mended belongs
//! here too, under a name that says what it was.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use fuzz_targets::TARGETS;

/// As many files as one can still look through.
const MOST_FILES: usize = 100;

/// The largest file, in bytes; what needs more is made by a test of its own.
const LARGEST_FILE: usize = 8 * 1024;

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a folder can be listed").path())
        .collect();
    files.sort();
    files
}

fn name_of(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str());
    name.expect("a name is plain text")
}

/// What the file's name says about who understands it.
fn promised(file: &Path) -> Option<Vec<&str>> {
    let (readers, what) = name_of(file).split_once('.').expect("a name has two parts");
    assert!(!what.is_empty(), "{file:?} does not say what it is");
    match readers {
        "found" => None,
        "none" => Some(Vec::new()),
        readers => Some(readers.split('+').collect()),
    }
}

#[test]
fn every_file_keeps_every_promise_and_is_understood_by_whom_its_name_says() {
    let mut wrong = Vec::new();
    for target in TARGETS {
        let files = files_in(&package().join("corpus").join(target.name));
        assert!(!files.is_empty(), "`{}` has no corpus", target.name);
        assert!(files.len() <= MOST_FILES, "`{}` has too many", target.name);
        for file in files {
            // Should a promise be broken, its file stands last in what the failing test prints.
            println!("{}", file.display());
            let bytes = fs::read(&file).unwrap();
            assert!(bytes.len() <= LARGEST_FILE, "{} bytes", bytes.len());
            let understood = (target.run)(&bytes);
            if promised(&file).is_some_and(|readers| understood != readers) {
                wrong.push(format!("{}: {understood:?}", name_of(&file)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_target_has_a_corpus_and_a_program_of_its_name() {
    let names: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(names.len(), TARGETS.len());
    let corpora = files_in(&package().join("corpus"));
    let corpora: BTreeSet<_> = corpora.iter().map(|it| name_of(it).to_owned()).collect();
    assert_eq!(corpora, names);
    let fuzzer = package().join("cargo-fuzz");
    let programs = files_in(&fuzzer.join("targets"));
    let programs: BTreeSet<_> = programs.iter().map(|it| name_of(it).to_owned()).collect();
    let sources = names.iter().map(|name| format!("{name}.rs"));
    assert_eq!(programs, sources.collect());
    let manifest = fs::read_to_string(fuzzer.join("Cargo.toml")).unwrap();
    for name in &names {
        let program = format!("name = \"{name}\"\npath = \"targets/{name}.rs\"\n");
        assert!(manifest.replace('\r', "").contains(&program), "{program}");
        let text = fs::read_to_string(fuzzer.join(format!("targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("fuzz_targets::{name}(bytes)")));
    }
}

#[test]
fn bytes_of_every_length_that_mean_nothing_are_understood_by_nobody() {
    for target in TARGETS {
        for byte in [0x00, 0xff, b' '] {
            for length in 0..300 {
                let bytes = vec![byte; length];
                assert_eq!((target.run)(&bytes), Vec::<&str>::new(), "{}", target.name);
            }
        }
    }
}
