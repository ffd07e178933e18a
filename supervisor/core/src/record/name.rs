//! The name of a file in a package: checked once, so that no name ever leads out of a slot or means something else on some system.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::alink::shown;

/// A file's name: 1 to 64 ASCII letters, digits, `.`, `-` and `_`, not beginning or ending with a dot, and nothing with a
/// meaning of its own on Windows or in a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(String);

/// The longest name, in characters.
const LONGEST: usize = 64;

/// What a slot itself is described by.
const DESCRIPTION: &str = "slot.json";

/// Names that mean devices on Windows, with or without an ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Why a text cannot be the name of a file in a package.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameFault {
    /// It has no characters, too many, or ones that are not allowed.
    #[error(
        "the file name `{}` is not 1 to {LONGEST} letters, digits, `.`, `-` and `_` with no dot first or last",
        shown(.0)
    )]
    Spelling(String),
    /// It means something else on some system, or in a slot.
    #[error("the file name `{0}` has a meaning of its own")]
    Taken(String),
}

impl FileName {
    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Would both be the same file where letters' case does not count?
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl FromStr for FileName {
    type Err = NameFault;

    fn from_str(text: &str) -> Result<Self, NameFault> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
        let spelled = (1..=LONGEST).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with('.')
            && !text.ends_with('.');
        if !spelled {
            return Err(NameFault::Spelling(text.to_owned()));
        }
        let lower = text.to_ascii_lowercase();
        let stem = lower.split('.').next().unwrap_or_default();
        let port = stem
            .strip_prefix("com")
            .or_else(|| stem.strip_prefix("lpt"));
        let is_port =
            port.is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit());
        if lower == DESCRIPTION || DEVICES.contains(&stem) || is_port {
            return Err(NameFault::Taken(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for FileName {
    type Error = NameFault;

    fn try_from(text: String) -> Result<Self, NameFault> {
        text.parse()
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> Self {
        name.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    #[test]
    fn ordinary_names_are_taken_as_they_are() {
        for text in ["oven", "oven.exe", "model-1_2.tsl", "console", "com10", "a"] {
            assert_eq!(text.parse::<FileName>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_name_that_leads_elsewhere_or_means_something_else_is_refused() {
        for text in [
            "",
            ".",
            "..",
            ".profile",
            "a.",
            "a/b",
            "a\\b",
            "../x",
            "C:x",
            "a b",
            "ä",
            "a\0",
            "NUL",
            "con.txt",
            "com1",
            "LPT9.x",
            "slot.json",
            "Slot.JSON",
        ] {
            assert!(text.parse::<FileName>().is_err(), "{text}");
        }
        assert!("a".repeat(65).parse::<FileName>().is_err());
    }

    #[test]
    fn a_stored_name_is_checked_again_when_it_is_read() {
        assert!(serde_json::from_str::<FileName>("\"../x\"").is_err());
        let name: FileName = serde_json::from_str("\"oven\"").unwrap();
        assert!(name.meets(&"OVEN".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn any_text_that_becomes_a_name_is_one_ordinary_path_component(text in "\\PC{0,70}|[./A-Za-z0-9_-]{0,66}") {
            if let Ok(name) = text.parse::<FileName>() {
                let mut parts = std::path::Path::new(name.as_str()).components();
                assert!(matches!(parts.next(), Some(std::path::Component::Normal(_))));
                assert_eq!(parts.next(), None);
            }
        }
    }
}
