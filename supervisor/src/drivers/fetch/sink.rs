//! Bytes to the disk, hashed on the way, on blocking threads and with one buffer.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::PathBuf,
};

use supervisor_core::event::FetchFault;

use super::{verify::Verifier, vouch::Sealed};
use crate::drivers::store::at;

/// Bytes of an image in memory at a time; the network's own buffers come on top.
pub(crate) const BUFFER: usize = 64 * 1024;

/// How many buffers of a part are hashed again in one go; between two of them a download can be left.
const REHASHED_AT_ONCE: usize = 64;

/// A part file being written.
#[derive(Debug)]
pub(crate) struct Sink {
    /// Away while a blocking thread works on it; a sink whose future was dropped in that moment is never used again.
    inner: Option<Inner>,
    path: PathBuf,
    fresh: Verifier,
    taken: u64,
    written: u64,
}

#[derive(Debug)]
struct Inner {
    file: File,
    verifier: Verifier,
    buffer: Vec<u8>,
}

impl Sink {
    /// An empty file.
    pub(crate) async fn create(path: PathBuf, fresh: Verifier) -> Result<Self, FetchFault> {
        let mut sink = Self::open(path, fresh).await?;
        sink.clear().await?;
        Ok(sink)
    }

    /// What is there already, hashed again; a file longer than the promised size is emptied.
    pub(crate) async fn resume(
        path: PathBuf,
        fresh: Verifier,
        promised: u64,
    ) -> Result<Self, FetchFault> {
        let mut sink = Self::open(path, fresh).await?;
        loop {
            let mut inner = sink.inner.take().expect("no write is under way");
            let path = sink.path.clone();
            let (inner, read) = on_disk(move || {
                let read = inner.rehash().map_err(|why| at(&path, &why))?;
                Ok((inner, read))
            })
            .await?;
            sink.inner = Some(inner);
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

    async fn open(path: PathBuf, fresh: Verifier) -> Result<Self, FetchFault> {
        let place = path.clone();
        let file = on_disk(move || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            options.open(&place).map_err(|why| at(&place, &why))
        })
        .await?;
        Ok(Self {
            inner: Some(Inner {
                file,
                verifier: fresh.clone(),
                buffer: Vec::with_capacity(BUFFER),
            }),
            path,
            fresh,
            taken: 0,
            written: 0,
        })
    }

    /// Forgets every byte.
    pub(crate) async fn clear(&mut self) -> Result<(), FetchFault> {
        let mut inner = self.inner.take().expect("no write is under way");
        inner.buffer.clear();
        inner.verifier = self.fresh.clone();
        let path = self.path.clone();
        let inner = on_disk(move || {
            inner.file.set_len(0).map_err(|why| at(&path, &why))?;
            inner.file.rewind().map_err(|why| at(&path, &why))?;
            Ok(inner)
        });
        self.inner = Some(inner.await?);
        (self.taken, self.written) = (0, 0);
        Ok(())
    }

    /// Were its hashes begun for the same signature?
    pub(crate) fn is_sealed_by(&self, sealed: Option<&Sealed>) -> bool {
        self.fresh.is_sealed_by(sealed)
    }

    /// May it be gone on with? Not when a step on it was left or failed.
    pub(crate) fn is_whole(&self) -> bool {
        self.inner.is_some()
    }

    /// Bytes taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes in the file so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Takes more bytes; returns when they fit into the buffer.
    pub(crate) async fn take(&mut self, mut bytes: &[u8]) -> Result<(), FetchFault> {
        self.taken += bytes.len() as u64;
        while !bytes.is_empty() {
            let inner = self.inner.as_mut().expect("no write is under way");
            let room = BUFFER - inner.buffer.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            inner.buffer.extend_from_slice(now);
            bytes = later;
            if inner.buffer.len() == BUFFER {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Empties the buffer into the file.
    pub(crate) async fn flush(&mut self) -> Result<(), FetchFault> {
        let mut inner = self.inner.take().expect("no write is under way");
        if !inner.buffer.is_empty() {
            let path = self.path.clone();
            inner = on_disk(move || {
                inner.verifier.pass(&inner.buffer);
                inner
                    .file
                    .write_all(&inner.buffer)
                    .map_err(|why| at(&path, &why))?;
                inner.buffer.clear();
                Ok(inner)
            })
            .await?;
            self.written = self.taken;
        }
        self.inner = Some(inner);
        Ok(())
    }

    /// Verifies and syncs the file; the SHA-256 of the whole in hex.
    ///
    /// After a fault it can be cleared and used again; after success the file is closed.
    pub(crate) async fn finish(&mut self) -> Result<String, FetchFault> {
        self.flush().await?;
        let inner = self.inner.take().expect("no write is under way");
        // Checked before the sync: a wrong image need not be durable.
        let sha256 = match inner.verifier.clone().end() {
            Ok(sha256) => sha256,
            Err(fault) => {
                self.inner = Some(inner);
                return Err(fault);
            }
        };
        let path = self.path.clone();
        on_disk(move || inner.file.sync_all().map_err(|why| at(&path, &why))).await?;
        Ok(sha256)
    }
}

impl Inner {
    /// Hashes the next bytes of the file; none at its end.
    fn rehash(&mut self) -> io::Result<u64> {
        let mut read = 0;
        for _ in 0..REHASHED_AT_ONCE {
            self.buffer.clear();
            let got = (&self.file)
                .take(BUFFER as u64)
                .read_to_end(&mut self.buffer)?;
            self.verifier.pass(&self.buffer);
            read += got as u64;
            if got == 0 {
                break;
            }
        }
        self.buffer.clear();
        // The next write goes behind what was read: the file has one position for both.
        Ok(read)
    }
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
