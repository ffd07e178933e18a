//! A file of JSON lines that others append to, read as it grows: the journals of workers and of the emulator.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// The reading end.
#[derive(Debug)]
pub(crate) struct Tail {
    path: PathBuf,
    at: u64,
}

impl Tail {
    /// Begins at the beginning; the file need not be there yet.
    pub(crate) fn of(path: PathBuf) -> Self {
        Self { path, at: 0 }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Passes over what was written so far.
    pub(crate) fn skip(&mut self) {
        self.at = std::fs::metadata(&self.path).map_or(0, |there| there.len());
    }

    /// Whole lines that were not read before. What is no JSON of this shape is passed over.
    pub(crate) fn read<T: DeserializeOwned>(&mut self) -> Vec<T> {
        let mut bytes = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.at))?;
            file.read_to_end(&mut bytes)
        });
        // What cannot be read yet may be at the next look.
        if read.is_err() {
            return Vec::new();
        }
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        self.at += whole as u64;
        let lines = bytes[..whole].split(|byte| *byte == b'\n');
        lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_read_once_and_not_before_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let mut tail = Tail::of(path.clone());
        assert_eq!(tail.read::<u64>(), Vec::<u64>::new());
        std::fs::write(&path, "1\n2\n3").unwrap();
        assert_eq!(tail.read::<u64>(), [1, 2]);
        std::fs::write(&path, "1\n2\n34\nx\n5\n").unwrap();
        assert_eq!(tail.read::<u64>(), [34, 5]);
        std::fs::write(&path, "1\n2\n34\nx\n5\n6\n").unwrap();
        tail.skip();
        assert_eq!(tail.read::<u64>(), Vec::<u64>::new());
    }
}
