//! A disk in memory that keeps no more than POSIX promises, for tests.
//!
//! What was written and not synced is anybody's guess after a power cut ([`Memory::power_cut`] goes through the guesses):
//!
//! - Each block of a file holds what it held when the file was last synced, anything written to it since, or zeros; the file ends where
//!   it ended then or at any time since, or at the edge of any block before that; and each of these is independent of the others.
//! - Each name in a folder stands for what it stood for when the folder was last synced, or for anything it has stood for since,
//!   nothing included; and each name is independent of the others, so that of a rename either half may be missing.
//! - A file's rights are those of its last sync, or any since.
//!
//! A sync that failed may have dropped what it was to write: only what is written again after it can be made durable by another one.
//! Every operation is a step; one of them can be made to fail, or the power to go out before one.

mod node;
mod power;
mod steps;

use std::{
    cell::RefCell,
    ffi::OsString,
    fmt::Write as _,
    io,
    path::{Component, Path},
    rc::Rc,
};

use self::node::{Entries, Node, Stored};
pub(crate) use self::steps::{Fault, Steps};
use super::disk::{Disk, Kind, at};

/// The disk; its clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Memory(Rc<RefCell<World>>);

/// Everything on it. Nodes are never taken back.
#[derive(Debug, Clone)]
struct World {
    nodes: Vec<Node>,
    /// The size of a block in bytes.
    block: usize,
    /// Does it know second names for a file?
    links: bool,
    steps: Steps,
}

/// The folder everything lies in.
const ROOT: usize = 0;

impl Memory {
    /// An empty disk with blocks of so many bytes.
    pub(crate) fn new(block: usize) -> Self {
        let root = Node::Folder(Entries::default());
        Self(Rc::new(RefCell::new(World {
            nodes: vec![root],
            block,
            links: true,
            steps: Steps::default(),
        })))
    }

    /// The same without second names for a file.
    pub(crate) fn without_links(block: usize) -> Self {
        let disk = Self::new(block);
        disk.0.borrow_mut().links = false;
        disk
    }

    /// Another disk with the same on it, durable and not.
    pub(crate) fn copy(&self) -> Self {
        let mut world = self.0.borrow().clone();
        world.steps = Steps::default();
        Self(Rc::new(RefCell::new(world)))
    }

    /// How the steps from now on go.
    pub(crate) fn plan(&self, fault: Option<Fault>) {
        self.0.borrow_mut().steps = Steps::with(fault);
    }

    /// How many steps there were since the last plan, and what became of it.
    pub(crate) fn steps(&self) -> Steps {
        self.0.borrow().steps.clone()
    }

    /// Counts as if only these steps had been taken.
    pub(crate) fn keep_steps(&self, steps: &Steps) {
        self.0.borrow_mut().steps = steps.clone();
    }

    /// Everything becomes durable.
    pub(crate) fn settle(&self) {
        let mut world = self.0.borrow_mut();
        for node in &mut world.nodes {
            match node {
                Node::File(file) => file.settle(),
                Node::Folder(entries) => entries.settle(),
            }
        }
    }

    /// All that lies below a folder: one line each, a file with its bytes.
    pub(crate) fn tree(&self, path: &Path) -> String {
        let world = self.0.borrow();
        let mut text = String::new();
        if let Ok(id) = world.find(path) {
            world.tell(id, path, &mut text);
        }
        text
    }

    /// The paths of all that lies below a folder.
    pub(crate) fn paths(&self, path: &Path) -> Vec<String> {
        let tree = self.tree(path);
        let words = tree.lines().filter_map(|line| line.split(' ').next());
        words.map(str::to_owned).collect()
    }

    /// Is it a file that may be run and not be changed?
    pub(crate) fn is_program(&self, path: &Path) -> bool {
        let mut world = self.0.borrow_mut();
        let found = world.find(path);
        found.is_ok_and(|id| world.file(id).is_ok_and(|file| file.is_program()))
    }

    /// One step that is to be carried out, unless it fails.
    fn step<T>(
        &self,
        path: &Path,
        sort: steps::Sort,
        carry_out: impl FnOnce(&mut World) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut world = self.0.borrow_mut();
        let done = match world.steps.next(sort) {
            Ok(()) => carry_out(&mut world),
            Err(why) => Err(why),
        };
        done.map_err(|why| at(path, &why))
    }
}

fn error(kind: io::ErrorKind) -> io::Error {
    io::Error::from(kind)
}

impl World {
    fn find(&self, path: &Path) -> io::Result<usize> {
        let mut id = ROOT;
        for part in path.components() {
            if let Component::Normal(name) = part {
                let Node::Folder(entries) = &self.nodes[id] else {
                    return Err(error(io::ErrorKind::NotADirectory));
                };
                let found = entries.now.get(name);
                id = *found.ok_or_else(|| error(io::ErrorKind::NotFound))?;
            }
        }
        Ok(id)
    }

    /// The folder a path lies in, and its name there.
    fn place(&self, path: &Path) -> io::Result<(usize, OsString)> {
        let invalid = || error(io::ErrorKind::InvalidInput);
        let name = path.file_name().ok_or_else(invalid)?.to_owned();
        Ok((self.find(path.parent().ok_or_else(invalid)?)?, name))
    }

    fn folder(&mut self, id: usize) -> io::Result<&mut Entries> {
        match &mut self.nodes[id] {
            Node::Folder(entries) => Ok(entries),
            Node::File(_) => Err(error(io::ErrorKind::NotADirectory)),
        }
    }

    fn file(&mut self, id: usize) -> io::Result<&mut Stored> {
        match &mut self.nodes[id] {
            Node::File(file) => Ok(file),
            Node::Folder(_) => Err(error(io::ErrorKind::IsADirectory)),
        }
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn set(&mut self, path: &Path, node: Option<usize>) -> io::Result<()> {
        let (folder, name) = self.place(path)?;
        self.folder(folder)?.set(name, node);
        Ok(())
    }

    /// What stands in the way of a rename to `to`?
    fn may_take(&self, from: usize, to: &Path) -> io::Result<()> {
        let Ok(there) = self.find(to) else {
            return Ok(());
        };
        match (&self.nodes[from], &self.nodes[there]) {
            (Node::File(_), Node::File(_)) => Ok(()),
            (Node::File(_), Node::Folder(_)) => Err(error(io::ErrorKind::IsADirectory)),
            (Node::Folder(_), Node::File(_)) => Err(error(io::ErrorKind::NotADirectory)),
            (Node::Folder(_), Node::Folder(entries)) if entries.now.is_empty() => Ok(()),
            (Node::Folder(_), Node::Folder(_)) => Err(error(io::ErrorKind::DirectoryNotEmpty)),
        }
    }

    fn tell(&self, id: usize, path: &Path, text: &mut String) {
        let Node::Folder(entries) = &self.nodes[id] else {
            return;
        };
        for (name, id) in &entries.now {
            let path = path.join(name);
            let shown = path.display();
            match &self.nodes[*id] {
                Node::File(file) => {
                    let (bytes, program) = (file.bytes().escape_ascii(), file.is_program());
                    // Infallible for a text.
                    let _ = writeln!(text, "{shown} {program} {bytes}");
                }
                Node::Folder(_) => {
                    let _ = writeln!(text, "{shown}");
                    self.tell(*id, &path, text);
                }
            }
        }
    }
}

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Open {
    id: usize,
    path: std::path::PathBuf,
}

impl Disk for Memory {
    type File = Open;

    fn create(&self, path: &Path) -> io::Result<Open> {
        self.step(path, steps::Sort::Change, |world| {
            let (folder, name) = world.place(path)?;
            let id = match world.folder(folder)?.now.get(&name) {
                Some(id) => *id,
                None => {
                    let id = world.add(Node::File(Stored::new(world.block)));
                    world.folder(folder)?.set(name, Some(id));
                    id
                }
            };
            let file = world.file(id)?;
            if file.is_program() {
                return Err(error(io::ErrorKind::PermissionDenied));
            }
            file.empty();
            let path = path.to_owned();
            Ok(Open { id, path })
        })
    }

    fn write(&self, file: &mut Open, bytes: &[u8]) -> io::Result<()> {
        let written = self.step(&file.path, steps::Sort::Change, |world| {
            world.file(file.id)?.append(bytes);
            Ok(())
        });
        // A write that fails may have written a part.
        if written.is_err() && !self.steps().is_out() {
            let mut world = self.0.borrow_mut();
            world.file(file.id)?.append(&bytes[..bytes.len() / 2]);
        }
        written
    }

    fn sync(&self, file: &Open) -> io::Result<()> {
        let synced = self.step(&file.path, steps::Sort::Change, |world| {
            world.file(file.id)?.sync();
            Ok(())
        });
        if synced.is_err() && !self.steps().is_out() {
            self.0.borrow_mut().file(file.id)?.drop_unsynced();
        }
        synced
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step(path, steps::Sort::Change, |world| {
            let id = world.find(path)?;
            world.folder(id)?.settle();
            Ok(())
        })
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        self.step(path, steps::Sort::Look, |world| {
            let id = world.find(path)?;
            let mut bytes = world.file(id)?.bytes().to_vec();
            bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
            Ok(bytes)
        })
    }

    fn kind(&self, path: &Path) -> io::Result<Kind> {
        self.step(path, steps::Sort::Look, |world| {
            let id = world.find(path)?;
            Ok(match &world.nodes[id] {
                Node::File(file) => Kind::File(file.bytes().len() as u64),
                Node::Folder(_) => Kind::Folder,
            })
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.step(path, steps::Sort::Look, |world| {
            let id = world.find(path)?;
            Ok(world.folder(id)?.now.keys().cloned().collect())
        })
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.step(path, steps::Sort::Change, |world| {
            if world.find(path).is_ok() {
                return Err(error(io::ErrorKind::AlreadyExists));
            }
            let (folder, name) = world.place(path)?;
            let id = world.add(Node::Folder(Entries::default()));
            world.folder(folder)?.set(name, Some(id));
            Ok(())
        })
    }

    fn make_private(&self, path: &Path) -> io::Result<()> {
        self.step(path, steps::Sort::Look, |world| world.find(path).map(drop))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(to, steps::Sort::Change, |world| {
            if !world.links {
                return Err(error(io::ErrorKind::Unsupported));
            }
            let id = world.find(from)?;
            world.file(id)?;
            if world.find(to).is_ok() {
                return Err(error(io::ErrorKind::AlreadyExists));
            }
            world.set(to, Some(id))
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(to, steps::Sort::Change, |world| {
            let id = world.find(from)?;
            world.may_take(id, to)?;
            world.set(to, Some(id))?;
            world.set(from, None)
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(path, steps::Sort::Change, |world| {
            let id = world.find(path)?;
            world.file(id)?;
            world.set(path, None)
        })
    }

    fn remove_all(&self, path: &Path) -> io::Result<()> {
        for name in self.list(path)? {
            let path = path.join(name);
            match self.kind(&path)? {
                Kind::Folder => self.remove_all(&path)?,
                _ => self.remove(&path)?,
            }
        }
        self.step(path, steps::Sort::Change, |world| world.set(path, None))
    }

    fn make_executable(&self, path: &Path) -> io::Result<()> {
        self.make_program(path, true)?;
        self.step(path, steps::Sort::Change, |world| {
            let id = world.find(path)?;
            world.file(id)?.sync();
            Ok(())
        })
    }

    fn make_writable(&self, path: &Path) -> io::Result<()> {
        self.make_program(path, false)
    }
}

impl Memory {
    /// Changes a file's rights, which is not durable before the file is synced.
    pub(crate) fn make_program(&self, path: &Path, program: bool) -> io::Result<()> {
        self.step(path, steps::Sort::Change, |world| {
            let id = world.find(path)?;
            world.file(id)?.make_program(program);
            Ok(())
        })
    }
}
