//! The birth and the end of a slot: a folder that is whole for as long as it has its name.
//!
//! Its files are synced before they come here; they go into a folder under a name that is no slot's, described, and the
//! folder gets its real name in one rename. It loses that name in one rename, too, before the first of its files goes. A power
//! cut at any point leaves either no slot or a whole one.

use std::{
    io,
    path::{Path, PathBuf},
};

use supervisor_core::record::Slot;

use super::{
    disk::{Disk, Real},
    layout::{DESCRIPTION, GONE, IMAGE, Layout, UNBORN},
};

/// Makes synced files a slot: its one image, or the files of its package in their order. They must lie in the same file system, and
/// stay where they are until the slot is whole, so that a power cut before that costs no byte of them.
pub(crate) fn birth(layout: &Layout, files: &[PathBuf], slot: &Slot) -> io::Result<()> {
    birth_on(&Real, layout, files, slot)
}

/// The same on any disk.
pub(crate) fn birth_on(
    disk: &impl Disk,
    layout: &Layout,
    files: &[PathBuf],
    slot: &Slot,
) -> io::Result<()> {
    let unborn = layout.slots().join(format!("{UNBORN}{}", slot.id.0));
    let names = names(slot);
    if names.len() != files.len() {
        let (wanted, there) = (names.len(), files.len());
        return Err(io::Error::other(format!(
            "{there} files are there instead of {wanted}"
        )));
    }
    let filled = fill(disk, &unborn, files, &names);
    let born = filled
        .and_then(|()| describe(disk, &unborn, slot))
        .and_then(|()| name(disk, &unborn, &layout.slot(slot)));
    if let Err(why) = born {
        // Taken apart only when it certainly has no name.
        if disk.sync_folder(&layout.slots()).is_ok() {
            take_apart(disk, &unborn, files, &names);
        }
        return Err(why);
    }
    for file in files {
        // One that stays is removed at the next start.
        let _ = disk.remove(file);
    }
    Ok(())
}

/// What the files of a slot are called, in their order.
fn names(slot: &Slot) -> Vec<&str> {
    let package = slot.package.as_ref();
    package.map_or_else(
        || vec![IMAGE],
        |package| package.files.iter().map(|it| it.name.as_str()).collect(),
    )
}

/// Fills a folder that is not a slot yet.
fn fill(disk: &impl Disk, unborn: &Path, files: &[PathBuf], names: &[&str]) -> io::Result<()> {
    disk.clear(unborn)?;
    disk.make_folder(unborn)?;
    for (file, name) in files.iter().zip(names) {
        let place = unborn.join(name);
        // Not every file system knows a second name for a file.
        disk.link(file, &place)
            .or_else(|_| disk.rename(file, &place))?;
        disk.make_executable(&place)?;
    }
    Ok(())
}

/// Gives a whole folder its name, durably.
fn name(disk: &impl Disk, unborn: &Path, named: &Path) -> io::Result<()> {
    // A number is given out once and saved with its job: whatever has this name is that same job's, from before a power cut.
    bury(disk, named)?;
    disk.rename(unborn, named)?;
    let synced = named
        .parent()
        .map_or(Ok(()), |slots| disk.sync_folder(slots));
    synced.inspect_err(|_| {
        let _ = disk.rename(named, unborn);
    })
}

/// Makes parts of the files again, and room. What fails here is done at the next start.
fn take_apart(disk: &impl Disk, unborn: &Path, files: &[PathBuf], names: &[&str]) {
    for (file, name) in files.iter().zip(names) {
        if disk.kind(file).is_err() {
            let _ = disk.rename(&unborn.join(name), file);
        }
        let _ = disk.make_writable(file);
    }
    let _ = disk.clear(unborn);
}

/// Writes the description of a slot into its folder, durably.
pub(super) fn describe(disk: &impl Disk, folder: &Path, slot: &Slot) -> io::Result<()> {
    disk.put(&folder.join(DESCRIPTION), &serde_json::to_vec_pretty(slot)?)?;
    disk.sync_folder(folder)
}

/// Removes a slot's folder; one that is not there is as good as removed.
pub(crate) fn remove_if_there(folder: &Path) -> io::Result<()> {
    bury(&Real, folder)
}

/// The same on any disk. After a power cut it is whole or gone.
pub(super) fn bury(disk: &impl Disk, folder: &Path) -> io::Result<()> {
    let name = folder.file_name().unwrap_or_default().display();
    let grave = folder.with_file_name(format!("{GONE}{name}"));
    disk.clear(&grave)?;
    match disk.rename(folder, &grave) {
        Ok(()) => {
            // Durable before the first file goes: half a slot must not come back under its name.
            let parent = folder.parent();
            parent.map_or(Ok(()), |parent| disk.sync_folder(parent))?;
            disk.clear(&grave)
        }
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(why) => Err(why),
    }
}
