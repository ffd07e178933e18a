//! One try of a download: every file of a build, one after the other, and then the slot.
//!
//! A build becomes a slot whole or not at all. What does not match the digests may be the fault of a part from before; therefore a file is
//! started over once, and what would be a second time is a fault.

use std::path::PathBuf;

use supervisor_core::{
    event::{Event, FetchFault, FetchOrder},
    record::{Package, Slot, SlotFile, Source, WantedFile},
};
use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    task::JoinHandle,
};

use super::{
    allowance::{Account, Allowance},
    blocks,
    brief::Brief,
    http,
    intake::Intake,
    local,
    part::{self, Part},
    sink::on_disk,
    space::Space,
    vouch,
};
use crate::drivers::store::{
    birth::{birth, remove_if_there},
    layout::Layout,
};

/// Why a try is left before its end. One whose sender is gone makes way for the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// It is gone on with later: what was had stays, and what is complete is told.
    Held,
    /// What was had goes, too.
    Abandoned,
}

/// One try of a download.
pub(super) struct Errand {
    pub(super) brief: Brief,
    pub(super) layout: Layout,
    pub(super) account: Account,
}

impl Errand {
    /// Ends with the part that can be gone on with as it is, if there is one.
    pub(super) async fn run(
        self,
        mut left: oneshot::Receiver<Leave>,
        former: Option<JoinHandle<Option<Part>>>,
    ) -> Option<Part> {
        let job = self.brief.order.job;
        let mut part = match former {
            Some(former) => former.await.ok().flatten(),
            None => None,
        };
        let mut allowance = Allowance::new(
            self.account.clone(),
            self.brief.settings.limits,
            &self.brief.order,
        );
        let ended = tokio::select! {
            biased;
            word = &mut left => {
                if word != Ok(Leave::Held) {
                    // Nothing may be at work any more on a part that is removed next.
                    if let Some(part) = &mut part {
                        part.sink().leave().await;
                    }
                    return None;
                }
                allowance.rest().await;
                part = part.filter(Part::sink_is_whole);
                if let Some(part) = &mut part {
                    self.put_down(part, &mut allowance).await;
                }
                return part.filter(Part::sink_is_whole);
            }
            ended = self.bring_all(&mut part, &mut allowance) => ended,
        };
        allowance.rest().await;
        let event = match ended {
            Err(fault) => {
                let fault = self.space().blame(fault).await;
                let stays = fault.may_pass()
                    || matches!(fault, FetchFault::Status(_) | FetchFault::DaySpent { .. });
                part = part.filter(Part::sink_is_whole);
                if !stays {
                    if let Some(mut part) = part.take() {
                        part.sink().leave().await;
                    }
                    let places = self.places();
                    // One that stays is removed at the next start.
                    let _ = tokio::task::spawn_blocking(move || part::remove_all(&places)).await;
                } else if let Some(part) = &mut part {
                    self.put_down(part, &mut allowance).await;
                }
                Event::FetchFailed { job, fault }
            }
            Ok(sums) => match self.to_slot(sums).await {
                Ok(slot) => {
                    allowance.close().await;
                    let word = left.try_recv();
                    if word == Ok(Leave::Held) {
                        // What is complete is no longer held.
                        let _ = self.brief.events.send(Event::Fetched { job, slot }).await;
                        return None;
                    }
                    if word != Err(TryRecvError::Empty) {
                        let folder = self.layout.slot(&slot);
                        // One that stays is found at the next start, and removed then.
                        let _ = tokio::task::spawn_blocking(move || remove_if_there(&folder)).await;
                        return None;
                    }
                    Event::Fetched { job, slot }
                }
                Err(fault) => {
                    let fault = self.space().blame(fault).await;
                    Event::FetchFailed { job, fault }
                }
            },
        };
        if left.try_recv() == Err(TryRecvError::Empty) {
            // Fails only when the spine has ended.
            let _ = self.brief.events.send(event).await;
        }
        part.filter(Part::sink_is_whole)
    }

    /// The room it needs.
    fn space(&self) -> Space {
        let sizes = self.brief.order.files.iter().map(|file| file.size);
        Space {
            folder: self.layout.parts(),
            files: self.places().into_iter().zip(sizes).collect(),
            keep_free: self.brief.settings.limits.keep_free,
        }
    }

    fn places(&self) -> Vec<PathBuf> {
        let files = self.brief.order.files.iter();
        files.map(|file| self.layout.part_of(file)).collect()
    }

    /// Brings what was had to the disk, so that the next try need not fetch it again.
    async fn put_down(&self, part: &mut Part, allowance: &mut Allowance) {
        let told = part.written();
        // A disk that does not take it is met again by the next try, and told then.
        let put = part.sink().rest().await;
        if put.is_ok() && part.save().await.is_ok() && part.written() > told {
            let mut base = 0;
            for file in &self.brief.order.files {
                if part.fits(&self.layout.part_of(file), file.size) {
                    Intake::new(&self.brief, file, base, part, allowance)
                        .tell()
                        .await;
                }
                base += file.size;
            }
        }
    }

    /// Fetches what is missing of every file and verifies each; their SHA-256 in the order of the files.
    async fn bring_all(
        &self,
        kept: &mut Option<Part>,
        allowance: &mut Allowance,
    ) -> Result<Vec<String>, FetchFault> {
        self.space().check().await?;
        let files = &self.brief.order.files;
        // All of them before the first byte of any: what speaks against one spares the bytes of the others.
        let mut seals = Vec::with_capacity(files.len());
        for file in files {
            seals
                .push(vouch::look(&self.brief.settings, &self.brief.order, file, allowance).await?);
        }
        let mut carried = kept.take();
        let mut sums = Vec::with_capacity(files.len());
        let mut base = 0;
        for (file, sealed) in files.iter().zip(seals) {
            let place = self.layout.part_of(file);
            let part = match carried.take_if(|part| part.fits(&place, file.size)) {
                // Its hashes were begun for the same signature, or it is opened anew.
                Some(part) if part.is_sealed_by(sealed.as_ref()) => part,
                _ => Part::open(place, file, sealed).await?,
            };
            let part = kept.insert(part);
            sums.push(self.bring(file, base, part, allowance).await?);
            base += file.size;
        }
        Ok(sums)
    }

    /// Fetches what is missing of a file and verifies the whole.
    async fn bring(
        &self,
        file: &WantedFile,
        base: u64,
        part: &mut Part,
        allowance: &mut Allowance,
    ) -> Result<String, FetchFault> {
        let mut intake = Intake::new(&self.brief, file, base, part, allowance);
        loop {
            let (reused, begun) = (intake.taken(), intake.received());
            if reused > 0 {
                intake.tell().await;
            }
            if reused < file.size {
                match &file.source {
                    Source::Url(url) => http::bring(url, &mut intake).await?,
                    Source::Path(path) => local::bring(path, &mut intake).await?,
                    Source::Blocks { stream_id, file_id } => {
                        blocks::bring(*stream_id, *file_id, &mut intake).await?;
                    }
                }
                intake.is_whole()?;
            }
            match intake.finish().await {
                Ok(sha256) => {
                    let (network, all) = (intake.received() - begun, intake.received());
                    let twice = all.saturating_sub(file.size);
                    tracing::info!(
                        job = self.brief.order.job.0,
                        "the image is complete: {network} bytes came from the network in this try and {reused} were there; \
                         {twice} were fetched twice"
                    );
                    return Ok(sha256);
                }
                // Perhaps the part was bad and not what came after it.
                Err(fault @ FetchFault::OtherDigest { .. }) if reused > 0 => {
                    intake.start_over(fault).await?;
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    async fn to_slot(&self, sums: Vec<String>) -> Result<Slot, FetchFault> {
        let FetchOrder {
            slot: id,
            version,
            files,
            entry,
            ..
        } = &self.brief.order;
        let mut slot = Slot {
            id: *id,
            version: version.clone(),
            sha256: String::new(),
            size: 0,
            package: None,
        };
        let named = files.iter().zip(sums);
        match entry
            .as_ref()
            .filter(|_| files.iter().any(|it| it.name.is_some()))
        {
            Some(entry) => {
                let files = named.filter_map(|(file, sha256)| {
                    let (name, size) = (file.name.clone()?, file.size);
                    Some(SlotFile { name, size, sha256 })
                });
                let package = Package {
                    entry: entry.clone(),
                    files: files.collect(),
                };
                (slot.size, slot.sha256) = package.identity();
                slot.package = Some(package);
            }
            None => {
                for (file, sha256) in named {
                    (slot.size, slot.sha256) = (file.size, sha256);
                }
            }
        }
        let (layout, parts) = (self.layout.clone(), self.places());
        on_disk(move || {
            birth(&layout, &parts, &slot)?;
            part::remove_all(&parts);
            Ok(slot)
        })
        .await
    }
}
