//! What lies in the state folder and how it is changed: the record and the slots, on any disk.

use std::io;

use supervisor_core::record::{Record, SlotId};

use super::{Contents, birth::bury, disk::Disk, layout::Layout, pair::Pair, scan::scan};

/// The record and the slots. Whoever has this is the only one who changes them.
#[derive(Debug)]
pub(crate) struct Folder<D> {
    disk: D,
    layout: Layout,
    record: Pair<Record>,
}

impl<D: Disk> Folder<D> {
    /// Looks at everything, clears away what is of no use, and mends what can be.
    pub(super) fn open(
        disk: D,
        layout: Layout,
        words: Vec<String>,
    ) -> io::Result<(Self, Contents)> {
        let mut contents = Contents {
            words,
            ..Contents::default()
        };
        let (mut pair, record) = Pair::open(&disk, layout.records(), &mut contents.words)?;
        if pair.is_halved()
            && let Some(record) = &record
            && let Err(why) = pair.write(&disk, record)
        {
            contents
                .words
                .push(format!("the record is there only once: {why}"));
        }
        contents.record = record;
        scan(&disk, &layout, &mut contents)?;
        let folder = Self {
            disk,
            layout,
            record: pair,
        };
        Ok((folder, contents))
    }

    pub(crate) fn disk(&self) -> &D {
        &self.disk
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Writes the record, durably.
    pub(crate) fn save(&mut self, record: &Record) -> io::Result<()> {
        self.record.write(&self.disk, record)
    }

    /// Removes every folder with this number: its version's name is not needed to find it.
    pub(super) fn remove(&self, slot: SlotId) -> io::Result<()> {
        let slots = self.layout.slots();
        let prefix = format!("{}-", slot.0);
        for name in self.disk.list(&slots)? {
            if name.to_str().is_some_and(|name| name.starts_with(&prefix)) {
                bury(&self.disk, &slots.join(name))?;
            }
        }
        Ok(())
    }
}
