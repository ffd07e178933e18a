//! A part file and the hashes of what is in it: taken up, grown, ended. While bytes come, a [`Pipeline`] is at work on them; between two
//! tries nothing is.
//!
//! It never empties or grows a file that has a second name: a slot is born by giving its image that name, and when the first name could
//! not be removed after that, what lies here *is* the image of a slot. Such a name is taken away, and a new file gets it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use supervisor_core::event::FetchFault;

use super::{
    pipeline::{BLOCK, Broken, Pipeline, Works},
    verify::Wanted,
    vouch::Sealed,
};
use crate::drivers::{scanner, store::at};

/// How many blocks of a part are hashed again in one go; between two of them a download can be left.
const REHASHED_AT_ONCE: usize = 64;

/// A part file being written.
#[derive(Debug)]
pub(crate) struct Sink {
    state: State,
    path: PathBuf,
    wanted: Wanted,
    taken: u64,
    /// Bytes in the file while nothing is at work.
    written: u64,
}

#[derive(Debug)]
enum State {
    Resting(Works),
    Running(Pipeline),
    /// A step on it failed, or its future was dropped in the middle of one; it is never used again. So it is also after success.
    Left,
}

impl Sink {
    /// An empty file.
    pub(crate) async fn create(path: PathBuf, wanted: Wanted) -> Result<Self, FetchFault> {
        Self::open(path, wanted, anew).await
    }

    /// What is there already, hashed again; a file longer than the promised size is put away, and so is one that is a slot's.
    pub(crate) async fn resume(
        path: PathBuf,
        wanted: Wanted,
        promised: u64,
    ) -> Result<Self, FetchFault> {
        let mut sink = Self::open(path, wanted, taken_up).await?;
        loop {
            let mut works = sink.halt().await?;
            let path = sink.path.clone();
            let (works, read) = on_disk(move || {
                let read = rehash(&mut works).map_err(|why| at(&path, &why))?;
                Ok((works, read))
            })
            .await?;
            sink.state = State::Resting(works);
            sink.taken += read;
            sink.written = sink.taken;
            if sink.taken > promised {
                sink.clear().await?;
                return Ok(sink);
            }
            if read == 0 {
                return Ok(sink);
            }
        }
    }

    async fn open(
        path: PathBuf,
        wanted: Wanted,
        opened: fn(&Path) -> io::Result<File>,
    ) -> Result<Self, FetchFault> {
        let place = path.clone();
        let opened =
            on_disk(move || scanner::past(|| opened(&place)).map_err(|why| at(&place, &why)));
        let file = opened.await?;
        let hashes = Box::new(wanted.begin());
        Ok(Self {
            state: State::Resting(Works { file, hashes }),
            path,
            wanted,
            taken: 0,
            written: 0,
        })
    }

    /// Forgets every byte.
    pub(crate) async fn clear(&mut self) -> Result<(), FetchFault> {
        let mut works = self.halt().await?;
        *works.hashes = self.wanted.begin();
        let path = self.path.clone();
        let works = on_disk(move || {
            let Works { file, hashes } = works;
            // Closed first: some systems keep the name of a removed file for as long as somebody has it open.
            drop(file);
            let file = anew(&path).map_err(|why| at(&path, &why))?;
            Ok(Works { file, hashes })
        });
        self.state = State::Resting(works.await?);
        (self.taken, self.written) = (0, 0);
        Ok(())
    }

    /// Were its hashes begun for the same signature?
    pub(crate) fn is_sealed_by(&self, sealed: Option<&Sealed>) -> bool {
        self.wanted.is_sealed_by(sealed)
    }

    /// May it be gone on with? Not when a step on it was left or failed.
    pub(crate) fn is_whole(&self) -> bool {
        !matches!(self.state, State::Left)
    }

    /// Bytes taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes in the file so far.
    pub(crate) fn written(&self) -> u64 {
        match &self.state {
            State::Running(pipeline) => pipeline.written(),
            State::Resting(_) | State::Left => self.written,
        }
    }

    /// Takes more bytes; returns when they fit into the buffers. A call that is left has taken some of them.
    pub(crate) async fn take(&mut self, mut bytes: &[u8]) -> Result<(), FetchFault> {
        while !bytes.is_empty() {
            match self.running()?.take(bytes).await {
                Ok(taken) => {
                    self.taken += taken as u64;
                    bytes = &bytes[taken..];
                }
                Err(Broken) => return Err(self.fault().await),
            }
        }
        Ok(())
    }

    /// Returns when all that was taken is in the file.
    pub(crate) async fn flush(&mut self) -> Result<(), FetchFault> {
        if let State::Running(pipeline) = &mut self.state
            && let Err(Broken) = pipeline.flush().await
        {
            return Err(self.fault().await);
        }
        Ok(())
    }

    /// Ends what is at work on it, when all that was taken is in the file and hashed.
    pub(crate) async fn rest(&mut self) -> Result<(), FetchFault> {
        let works = self.halt().await?;
        self.state = State::Resting(works);
        Ok(())
    }

    /// Lets go of the file, so that it can be removed. What is not on its way there is forgotten.
    pub(crate) async fn leave(&mut self) {
        if let State::Running(pipeline) = std::mem::replace(&mut self.state, State::Left) {
            pipeline.stop().await;
        }
    }

    /// Verifies and syncs the file; the SHA-256 of the whole in hex.
    ///
    /// What does not hold is emptied, and can be used again; after success the file is closed.
    pub(crate) async fn finish(&mut self) -> Result<String, FetchFault> {
        let Works { file, hashes } = self.halt().await?;
        // Checked before the sync: a wrong image need not be durable.
        let sha256 = match self.wanted.judge(*hashes) {
            Ok(sha256) => sha256,
            Err(fault) => {
                let hashes = Box::new(self.wanted.begin());
                self.state = State::Resting(Works { file, hashes });
                // A disk that does not even empty it leaves it unusable.
                let _ = self.clear().await;
                return Err(fault);
            }
        };
        let path = self.path.clone();
        on_disk(move || file.sync_all().map_err(|why| at(&path, &why))).await?;
        Ok(sha256)
    }

    /// What is at work on it, started if nothing was.
    fn running(&mut self) -> Result<&mut Pipeline, FetchFault> {
        let state = std::mem::replace(&mut self.state, State::Left);
        self.state = match state {
            State::Resting(works) => {
                let started = Pipeline::start(works, self.written).map_err(|why| {
                    let part = self.path.display();
                    FetchFault::Disk(format!("no thread could be had to write `{part}`: {why}"))
                });
                State::Running(started?)
            }
            other => other,
        };
        match &mut self.state {
            State::Running(pipeline) => Ok(pipeline),
            State::Resting(_) | State::Left => Err(was_left()),
        }
    }

    /// Ends what is at work on it. Until the works are put back it counts as left.
    async fn halt(&mut self) -> Result<Works, FetchFault> {
        match std::mem::replace(&mut self.state, State::Left) {
            State::Resting(works) => Ok(works),
            State::Running(pipeline) => {
                self.written = pipeline.written();
                let works = pipeline.end(&self.path).await?;
                self.written = self.taken;
                Ok(works)
            }
            State::Left => Err(was_left()),
        }
    }

    /// Why what was at work on it has ended by itself.
    async fn fault(&mut self) -> FetchFault {
        match self.halt().await {
            Err(fault) => fault,
            Ok(_) => was_left(),
        }
    }
}

/// An empty file that nobody else has a name for.
fn anew(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).open(path)
}

/// The file that is there, unless it has another name as well.
fn taken_up(path: &Path) -> io::Result<File> {
    if is_shared(path) {
        return anew(path);
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

#[cfg(unix)]
fn is_shared(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    fs::symlink_metadata(path).is_ok_and(|found| found.nlink() > 1)
}

/// The number of names cannot be asked for there. A part that became a slot is whole: it is only read, and replaced where it does not hold.
#[cfg(not(unix))]
fn is_shared(_: &Path) -> bool {
    false
}

/// Hashes the next bytes of the file; none at its end. What is written next goes behind them: the file has one position for both.
fn rehash(works: &mut Works) -> io::Result<u64> {
    let mut block = Vec::with_capacity(BLOCK);
    let mut read = 0;
    for _ in 0..REHASHED_AT_ONCE {
        block.clear();
        let got = (&works.file).take(BLOCK as u64).read_to_end(&mut block)?;
        works.hashes.pass(&block);
        read += got as u64;
        if got == 0 {
            break;
        }
    }
    Ok(read)
}

fn was_left() -> FetchFault {
    FetchFault::Disk("a step on the part was left".to_owned())
}

/// Runs a step on a blocking thread; its failure is the disk's.
pub(crate) async fn on_disk<T: Send + 'static>(
    step: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, FetchFault> {
    match tokio::task::spawn_blocking(step).await {
        Ok(done) => done.map_err(|why| FetchFault::Disk(why.to_string())),
        Err(_) => Err(FetchFault::Disk("the supervisor is ending".to_owned())),
    }
}
