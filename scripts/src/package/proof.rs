//! A finished package read back: it is the package of its system, it holds what was to be packed, and its checksum is its own.
//!
//! It refuses to take the word of whoever packed it: programs are looked at by their headers, and a Debian package by Debian's own tool.

use super::PackageError;
use super::archive::{self, Format};
use super::contents::Entry;
use super::debian::{self, ASSETS, Debian};
use crate::run;
use crate::step::{Failure, Held, Outcome};
use flate2::read::GzDecoder;
use std::fs;
use std::io::Read as _;
use std::path::Path;

/// The scripts that make the service known to the system, and forgotten.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Where units lie, in one of these.
const UNITS: [&str; 2] = ["usr/lib/systemd/system/", "lib/systemd/system/"];

/// What is at fault with a package, one line each.
#[derive(Debug, Default)]
struct Faults(Vec<String>);

impl Faults {
    fn unless(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.0.push(fault());
        }
    }

    fn outcome(self, note: String) -> Outcome {
        if self.0.is_empty() {
            return Ok(Held::with(note));
        }
        Err(Failure::new(
            self.0.join("\n"),
            "look at the list of contents, and at what packs it",
        ))
    }
}

/// An archive holds these entries and nothing else, its programs are for this target, and its checksum is right.
pub(super) fn archive(file: &Path, target: &str, wanted: &[Entry]) -> Outcome {
    let unread = |source| PackageError::File {
        file: file.to_owned(),
        source,
    };
    let packed = fs::read(file)
        .map_err(unread)
        .map_err(|error| failed(&error))?;
    let found = Format::of(target)
        .unpack(&packed)
        .map_err(unread)
        .map_err(|error| failed(&error))?;
    let mut faults = Faults::default();
    checksum(&mut faults, file)?;
    compare(&mut faults, wanted, &found);
    for entry in found.iter().filter(|entry| entry.program) {
        made_for(&mut faults, entry, target);
    }
    faults.outcome(format!("{} files, each as it was packed", found.len()))
}

/// A Debian package says that it is for this target's machine, and holds everything at its place.
pub(super) fn debian(file: &Path, made: &Debian<'_>, wanted: &[Entry]) -> Outcome {
    if run::which("dpkg-deb").is_none() {
        return Ok(Held {
            note: "not looked into".to_owned(),
            alarms: vec!["`dpkg-deb` is missing".to_owned()],
        });
    }
    let asked = |words: &[&str]| {
        let mut ask = run::command("dpkg-deb", &words[..1]);
        run::bytes(ask.arg(file).args(&words[1..])).map_err(|error| failed(&error))
    };
    let mut faults = Faults::default();
    checksum(&mut faults, file)?;
    let control = asked(&["--field", "Package", "Version", "Architecture"])?;
    let control = String::from_utf8_lossy(&control).into_owned();
    for field in [
        "Package: hotplate".to_owned(),
        format!("Version: {}-{}", made.version, made.revision),
        format!("Architecture: {}", made.machine()),
    ] {
        faults.unless(control.lines().any(|row| row == field), || {
            format!("`{field}` is not in its control file, but\n{control}")
        });
    }
    let scripts = files(&asked(&["--ctrl-tarfile"])?).map_err(|error| failed(&error))?;
    for name in SCRIPTS {
        let there = scripts.iter().any(|it| it.name == name && it.program);
        faults.unless(there, || format!("the script `{name}` is missing"));
    }
    let found = files(&asked(&["--fsys-tarfile"])?).map_err(|error| failed(&error))?;
    placed(&mut faults, &found, wanted);
    for entry in found.iter().filter(|entry| entry.program) {
        made_for(&mut faults, entry, made.target);
    }
    let unit = made.unit().map_err(|error| failed(&error))?;
    let installed = found.iter().find(|entry| {
        UNITS
            .iter()
            .any(|folder| entry.name == format!("{folder}{}", debian::UNIT))
    });
    faults.unless(
        installed.is_some_and(|it| it.bytes == unit.as_bytes()),
        || format!("`{}` is not what the supervisor prints", debian::UNIT),
    );
    faults.outcome(format!(
        "{}, {} files with unit, example, manual and completions",
        made.machine(),
        found.len()
    ))
}

/// Every asset is at its place with its rights, and has the bytes of its entry; texts may be compressed, and the example is settled.
fn placed(faults: &mut Faults, found: &[Entry], wanted: &[Entry]) {
    for (name, place, rights) in ASSETS {
        let behind = format!("/{name}");
        let entry = wanted.iter().find(|it| it.name.ends_with(&behind));
        let zipped = format!("{place}.gz");
        let at = found
            .iter()
            .find(|it| it.name == place || it.name == zipped);
        let (Some(entry), Some(at)) = (entry, at) else {
            faults.0.push(format!("`{place}` is missing"));
            continue;
        };
        faults.unless(at.program == (rights == "755"), || {
            format!("`{place}` has other rights than {rights}")
        });
        let mut plain = Vec::new();
        let bytes = if at.name == zipped {
            // What cannot be read has too few bytes, and is told as another one.
            let _ = GzDecoder::new(at.bytes.as_slice()).read_to_end(&mut plain);
            &plain
        } else {
            &at.bytes
        };
        let same = debian::as_packaged(name, &entry.bytes) == *bytes;
        faults.unless(same, || format!("`{place}` is not `{}`", entry.name));
    }
}

/// The files of an uncompressed archive, named without the dot they begin with.
fn files(archive: &[u8]) -> std::io::Result<Vec<Entry>> {
    let mut entries = archive::untarred(archive)?;
    for entry in &mut entries {
        if let Some(name) = entry.name.strip_prefix("./") {
            entry.name = name.to_owned();
        }
    }
    Ok(entries)
}

fn checksum(faults: &mut Faults, file: &Path) -> Result<(), Failure> {
    let holds = archive::checksum_holds(file).map_err(|error| failed(&error))?;
    faults.unless(holds, || "its checksum is that of another file".to_owned());
    Ok(())
}

fn compare(faults: &mut Faults, wanted: &[Entry], found: &[Entry]) {
    for entry in wanted {
        faults.unless(found.contains(entry), || {
            format!("`{}` is missing or not as it was packed", entry.name)
        });
    }
    for entry in found {
        faults.unless(wanted.iter().any(|it| it.name == entry.name), || {
            format!("`{}` does not belong here", entry.name)
        });
    }
}

fn made_for(faults: &mut Faults, program: &Entry, target: &str) {
    let told = system_of(&program.bytes);
    let fits = told.is_some_and(|(processor, system)| {
        target.starts_with(processor) && target.contains(system)
    });
    faults.unless(fits, || {
        let told = told.map_or_else(
            || "no program".to_owned(),
            |(processor, system)| format!("for {processor} and {system}"),
        );
        format!("`{}` is {told}, not for {target}", program.name)
    });
}

/// Processor and system of a program, by its header, in the words of Rust's targets.
fn system_of(program: &[u8]) -> Option<(&'static str, &'static str)> {
    let number = |at: usize| {
        let bytes = program.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let begins = |magic: &[u8]| program.starts_with(magic);
    let (machine, system) = if begins(b"\x7fELF") {
        (number(18)? & 0xffff, "linux")
    } else if begins(b"MZ") {
        (number(number(0x3c)? as usize + 4)? & 0xffff, "windows")
    } else if begins(&[0xcf, 0xfa, 0xed, 0xfe]) {
        (number(4)?, "apple")
    } else {
        return None;
    };
    let processor = match (system, machine) {
        ("linux", 62) | ("windows", 0x8664) | ("apple", 0x0100_0007) => "x86_64",
        ("linux", 183) | ("windows", 0xaa64) | ("apple", 0x0100_000c) => "aarch64",
        _ => return None,
    };
    Some((processor, system))
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::from_error(error, "look at what it says")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program's header and nothing else.
    fn elf(machine: u8) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..4].copy_from_slice(b"\x7fELF");
        bytes[18] = machine;
        bytes
    }

    fn entries(program: Vec<u8>) -> Vec<Entry> {
        let entry = |name: &str, bytes, program| Entry {
            name: format!("hotplate-1.0.0/{name}"),
            bytes,
            program,
        };
        vec![
            entry("supervisor", program, true),
            entry("README.md", b"# Hotplate\n".to_vec(), false),
        ]
    }

    /// What is at fault with an archive of these, for 64-bit ARM.
    fn faults(packed: &[Entry], wanted: &[Entry]) -> String {
        let folder = tempfile::tempdir().expect("there is room");
        let file = folder.path().join("a.tar.gz");
        let bytes = Format::TarGz.pack(packed).expect("it fits");
        archive::write(&file, &bytes).expect("there is room");
        let proved = super::archive(&file, "aarch64-unknown-linux-gnu", wanted);
        proved.map_or_else(|failure| failure.output, |_| String::new())
    }

    #[test]
    fn an_archive_with_everything_in_it_for_its_system_is_taken() {
        assert_eq!(faults(&entries(elf(183)), &entries(elf(183))), "");
    }

    #[test]
    fn a_program_for_another_processor_is_named() {
        assert_eq!(
            faults(&entries(elf(62)), &entries(elf(62))),
            "`hotplate-1.0.0/supervisor` is for x86_64 and linux, not for aarch64-unknown-linux-gnu"
        );
    }

    #[test]
    fn what_is_missing_changed_or_too_much_is_named() {
        let whole = entries(elf(183));
        let (program, text) = (&whole[..1], &whole[1..]);
        assert!(faults(program, &whole).contains("`hotplate-1.0.0/README.md` is missing"));
        let mut changed = entries(elf(183));
        changed[1].bytes.push(b'!');
        assert!(faults(&changed, &whole).contains("`hotplate-1.0.0/README.md` is missing or not"));
        assert!(faults(&whole, text).contains("`hotplate-1.0.0/supervisor` does not belong"));
    }

    #[test]
    fn systems_are_told_by_their_headers() {
        let mut windows = vec![0; 0x90];
        windows[..2].copy_from_slice(b"MZ");
        windows[0x3c] = 0x80;
        windows[0x80..0x86].copy_from_slice(b"PE\0\0\x64\x86");
        let mac = [0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1];
        assert_eq!(system_of(&windows), Some(("x86_64", "windows")));
        assert_eq!(system_of(&mac), Some(("aarch64", "apple")));
        assert_eq!(system_of(&elf(8)), None, "MIPS is no system of ours");
        assert_eq!(system_of(b"MZ"), None);
    }
}
