//! `cargo xtask sign`: makes a publisher's keys, and signs images with them.
//!
//! The format is minisign's with the image prehashed, so that stock `minisign` verifies what is signed here and keys of the one
//! work in the other. What a device must know about an image stands in the trusted comment, where it is signed too. A key is
//! never overwritten, and the secret half is never printed.

mod image;
mod keys;
mod secret;

use std::path::{Path, PathBuf};

/// What to make.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a key pair: `hotplate.key` stays with the publisher, `hotplate.pub` goes into the devices' configuration
    Keys(keys::Args),
    /// Sign an image: what is written is to be published together with it
    Image(image::Args),
}

/// Nothing was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    /// There is no new key pair.
    #[error(transparent)]
    Keys(#[from] keys::KeysError),
    /// There is no signature.
    #[error(transparent)]
    Image(#[from] image::ImageError),
}

/// Makes keys, or a signature.
///
/// # Errors
/// When a key or an image cannot be read, or what is made cannot be written.
pub(crate) fn sign(args: &Args) -> Result<bool, crate::Error> {
    match &args.what {
        What::Keys(args) => keys::keys(args).map_err(SignError::Keys)?,
        What::Image(args) => image::image(args).map_err(SignError::Image)?,
    }
    Ok(true)
}

/// Makes a publisher's keys for programs that sign by themselves, without a password; answers where the secret one lies.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn publisher(folder: &Path) -> Result<PathBuf, SignError> {
    keys::make(folder, true, None)?;
    Ok(folder.join(keys::SECRET))
}

/// The name minisign calls a key by, in messages and in its public file.
fn key_name(number: &[u8]) -> String {
    let digits = number.iter().rev().map(|byte| format!("{byte:02X}"));
    digits.collect()
}

#[cfg(test)]
mod tests;
