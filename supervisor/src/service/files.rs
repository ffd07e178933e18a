//! Definitions that are files: written whole, and changed only if they are ours.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::{Name, ServiceError};

/// What the files of ours have in one of their first lines.
pub(super) const OURS: &str = "Made by `supervisor service`";

/// No definition of ours is longer, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Where the definition of a service lies, perhaps below another root.
pub(super) fn place(folder: &str, suffix: &str, name: &Name, root: Option<&Path>) -> PathBuf {
    let file = format!("{name}{suffix}");
    match root {
        Some(root) => root.join(folder.trim_start_matches('/')).join(file),
        None => Path::new(folder).join(file),
    }
}

/// Writes a definition, in place of an older one of ours.
pub(super) fn write(file: &Path, text: &str) -> Result<(), ServiceError> {
    is_ours(file)?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let new = file.with_extension("new");
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(&new, text))
        .and_then(|()| open_to_all(&new))
        .and_then(|()| fs::rename(&new, file));
    written.map_err(|why| {
        // What is left of it is nothing the system looks at.
        let _ = fs::remove_file(&new);
        failed(file, why)
    })
}

/// Removes a definition of ours.
pub(super) fn remove(file: &Path, name: &Name) -> Result<(), ServiceError> {
    if !is_ours(file)? {
        return Err(ServiceError::NotInstalled(name.clone()));
    }
    fs::remove_file(file).map_err(|why| failed(file, why))
}

/// Is there one of ours? One that something else made is an error.
pub(super) fn is_ours(file: &Path) -> Result<bool, ServiceError> {
    let read = || -> io::Result<_> {
        let mut text = Vec::new();
        fs::File::open(file)?.take(LONGEST).read_to_end(&mut text)?;
        Ok(text)
    };
    match read() {
        Ok(text) if String::from_utf8_lossy(&text).contains(OURS) => Ok(true),
        Ok(_) => Err(ServiceError::Foreign(file.to_owned())),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(why) => Err(failed(file, why)),
    }
}

/// Everybody may know how a service is started; nothing in it is secret.
fn open_to_all(file: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    fs::set_permissions(file, fs::Permissions::from_mode(0o644))
}

fn failed(file: &Path, why: io::Error) -> ServiceError {
    match why.kind() {
        io::ErrorKind::PermissionDenied => {
            ServiceError::Denied(format!("`{}` may not be changed", file.display()))
        }
        _ => ServiceError::File(file.to_owned(), why),
    }
}
