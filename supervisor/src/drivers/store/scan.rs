//! What the state folder holds, looked at once when it is opened.
//!
//! What a power cut left half done is cleared away here: folders that were never a slot or are none any more, and parts nobody goes
//! on with.

use std::{
    io,
    path::{Path, PathBuf},
};

use supervisor_core::record::{Record, Slot};

use super::{
    Contents,
    disk::{Disk, Kind},
    layout::{DESCRIPTION, GONE, IMAGE, Layout, UNBORN, note_of},
};

/// No description of a slot is longer, in bytes.
const LONGEST_DESCRIPTION: u64 = 16 * 1024;

/// Finds whole slots and clears away what is of no use.
pub(super) fn scan(disk: &impl Disk, layout: &Layout, contents: &mut Contents) -> io::Result<()> {
    for name in disk.list(&layout.slots())? {
        let path = layout.slots().join(&name);
        let name = name.to_str().unwrap_or_default();
        if name.starts_with(UNBORN) || name.starts_with(GONE) {
            clear(disk, &path, &mut contents.words);
            continue;
        }
        match inspect(disk, layout, &path) {
            Ok(slot) => contents.slots.push(slot),
            Err(why) => contents
                .words
                .push(format!("`{}` is not a slot: {why}", path.display())),
        }
    }
    contents.slots.sort_by_key(|slot| slot.id);
    let kept = parts_of_use(layout, contents.record.as_ref(), &contents.slots);
    for name in disk.list(&layout.parts())? {
        let path = layout.parts().join(name);
        if !kept.contains(&path) {
            clear(disk, &path, &mut contents.words);
        }
    }
    Ok(())
}

fn clear(disk: &impl Disk, path: &Path, words: &mut Vec<String>) {
    if let Err(why) = disk.clear(path) {
        words.push(format!("{why}; it cannot be removed"));
    }
}

/// The parts, with their notes, of the job in the record, which goes on with them.
fn parts_of_use(layout: &Layout, record: Option<&Record>, slots: &[Slot]) -> Vec<PathBuf> {
    let job = record.and_then(|it| it.job.as_ref());
    // What has become a slot needs no part any more.
    let job = job.filter(|job| !slots.iter().any(|slot| slot.id.0 == job.id.0));
    let files = job.map_or(&[][..], |job| job.wanted.files.as_slice());
    let parts = files.iter().map(|file| layout.part_of(file));
    parts.flat_map(|part| [note_of(&part), part]).collect()
}

fn inspect(disk: &impl Disk, layout: &Layout, folder: &Path) -> io::Result<Slot> {
    let description = disk.read(&folder.join(DESCRIPTION), LONGEST_DESCRIPTION)?;
    let slot: Slot = serde_json::from_slice(&description)?;
    if layout.slot(&slot) != folder {
        return Err(io::Error::other("its description is another slot's"));
    }
    match &slot.package {
        None => has_size(disk, &folder.join(IMAGE), slot.size)?,
        Some(package) => {
            for file in &package.files {
                has_size(disk, &folder.join(file.name.as_str()), file.size)?;
            }
            if package.identity() != (slot.size, slot.sha256.clone()) {
                return Err(io::Error::other("its description contradicts itself"));
            }
            if !package.files.iter().any(|file| file.name == package.entry) {
                return Err(io::Error::other("its program is not among its files"));
            }
        }
    }
    Ok(slot)
}

fn has_size(disk: &impl Disk, file: &Path, wanted: u64) -> io::Result<()> {
    let name = file.file_name().unwrap_or_default().display();
    match disk.kind(file)? {
        Kind::File(size) if size == wanted => Ok(()),
        Kind::File(size) => Err(io::Error::other(format!(
            "its file `{name}` has {size} bytes instead of {wanted}"
        ))),
        Kind::Folder | Kind::Other => Err(io::Error::other(format!("its `{name}` is no file"))),
    }
}
