//! Where everything lies in the state folder.

use std::{
    io,
    path::{Path, PathBuf},
};

use supervisor_core::{
    alink::codec::Digest,
    record::{Slot, WantedFile},
};

use super::disk::{Disk, Kind};

/// The name of a worker's program in its slot.
pub(crate) const IMAGE: &str = if cfg!(windows) {
    "worker.exe"
} else {
    "worker"
};

/// The description that makes a folder a slot.
pub(crate) const DESCRIPTION: &str = "slot.json";

/// Folders that are not slots yet begin so.
pub(crate) const UNBORN: &str = ".born-";

/// Folders that are no slots any more begin so.
pub(crate) const GONE: &str = ".gone-";

/// The paths in one state folder.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Makes the folders that are missing, durably and private to this user where the system has modes. What is in the way of one is
    /// removed and told, as all names here are ours. One that cannot be made is told as well: whoever needs it will fail, and a device
    /// whose disk takes no writes may still have a worker to start.
    ///
    /// # Errors
    /// There is no state folder, and none can be made.
    pub(crate) fn make_on(
        disk: &impl Disk,
        root: &Path,
        words: &mut Vec<String>,
    ) -> io::Result<Self> {
        let layout = Self {
            // Absolute, so that a worker's program is found whatever folder is the current one.
            root: std::path::absolute(root)?,
        };
        make_with_parents(disk, &layout.root)?;
        disk.make_private(&layout.root)?;
        for folder in [layout.slots(), layout.parts(), layout.run(), layout.pids()] {
            if let Err(why) = make_folder(disk, &folder, words) {
                words.push(why.to_string());
            }
        }
        Ok(layout)
    }

    /// The same on a real disk where nothing is in the way.
    #[cfg(test)]
    pub(crate) fn make(root: &Path) -> io::Result<Self> {
        Self::make_on(&super::disk::Real, root, &mut Vec::new())
    }

    /// Names the paths without touching anything.
    pub(crate) fn of(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The process id of whoever holds the lock; beside it, as Windows lets nobody read a locked file.
    pub(crate) fn holder(&self) -> PathBuf {
        self.run().join("pid")
    }

    /// Where the address of the control socket is written.
    pub(crate) fn control_address(&self) -> PathBuf {
        self.run().join("control.address")
    }

    pub(crate) fn records(&self) -> [PathBuf; 2] {
        [self.root.join("record.a"), self.root.join("record.b")]
    }

    /// Where the device stood.
    pub(crate) fn checkpoints(&self) -> [PathBuf; 2] {
        [
            self.root.join("checkpoint.a"),
            self.root.join("checkpoint.b"),
        ]
    }

    /// The account of the bytes that were taken from the network.
    pub(crate) fn budget(&self) -> PathBuf {
        self.root.join("budget")
    }

    /// What the brain noted, for `explain`.
    pub(crate) fn flight(&self) -> PathBuf {
        self.root.join("flight.log")
    }

    /// Where the socket for workers is.
    pub(crate) fn link(&self) -> PathBuf {
        self.run().join("link")
    }

    /// Where the control socket is.
    pub(crate) fn control(&self) -> PathBuf {
        self.run().join("control")
    }

    /// What is of use only to the supervisor that made it, or to nobody after a power cut.
    pub(super) fn fleeting(&self) -> [PathBuf; 4] {
        let budget = self.budget().with_extension("new");
        [self.link(), self.control(), self.control_address(), budget]
    }

    pub(crate) fn slots(&self) -> PathBuf {
        self.root.join("slots")
    }

    pub(crate) fn parts(&self) -> PathBuf {
        self.root.join("parts")
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// The log, where standard error has no reader.
    #[cfg(windows)]
    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("supervisor.log")
    }

    /// The folder of workers that run as another user.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Where it is written down which worker processes run.
    pub(crate) fn pids(&self) -> PathBuf {
        self.run().join("pids")
    }

    pub(crate) fn slot(&self, slot: &Slot) -> PathBuf {
        self.slots().join(format!("{}-{}", slot.id.0, slot.version))
    }

    /// The program in a slot.
    pub(crate) fn image(&self, slot: &Slot) -> PathBuf {
        let package = slot.package.as_ref();
        let name = package.map_or(IMAGE, |package| package.entry.as_str());
        self.slot(slot).join(name)
    }

    /// Where a file is collected: known by the first of its digests, so that it belongs to whatever address brings the same bytes.
    pub(crate) fn part_of(&self, file: &WantedFile) -> PathBuf {
        let digest = file.digests.first();
        let digest = digest.map_or_else(|| "nameless".to_owned(), Digest::to_string);
        let name = file.name.as_ref();
        let name = name.map_or_else(String::new, |name| format!("-{name}"));
        self.parts().join(format!("{digest}{name}.part"))
    }
}

fn make_folder(disk: &impl Disk, folder: &Path, words: &mut Vec<String>) -> io::Result<()> {
    if matches!(disk.kind(folder), Ok(Kind::File(_) | Kind::Other)) {
        words.push(format!(
            "`{}` was no folder; it is removed",
            folder.display()
        ));
        disk.clear(folder)?;
    }
    make_with_parents(disk, folder)?;
    disk.make_private(folder)
}

/// Makes a folder and those it lies in. A new one is there after a power cut as well, unlike one whose parent was not synced.
fn make_with_parents(disk: &impl Disk, folder: &Path) -> io::Result<()> {
    match disk.kind(folder) {
        Ok(Kind::Folder) => return Ok(()),
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let parent = folder.parent();
    if let Some(parent) = parent {
        make_with_parents(disk, parent)?;
    }
    disk.make_folder(folder)?;
    parent.map_or(Ok(()), |parent| disk.sync_folder(parent))
}

/// Where the note about a part lies: beside it.
pub(crate) fn note_of(part: &Path) -> PathBuf {
    part.with_extension("meta")
}
