//! `curl` and `md5sum`, measured as processes of their own: wall time, and the processor time the system counted for them.

use super::prepare::{Image, warm_memory};
use super::web::Web;
use super::{DownloadError, Way};
use crate::bench::BenchError;
use crate::bench::live::stopped;
use crate::bench::process;
use crate::run;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// What one run cost, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// From its start to its end.
    pub(super) wall: f64,
    /// User and system time together.
    pub(super) cpu: f64,
}

/// What one run of `curl` cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fetched {
    /// As `curl` is, without a sync.
    pub(super) cost: Cost,
    /// What a sync of its file takes afterwards, in seconds of wall time.
    pub(super) sync: f64,
}

/// Those who do it in two steps.
pub(super) struct Others<'a> {
    pub(super) folder: &'a Path,
    /// Ticks of the system's clock in a second.
    pub(super) per_second: f64,
    pub(super) image: &'a Image,
    pub(super) web: &'a Web,
}

impl Others<'_> {
    /// Fetches the image. The copy is synced afterwards, so that nobody who is measured next pays for it.
    ///
    /// # Errors
    /// When it fails, or the copy is not whole.
    pub(super) fn curl(&self, way: Way) -> Result<Fetched, BenchError> {
        let copy = self.copy();
        let mut command = run::command("curl", ["--silent", "--show-error", "--fail", "--output"]);
        command.arg(&copy);
        if way == Way::Tls {
            command.arg("--cacert").arg(&self.web.ca);
        }
        warm_memory(self.folder, self.image.size)?;
        let (cost, _) = self.timed(command.arg(self.web.url(way)))?;
        let failed = |source| DownloadError::File {
            path: copy.clone(),
            source,
        };
        let file = File::options().write(true).open(&copy).map_err(failed)?;
        let start = Instant::now();
        file.sync_all().map_err(failed)?;
        Ok(Fetched {
            cost,
            sync: start.elapsed().as_secs_f64(),
        })
    }

    /// Verifies what was fetched, and removes it.
    ///
    /// # Errors
    /// When it fails, or the digest is another.
    pub(super) fn md5sum(&self) -> Result<Cost, BenchError> {
        let copy = self.copy();
        let (cost, told) = self.timed(run::command("md5sum", ["--"]).arg(&copy))?;
        if !told.starts_with(&self.image.md5) {
            let why = format!("md5sum says {told:?} where it is {}", self.image.md5);
            return Err(DownloadError::Copy { path: copy, why }.into());
        }
        fs::remove_file(&copy).map_err(|source| DownloadError::File { path: copy, source })?;
        Ok(cost)
    }

    fn copy(&self) -> PathBuf {
        self.folder.join("copy")
    }

    fn timed(&self, command: &mut Command) -> Result<(Cost, String), BenchError> {
        let (before, start) = (process::ticks_of_children()?, Instant::now());
        let told = run::captured(command);
        stopped()?;
        let told = told.map_err(DownloadError::Run)?;
        let wall = start.elapsed().as_secs_f64();
        let ticks = process::ticks_of_children()? - before;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let cpu = ticks as f64 / self.per_second;
        Ok((Cost { wall, cpu }, told))
    }
}
