//! Whether a publisher's claims are about the very image that is about to be installed.
//!
//! A genuine seal alone says only that the publisher once sealed something. Without this comparison an older build, another
//! device's, or another file of the same package could be passed off with its own genuine seal.

use std::fmt;

use thiserror::Error;

use super::Claims;
use crate::alink::{shown, version::Version};

/// A longer text is cut in its middle for a misfit, in characters: versions tell each other apart at either end.
const SHOWN_CHARACTERS: usize = 30;

/// What a seal must be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The version offered.
    pub version: &'a Version,
    /// The device's target.
    pub target: &'a str,
    /// The module offered for, `default` for the platform's default one.
    pub module: &'a str,
    /// The image's length in bytes.
    pub size: u64,
    /// The file's name and the number of files, if it is one of a package.
    pub package: Option<(&'a str, usize)>,
}

/// A claim that is not about what is about to be installed.
///
/// Its text has at most 100 characters, because the platform cuts at 128.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct Misfit {
    /// The claim's key.
    pub claim: &'static str,
    /// What it says; `None` if it is not made.
    pub says: Option<String>,
    /// What it would have to say.
    pub wanted: String,
}

impl Claims {
    /// Compares the claims with what is about to be installed; the first difference is told.
    ///
    /// An image that is not one of a package may claim any `file`, since the stock tool writes one by itself, but not to be
    /// one of several `files`: it would be installed without the others.
    ///
    /// # Errors
    /// A claim differs, or one that a package needs is not made.
    pub fn fit(&self, expected: &Expected<'_>) -> Result<(), Misfit> {
        same("module", Some(self.module.as_str()), expected.module)?;
        same("target", Some(self.target.as_str()), expected.target)?;
        same("version", Some(&self.version), expected.version)?;
        match expected.package {
            Some((file, files)) => {
                same("files", self.files.as_ref(), &files)?;
                same("file", self.file.as_deref(), file)?;
            }
            None => same("files", self.files.as_ref().or(Some(&1)), &1)?,
        }
        same("size", Some(&self.size), &expected.size)
    }
}

fn same<T: PartialEq + ToString + ?Sized>(
    claim: &'static str,
    says: Option<&T>,
    wanted: &T,
) -> Result<(), Misfit> {
    if says == Some(wanted) {
        return Ok(());
    }
    Err(Misfit {
        claim,
        says: says.map(ToString::to_string),
        wanted: wanted.to_string(),
    })
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (claim, wanted) = (self.claim, brief(&self.wanted));
        match &self.says {
            Some(says) => {
                let says = brief(says);
                write!(f, "the seal is for {claim} `{says}`, not `{wanted}`")
            }
            None => write!(f, "the seal is for no {claim}, not for `{wanted}`"),
        }
    }
}

fn brief(text: &str) -> String {
    let length = text.chars().count();
    if length <= SHOWN_CHARACTERS {
        return shown(text);
    }
    let place = |character| {
        let mut places = text.char_indices();
        places.nth(character).map_or(text.len(), |(place, _)| place)
    };
    let kept = SHOWN_CHARACTERS / 2;
    let (head, tail) = (
        &text[..place(kept)],
        &text[place(length - (SHOWN_CHARACTERS - kept - 1))..],
    );
    format!("{}…{}", shown(head), shown(tail))
}
