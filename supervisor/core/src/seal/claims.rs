//! What a publisher says about an image, read from a seal's trusted comment.
//!
//! The comment is words with blanks or tabs between them; a claim is a word `key:value`. The stock tool puts words of its
//! own there when it is given none, so words without a colon and unknown keys are passed over. A claim made twice is refused,
//! because two readers could each believe another one.

use std::num::ParseIntError;

use thiserror::Error;

use crate::alink::shown;
use crate::alink::version::{Version, VersionFault};

/// The keys of claims, in the order [`Claims::read`] takes their values.
const KEYS: [&str; 6] = ["version", "target", "module", "size", "file", "files"];

/// What a publisher says about an image. It is worth what the seal's signatures are worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The image's version (`version`).
    pub version: Version,
    /// The device it is built for (`target`); never empty.
    pub target: String,
    /// The module it is for (`module`), `default` for the platform's default one; never empty.
    pub module: String,
    /// Its length in bytes (`size`).
    pub size: u64,
    /// Its name in a package (`file`). Outside one this is only what the publisher's file was called.
    pub file: Option<String>,
    /// How many files the package has that it is a part of (`files`).
    pub files: Option<usize>,
}

/// Why a trusted comment makes no sense as claims.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClaimFault {
    /// A claim that must be there is not, or is empty.
    #[error("the trusted comment claims no `{claim}`")]
    Missing {
        /// The claim's key.
        claim: &'static str,
    },
    /// A claim is there twice.
    #[error("the trusted comment claims `{claim}` more than once")]
    Twice {
        /// The claim's key.
        claim: &'static str,
    },
    /// The version is none.
    #[error("the trusted comment's `version` is not one")]
    Version(#[from] VersionFault),
    /// A number is none.
    #[error("the trusted comment's `{claim}` is `{text}`, not a whole number in range")]
    Number {
        /// The claim's key.
        claim: &'static str,
        /// The beginning of what was found.
        text: String,
    },
}

impl Claims {
    /// Reads a trusted comment.
    ///
    /// # Errors
    /// A claim is made twice, cannot be read, or one of `version`, `target`, `module` and `size` is missing.
    pub fn read(trusted_comment: &str) -> Result<Self, ClaimFault> {
        let mut values = [None; KEYS.len()];
        for word in trusted_comment.split([' ', '\t']) {
            let Some((key, value)) = word.split_once(':') else {
                continue;
            };
            let Some(place) = KEYS.iter().position(|known| *known == key) else {
                continue;
            };
            if values[place].replace(value).is_some() {
                return Err(ClaimFault::Twice { claim: KEYS[place] });
            }
        }
        let [version, target, module, size, file, files] = values;
        Ok(Self {
            version: need("version", version)?.parse()?,
            target: need("target", target)?.to_owned(),
            module: need("module", module)?.to_owned(),
            size: number("size", need("size", size)?)?,
            file: file.map(str::to_owned),
            files: files.map(|text| number("files", text)).transpose()?,
        })
    }
}

fn need<'a>(claim: &'static str, value: Option<&'a str>) -> Result<&'a str, ClaimFault> {
    value
        .filter(|text| !text.is_empty())
        .ok_or(ClaimFault::Missing { claim })
}

/// Reads decimal digits only: `+1` is not how a publisher's tool writes a number.
fn number<N: std::str::FromStr<Err = ParseIntError>>(
    claim: &'static str,
    text: &str,
) -> Result<N, ClaimFault> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| ClaimFault::Number {
            claim,
            text: shown(text),
        })
}
