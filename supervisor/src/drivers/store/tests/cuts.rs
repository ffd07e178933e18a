//! Power cuts: every one of a sequence of writes, every disk it may leave, and the same again for the recovery.
//!
//! The power goes out before every change and after the last one, the guesses the memory disk knows are gone through, and so it goes for
//! every recovery, once more. Equal disks with equal promises are looked at once.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
};

use super::super::{
    Contents,
    disk::Disk,
    folder::Folder,
    layout::Layout,
    memory::{Fault, Memory},
};

/// Where the state folder lies on a memory disk.
pub(super) const ROOT: &str = "/state";

/// How many power cuts there are: one in the story, and one in the recovery from it.
const CUTS: u32 = 2;

/// A sequence of writes.
pub(super) trait Story {
    /// What is there before, and durable.
    fn prepare<D: Disk + Clone>(&self, disk: &D);

    /// The sequence. Each promise given, such as a save that is acknowledged, counts one up.
    fn act<D: Disk + Clone>(&self, disk: &D, promises: &mut u32) -> io::Result<()>;

    /// Is what was found after a recovery what so many promises allow? Says what is wrong.
    fn judge(&self, found: &Found<'_>, promises: u32) -> Result<(), String>;

    /// What may lie in the state folder after the recovery, beside its own folders and the record.
    fn may_stay(&self, found: &Found<'_>) -> Vec<PathBuf>;
}

/// What a recovery found.
pub(super) struct Found<'a> {
    pub(super) contents: &'a Contents,
    pub(super) disk: &'a Memory,
    pub(super) layout: &'a Layout,
}

/// How much was gone through.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    /// Places where the power went out.
    pub(super) cuts: u64,
    /// Of these, those with too many guesses for all of them.
    pub(super) bounded: u64,
    /// Different disks that were recovered from.
    pub(super) states: u64,
}

/// A power cut that was not survived.
pub(super) struct Violation(pub(super) String);

/// Opens the state folder as a start does.
pub(super) fn open<D: Disk + Clone>(disk: &D) -> io::Result<(Folder<D>, Contents)> {
    let mut words = Vec::new();
    let layout = Layout::make_on(disk, Path::new(ROOT), &mut words)?;
    Folder::open(disk.clone(), layout, words)
}

/// Goes through every power cut of a story on an empty disk. `careful` is what carries the story out: the disk itself, or a store that makes a mistake.
pub(super) fn sweep<S: Story, D: Disk + Clone>(
    story: &S,
    base: &Memory,
    careful: impl Fn(Memory) -> D,
) -> Result<Count, Violation> {
    story.prepare(base);
    base.settle();
    let mut sweep = Sweep {
        story,
        careful,
        seen: HashSet::new(),
        count: Count::default(),
    };
    let whole = base.copy();
    story
        .act(&(sweep.careful)(whole.clone()), &mut 0)
        .map_err(|why| Violation(format!("without any power cut: {why}")))?;
    for cut in 0..=whole.steps().changes {
        let disk = base.copy();
        disk.plan(Some(Fault::Out(cut)));
        let mut promises = 0;
        // Whatever it says: the power is out.
        let _ = story.act(&(sweep.careful)(disk.clone()), &mut promises);
        let trace = format!("cut before change {cut}");
        sweep.cut(&disk, promises, CUTS, &trace)?;
    }
    Ok(sweep.count)
}

struct Sweep<'s, S, C> {
    story: &'s S,
    careful: C,
    seen: HashSet<(u64, u32)>,
    count: Count,
}

impl<S: Story, D: Disk + Clone, C: Fn(Memory) -> D> Sweep<'_, S, C> {
    /// The power went out. `left` counts this cut and those to come.
    fn cut(
        &mut self,
        disk: &Memory,
        promises: u32,
        left: u32,
        trace: &str,
    ) -> Result<(), Violation> {
        self.count.cuts += 1;
        let found = disk.power_cut();
        self.count.bounded += u64::from(!found.is_all);
        for guess in found.disks {
            if self.seen.insert((guess.mark(), promises)) {
                self.count.states += 1;
                self.recover(&guess, promises, left - 1, trace)?;
            }
        }
        Ok(())
    }

    fn recover(
        &mut self,
        guess: &Memory,
        promises: u32,
        left: u32,
        trace: &str,
    ) -> Result<(), Violation> {
        let whole = guess.copy();
        self.whole(&whole, promises).map_err(|why| {
            let before = guess.tree(Path::new(ROOT));
            Violation(format!(
                "{trace}, {promises} promises: {why}\nfound:\n{before}\nleft:\n{}",
                whole.tree(Path::new(ROOT))
            ))
        })?;
        if left == 0 {
            return Ok(());
        }
        for cut in 0..whole.steps().changes {
            let disk = guess.copy();
            disk.plan(Some(Fault::Out(cut)));
            let _ = start(&(self.careful)(disk.clone()));
            let trace = format!("{trace}, then before change {cut} of the recovery");
            self.cut(&disk, promises, left, &trace)?;
        }
        Ok(())
    }

    /// A recovery that goes through.
    fn whole(&self, disk: &Memory, promises: u32) -> Result<(), String> {
        let careful = (self.careful)(disk.clone());
        let told = |why: io::Error| format!("the start fails: {why}");
        let (layout, contents) = start(&careful).map_err(told)?;
        let steps = disk.steps();
        let found = Found {
            contents: &contents,
            disk,
            layout: &layout,
        };
        self.story.judge(&found, promises)?;
        let mut known = vec![layout.slots(), layout.parts(), layout.run(), layout.pids()];
        known.extend(layout.records());
        known.extend(layout.checkpoints());
        known.extend(self.story.may_stay(&found));
        for path in disk.paths(Path::new(ROOT)) {
            if !known.contains(&PathBuf::from(&path)) {
                return Err(format!("`{path}` is left for ever"));
            }
        }
        // It can be written to and is found the same again.
        let (mut folder, again) = open(&careful).map_err(told)?;
        if (&again.record, &again.slots) != (&contents.record, &kept(&contents)) {
            return Err(format!("the next start finds {again:?}"));
        }
        let mut record = again.record.unwrap_or_default();
        record.next_slot += 100;
        folder.save(&record).map_err(told)?;
        let (_, last) = open(&careful).map_err(told)?;
        if last.record.as_ref() != Some(&record) {
            return Err(format!("a save after the recovery is lost: {last:?}"));
        }
        disk.keep_steps(&steps);
        Ok(())
    }
}

/// What a start does to the disk: the store's part, and the removal of slots the record does not name, which the brain asks for.
fn start<D: Disk + Clone>(disk: &D) -> io::Result<(Layout, Contents)> {
    let (folder, contents) = open(disk)?;
    let kept = kept(&contents);
    for slot in &contents.slots {
        if !kept.contains(slot) {
            folder.remove(slot.id)?;
        }
    }
    Ok((folder.layout().clone(), contents))
}

/// The slots the record names; without a record, all of them.
fn kept(contents: &Contents) -> Vec<supervisor_core::record::Slot> {
    let Some(record) = &contents.record else {
        return contents.slots.clone();
    };
    let job = record.job.as_ref().map(|job| job.id.0);
    let named = [&record.active, &record.former];
    let is_named = |id: u64| {
        job == Some(id)
            || named
                .iter()
                .any(|slot| slot.as_ref().is_some_and(|slot| slot.id.0 == id))
    };
    let slots = contents.slots.iter();
    slots.filter(|slot| is_named(slot.id.0)).cloned().collect()
}
