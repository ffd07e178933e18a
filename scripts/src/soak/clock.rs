//! A wall clock that jumps while programs run: `libfaketime`, loaded before them, which looks into a file.
//!
//! The clock that never goes back is left alone, as it is on a device whose time is set right by a server. Where the library is not
//! installed there are no jumps.

use std::path::{Path, PathBuf};

/// The Debian package that brings the library.
pub(super) const PACKAGE: &str = "faketime";

/// Where distributions put it below the folders for libraries.
const PLACES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
];

/// The library, if it is installed.
pub(super) fn library() -> Option<PathBuf> {
    let found = PLACES.map(|place| Path::new(place).join("faketime/libfaketime.so.1"));
    found
        .into_iter()
        .find(|path| cfg!(target_os = "linux") && path.is_file())
}

/// A device's wall clock.
#[derive(Debug)]
pub(super) struct Clock {
    preload: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// One that shows the truth, and is told otherwise in this file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn set(preload: PathBuf, file: PathBuf) -> std::io::Result<Self> {
        let clock = Self { preload, file };
        clock.jump(0)?;
        Ok(clock)
    }

    /// What a program's environment must have to live by it.
    pub(super) fn environment(&self) -> [(&'static str, PathBuf); 5] {
        [
            ("LD_PRELOAD", self.preload.clone()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.clone()),
            // Looked at again after a second.
            ("FAKETIME_CACHE_DURATION", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            // A program that is killed would leave its shared memory behind.
            ("FAKETIME_DISABLE_SHM", "1".into()),
        ]
    }

    /// From now on it shows this many seconds more than the truth, or less.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn jump(&self, seconds: i64) -> std::io::Result<()> {
        // In one step, since it may be read at any moment.
        let beside = self.file.with_extension("new");
        std::fs::write(&beside, format!("{seconds:+}\n"))?;
        std::fs::rename(&beside, &self.file)
    }
}
