//! A copy of the workspace to make mistakes in.
//!
//! It lies in the build folder and always at the same place, because what cargo built knows where it was built from. A lock keeps two runs from
//! sharing it. It goes at the end; what was built from it stays.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::MutantsError;
use super::table::Mutant;
use crate::bench::live::stopped;
use crate::workspace::Workspace;

/// Folders that are no sources.
const LEFT_OUT: [&str; 2] = [".git", "target"];

/// A copy of the workspace.
pub(super) struct Copy {
    /// Where it lies.
    pub(super) root: PathBuf,
    /// Where what is built of it goes.
    pub(super) target: PathBuf,
    /// For what its tests leave behind.
    pub(super) scratch: tempfile::TempDir,
    /// Held as long as we are.
    _lock: File,
}

impl Copy {
    /// Copies the sources.
    pub(super) fn make(workspace: &Workspace) -> Result<Self, MutantsError> {
        let folder = workspace.target.join("mutants");
        fs::create_dir_all(&folder).map_err(MutantsError::file(&folder))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(MutantsError::file(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(MutantsError::Busy(path)),
            Err(TryLockError::Error(source)) => return Err(MutantsError::File { path, source }),
        }
        let scratch = tempfile::Builder::new()
            .prefix("hotplate-mutants-")
            .tempdir();
        let copy = Self {
            root: folder.join("workspace"),
            target: folder.join("build"),
            scratch: scratch.map_err(MutantsError::file(std::env::temp_dir()))?,
            _lock: lock,
        };
        // One that was ended at once has left its copy behind.
        copy.remove()?;
        copy_folder(&workspace.root, &copy.root, &workspace.target)?;
        Ok(copy)
    }

    /// Makes a mistake, which is taken back when what this answers goes.
    pub(super) fn with(&self, mutant: &Mutant) -> Result<Made, MutantsError> {
        let sound = mutant.fits(&self.root)?;
        let path = self.root.join(mutant.file);
        let made = Made { path, sound };
        let text = made.sound.replacen(mutant.from, mutant.to, 1);
        fs::write(&made.path, text).map_err(MutantsError::file(&made.path))?;
        Ok(made)
    }

    fn remove(&self) -> Result<(), MutantsError> {
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(MutantsError::file(&self.root)(error))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run, which says so if it cannot either.
        let _ = self.remove();
        if stopped().is_err() {
            // A compiler that was ended in the middle may leave what it cannot link the next time.
            let _ = fs::remove_dir_all(self.target.join("debug").join("incremental"));
        }
    }
}

/// A mistake that is made.
pub(super) struct Made {
    path: PathBuf,
    sound: String,
}

impl Drop for Made {
    fn drop(&mut self) {
        // If that fails, the next mistake does not find its text or the whole copy goes anyway.
        let _ = fs::write(&self.path, &self.sound);
    }
}

impl Mutant {
    /// The text of its file, in which its own is exactly once.
    pub(super) fn fits(&self, root: &Path) -> Result<String, MutantsError> {
        let path = root.join(self.file);
        let text = fs::read_to_string(&path).map_err(MutantsError::file(&path))?;
        // Where git puts another end to each line, the table's texts are found all the same.
        let text = text.replace("\r\n", "\n");
        let Self { name, file, .. } = *self;
        match text.matches(self.from).count() {
            1 => Ok(text),
            count => Err(MutantsError::Outdated { name, file, count }),
        }
    }
}

/// Copies a folder with everything in it but what is built, or belongs to git.
fn copy_folder(from: &Path, to: &Path, target: &Path) -> Result<(), MutantsError> {
    fs::create_dir_all(to).map_err(MutantsError::file(to))?;
    let entries = fs::read_dir(from).map_err(MutantsError::file(from))?;
    for entry in entries {
        let entry = entry.map_err(MutantsError::file(from))?;
        let (path, name) = (entry.path(), entry.file_name());
        if path == target || LEFT_OUT.iter().any(|it| name == *it) {
            continue;
        }
        let kind = entry.file_type().map_err(MutantsError::file(&path))?;
        let goal = to.join(&name);
        if kind.is_dir() {
            copy_folder(&path, &goal, target)?;
        } else if kind.is_file() {
            fs::copy(&path, &goal).map_err(MutantsError::file(&path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_sources_and_neither_what_was_built_nor_what_belongs_to_git() {
        let folder = tempfile::tempdir().expect("a folder");
        let from = folder.path().join("from");
        for path in [
            "src/deep/a.rs",
            ".git/HEAD",
            "target/x",
            "built/y",
            ".cargo/config.toml",
        ] {
            let path = from.join(path);
            let parent = path.parent().expect("a folder");
            fs::create_dir_all(parent).expect("a folder");
            fs::write(&path, "text").expect("a file");
        }
        let to = folder.path().join("to");
        copy_folder(&from, &to, &from.join("built")).expect("it is copied");
        let there = |path: &str| to.join(path).exists();
        assert!(there("src/deep/a.rs") && there(".cargo/config.toml"));
        assert!(!there(".git") && !there("target") && !there("built"));
    }

    #[test]
    fn a_mistake_is_made_once_and_taken_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.rs");
        fs::write(&path, "one two").expect("a file");
        let mutant = |from| Mutant {
            name: "a mistake",
            file: "a.rs",
            from,
            to: "three",
            laws: &[],
            tests: &[],
        };
        let text = mutant("two").fits(folder.path()).expect("it fits");
        assert_eq!(text, "one two");
        for (from, count) in [("four", "0 times"), ("o", "2 times")] {
            let error = mutant(from)
                .fits(folder.path())
                .expect_err("it does not fit");
            assert!(error.to_string().contains(count), "{error}");
        }
        let sound = text;
        fs::write(&path, "one three").expect("a file");
        drop(Made {
            path: path.clone(),
            sound,
        });
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "one two");
    }
}
