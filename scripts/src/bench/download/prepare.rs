//! What is there before the first round: room enough, and a file that nobody can compress.

use super::{DownloadError, web};
use crate::bench::live::{Live, stopped};
use crate::{paint, run};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Room beside the files themselves: programs, records, logs.
const SPARE: u64 = 64 << 20;

/// How much of the file is made between two looks at Ctrl-C.
const PIECE: u64 = 32 << 20;

/// A file that some shell or kernel is asked to run must do no harm.
const HARMLESS: &[u8] = b"#!/bin/false\n";

/// What is downloaded.
pub(super) struct Image {
    /// Its length in bytes.
    pub(super) size: u64,
    /// Its MD5 in lower-case hexadecimal.
    pub(super) md5: String,
}

/// A path that holds wherever it is used from.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, DownloadError> {
    fs::canonicalize(path).map_err(|source| DownloadError::File {
        path: path.to_owned(),
        source,
    })
}

/// Makes the file that is served: nothing in it can be compressed. Its digest is told by `md5sum`.
pub(super) fn make(folder: &Path, size: u64, live: &mut Live) -> Result<Image, DownloadError> {
    let path = folder.join(web::IMAGE);
    let failed = |source| DownloadError::File {
        path: path.clone(),
        source,
    };
    let mut file = File::create(&path).map_err(failed)?;
    file.write_all(HARMLESS).map_err(failed)?;
    let mut random = File::open("/dev/urandom").map_err(failed)?;
    let mut done = HARMLESS.len() as u64;
    while done < size {
        stopped()?;
        live.move_to(&format!("making the image: {} %", done * 100 / size));
        let piece = PIECE.min(size - done);
        done += io::copy(&mut (&mut random).take(piece), &mut file).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    let md5 = digest(&path)?;
    Ok(Image { size, md5 })
}

/// Fills as much memory as a copy will take, and frees it again. A guest gets memory from its host when it touches it, and gives
/// back what is free; without this, whoever writes after a pause pays for that, and whoever writes after him does not.
///
/// # Errors
/// When the file for it cannot be written.
pub(super) fn warm_memory(folder: &Path, size: u64) -> Result<(), DownloadError> {
    let path = folder.join("scratch");
    let failed = |source| DownloadError::File {
        path: path.clone(),
        source,
    };
    let mut file = File::create(&path).map_err(failed)?;
    let mut done = 0;
    while done < size {
        stopped()?;
        let piece = PIECE.min(size - done);
        done += io::copy(&mut io::repeat(0).take(piece), &mut file).map_err(failed)?;
    }
    fs::remove_file(&path).map_err(failed)
}

/// At any time there are two copies: what is served, and what one of the programs made of it.
pub(super) fn room(place: &Path, bytes: u64) -> Result<(), DownloadError> {
    let needed = bytes.saturating_mul(2).saturating_add(SPARE);
    let told = run::captured(run::command("df", ["-Pk"]).arg(place))?;
    let Some(free) = free_bytes(&told) else {
        return Err(DownloadError::Missing(format!(
            "`df` tells no free space in {told:?}"
        )));
    };
    if free < needed {
        let place = place.to_owned();
        return Err(DownloadError::Room {
            place,
            needed,
            free,
        });
    }
    eprintln!(
        "{}",
        paint::faint(&format!(
            "writing to {}: {:.1} GB of {:.1} GB free are needed",
            place.display(),
            paint::giga(needed),
            paint::giga(free)
        ))
    );
    Ok(())
}

/// The fourth word of the second line, in units of 1024 bytes, as POSIX lays it down.
fn free_bytes(told: &str) -> Option<u64> {
    let blocks: u64 = told
        .lines()
        .nth(1)?
        .split_whitespace()
        .nth(3)?
        .parse()
        .ok()?;
    blocks.checked_mul(1024)
}

/// The MD5 of a file in lower-case hexadecimal.
///
/// # Errors
/// When `md5sum` fails.
fn digest(path: &Path) -> Result<String, DownloadError> {
    let told = run::captured(run::command("md5sum", ["--"]).arg(path))?;
    Ok(told.chars().take(32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_read_as_posix_lays_it_down() {
        let told = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 263174212 16000000 79000000 17% /\n";
        assert_eq!(free_bytes(told), Some(79_000_000 * 1024));
        assert_eq!(free_bytes("nonsense"), None);
    }
}
