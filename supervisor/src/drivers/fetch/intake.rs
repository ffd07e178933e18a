//! Where the bytes of a file come in, whatever brings them: allowed before they are asked for, counted, bounded by what was promised,
//! passed on to the disk at the speed that is allowed, and told as progress once they are there.

use std::{ops::RangeInclusive, time::Duration};

use supervisor_core::{
    event::{Event, FetchFault},
    record::{Source, WantedFile},
};
use tokio::time::Instant;

use super::{
    allowance::{Allowance, Ask},
    brief::Brief,
    pace::Pace,
    part::Part,
    pipeline,
};

/// Progress is told, and the buffer emptied for it, at least this often while bytes come.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// Progress is told for each such share of a file, or for each block if that is more.
const SHARES: u64 = 100;

/// The receiving end of one file.
pub(super) struct Intake<'a> {
    brief: &'a Brief,
    file: &'a WantedFile,
    part: &'a mut Part,
    allowance: &'a mut Allowance,
    pace: Option<Pace>,
    /// Bytes of the files before it.
    base: u64,
    told: (u64, Instant),
}

impl<'a> Intake<'a> {
    pub(super) fn new(
        brief: &'a Brief,
        file: &'a WantedFile,
        base: u64,
        part: &'a mut Part,
        allowance: &'a mut Allowance,
    ) -> Self {
        let told = (part.written(), Instant::now());
        let bandwidth = brief.settings.limits.bandwidth;
        let from_network = !matches!(file.source, Source::Path(_));
        Self {
            brief,
            file,
            part,
            allowance,
            pace: bandwidth.filter(|_| from_network).map(Pace::new),
            base,
            told,
        }
    }

    /// To be called before each request to the network that is not made through [`http`](super::http): how many bytes it may ask for, within
    /// these bounds. They are spent by then, whatever becomes of them.
    pub(super) async fn allow(&mut self, wanted: RangeInclusive<u64>) -> Result<u64, FetchFault> {
        let ask = Ask::Some {
            least: *wanted.start(),
            most: *wanted.end(),
            missing: self.missing(),
        };
        self.allowance.spend(ask).await
    }

    pub(super) fn allowance(&mut self) -> &mut Allowance {
        self.allowance
    }

    /// Bytes of this file and of those behind it that have not come.
    pub(super) fn missing(&self) -> u64 {
        let sizes = self.brief.order.files.iter().map(|file| file.size);
        let all = sizes.fold(0, u64::saturating_add);
        all.saturating_sub(self.base.saturating_add(self.taken()))
    }

    pub(super) fn brief(&self) -> &'a Brief {
        self.brief
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

    /// Takes the next bytes, and as much time as the bandwidth wants it.
    pub(super) async fn take(&mut self, bytes: &[u8]) -> Result<(), FetchFault> {
        let promised = self.promised();
        if self.taken() + bytes.len() as u64 > promised {
            return Err(FetchFault::Long { promised });
        }
        if !matches!(self.file.source, Source::Path(_)) {
            self.part.count(bytes.len());
            if !self.allowance.came(bytes.len() as u64) {
                let why = "more bytes came than were asked for".to_owned();
                return Err(FetchFault::Unfit { why });
            }
        }
        self.part.sink().take(bytes).await?;
        let since = self.taken() - self.told.0;
        let share = (promised / SHARES).max(pipeline::BLOCK as u64);
        if since >= share || self.told.1.elapsed() >= PROGRESS_EVERY {
            self.part.sink().flush().await?;
            // The end is told when it has been verified.
            if self.taken() < promised {
                self.tell().await;
            }
        }
        if let Some(pace) = &mut self.pace {
            pace.after(bytes.len() as u64).await;
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
            job = self.brief.order.job.0,
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
            job: self.brief.order.job,
            on_disk: self.base + on_disk,
        };
        // Fails only when the spine has ended.
        let _ = self.brief.events.send(event).await;
    }
}
