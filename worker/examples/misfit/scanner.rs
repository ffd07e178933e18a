//! What virus scanners do: every file of a folder is opened again and again, and on Windows nobody else may use it meanwhile.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// How long each file is held.
const HELD: Duration = Duration::from_millis(150);

/// The pause before the next one.
const PAUSE: Duration = Duration::from_millis(10);

/// Goes through this folder and all below it, for as long as the process lives.
pub(crate) fn scan(folder: PathBuf) {
    thread::spawn(move || {
        loop {
            pass(&folder);
            thread::sleep(PAUSE);
        }
    });
}

fn pass(folder: &Path) {
    // What is gone again, or in use by somebody else, is passed over.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            pass(&path);
        } else if path.is_file()
            && let Ok(held) = open(&path)
        {
            thread::sleep(HELD);
            drop(held);
            thread::sleep(PAUSE);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt as _;
        options.share_mode(0);
    }
    options.open(path)
}
