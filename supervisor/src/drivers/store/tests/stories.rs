//! Every sequence of writes in the state folder, gone through with every power cut.

use std::{io, path::PathBuf};

use supervisor_core::{
    alink::codec::{Digest, DigestMethod},
    checkpoint::Checkpoint,
    event::{JobId, SlotId},
    record::{
        FileName, Job, Origin, Package, Record, Slot, SlotFile, Source, Stage, Wanted, WantedFile,
    },
    time::Wall,
};

use super::{
    super::{
        birth::birth_on,
        checkpoint,
        disk::Disk,
        layout::{DESCRIPTION, Layout, note_of},
        memory::Memory,
    },
    cuts::{Count, Found, Story, open, sweep},
};
use crate::install::{Refusal, install_into};

/// A record known by its number.
pub(super) fn record(number: u64) -> Record {
    Record {
        next_slot: number,
        ..Record::default()
    }
}

/// What a file of a build holds: more than one block.
pub(super) fn bytes(file: usize) -> Vec<u8> {
    (1..=100_u8)
        .map(|byte| byte + u8::try_from(file).unwrap())
        .collect()
}

fn name(file: usize) -> FileName {
    ["app", "model"][file].parse().unwrap()
}

/// A build of one image, or of so many files.
pub(super) fn slot(id: u64, files: Option<usize>) -> Slot {
    let size = bytes(0).len() as u64;
    let package = files.map(|count| Package {
        entry: name(0),
        files: (0..count)
            .map(|file| SlotFile {
                name: name(file),
                size,
                sha256: "00".repeat(32),
            })
            .collect(),
    });
    let identity = package.as_ref().map(Package::identity);
    let (size, sha256) = identity.unwrap_or((size, "00".repeat(32)));
    Slot {
        id: SlotId(id),
        version: "1.0.7".parse().unwrap(),
        sha256,
        size,
        package,
    }
}

/// A job that fetches it.
pub(super) fn job(id: u64, files: Option<usize>) -> Job {
    let wanted = |file: usize| WantedFile {
        name: files.map(|_| name(file)),
        size: bytes(0).len() as u64,
        source: Source::Url("https://firmware.example/".to_owned()),
        digests: vec![
            Digest::from_hex(DigestMethod::Md5, &format!("{file:02x}").repeat(16)).unwrap(),
        ],
        digest_sign: None,
        seal: None,
    };
    Job {
        id: JobId(id),
        wanted: Wanted {
            version: "1.0.7".parse().unwrap(),
            files: (0..files.unwrap_or(1)).map(wanted).collect(),
            by: Origin::Cloud,
            brought: false,
        },
        stage: Stage::Open,
        at_once: false,
        verdict: None,
        superseded: false,
    }
}

/// Is a slot all it should be? Says what it lacks.
fn is_whole(found: &Found<'_>, slot: &Slot) -> Result<(), String> {
    let names: Vec<_> = match &slot.package {
        Some(package) => package.files.iter().map(|it| it.name.to_string()).collect(),
        None => vec!["worker".to_owned()],
    };
    for (file, name) in names.iter().enumerate() {
        let path = found.layout.slot(slot).join(name);
        let held = found.disk.read(&path, u64::MAX);
        if held.as_ref().ok() != Some(&bytes(file)) || !found.disk.is_program(&path) {
            return Err(format!("`{}` is {held:?}", path.display()));
        }
    }
    Ok(())
}

/// The files of a slot, and its folder.
fn paths_of(found: &Found<'_>, slot: &Slot) -> Vec<PathBuf> {
    let folder = found.layout.slot(slot);
    let package = slot.package.iter().flat_map(|package| &package.files);
    let mut paths: Vec<_> = package.map(|it| folder.join(it.name.as_str())).collect();
    paths.extend([folder.join("worker"), folder.join(DESCRIPTION), folder]);
    paths
}

fn named_slots(found: &Found<'_>) -> Vec<PathBuf> {
    let slots = found.contents.slots.iter();
    slots.flat_map(|slot| paths_of(found, slot)).collect()
}

/// Makes a slot as if it had been fetched some time ago.
pub(super) fn fill_slot(disk: &impl Disk, layout: &Layout, slot: &Slot, files: Option<usize>) {
    let part = |file: usize| {
        let part = layout.parts().join(format!("{file}.part"));
        disk.put(&part, &bytes(file)).unwrap();
        part
    };
    let parts: Vec<_> = (0..files.unwrap_or(1)).map(part).collect();
    birth_on(disk, layout, &parts, slot).unwrap();
}

/// So many saves, one after the other.
pub(super) struct Saves(pub(super) u64);

impl Story for Saves {
    fn prepare<D: Disk + Clone>(&self, _: &D) {}

    fn act<D: Disk + Clone>(&self, disk: &D, promises: &mut u32) -> io::Result<()> {
        let (mut folder, _) = open(disk)?;
        for number in 1..=self.0 {
            folder.save(&record(number))?;
            *promises += 1;
        }
        Ok(())
    }

    fn judge(&self, found: &Found<'_>, promises: u32) -> Result<(), String> {
        let number = found.contents.record.as_ref().map_or(0, |it| it.next_slot);
        let promises = u64::from(promises);
        if number == promises || number == promises + 1 {
            return Ok(());
        }
        Err(format!("record {number} counts after {promises} saves"))
    }

    fn may_stay(&self, _: &Found<'_>) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// A download, piece by piece, and the birth of its slot.
pub(super) struct Birth {
    pub(super) files: Option<usize>,
    /// Is the slot there already, and what was half done beside it?
    pub(super) again: bool,
}

impl Birth {
    fn slot(&self) -> Slot {
        slot(1, self.files)
    }
}

impl Story for Birth {
    fn prepare<D: Disk + Clone>(&self, disk: &D) {
        let (mut folder, _) = open(disk).unwrap();
        folder
            .save(&Record {
                job: Some(job(1, self.files)),
                next_slot: 2,
                ..Record::default()
            })
            .unwrap();
        if self.again {
            fill_slot(disk, folder.layout(), &self.slot(), self.files);
            for place in [".born-1", ".gone-1-1.0.7"] {
                let place = folder.layout().slots().join(place);
                disk.make_folder(&place).unwrap();
                disk.put(&place.join("worker"), b"half").unwrap();
            }
        }
    }

    fn act<D: Disk + Clone>(&self, disk: &D, promises: &mut u32) -> io::Result<()> {
        let layout = open(disk)?.0.layout().clone();
        let mut parts = Vec::new();
        for (file, wanted) in job(1, self.files).wanted.files.iter().enumerate() {
            let (part, bytes) = (layout.part_of(wanted), bytes(file));
            // As the download does it: a note in place of the one before it, a part in pieces, one sync at the end. That notes are lost
            // independently of each other teaches nothing new.
            if file == 0 {
                let fresh = part.with_extension("meta-new");
                disk.create(&fresh)
                    .and_then(|mut note| disk.write(&mut note, b"{}"))?;
                disk.rename(&fresh, &note_of(&part))?;
            }
            let mut open = disk.create(&part)?;
            for piece in bytes.chunks(64) {
                disk.write(&mut open, piece)?;
            }
            disk.sync(&open)?;
            parts.push(part);
        }
        birth_on(disk, &layout, &parts, &self.slot())?;
        *promises += 1;
        for part in parts {
            let _ = disk.remove(&part);
            let _ = disk.remove(&note_of(&part));
        }
        Ok(())
    }

    fn judge(&self, found: &Found<'_>, promises: u32) -> Result<(), String> {
        match found.contents.slots.as_slice() {
            [] if promises == 0 => {}
            [found_slot] if *found_slot == self.slot() => is_whole(found, found_slot)?,
            slots => return Err(format!("{slots:?} after {promises} births")),
        }
        for path in found.disk.paths(&found.layout.parts()) {
            if found.disk.is_program(path.as_ref()) {
                return Err(format!("`{path}` cannot be written to"));
            }
        }
        Ok(())
    }

    fn may_stay(&self, found: &Found<'_>) -> Vec<PathBuf> {
        let mut paths = named_slots(found);
        if found.contents.slots.is_empty() {
            let wanted = job(1, self.files).wanted;
            let parts = wanted.files.iter().map(|file| found.layout.part_of(file));
            paths.extend(parts.flat_map(|part| [note_of(&part), part]));
        }
        paths
    }
}

/// A slot nobody needs is removed, and the one beside it stays.
pub(super) struct Removal;

impl Story for Removal {
    fn prepare<D: Disk + Clone>(&self, disk: &D) {
        let (mut folder, _) = open(disk).unwrap();
        for (id, files) in [(1, None), (2, Some(2))] {
            fill_slot(disk, folder.layout(), &slot(id, files), files);
        }
        folder
            .save(&Record {
                active: Some(slot(1, None)),
                next_slot: 3,
                ..Record::default()
            })
            .unwrap();
    }

    fn act<D: Disk + Clone>(&self, disk: &D, promises: &mut u32) -> io::Result<()> {
        let (folder, _) = open(disk)?;
        folder.remove(SlotId(2))?;
        *promises += 1;
        Ok(())
    }

    fn judge(&self, found: &Found<'_>, promises: u32) -> Result<(), String> {
        let (stays, goes) = (slot(1, None), slot(2, Some(2)));
        let slots = found.contents.slots.as_slice();
        match slots {
            [one] if *one == stays => {}
            [one, two] if *one == stays && *two == goes && promises == 0 => {}
            slots => return Err(format!("{slots:?} after {promises} removals")),
        }
        // The start removes what nobody needs.
        is_whole(found, &stays)
    }

    fn may_stay(&self, found: &Found<'_>) -> Vec<PathBuf> {
        paths_of(found, &slot(1, None))
    }
}

/// A program is installed by hand where another one runs, or where there is none.
pub(super) struct Installation {
    pub(super) first: bool,
}

pub(super) fn install(disk: &(impl Disk + Clone), version: &str) -> io::Result<Slot> {
    let (mut folder, contents) = open(disk)?;
    let program = bytes(0);
    let installed = install_into(
        &mut folder,
        contents,
        program.as_slice(),
        version.parse().unwrap(),
        Wall(7),
    );
    installed.map_err(|why| match why {
        Refusal::Source(why) | Refusal::Disk(why) => why,
    })
}

impl Story for Installation {
    fn prepare<D: Disk + Clone>(&self, disk: &D) {
        if !self.first {
            install(disk, "1.0.0").unwrap();
        }
    }

    fn act<D: Disk + Clone>(&self, disk: &D, promises: &mut u32) -> io::Result<()> {
        install(disk, "1.0.7")?;
        *promises += 1;
        Ok(())
    }

    fn judge(&self, found: &Found<'_>, promises: u32) -> Result<(), String> {
        let record = found.contents.record.as_ref();
        let active = record.and_then(|record| record.active.as_ref());
        let version = active.map(|slot| slot.version.as_str());
        match (version, promises) {
            (Some("1.0.7"), _) => {}
            (Some("1.0.0"), 0) if !self.first => {}
            (None, 0) if self.first => {}
            _ => {
                return Err(format!(
                    "{version:?} is active after {promises} installations"
                ));
            }
        }
        let former = record.and_then(|record| record.former.as_ref());
        for slot in active.into_iter().chain(former) {
            if !found.contents.slots.contains(slot) {
                return Err(format!("{slot:?} is not there"));
            }
            is_whole(found, slot)?;
        }
        Ok(())
    }

    fn may_stay(&self, found: &Found<'_>) -> Vec<PathBuf> {
        named_slots(found)
    }
}

/// Where the device stands is written down again and again.
pub(super) struct Checkpoints;

fn checkpoints<D: Disk + Clone>(disk: &D, layout: &Layout) -> (checkpoint::Checkpoints<D>, u64) {
    let files = layout.checkpoints();
    let (files, newest) = checkpoint::Checkpoints::open(disk.clone(), files, &mut Vec::new());
    (files, newest.map_or(0, |newest| newest.slot.0))
}

impl Story for Checkpoints {
    fn prepare<D: Disk + Clone>(&self, _: &D) {}

    fn act<D: Disk + Clone>(&self, disk: &D, promises: &mut u32) -> io::Result<()> {
        let layout = open(disk)?.0.layout().clone();
        let (mut files, _) = checkpoints(disk, &layout);
        for number in 1..=3 {
            files.write(&Checkpoint {
                slot: SlotId(number),
                version: None,
                at: None,
                boot: None,
                snapshot: "{}".to_owned(),
            })?;
            *promises += 1;
        }
        Ok(())
    }

    fn judge(&self, found: &Found<'_>, promises: u32) -> Result<(), String> {
        let (_, number) = checkpoints(found.disk, found.layout);
        let promises = u64::from(promises);
        if number == promises || number == promises + 1 {
            return Ok(());
        }
        Err(format!("checkpoint {number} counts after {promises}"))
    }

    fn may_stay(&self, _: &Found<'_>) -> Vec<PathBuf> {
        Vec::new()
    }
}

fn tell(name: &str, count: Count) {
    println!(
        "{name}: {} states after {} power cuts, {} of them with too many guesses for all",
        count.states, count.cuts, count.bounded
    );
}

fn survives(name: &str, story: &impl Story, block: usize) -> Count {
    survives_on(name, story, &Memory::new(block))
}

fn survives_on(name: &str, story: &impl Story, disk: &Memory) -> Count {
    let count = sweep(story, disk, |disk: Memory| disk);
    let count = count.unwrap_or_else(|violation| panic!("{name}: {}", violation.0));
    tell(name, count);
    count
}

#[test]
fn every_power_cut_while_the_record_is_saved_leaves_the_newest_or_the_one_under_way() {
    for block in [64, 32] {
        let count = survives("saves", &Saves(4), block);
        assert!(count.states > 100, "{count:?}");
    }
}

#[test]
fn every_power_cut_while_a_checkpoint_is_written_leaves_the_newest_or_the_one_under_way() {
    let count = survives("checkpoints", &Checkpoints, 32);
    assert!(count.states > 50, "{count:?}");
}

#[test]
fn every_power_cut_while_a_slot_is_born_leaves_a_whole_one_or_none() {
    for (name, files, again, block) in [
        ("birth of one image", None, false, 64),
        ("birth of a package", Some(2), false, 128),
        ("birth over what an earlier one left", None, true, 64),
    ] {
        let count = survives(name, &Birth { files, again }, block);
        assert!(count.states > 500, "{count:?}");
    }
}

#[test]
fn every_power_cut_on_a_disk_without_second_names_for_files_leaves_a_whole_slot_or_none() {
    let story = Birth {
        files: None,
        again: false,
    };
    let count = survives_on("birth without links", &story, &Memory::without_links(64));
    assert!(count.states > 500, "{count:?}");
}

#[test]
fn every_power_cut_while_a_slot_is_removed_leaves_it_whole_or_gone() {
    let count = survives("removal", &Removal, 64);
    assert!(count.states > 10, "{count:?}");
}

#[test]
fn every_power_cut_while_a_program_is_installed_leaves_it_or_the_one_before_it() {
    for (name, first) in [("first installation", true), ("installation", false)] {
        let count = survives(name, &Installation { first }, 64);
        assert!(count.states > 100, "{count:?}");
    }
}
