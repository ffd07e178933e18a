//! Archives of the same bytes each time they are made from the same files: names in order, one time for all, nobody's user name.

use super::PackageError;
use super::contents::Entry;
use ct_codecs::Encoder as _;
use flate2::{Compression, GzBuilder, read::GzDecoder};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::{self, Cursor, Read, Write as _};
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

    /// The one a system's own tools unpack.
    pub(super) fn of(target: &str) -> Self {
        if target.contains("windows") {
            Self::Zip
        } else {
            Self::TarGz
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

    /// Gives back what was packed.
    ///
    /// # Errors
    /// When it is no whole archive of this format.
    pub(super) fn unpack(self, packed: &[u8]) -> io::Result<Vec<Entry>> {
        match self {
            Self::TarGz => untarred(GzDecoder::new(packed)),
            Self::Zip => unzipped(packed),
        }
    }
}

/// The rights of what can be run, and of what cannot.
const PROGRAM: u32 = 0o755;
const TEXT: u32 = 0o644;

fn mode(entry: &Entry) -> u32 {
    if entry.program { PROGRAM } else { TEXT }
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

/// The files in an archive; folders are left out.
///
/// # Errors
/// When it is not whole.
pub(super) fn untarred(packed: impl Read) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for file in tar::Archive::new(packed).entries()? {
        let mut file = file?;
        if !file.header().entry_type().is_file() {
            continue;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        entries.push(Entry {
            name: file.path()?.to_string_lossy().into_owned(),
            program: file.header().mode()? == PROGRAM,
            bytes,
        });
    }
    Ok(entries)
}

fn unzipped(packed: &[u8]) -> io::Result<Vec<Entry>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(packed))?;
    let mut entries = Vec::new();
    for at in 0..archive.len() {
        let mut file = archive.by_index(at)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        entries.push(Entry {
            name: file.name().map_err(io::Error::other)?.into_owned(),
            program: file.unix_mode().is_some_and(|mode| mode & 0o777 == PROGRAM),
            bytes,
        });
    }
    Ok(entries)
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
    save(&beside(file), sum(file, bytes).as_bytes())
}

/// Whether the checksum beside a file is the file's own.
///
/// # Errors
/// When one of both cannot be read, which is named.
pub(super) fn checksum_holds(file: &Path) -> Result<bool, PackageError> {
    let read = |file: &Path| {
        fs::read(file).map_err(|source| PackageError::File {
            file: file.to_owned(),
            source,
        })
    };
    Ok(read(&beside(file))? == sum(file, &read(file)?).as_bytes())
}

/// Where the checksum of a file lies.
fn beside(file: &Path) -> PathBuf {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".sha256");
    PathBuf::from(beside)
}

fn sum(file: &Path, bytes: &[u8]) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let sum = ct_codecs::Hex::encode_to_string(Sha256::digest(bytes))
        .expect("thirty-two bytes fit into a text");
    format!("{sum}  {name}\n")
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
    fn both_formats_give_back_names_bytes_and_who_may_run_them() {
        for format in [Format::TarGz, Format::Zip] {
            let packed = format.pack(&entries()).expect("it fits");
            let unpacked = format.unpack(&packed).expect("it is an archive");
            assert_eq!(unpacked, entries(), "{format:?}");
        }
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
        assert!(checksum_holds(&file).expect("both are there"));
        assert_eq!(
            fs::read_to_string(folder.path().join("a b.zip.sha256")).expect("it was written"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a b.zip\n"
        );
        save(&file, b"abd").expect("there is room");
        assert!(!checksum_holds(&file).expect("both are there"));
    }
}
