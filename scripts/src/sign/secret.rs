//! Opens a publisher's secret key, whoever made it: with a password or without, here or by stock minisign.
//!
//! A password comes from the environment or from a person at a terminal; never from the command line, where others on the
//! machine could read it.

use ct_codecs::{Base64, Decoder};
use minisign::{PError, SecretKey, SecretKeyBox};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Where a password is looked for before somebody is asked.
pub(super) const PASSWORD: &str = "HOTPLATE_KEY_PASSWORD";

/// The largest key file that is read, in bytes; real ones have about 300.
const LARGEST: u64 = 8 * 1024;
/// Says that a key has no password, in the third and fourth byte of its box.
const NO_PASSWORD: [u8; 2] = [0, 0];
/// Where a key's checksum begins in its box; it is the last there.
const CHECKSUM: usize = 126;

/// The key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// It could not be read.
    #[error("read the secret key `{path}` (`cargo xtask sign keys <FOLDER>` makes one)")]
    Read {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else.
    #[error(
        "find a secret key in `{path}`: name the `.key` file, not the `.pub` file or the image"
    )]
    Shape {
        /// The file.
        path: PathBuf,
    },
    /// It does not open.
    #[error(
        "open the secret key `{path}` (its password is taken from {PASSWORD}, or asked for at a terminal)"
    )]
    Open {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it or with the password.
        source: PError,
    },
}

/// The password in the environment; an empty one counts as none.
pub(super) fn password() -> Option<String> {
    std::env::var(PASSWORD).ok().filter(|it| !it.is_empty())
}

/// Reads a secret key; `password` is asked for at the terminal if the key needs one and there is none.
///
/// # Errors
/// When it cannot be read, is damaged, or does not open with that password.
pub(super) fn open(path: &Path, password: Option<String>) -> Result<SecretKey, SecretError> {
    let shape = || SecretError::Shape {
        path: path.to_owned(),
    };
    let failed = |source| SecretError::Open {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
        .map_err(|source| SecretError::Read {
            path: path.to_owned(),
            source,
        })?;
    let text = String::from_utf8(bytes).map_err(|_| shape())?;
    let line = text.lines().nth(1).ok_or_else(shape)?;
    let key = Base64::decode_to_vec(line.trim(), None).map_err(|_| shape())?;
    let sum = key.get(CHECKSUM..).ok_or_else(shape)?;
    if key.get(2..4) != Some(&NO_PASSWORD) {
        return SecretKeyBox::from(text)
            .into_secret_key(password)
            .map_err(failed);
    }
    // Stock minisign leaves out the checksum of a key without a password, and the library would call that damaged.
    if sum.iter().all(|byte| *byte == 0) {
        return SecretKey::from_bytes(&key).map_err(failed);
    }
    SecretKeyBox::from(text)
        .into_unencrypted_secret_key()
        .map_err(failed)
}
