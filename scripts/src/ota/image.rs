//! What an offer says about an image: its size and its digest, computed without holding it in memory.

use md5::Md5;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How much is read at once.
const PIECE: usize = 256 * 1024;

/// Which digest an offer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Sign {
    /// MD5, written `Md5` on the wire
    Md5,
    /// SHA-256, written `SHA256` on the wire
    Sha256,
}

impl Sign {
    /// The spelling of the wire, which differs from the documents' tables: document 89307 lists `MD5`, the platform sends `Md5`.
    #[must_use]
    pub(super) fn wire(self) -> &'static str {
        match self {
            Self::Md5 => "Md5",
            Self::Sha256 => "SHA256",
        }
    }
}

/// An image that can be offered.
#[derive(Debug, PartialEq)]
pub(super) struct Image {
    /// Its length in bytes.
    pub(super) size: u64,
    /// Its digest in lower-case hexadecimal.
    pub(super) digest: String,
}

/// The image cannot be offered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    /// It could not be read to its end.
    #[error("read the image `{path}`")]
    Read {
        /// The image.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing in it, and devices refuse an offer of nothing.
    #[error("offer the image `{path}`: it is empty")]
    Empty {
        /// The image.
        path: PathBuf,
    },
}

/// Reads an image once, for its size and its digest.
///
/// # Errors
/// When it cannot be read, or is empty.
pub(super) fn inspect(path: &Path, sign: Sign) -> Result<Image, ImageError> {
    let failed = |source| ImageError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let (size, digest) = match sign {
        Sign::Md5 => digest::<Md5>(file),
        Sign::Sha256 => digest::<Sha256>(file),
    }
    .map_err(failed)?;
    if size == 0 {
        return Err(ImageError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(Image { size, digest })
}

fn digest<D: Digest>(mut from: impl Read) -> io::Result<(u64, String)> {
    let mut digest = D::new();
    let mut piece = vec![0; PIECE];
    let mut size = 0;
    loop {
        let length = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        digest.update(&piece[..length]);
        size += length as u64;
    }
    Ok((
        size,
        digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_digests_are_those_of_the_standards() {
        // The first examples of RFC 1321 (appendix A.5, "abc") and FIPS 180-4.
        let file = written("abc");
        let md5 = inspect(file.path(), Sign::Md5).unwrap();
        assert_eq!(
            md5,
            Image {
                size: 3,
                digest: "900150983cd24fb0d6963f7d28e17f72".to_owned()
            }
        );
        let sha256 = inspect(file.path(), Sign::Sha256).unwrap();
        assert_eq!(
            sha256.digest,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn an_empty_image_is_not_offered() {
        let file = written("");
        assert!(matches!(
            inspect(file.path(), Sign::Md5),
            Err(ImageError::Empty { .. })
        ));
    }

    #[test]
    fn a_missing_image_is_named() {
        let error = inspect(Path::new("no/such/image"), Sign::Md5).expect_err("there is none");
        assert!(error.to_string().contains("no/such/image"), "{error}");
    }
}
