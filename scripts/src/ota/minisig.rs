//! The publisher's signature that goes along with an image: the one that is named, else the one that lies beside it.
//!
//! It is carried as it is. Whether it holds only the device can say, which has the publisher's key; here only what is no signature at
//! all is refused, so that a wrong file is found before the device is bothered.

use minisign::{PError, SignatureBox};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The longest text that is carried, in bytes: what the platform takes as a package's custom text, and devices read.
const LONGEST: u64 = 4096;

/// The signature cannot go along.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MinisigError {
    /// It could not be read.
    #[error("read the signature `{path}`")]
    Read {
        /// Its file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else.
    #[error("find a signature in `{path}` (`cargo xtask sign image` makes one)")]
    Shape {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PError,
    },
    /// Neither the platform nor a device would take it.
    #[error("take the signature `{0}` along: it has more than {LONGEST} bytes")]
    Long(PathBuf),
}

/// A signature that goes along with an image.
#[derive(Debug, PartialEq)]
pub(super) struct Minisig {
    /// Where it was found.
    pub(super) path: PathBuf,
    /// Its four lines.
    pub(super) text: String,
}

/// Finds the signature of an image; `None` if none is named and none lies beside it.
///
/// # Errors
/// When it cannot be read, or is none.
pub(super) fn find(image: &Path, named: Option<&Path>) -> Result<Option<Minisig>, MinisigError> {
    let path = named.map_or_else(|| beside(image), Path::to_owned);
    let read = |source| MinisigError::Read {
        path: path.clone(),
        source,
    };
    let file = match File::open(&path) {
        Err(why) if named.is_none() && why.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(read)?,
    };
    let mut text = String::new();
    file.take(LONGEST + 1)
        .read_to_string(&mut text)
        .map_err(read)?;
    if text.len() as u64 > LONGEST {
        return Err(MinisigError::Long(path));
    }
    match SignatureBox::from_string(&text) {
        Ok(_) => Ok(Some(Minisig { path, text })),
        Err(source) => Err(MinisigError::Shape { path, source }),
    }
}

/// What becomes of an image without one, and what to do about it.
pub(super) fn missing(image: &Path, version: &str, url: Option<&str>) -> String {
    let unless = if url.is_some() {
        "one lies at the image's URL, with `.minisig` behind the path, or "
    } else {
        ""
    };
    format!(
        "no signature lies beside the image: a device refuses it unless {unless}`update.require` is \"digest\" there. To sign it:\n  \
         cargo xtask sign image {} --key <hotplate.key> --version {version}",
        image.display()
    )
}

/// Where a signature is looked for.
fn beside(image: &Path) -> PathBuf {
    let mut name = image.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by minisign 0.11.
    const TEXT: &str = "untrusted comment: signature from minisign secret key\n\
        RURXS+h+ZVXK7fjiAHpbebDNP5hW79ekakxV9kYeba7NFHmdh3/0cjn5yRZtIToJ3svgX8sj6CZu7czjtbi8H1UUugEqsEtp4gw=\n\
        trusted comment: version:1.2.3 target:x86_64-unknown-linux-gnu module:default size:6\n\
        jZp3++WDuU+Gw4G4EQzID8e2/7oCiI8U98DASPUzoVJW6zdl6OD2oEtqb8lVcH4DvOcbjOgH++mPGqob77SzCA==\n";

    #[test]
    fn the_one_beside_the_image_goes_along_unless_another_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let [image, beside, other] =
            ["a.bin", "a.bin.minisig", "other"].map(|name| folder.path().join(name));
        assert_eq!(find(&image, None).unwrap(), None);
        std::fs::write(&beside, TEXT).unwrap();
        let found = |path: &Path, text: &str| {
            let (path, text) = (path.to_owned(), text.to_owned());
            Some(Minisig { path, text })
        };
        assert_eq!(find(&image, None).unwrap(), found(&beside, TEXT));
        let text = TEXT.replace("signature from minisign secret key", "another");
        std::fs::write(&other, &text).unwrap();
        assert_eq!(find(&image, Some(&other)).unwrap(), found(&other, &text));
    }

    #[test]
    fn one_that_is_named_must_be_there_and_all_must_be_signatures() {
        let folder = tempfile::tempdir().unwrap();
        let [image, beside] = ["a.bin", "a.bin.minisig"].map(|name| folder.path().join(name));
        let refused = || find(&image, None).unwrap_err();
        let missing = find(&image, Some(&beside)).unwrap_err();
        assert!(matches!(missing, MinisigError::Read { .. }), "{missing:?}");
        std::fs::write(&beside, "the public key, by mistake\n").unwrap();
        assert!(matches!(refused(), MinisigError::Shape { .. }));
        std::fs::write(&beside, b"\xff").unwrap();
        assert!(matches!(refused(), MinisigError::Read { .. }));
        std::fs::write(&beside, TEXT.replace("minisign", &"x".repeat(4096))).unwrap();
        assert!(matches!(refused(), MinisigError::Long(_)));
    }

    #[test]
    fn whoever_has_none_is_told_what_to_do() {
        let told = |url| missing(Path::new("target/worker"), "1.0.7", url);
        let how = "sign image target/worker --key <hotplate.key> --version 1.0.7";
        assert!(told(None).contains(how), "{}", told(None));
        assert!(!told(None).contains("URL"));
        let by_url = told(Some("https://ota.server/firmware.bin"));
        assert!(by_url.contains(how) && by_url.contains("URL"), "{by_url}");
    }
}
