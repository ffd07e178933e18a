//! What the state folder holds, looked at once when it is opened.
//!
//! What a power cut left half done is cleared away here, and what can be mended from the record is. Only what can never be of use is
//! removed: a slot whose number the record names, and anything that cannot be read at the moment, stays where it is. So does what
//! is none of our names.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use supervisor_core::record::{Record, Slot, Stage};

use super::{
    Contents,
    birth::{bury, describe},
    disk::{Disk, Kind},
    layout::{DESCRIPTION, GONE, IMAGE, Layout, UNBORN, note_of},
};

/// No description of a slot is longer, in bytes.
const LONGEST_DESCRIPTION: u64 = 16 * 1024;

/// Why a folder is not a slot.
enum NoSlot {
    /// It is none, and will not be one.
    Never(String),
    /// That cannot be seen.
    Unseen(io::Error),
}

impl std::fmt::Display for NoSlot {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Never(why) => to.write_str(why),
            Self::Unseen(why) => why.fmt(to),
        }
    }
}

/// Finds whole slots, mends and clears away.
///
/// # Errors
/// A slot cannot be read at this moment, so that it must not be taken for a damaged one.
pub(super) fn scan(disk: &impl Disk, layout: &Layout, contents: &mut Contents) -> io::Result<()> {
    find_slots(disk, layout, contents)?;
    clear_parts(disk, layout, contents);
    clear_places(disk, layout, &mut contents.words);
    Ok(())
}

fn find_slots(disk: &impl Disk, layout: &Layout, contents: &mut Contents) -> io::Result<()> {
    let Contents {
        record,
        slots,
        unreadable,
        words,
        ..
    } = contents;
    let folder = layout.slots();
    let named = record.as_ref().map(slots_of).unwrap_or_default();
    let mut paths: Vec<_> = disk.list(&folder).map_or_else(
        |why| {
            words.push(format!(
                "{why}; only the slots in the record are looked for"
            ));
            named.iter().map(|slot| layout.slot(slot)).collect()
        },
        |names| names.iter().map(|name| folder.join(name)).collect(),
    );
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name.starts_with(UNBORN) || name.starts_with(GONE) {
            clear(disk, &path, words);
            continue;
        }
        let by_record = named.iter().find(|slot| layout.slot(slot) == path);
        match inspect(disk, layout, &path) {
            // The record has a checksum, and what is started is verified by it.
            Ok(slot) if by_record.is_none_or(|named| *named == slot) => slots.push(slot),
            Err(NoSlot::Unseen(why)) if why.kind() == io::ErrorKind::ResourceBusy => {
                return Err(why);
            }
            other => {
                match by_record.map(|named| (named, fits(disk, layout, named))) {
                    Some((named, Ok(()))) => {
                        mend(disk, &path, named, words);
                        slots.push(named.clone());
                        continue;
                    }
                    Some((named, Err(NoSlot::Unseen(why)))) => {
                        words.push(format!("`{}` cannot be looked at: {why}", path.display()));
                        unreadable.push(named.clone());
                        continue;
                    }
                    _ => {}
                }
                let why = other.err().unwrap_or_else(|| {
                    NoSlot::Never("its description is another build's".to_owned())
                });
                let told = format!("`{}` is not a slot: {why}", path.display());
                let never = matches!(why, NoSlot::Never(_));
                match record {
                    Some(record) if never && is_unnamed(name, record) => {
                        words.push(format!("{told}; it is removed"));
                        if let Err(why) = bury(disk, &path) {
                            words.push(format!("{why}; it cannot be removed"));
                        }
                    }
                    _ => words.push(told),
                }
            }
        }
    }
    slots.sort_by_key(|slot| slot.id);
    Ok(())
}

/// The slots a record describes.
fn slots_of(record: &Record) -> Vec<Slot> {
    let of_job = match record.job.as_ref().map(|job| &job.stage) {
        Some(Stage::Fetched { slot } | Stage::Trial { slot }) => Some(slot),
        Some(Stage::Open) | None => None,
    };
    let named = [record.active.as_ref(), record.former.as_ref(), of_job];
    named.into_iter().flatten().cloned().collect()
}

/// Does the record name no slot with this folder's number? What has no number is not ours.
fn is_unnamed(folder: &str, record: &Record) -> bool {
    let number = folder.split_once('-').map(|(number, _)| number.parse());
    let Some(Ok(number)) = number else {
        return false;
    };
    let job = record.job.as_ref().map(|job| job.id.0);
    let mut named = slots_of(record).into_iter();
    job != Some(number) && !named.any(|slot| slot.id.0 == number)
}

/// Writes a damaged description again.
fn mend(disk: &impl Disk, folder: &Path, slot: &Slot, words: &mut Vec<String>) {
    let place = folder.join(DESCRIPTION);
    let cleared = match disk.kind(&place) {
        Ok(Kind::Folder | Kind::Other) => disk.clear(&place),
        _ => Ok(()),
    };
    let mended = cleared.and_then(|()| describe(disk, folder, slot));
    let place = place.display();
    words.push(match mended {
        Ok(()) => format!("`{place}` was damaged; it is written again from the record"),
        Err(why) => format!("`{place}` is damaged; the record is used in its place: {why}"),
    });
}

/// Removes parts nobody goes on with, and what is in the way of those somebody does.
fn clear_parts(disk: &impl Disk, layout: &Layout, contents: &mut Contents) {
    let Contents {
        record,
        slots,
        words,
        ..
    } = contents;
    let folder = layout.parts();
    let names = disk.list(&folder).unwrap_or_else(|why| {
        words.push(format!("{why}; parts that are there stay"));
        Vec::new()
    });
    let kept = parts_of_use(layout, record.as_ref(), slots);
    for name in names {
        let path = folder.join(name);
        if !kept.contains(&path) {
            clear(disk, &path, words);
            continue;
        }
        clear_unless_file(disk, &path, words);
        // One that was about to become a slot may not be written to, and is a part again.
        if let Err(why) = disk.make_writable(&path)
            && why.kind() != io::ErrorKind::NotFound
        {
            words.push(why.to_string());
        }
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

/// Frees the places of what is written anew at every start, or now and then.
fn clear_places(disk: &impl Disk, layout: &Layout, words: &mut Vec<String>) {
    for path in layout.fleeting() {
        clear(disk, &path, words);
    }
    let budget = layout.budget();
    if clear_unless_file(disk, &budget, words) {
        // Without an account nothing was spent; with one that cannot be read, everything.
        if let Err(why) = disk.put(&budget, b"") {
            words.push(why.to_string());
        }
    }
    for name in disk.list(&layout.pids()).unwrap_or_default() {
        clear_unless_file(disk, &layout.pids().join(name), words);
    }
}

fn clear(disk: &impl Disk, path: &Path, words: &mut Vec<String>) {
    if let Err(why) = disk.clear(path) {
        words.push(format!("{why}; it cannot be removed"));
    }
}

/// Removes what is no file: a pipe, say, would be waited for by whoever opens it. Was there such a thing?
fn clear_unless_file(disk: &impl Disk, path: &Path, words: &mut Vec<String>) -> bool {
    let is_odd = matches!(disk.kind(path), Ok(Kind::Folder | Kind::Other));
    if is_odd {
        words.push(format!("`{}` was no file; it is removed", path.display()));
        clear(disk, path, words);
    }
    is_odd
}

fn inspect(disk: &impl Disk, layout: &Layout, folder: &Path) -> Result<Slot, NoSlot> {
    let description = disk.read(&folder.join(DESCRIPTION), LONGEST_DESCRIPTION);
    let description = description.map_err(NoSlot::of)?;
    let slot: Slot = serde_json::from_slice(&description)
        .map_err(|why| NoSlot::Never(format!("its description cannot be read: {why}")))?;
    if layout.slot(&slot) != folder {
        return Err(NoSlot::never("its description is another slot's"));
    }
    fits(disk, layout, &slot)?;
    Ok(slot)
}

/// Are all files of a slot there, each in its size?
fn fits(disk: &impl Disk, layout: &Layout, slot: &Slot) -> Result<(), NoSlot> {
    let folder = layout.slot(slot);
    let Some(package) = &slot.package else {
        return has_size(disk, &folder.join(IMAGE), slot.size);
    };
    for file in &package.files {
        has_size(disk, &folder.join(file.name.as_str()), file.size)?;
    }
    if package.identity() != (slot.size, slot.sha256.clone()) {
        return Err(NoSlot::never("its description contradicts itself"));
    }
    if !package.files.iter().any(|file| file.name == package.entry) {
        return Err(NoSlot::never("its program is not among its files"));
    }
    Ok(())
}

fn has_size(disk: &impl Disk, file: &Path, wanted: u64) -> Result<(), NoSlot> {
    let name = file.file_name().unwrap_or_default().display();
    match disk.kind(file).map_err(NoSlot::of)? {
        Kind::File(size) if size == wanted => Ok(()),
        Kind::File(size) => Err(NoSlot::Never(format!(
            "its file `{name}` has {size} bytes instead of {wanted}"
        ))),
        Kind::Folder | Kind::Other => Err(NoSlot::Never(format!("its `{name}` is no file"))),
    }
}

impl NoSlot {
    fn never(why: &str) -> Self {
        Self::Never(why.to_owned())
    }

    fn of(why: io::Error) -> Self {
        match why.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory => Self::Never(why.to_string()),
            _ => Self::Unseen(why),
        }
    }
}
