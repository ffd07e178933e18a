//! The name of a firmware version, fit to be a part of a path.
//!
//! A version arrives from the cloud, from files and from a worker's own hello, and ends in the name of a slot's folder.
//! Therefore it is checked once, here, and a text with a separator, a blank or nothing but dots never becomes a version.
//! Two versions are the same if their texts are. The platform gives them no order; ours ([`Version::precedence`]) only serves
//! a device that shall not be led back to an older build.

mod order;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::shown;

/// A version: 1 to 64 ASCII letters, digits, `.`, `-` and `_` (platform document 147311), not only dots.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

impl Version {
    /// The longest version, in characters.
    pub const LONGEST: usize = 64;

    /// The version's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VersionFault {
    /// There is no text at all.
    #[error("the version is empty")]
    Empty,
    /// The text has too many characters.
    #[error(
        "the version has {length} characters, at most {} are allowed: `{text}`",
        Version::LONGEST
    )]
    TooLong {
        /// The beginning of the text.
        text: String,
        /// How many characters there are.
        length: usize,
    },
    /// A character is none of those allowed.
    #[error("the version `{text}` holds `{}`, allowed are letters, digits, `.`, `-` and `_`", shown(&.found.to_string()))]
    Character {
        /// The beginning of the text.
        text: String,
        /// The first character that is not allowed.
        found: char,
    },
    /// The text would mean a folder, or its parent.
    #[error("the version `{text}` is nothing but dots")]
    OnlyDots {
        /// The text.
        text: String,
    },
}

impl FromStr for Version {
    type Err = VersionFault;

    fn from_str(text: &str) -> Result<Self, VersionFault> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for Version {
    type Error = VersionFault;

    fn try_from(text: String) -> Result<Self, VersionFault> {
        if text.is_empty() {
            return Err(VersionFault::Empty);
        }
        let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if let Some(found) = text.chars().find(|c| !allowed(c)) {
            return Err(VersionFault::Character {
                text: shown(&text),
                found,
            });
        }
        if text.len() > Self::LONGEST {
            return Err(VersionFault::TooLong {
                text: shown(&text),
                length: text.len(),
            });
        }
        if text.bytes().all(|byte| byte == b'.') {
            return Err(VersionFault::OnlyDots { text });
        }
        Ok(Self(text))
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    #[test]
    fn ordinary_versions_are_accepted_and_kept_as_they_are() {
        for text in ["1.0.7", "VER-1.0.1-rc_2", "a", "...1", &"9".repeat(64)] {
            assert_eq!(text.parse::<Version>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_text_that_could_lead_a_path_astray_is_no_version() {
        for text in [
            "..", ".", "...", "../../x", "a/b", "a\\b", "C:x", "1.0 ", "1\0", "1\n", "１.０", "~",
            "%2e", "",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_fault_names_what_was_found_and_no_more_than_needed() {
        let fault = |text: &str| text.parse::<Version>().unwrap_err().to_string();
        assert_eq!(fault(""), "the version is empty");
        assert_eq!(
            fault("../../x"),
            "the version `../../x` holds `/`, allowed are letters, digits, `.`, `-` and `_`"
        );
        assert_eq!(fault(".."), "the version `..` is nothing but dots");
        let long = fault(&"1".repeat(70_000));
        assert!(long.contains("has 70000 characters, at most 64"), "{long}");
        assert!(long.len() < 200, "{long}");
    }

    #[test]
    fn a_stored_version_is_checked_again_when_it_is_read() {
        let version: Version = "1.0.7".parse().unwrap();
        assert_eq!(serde_json::to_string(&version).unwrap(), "\"1.0.7\"");
        assert_eq!(
            serde_json::from_str::<Version>("\"1.0.7\"").unwrap(),
            version
        );
        assert!(serde_json::from_str::<Version>("\"../../x\"").is_err());
    }

    proptest! {
        #[test]
        fn any_text_that_becomes_a_version_is_one_ordinary_path_component(text in "\\PC{0,80}|[./A-Za-z0-9_-]{0,70}") {
            if let Ok(version) = text.parse::<Version>() {
                let mut parts = std::path::Path::new(version.as_str()).components();
                assert!(matches!(parts.next(), Some(std::path::Component::Normal(_))));
                assert_eq!(parts.next(), None);
            }
        }
    }
}
