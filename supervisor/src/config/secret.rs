//! Where the device's secret comes from, and who else could read it.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use supervisor_core::alink::login::Secret;

use super::{
    LARGEST_FILE, SECRET_VARIABLE,
    reading::{Found, Section},
};
use crate::advice::Mistake;

/// Reads the secret from the environment, from a file of its own, or from the configuration itself, in this order. Its text comes with
/// it if it is from a file of its own.
pub(super) fn read(
    section: &mut Section<'_, '_>,
    file: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<(Secret, Option<String>)> {
    let plain = section.text("device_secret");
    let path = section.text("device_secret_file");
    // Wherever it is used from in the end: a secret that lies open must not lie open.
    if let Some(found) = &plain {
        let place = section.file().to_owned();
        private(section, "device_secret", Some(found.line), &place);
    }
    let (key, text, origin) = match (environment(SECRET_VARIABLE), plain, path) {
        (Some(text), _, _) => (
            "device_secret",
            text,
            format!("environment `{SECRET_VARIABLE}`"),
        ),
        (None, Some(_), Some(other)) => {
            section.fault(
                "device_secret_file",
                Some(other.line),
                "stands beside `cloud.device_secret`; keep one of them",
            );
            return None;
        }
        (None, Some(found), None) => ("device_secret", found.value, format!("line {}", found.line)),
        (None, None, Some(found)) => {
            let text = from_file(section, file, &found)?;
            (
                "device_secret_file",
                text,
                format!("line {}, `{}`", found.line, found.value),
            )
        }
        (None, None, None) => {
            if !section.faulty(&["device_secret", "device_secret_file"]) {
                section.missing(
                    "device_secret",
                    &format!("give it, or `device_secret_file`, or the environment variable `{SECRET_VARIABLE}`"),
                );
            }
            return None;
        }
    };
    section.list("device_secret", "***", origin);
    let of_file = (key == "device_secret_file").then(|| text.clone());
    match Secret::new(text) {
        Ok(secret) => Some((secret, of_file)),
        Err(fault) => {
            section.fault(key, None, format!("cannot be used: {fault}"));
            None
        }
    }
}

fn from_file(
    section: &mut Section<'_, '_>,
    config: &Path,
    found: &Found<String>,
) -> Option<String> {
    let path = config.parent().unwrap_or(Path::new(".")).join(&found.value);
    private(section, "device_secret_file", Some(found.line), &path);
    match text_of(&path) {
        // Editors end a file with a line end; no secret does.
        Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(why) => {
            let mut what = format!("names `{}`, which cannot be read: {why}", path.display());
            if why.kind() == io::ErrorKind::NotFound {
                what += &format!("; {}", Mistake::NoSecretFile.cure());
            }
            section.fault("device_secret_file", Some(found.line), what);
            None
        }
    }
}

/// A pipe, say, would be waited for when it is opened, and no secret is longer than a configuration may be.
fn text_of(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut text = String::new();
    let file = fs::File::open(path)?;
    file.take(LARGEST_FILE).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(unix)]
fn private(section: &mut Section<'_, '_>, key: &str, line: Option<usize>, path: &Path) {
    use std::os::unix::fs::PermissionsExt;

    let metadata = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata,
        _ => return, // Whoever reads it next says why it cannot be read.
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.display();
        let what = format!(
            "lies in `{path}`, which others may read (mode {mode:03o}); run `chmod 600 {path}`"
        );
        section.fault(key, line, what);
    }
}

/// Windows has no mode; there the folder's access list decides, and it is the installer's to set.
#[cfg(not(unix))]
fn private(_: &mut Section<'_, '_>, _: &str, _: Option<usize>, _: &Path) {}
