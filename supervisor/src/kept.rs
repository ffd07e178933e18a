//! Lines in a file of bounded size: when it is full it becomes the old one, and a new one begins.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

/// The file that is written to.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    /// No file is longer, in bytes, but for its last line; there are two of them.
    full: u64,
    file: Option<File>,
    length: u64,
}

impl Kept {
    /// Behind what an earlier life has written there.
    pub(crate) fn at(path: PathBuf, full: u64) -> Self {
        let mut kept = Self {
            path,
            full,
            file: None,
            length: 0,
        };
        kept.open();
        kept
    }

    fn open(&mut self) {
        let mut options = OpenOptions::new();
        self.file = options.create(true).append(true).open(&self.path).ok();
        let metadata = self.file.as_ref().and_then(|file| file.metadata().ok());
        self.length = metadata.map_or(0, |it| it.len());
    }

    /// A line that cannot be written is no reason to stop, and the next one may go well.
    pub(crate) fn write(&mut self, line: &str) {
        if self.length >= self.full || self.file.is_none() {
            // Closed first: an open file keeps its name on Windows.
            self.file = None;
            if self.length >= self.full {
                let _ = fs::rename(&self.path, old(&self.path));
            }
            self.open();
        }
        if let Some(file) = &mut self.file
            && file.write_all(line.as_bytes()).is_ok()
        {
            self.length += line.len() as u64;
        }
    }
}

/// What a full file is called when the next one has begun.
pub(crate) fn old(path: &Path) -> PathBuf {
    path.with_extension("old.log")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: u64 = 1024 * 1024;

    #[test]
    fn a_full_log_becomes_the_old_one_and_what_was_there_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("supervisor.log");
        Kept::at(path.clone(), FULL).write("first\n");
        let mut kept = Kept::at(path.clone(), FULL);
        kept.write("second\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\nsecond\n");
        let line = format!("{}\n", "x".repeat(64 * 1024 - 1));
        for _ in 0..=16 {
            kept.write(&line);
        }
        let old = fs::read_to_string(folder.path().join("supervisor.old.log")).unwrap();
        assert!(old.starts_with("first\nsecond\n"));
        let now = fs::metadata(&path).unwrap().len();
        assert_eq!(now as usize, line.len());
    }
}
