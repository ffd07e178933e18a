//! The birth of a slot: a folder that is complete before it has its name.
//!
//! Its files are synced before they come here; they go into a folder under a name that is no slot's, described, and the
//! folder gets its real name in one rename. A power cut at any point leaves either no slot or a whole one.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use supervisor_core::record::Slot;

use super::layout::{DESCRIPTION, IMAGE, Layout, UNBORN, sync_folder};

/// Makes synced files a slot: its one image, or the files of its package in their order. They must lie in the same file system, and
/// stay where they are until the slot is whole, so that a power cut before that costs no byte of them.
pub(crate) fn birth(layout: &Layout, files: &[PathBuf], slot: &Slot) -> io::Result<()> {
    let unborn = layout.slots().join(format!("{UNBORN}{}", slot.id.0));
    remove_if_there(&unborn)?;
    fs::create_dir(&unborn)?;
    let names = match &slot.package {
        Some(package) => package
            .files
            .iter()
            .map(|file| file.name.as_str())
            .collect(),
        None => vec![IMAGE],
    };
    if names.len() != files.len() {
        let (wanted, there) = (names.len(), files.len());
        return Err(io::Error::other(format!(
            "{there} files are there instead of {wanted}"
        )));
    }
    for (file, name) in files.iter().zip(names) {
        let place = unborn.join(name);
        // Not every file system knows a second name for a file.
        fs::hard_link(file, &place).or_else(|_| fs::rename(file, &place))?;
        make_executable(&place)?;
    }
    let description = serde_json::to_vec_pretty(slot)?;
    let mut file = File::create(unborn.join(DESCRIPTION))?;
    file.write_all(&description)?;
    file.sync_all()?;
    sync_folder(&unborn)?;
    let named = layout.slot(slot);
    // A number is given out once and saved with its job: whatever has this name is that same job's, from before a power cut.
    remove_if_there(&named)?;
    fs::rename(&unborn, &named)?;
    sync_folder(&layout.slots())?;
    for file in files {
        // One that stays is removed at the next start.
        let _ = fs::remove_file(file);
    }
    Ok(())
}

/// Removes a folder with all it holds; one that is not there is as good as removed.
pub(crate) fn remove_if_there(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn make_executable(image: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    fs::set_permissions(image, fs::Permissions::from_mode(0o500))?;
    File::open(image)?.sync_all()
}

#[cfg(windows)]
fn make_executable(_: &Path) -> io::Result<()> {
    Ok(())
}
