//! The digest of a firmware file: what must come out when the file has been read.
//!
//! Despite the field's name (`sign`) no key is involved; it protects against accidents on the way, not against forgers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::alink::{hex, shown};

/// The digest of a whole file. Its length is always that of its method.
///
/// As text it is `md5-` or `sha256-` and lower-case hexadecimal, which may be a file's name on any system.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Digest {
    /// MD5, 16 bytes.
    Md5([u8; 16]),
    /// SHA-256, 32 bytes.
    Sha256([u8; 32]),
}

/// How a digest is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DigestMethod {
    /// MD5.
    Md5,
    /// SHA-256.
    Sha256,
}

impl Digest {
    /// How this digest was made.
    #[must_use]
    pub fn method(&self) -> DigestMethod {
        match self {
            Self::Md5(_) => DigestMethod::Md5,
            Self::Sha256(_) => DigestMethod::Sha256,
        }
    }

    /// The digest itself: 16 or 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Md5(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
        }
    }

    /// Reads hexadecimal text of either case.
    ///
    /// # Errors
    /// The text holds another character, or is shorter or longer than the method's digest.
    pub fn from_hex(method: DigestMethod, text: &str) -> Result<Self, DigestFault> {
        let digest = match method {
            DigestMethod::Md5 => hex::decode(text).map(Self::Md5),
            DigestMethod::Sha256 => hex::decode(text).map(Self::Sha256),
        };
        digest.ok_or_else(|| DigestFault::Text {
            text: shown(text),
            length: text.len(),
            method,
        })
    }
}

impl DigestMethod {
    /// How many hexadecimal digits a digest of this method has.
    #[must_use]
    pub fn digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 => 64,
        }
    }
}

/// Why a text is not a digest, or not the name of a method.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DigestFault {
    /// The digest's text is wrong.
    #[error("is `{text}` ({length} bytes), not the {} hexadecimal digits of {method}", .method.digits())]
    Text {
        /// The beginning of the text.
        text: String,
        /// Its whole length in bytes.
        length: usize,
        /// The method it must suit.
        method: DigestMethod,
    },
    /// The method is unknown.
    #[error("is `{text}`, neither Md5 nor SHA256")]
    Method {
        /// The beginning of the text.
        text: String,
    },
}

impl FromStr for DigestMethod {
    type Err = DigestFault;

    /// Takes the names in any case: the wire says `Md5` and `SHA256`, the documents `MD5`, and remote config `Sha256`.
    fn from_str(text: &str) -> Result<Self, DigestFault> {
        match text.to_ascii_lowercase().as_str() {
            "md5" => Ok(Self::Md5),
            "sha256" => Ok(Self::Sha256),
            _ => Err(DigestFault::Method { text: shown(text) }),
        }
    }
}

impl fmt::Display for DigestMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "Md5",
            Self::Sha256 => "SHA256",
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Md5(_) => "md5",
            Self::Sha256(_) => "sha256",
        };
        write!(f, "{name}-{}", hex::encode(self.bytes()))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = DigestFault;

    fn from_str(text: &str) -> Result<Self, DigestFault> {
        let (method, digits) = text
            .split_once('-')
            .ok_or_else(|| DigestFault::Method { text: shown(text) })?;
        Self::from_hex(method.parse()?, digits)
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestFault;

    fn try_from(text: String) -> Result<Self, DigestFault> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
    const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn method_names_are_read_in_every_case_seen_on_the_wire() {
        for name in ["Md5", "MD5", "md5"] {
            assert_eq!(name.parse(), Ok(DigestMethod::Md5));
        }
        for name in ["SHA256", "Sha256", "sha256"] {
            assert_eq!(name.parse(), Ok(DigestMethod::Sha256));
        }
        for name in ["", "SHA1", "sha-256", "Md5 ", "hmacmd5"] {
            assert!(name.parse::<DigestMethod>().is_err(), "{name}");
        }
    }

    #[test]
    fn digests_are_read_in_either_case_and_written_in_lower_case() {
        let digest = Digest::from_hex(DigestMethod::Md5, &EMPTY_MD5.to_uppercase()).unwrap();
        assert_eq!(digest.bytes()[..2], [0xd4, 0x1d]);
        assert_eq!(digest.to_string(), format!("md5-{EMPTY_MD5}"));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        let digest = Digest::from_hex(DigestMethod::Sha256, EMPTY_SHA256).unwrap();
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(
            serde_json::from_str::<Digest>(&serde_json::to_string(&digest).unwrap()).unwrap(),
            digest
        );
    }

    #[test]
    fn a_digest_of_the_wrong_length_or_with_a_foreign_character_is_refused() {
        let long = format!("{EMPTY_MD5}00");
        for text in [
            "",
            &EMPTY_MD5[1..],
            &long,
            EMPTY_SHA256,
            &EMPTY_MD5.replace('d', "g"),
        ] {
            assert!(Digest::from_hex(DigestMethod::Md5, text).is_err(), "{text}");
        }
        assert_eq!(
            Digest::from_hex(DigestMethod::Sha256, EMPTY_MD5)
                .unwrap_err()
                .to_string(),
            format!("is `{EMPTY_MD5}` (32 bytes), not the 64 hexadecimal digits of SHA256")
        );
    }
}
