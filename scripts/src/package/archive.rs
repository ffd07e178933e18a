//! Archives of the same bytes each time they are made from the same files: names in order, one time for all, nobody's user name.

use super::PackageError;
use super::contents::Entry;
use ct_codecs::Encoder as _;
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::{self, Cursor, Write as _};
use std::path::{Path, PathBuf};

/// Every file's time, in seconds since 1970: the first second that both formats can name, 1980-01-01.
const TIME: u64 = 315_532_800;

/// What a package is packed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// For Linux and macOS.
    TarGz,
    /// For Windows.
    Zip,
}

impl Format {
    /// What comes behind the name.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::TarGz => "tar.gz",
            Self::Zip => "zip",
        }
    }

    /// Packs it into memory.
    ///
    /// # Errors
    /// When a name is too long for the format.
    pub(super) fn pack(self, entries: &[Entry]) -> io::Result<Vec<u8>> {
        match self {
            Self::TarGz => tar_gz(entries),
            Self::Zip => zipped(entries),
        }
    }
}

fn mode(entry: &Entry) -> u32 {
    if entry.program { 0o755 } else { 0o644 }
}

fn tar_gz(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let zipped = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    let mut archive = tar::Builder::new(zipped);
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(entry.bytes.len() as u64);
        header.set_mode(mode(entry));
        header.set_mtime(TIME);
        archive.append_data(&mut header, &entry.name, entry.bytes.as_slice())?;
    }
    archive.into_inner()?.finish()
}

fn zipped(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for entry in entries {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(mode(entry));
        archive.start_file(&entry.name, options)?;
        archive.write_all(&entry.bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// Writes a file and, beside it, its SHA-256 in the form that `sha256sum --check` reads.
///
/// # Errors
/// When one of both cannot be written, which is named.
pub(super) fn write(file: &Path, bytes: &[u8]) -> Result<(), PackageError> {
    save(file, bytes)?;
    checksum(file, bytes)
}

/// Writes the checksum alone, beside a file that is there.
///
/// # Errors
/// When it cannot be written.
pub(super) fn checksum(file: &Path, bytes: &[u8]) -> Result<(), PackageError> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let sum = ct_codecs::Hex::encode_to_string(Sha256::digest(bytes))
        .expect("thirty-two bytes fit into a text");
    let mut beside = file.as_os_str().to_owned();
    beside.push(".sha256");
    save(
        &PathBuf::from(beside),
        format!("{sum}  {name}\n").as_bytes(),
    )
}

fn save(file: &Path, bytes: &[u8]) -> Result<(), PackageError> {
    fs::write(file, bytes).map_err(|source| PackageError::File {
        file: file.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn entries() -> Vec<Entry> {
        let entry = |name: &str, bytes: &[u8], program| Entry {
            name: name.to_owned(),
            bytes: bytes.to_vec(),
            program,
        };
        vec![
            entry("hotplate-1.0.0/supervisor", &[7; 100_000], true),
            entry("hotplate-1.0.0/README.md", b"# Hotplate\n", false),
        ]
    }

    #[test]
    fn a_tar_gz_gives_back_names_bytes_and_who_may_run_them() {
        let packed = Format::TarGz.pack(&entries()).expect("it fits");
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
        let unpacked: Vec<Entry> = archive
            .entries()
            .expect("it is an archive")
            .map(|file| {
                let mut file = file.expect("it is whole");
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).expect("it is in memory");
                Entry {
                    name: file
                        .path()
                        .expect("it has one")
                        .to_string_lossy()
                        .into_owned(),
                    bytes,
                    program: file.header().mode().expect("it has one") == 0o755,
                }
            })
            .collect();
        assert_eq!(unpacked, entries());
    }

    #[test]
    fn a_zip_gives_back_names_bytes_and_who_may_run_them() {
        let packed = Format::Zip.pack(&entries()).expect("it fits");
        let mut archive = zip::ZipArchive::new(Cursor::new(packed)).expect("it is an archive");
        let unpacked: Vec<Entry> = (0..archive.len())
            .map(|at| {
                let mut file = archive.by_index(at).expect("it is whole");
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).expect("it is in memory");
                Entry {
                    name: file.name().expect("it is text").into_owned(),
                    program: file.unix_mode().expect("it has one") & 0o777 == 0o755,
                    bytes,
                }
            })
            .collect();
        assert_eq!(unpacked, entries());
    }

    #[test]
    fn the_same_files_make_the_same_archive() {
        for format in [Format::TarGz, Format::Zip] {
            let made = || format.pack(&entries()).expect("it fits");
            assert_eq!(made(), made(), "{format:?}");
        }
    }

    #[test]
    fn a_checksum_is_what_the_stock_tool_reads() {
        let folder = tempfile::tempdir().expect("there is room");
        let file = folder.path().join("a b.zip");
        write(&file, b"abc").expect("there is room");
        assert_eq!(
            fs::read_to_string(folder.path().join("a b.zip.sha256")).expect("it was written"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a b.zip\n"
        );
    }
}
