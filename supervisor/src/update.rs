//! `update`: a program file is handed to the running supervisor, which upgrades the worker from it.
//!
//! This side only finds out what the file is: its length, its digest, and the version its signature says. Whether it may be installed,
//! and whether the signature holds, the supervisor decides and checks by itself.

pub(crate) mod remote;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use supervisor_core::{
    alink::{codec::Digest, version::Version},
    event::Brought,
    record::Source,
    seal::{Claims, Seal},
};

use crate::drivers::store::at;

/// Bytes of the file in memory at a time.
const BUFFER: usize = 64 * 1024;

/// Why a file cannot be handed over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpdateError {
    /// It cannot be read, or is no file.
    #[error("`{0}` cannot be installed")]
    File(PathBuf, #[source] io::Error),
    /// It lies on a web server, and cannot be asked for.
    #[error(transparent)]
    Remote(#[from] remote::RemoteError),
    /// Nobody says which version it is.
    #[error(
        "nothing says which version `{0}` is; put its signature beside it, or name the version with `--version`"
    )]
    Nameless(PathBuf),
    /// The operator and the publisher name different versions.
    #[error("`{file}` is signed as version `{signed}`, and `--version` says `{said}`")]
    OtherVersion {
        /// Which file.
        file: PathBuf,
        /// The publisher's word.
        signed: Version,
        /// The operator's word.
        said: Version,
    },
}

/// What the file is.
pub(crate) fn look(
    file: &Path,
    said: Option<Version>,
    allow_downgrade: bool,
) -> Result<Brought, UpdateError> {
    let unusable = |why| UpdateError::File(file.to_owned(), why);
    let path = std::path::absolute(file).map_err(unusable)?;
    let (size, digest) = hash(&path).map_err(unusable)?;
    let signed = signed_version(&path).map_err(unusable)?;
    let version = agreed(file, said, signed)?;
    let path = path
        .into_os_string()
        .into_string()
        .map_err(|_| unusable(io::Error::other("its path has characters that are no text")))?;
    Ok(Brought {
        source: Source::Path(path),
        version,
        size,
        digest,
        allow_downgrade,
    })
}

/// The version that operator and publisher mean, as far as both say one.
fn agreed(
    file: &Path,
    said: Option<Version>,
    signed: Option<Version>,
) -> Result<Version, UpdateError> {
    match (said, signed) {
        (Some(said), Some(signed)) if said != signed => {
            let file = file.to_owned();
            Err(UpdateError::OtherVersion { file, signed, said })
        }
        (said, signed) => said
            .or(signed)
            .ok_or_else(|| UpdateError::Nameless(file.to_owned())),
    }
}

fn hash(path: &Path) -> io::Result<(u64, Digest)> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let (mut size, mut sha256, mut bytes) = (0, Sha256::new(), vec![0; BUFFER]);
    loop {
        let count = file.read(&mut bytes)?;
        if count == 0 {
            break;
        }
        sha256.update(&bytes[..count]);
        size += count as u64;
    }
    if size == 0 {
        return Err(io::Error::other("it is empty"));
    }
    Ok((size, Digest::Sha256(sha256.finalize().into())))
}

/// The version in the signature beside the file, if there is one. What is wrong with it otherwise is the supervisor's to say.
fn signed_version(path: &Path) -> io::Result<Option<Version>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".minisig");
    let beside = PathBuf::from(name);
    let mut text = String::new();
    match File::open(&beside) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened
            .and_then(|file| {
                file.take(Seal::LONGEST_TEXT as u64)
                    .read_to_string(&mut text)
            })
            .map_err(|why| at(&beside, &why))?,
    };
    let seal = Seal::parse(&text).ok();
    let claims = seal.and_then(|seal| Claims::read(&seal.trusted_comment).ok());
    Ok(claims.map(|claims| claims.version))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_known_by_its_length_its_digest_and_the_version_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("oven");
        fs::write(&file, b"program").unwrap();
        let version: Version = "1.0.7".parse().unwrap();
        let found = look(&file, Some(version.clone()), true).unwrap();
        let digest = Digest::Sha256(Sha256::digest(b"program").into());
        assert_eq!(
            (found.size, found.digest, found.version),
            (7, digest, version)
        );
        let Source::Path(path) = found.source else {
            panic!("{:?}", found.source)
        };
        assert!(Path::new(&path).is_absolute());
    }

    #[test]
    fn what_is_no_file_or_empty_or_has_no_version_is_refused_with_the_next_step() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("oven");
        let refused = |file: &Path, version: Option<&str>| {
            let version = version.map(|text| text.parse().unwrap());
            crate::drivers::chain(&look(file, version, false).unwrap_err())
        };
        assert!(refused(&file, None).contains("cannot be installed"));
        fs::write(&file, b"").unwrap();
        assert!(refused(&file, Some("1.0.7")).contains("it is empty"));
        assert!(refused(folder.path(), Some("1.0.7")).contains("cannot be installed"));
        fs::write(&file, b"program").unwrap();
        assert!(refused(&file, None).contains("--version"));
    }
}
