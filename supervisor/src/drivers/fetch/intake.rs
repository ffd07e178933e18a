//! Where the bytes of a file come in, whatever brings them: counted, bounded by what was promised, passed on to the disk, and
//! told as progress once they are there.

use std::time::Duration;

use supervisor_core::{
    event::{Event, FetchFault},
    record::{Source, WantedFile},
};
use tokio::time::Instant;

use super::{errand::Errand, part::Part};

/// Progress is told, and the buffer emptied, at least this often while bytes come.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// The receiving end of one file.
pub(super) struct Intake<'a> {
    errand: &'a Errand,
    file: &'a WantedFile,
    part: &'a mut Part,
    /// Bytes of the files before it.
    base: u64,
    told: (u64, Instant),
}

impl<'a> Intake<'a> {
    pub(super) fn new(
        errand: &'a Errand,
        file: &'a WantedFile,
        base: u64,
        part: &'a mut Part,
    ) -> Self {
        let told = (part.written(), Instant::now());
        Self {
            errand,
            file,
            part,
            base,
            told,
        }
    }

    pub(super) fn errand(&self) -> &'a Errand {
        self.errand
    }

    pub(super) fn part(&mut self) -> &mut Part {
        self.part
    }

    /// Bytes there are so far.
    pub(super) fn taken(&self) -> u64 {
        self.part.taken()
    }

    /// Bytes there will be.
    pub(super) fn promised(&self) -> u64 {
        self.file.size
    }

    /// Bytes that came from the network in all tries.
    pub(super) fn received(&self) -> u64 {
        self.part.received()
    }

    /// Takes the next bytes.
    pub(super) async fn take(&mut self, bytes: &[u8]) -> Result<(), FetchFault> {
        let promised = self.promised();
        if self.taken() + bytes.len() as u64 > promised {
            return Err(FetchFault::Long { promised });
        }
        if !matches!(self.file.source, Source::Path(_)) {
            self.part.count(bytes.len());
        }
        let sink = self.part.sink();
        sink.take(bytes).await?;
        if self.told.1.elapsed() >= PROGRESS_EVERY {
            sink.flush().await?;
        }
        let written = sink.written();
        let due =
            self.told.1.elapsed() >= PROGRESS_EVERY || (written - self.told.0) * 100 >= promised;
        if due && written > self.told.0 && written < promised {
            self.tell().await;
        }
        Ok(())
    }

    /// Tells what is on the disk. The whole is told only once it has been verified.
    pub(super) async fn tell(&mut self) {
        let written = self.part.written();
        self.told = (written, Instant::now());
        self.report(written.min(self.promised().saturating_sub(1)))
            .await;
    }

    /// Forgets every byte, once.
    pub(super) async fn start_over(&mut self, why: FetchFault) -> Result<(), FetchFault> {
        let words = why.to_string();
        self.part.start_over(why).await?;
        tracing::warn!(
            job = self.errand.order.job.0,
            "the download is started over: {words}"
        );
        // What is told never runs ahead of the disk.
        self.told = (0, Instant::now());
        self.report(0).await;
        Ok(())
    }

    /// A source that has ended must have brought everything.
    pub(super) fn is_whole(&self) -> Result<(), FetchFault> {
        let (got, promised) = (self.taken(), self.promised());
        if got < promised {
            return Err(FetchFault::Short { got, promised });
        }
        Ok(())
    }

    /// Verifies the whole; its SHA-256 in lower-case hex.
    pub(super) async fn finish(&mut self) -> Result<String, FetchFault> {
        let sha256 = self.part.sink().finish().await?;
        self.report(self.promised()).await;
        Ok(sha256)
    }

    async fn report(&self, on_disk: u64) {
        let event = Event::FetchProgress {
            job: self.errand.order.job,
            on_disk: self.base + on_disk,
        };
        // Fails only when the spine has ended.
        let _ = self.errand.events.send(event).await;
    }
}
