//! Whether a file can be a program of this system at all, by the first bytes of it.
//!
//! Only what is certain is said: a program of another processor or system, or no program. Whether one that fits also runs, its start shows.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// So many bytes of a file say what it is; the header of a Windows program may lie some hundred bytes in.
const HEAD: u64 = 4096;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A program of Linux, with its class and the number of its processor.
    Elf(u8, u16),
    /// A program of Windows, with the number of its processor.
    Pe(u16),
    /// A program of macOS, with the number of its processor; one for several has none.
    Mach(Option<u32>),
    /// Text that names the program that reads it.
    Script,
    /// Something else.
    Other,
}

/// Is this certainly no program of this system?
///
/// # Errors
/// It cannot be read.
pub(crate) fn is_foreign(file: &Path) -> io::Result<bool> {
    let own = match std::env::current_exe().and_then(|own| kind(&own)) {
        Ok(Kind::Other | Kind::Script) | Err(_) => return Ok(false),
        Ok(own) => own,
    };
    Ok(!fits(kind(file)?, own))
}

/// Can it be run where a program of our own kind runs?
fn fits(found: Kind, own: Kind) -> bool {
    match (found, own) {
        (Kind::Script, Kind::Elf(..) | Kind::Mach(_)) => true,
        // One for 32 bits runs on many a processor for 64.
        (Kind::Elf(1, _), Kind::Elf(2, _)) => true,
        (Kind::Pe(_), Kind::Pe(_)) | (Kind::Mach(_), Kind::Mach(_)) => true,
        (found, own) => found == own,
    }
}

fn kind(file: &Path) -> io::Result<Kind> {
    let mut head = Vec::new();
    File::open(file)?.take(HEAD).read_to_end(&mut head)?;
    Ok(kind_of(&head))
}

fn kind_of(head: &[u8]) -> Kind {
    let half = |at: usize| Some(u16::from_le_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let whole = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let kind = if head.starts_with(b"\x7fELF") {
        head.get(4)
            .zip(half(18))
            .map(|(class, processor)| Kind::Elf(*class, processor))
    } else if head.starts_with(b"MZ") {
        let header = whole(0x3c).and_then(|at| usize::try_from(at).ok());
        let header = header.and_then(|at| at.checked_add(4));
        header.and_then(half).map(Kind::Pe)
    } else if head.starts_with(&[0xcf, 0xfa, 0xed, 0xfe]) {
        Some(Kind::Mach(whole(4)))
    } else if head.starts_with(&[0xca, 0xfe, 0xba, 0xbe]) {
        Some(Kind::Mach(None))
    } else if head.starts_with(b"#!") {
        Some(Kind::Script)
    } else {
        None
    };
    kind.unwrap_or(Kind::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(class: u8, processor: u8) -> Kind {
        let mut head = vec![0; 64];
        head[..4].copy_from_slice(b"\x7fELF");
        (head[4], head[18]) = (class, processor);
        kind_of(&head)
    }

    #[test]
    fn this_program_fits_and_another_processors_another_systems_and_text_do_not() {
        let own = std::env::current_exe().unwrap();
        assert!(!is_foreign(&own).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text");
        std::fs::write(&text, "not a program\n").unwrap();
        assert!(is_foreign(&text).unwrap());
        assert!(is_foreign(&folder.path().join("missing")).is_err());
        let (amd64, arm64, arm32) = (elf(2, 62), elf(2, 183), elf(1, 40));
        assert!(fits(amd64, amd64) && !fits(amd64, arm64) && !fits(arm64, amd64));
        assert!(fits(arm32, arm64) && fits(kind_of(b"#!/bin/sh\n"), amd64));
        assert!(!fits(kind_of(b"MZ"), amd64) && !fits(kind_of(b""), amd64));
    }
}
