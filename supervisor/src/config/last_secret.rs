//! The device's secret as it was last read from its own file, kept for the day on which that file cannot be used.
//!
//! Without its secret a device is out of reach for good, and its worker would not even run, for want of a file that a torn write, a bad
//! sector or a slip of an installer took away. Therefore every start that reads the secret from a file of its own leaves a copy, where the
//! last good configuration lies as well (see [`super::last_good`]) and under the same rules: only its owner may read or write it, and it
//! is not taken where somebody else could have put it. It is left when the platform has accepted a login with that secret, and not before:
//! a file can be damaged into another text that might be a secret, and the copy is then the only one left. It doubles the places in which the secret lies, and adds none that is less private
//! than the first.
//!
//! It refuses to stand in for anything but the named file: a file that can be used always wins, and replaces the copy at the first login; a secret given
//! in another way removes it then; and the copy counts only for the device it was read for, so that a device that was given another name is not
//! signed for with the old one's secret.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use supervisor_core::alink::login::Identity;

use super::{Environment, Fault, Loaded, SECRET_VARIABLE, last_good, parse};

/// The key whose file the copy stands in for, as it is named in faults.
const KEY: &str = "`cloud.device_secret_file`";

/// Where the copy lies, if the configuration has a name.
pub(crate) fn place(file: &Path, environment: Environment<'_>) -> Option<PathBuf> {
    let mut name = last_good::place(file, environment)?.into_os_string();
    name.push("-secret");
    Some(name.into())
}

/// What is kept of a secret: whose it is, and then the secret itself.
pub(super) fn text(identity: &Identity, secret: &str) -> String {
    format!("{}\n{secret}\n", whose(identity))
}

fn whose(identity: &Identity) -> String {
    format!("{}/{}", identity.product_key(), identity.device_name())
}

/// Keeps it, durably, unless it is kept already; without one, what was kept before is removed.
///
/// # Errors
/// It cannot be kept or removed.
pub(crate) fn keep(place: &Path, text: Option<&str>) -> io::Result<()> {
    if let Some(text) = text {
        return last_good::keep(place, text);
    }
    match fs::remove_file(place) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(io::Error::new(
            why.kind(),
            format!("`{}`: {why}", place.display()),
        )),
        _ => Ok(()),
    }
}

/// The configuration in this text with the secret that was last known, and a word why, if the file of the secret is all that is wrong with
/// it and the copy is the same device's. What is wrong with the copy is added to the faults.
pub(super) fn instead(
    file: &Path,
    at: &Path,
    text: &str,
    faults: &mut Vec<Fault>,
    environment: Environment<'_>,
) -> Option<(Loaded, String)> {
    if faults.is_empty() || !faults.iter().all(|fault| fault.0.contains(KEY)) {
        return None;
    }
    let copy = place(file, environment)?;
    let kept = match last_good::read(&copy) {
        Ok(kept) => kept,
        Err(why) => {
            if why.kind() != io::ErrorKind::NotFound {
                faults.push(Fault(format!(
                    "the copy of the secret cannot be taken: {why}"
                )));
            }
            return None;
        }
    };
    let (of, secret) = kept.trim_end().split_once('\n')?;
    let known = |name: &str| match name {
        SECRET_VARIABLE => Some(secret.to_owned()),
        _ => environment(name),
    };
    let loaded = parse(file, at, text.to_owned(), &known);
    let config = loaded.config.as_ref().ok()?;
    if whose(&config.identity) != of {
        let copy = copy.display();
        faults.push(Fault(format!("the copy `{copy}` is the secret of `{of}`")));
        return None;
    }
    let word = format!("the secret it last knew, from `{}`", copy.display());
    Some((loaded, word))
}
