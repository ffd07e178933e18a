//! `cargo xtask sign keys`: a new key pair for a publisher, and what to do with it.

use super::{key_name, secret};
use crate::paint;
use minisign::{KeyPair, PError};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The secret half's file.
pub(super) const SECRET: &str = "hotplate.key";
/// The public half's file.
pub(super) const PUBLIC: &str = "hotplate.pub";

/// Where to put the keys.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The password is taken from HOTPLATE_KEY_PASSWORD, or asked for at the terminal. Without one the secret file alone is enough to
sign, so leave it out only where the file is protected otherwise, as a build server's secrets are.

Keys of stock minisign work as well: minisign -G -s hotplate.key -p hotplate.pub")]
pub(super) struct Args {
    /// The folder for `hotplate.key` and `hotplate.pub`; it is made if need be, and nothing in it is overwritten
    folder: PathBuf,
    /// Do not protect the secret key with a password, so that a program can sign
    #[arg(long)]
    no_password: bool,
}

/// There is no new key pair.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    /// A key is there already, and devices may trust it.
    #[error(
        "make the key file `{0}`: it is there already and is not overwritten; name another folder"
    )]
    Exists(PathBuf),
    /// The folder or a file in it could not be written.
    #[error("write `{path}`")]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No pair could be made, or it could not be protected.
    #[error(
        "make a key pair (its password is taken from {}, or asked for at a terminal; `--no-password` does without)",
        secret::PASSWORD
    )]
    Make(#[source] PError),
}

/// Makes a key pair and tells what to do with it.
///
/// # Errors
/// When a key is there already, or cannot be written.
pub(super) fn keys(args: &Args) -> Result<(), KeysError> {
    let pair = make(&args.folder, args.no_password, secret::password())?;
    let public = pair.pk.to_base64();
    let tick = paint::green("✓");
    println!(
        "{tick} key {} in {}",
        key_name(pair.pk.keynum()),
        args.folder.display()
    );
    println!(
        "  {SECRET}  signs images. Whoever has it can publish for your devices: keep it off them, and keep a copy"
    );
    println!("  {PUBLIC}  tells devices whom to trust");
    println!();
    println!("Put the public key into the devices' configuration:");
    println!();
    println!("  [update]");
    println!("  keys = [\"{public}\"]");
    println!();
    println!("In one line: update.keys = [\"{public}\"]");
    println!();
    println!(
        "Make a second pair now, list its public key there as well, and keep its secret somewhere else. When one secret is"
    );
    println!(
        "lost, the other still reaches every device in the field; when one is given away, take it off the list."
    );
    Ok(())
}

/// Makes a key pair and writes it; without a password, `None` asks for one unless there shall be none.
///
/// # Errors
/// When a key is there already, or cannot be written.
pub(super) fn make(
    folder: &Path,
    no_password: bool,
    password: Option<String>,
) -> Result<KeyPair, KeysError> {
    std::fs::create_dir_all(folder).map_err(written(folder))?;
    let (secret, public) = (folder.join(SECRET), folder.join(PUBLIC));
    // Looked at before anybody is asked for a password; the files are opened in a way that refuses again.
    for path in [&secret, &public] {
        if path.symlink_metadata().is_ok() {
            return Err(KeysError::Exists(path.clone()));
        }
    }
    let (pair, comment) = if no_password {
        let pair = KeyPair::generate_unencrypted_keypair();
        (pair, "hotplate secret key without a password")
    } else {
        let pair = KeyPair::generate_encrypted_keypair(password);
        (pair, "hotplate secret key, protected by a password")
    };
    let pair = pair.map_err(KeysError::Make)?;
    let text = pair.sk.to_box(Some(comment)).map_err(KeysError::Make)?;
    write(&secret, true, &text.to_string())?;
    let text = pair.pk.to_box().map_err(KeysError::Make)?;
    if let Err(error) = write(&public, false, &text.to_string()) {
        // Half a pair would only stand in the way of the next try.
        let _ = std::fs::remove_file(&secret);
        return Err(error);
    }
    Ok(pair)
}

fn write(path: &Path, secret: bool, text: &str) -> Result<(), KeysError> {
    let write = |mut file: File| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    created(path, secret).and_then(write).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            KeysError::Exists(path.to_owned())
        } else {
            written(path)(error)
        }
    })
}

/// A file that was not there before; a secret one belongs to its owner alone from the first moment on.
#[cfg(unix)]
fn created(path: &Path, secret: bool) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mode = if secret { 0o600 } else { 0o644 };
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
}

/// A file that was not there before. Who may read it is decided by its folder, as everything is here.
#[cfg(not(unix))]
fn created(path: &Path, _secret: bool) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn written(path: &Path) -> impl FnOnce(io::Error) -> KeysError {
    let path = path.to_owned();
    |source| KeysError::Write { path, source }
}
