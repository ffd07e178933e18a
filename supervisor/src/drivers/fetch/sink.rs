//! Bytes to the disk, hashed on the way, on blocking threads and with one buffer.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
};

use supervisor_core::{alink::codec::Digest, event::FetchFault};

use super::verify::Verifier;
use crate::drivers::store::at;

/// A part file being written. Each download starts it anew.
pub(crate) struct Sink {
    /// Away while a blocking thread works on it; a sink whose future was dropped in that moment is never used again.
    inner: Option<Inner>,
    path: PathBuf,
    size: usize,
    taken: u64,
    written: u64,
}

struct Inner {
    file: File,
    verifier: Verifier,
    buffer: Vec<u8>,
}

impl Sink {
    pub(crate) async fn create(
        path: PathBuf,
        digests: &[Digest],
        size: usize,
    ) -> Result<Self, FetchFault> {
        let place = path.clone();
        let file = on_disk(move || File::create(&place).map_err(|why| at(&place, &why))).await?;
        Ok(Self {
            inner: Some(Inner {
                file,
                verifier: Verifier::new(digests),
                buffer: Vec::with_capacity(size),
            }),
            path,
            size,
            taken: 0,
            written: 0,
        })
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
            let room = self.size - inner.buffer.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            inner.buffer.extend_from_slice(now);
            bytes = later;
            if inner.buffer.len() == self.size {
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

    /// Syncs the file and compares the digests; the SHA-256 of the whole in hex.
    pub(crate) async fn finish(mut self) -> Result<String, FetchFault> {
        self.flush().await?;
        let Inner { file, verifier, .. } = self.inner.expect("no write is under way");
        // Checked before the sync: a wrong image need not be durable.
        let sha256 = verifier.end().map_err(|method| FetchFault::OtherDigest {
            method: method.to_string(),
        })?;
        let path = self.path;
        on_disk(move || file.sync_all().map_err(|why| at(&path, &why))).await?;
        Ok(sha256)
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
