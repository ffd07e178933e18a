//! What a download has cost: what the stand's firmware server has sent, and what the supervisor's log says about it.

use std::fs;

use cloud_emulator::{Entry, Transport, What};

use crate::{Image, Log, Stand, until};

/// An answer of the stand's firmware server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The path that was asked for, without the query.
    pub path: String,
    /// The first byte that was asked for; 0 without a range.
    pub from: u64,
    /// The answer's status.
    pub status: u16,
}

impl Answer {
    /// Did it have words of the server instead of the file?
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        !matches!(self.status, 200 | 206)
    }
}

/// What the log says about a complete image, all in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// What came from the network in the last try.
    pub network: u64,
    /// What was there before it.
    pub there: u64,
    /// What was fetched more than once, as far as no process was killed: a killed one cannot count what died with it.
    pub twice: u64,
}

impl Tally {
    /// Waits for the line that tells it.
    ///
    /// # Panics
    /// When it does not come within the limit.
    #[track_caller]
    #[must_use]
    pub fn told_in(log: &Log) -> Self {
        let line = log.await_line("the image is complete");
        let before = |words: &str| {
            let (text, _) = line.split_once(words)?;
            text.rsplit(' ').next()?.parse().ok()
        };
        let number = |words: &str| before(words).unwrap_or_else(|| panic!("`{words}`: {line}"));
        Self {
            network: number(" bytes came from the network"),
            there: number(" were there"),
            twice: number(" were fetched twice"),
        }
    }
}

impl Stand {
    /// The answers of the firmware server so far, oldest first.
    ///
    /// # Panics
    /// When somebody asked for a range that does not begin with a number.
    #[must_use]
    pub fn answers(&self) -> Vec<Answer> {
        let journal = self.cloud.journal();
        journal.iter().filter_map(answer).collect()
    }

    /// The bytes of each answer that were handed to the network, in the order in which the answers ended. Waits until all have.
    ///
    /// # Panics
    /// When one does not end within the limit.
    #[track_caller]
    #[must_use]
    pub fn sent(&self) -> Vec<u64> {
        until("every answer has ended", || {
            let journal = self.cloud.journal();
            let begun = journal.iter().filter_map(answer).count();
            let ended: Vec<_> = journal.iter().filter_map(sent).collect();
            if ended.len() == begun {
                Ok(ended)
            } else {
                Err(format!("{} of {begun}", ended.len()))
            }
        })
    }

    /// Pushes an offer of this image, bound to no job, at an address of somebody's choice.
    ///
    /// # Panics
    /// When the cloud does not take the image or the device is not there.
    #[track_caller]
    pub fn push_at(&self, image: &Image, url: &str) {
        let firmware = self.upload(image);
        let mut offer = self.cloud.offer(&firmware, Transport::Http);
        offer["url"] = url.into();
        assert!(self.cloud.push_offer(&self.device, &offer), "it is offline");
    }

    /// How much of an image that is being downloaded is on the disk, in bytes; 0 when there is nothing yet.
    #[must_use]
    pub fn part(&self) -> u64 {
        let files = fs::read_dir(self.path("state/parts"))
            .into_iter()
            .flatten()
            .flatten();
        files
            .filter(|file| file.path().extension().is_some_and(|it| it == "part"))
            // One that has gone in this moment has become a slot.
            .filter_map(|file| Some(file.metadata().ok()?.len()))
            .max()
            .unwrap_or(0)
    }

    /// Is there a slot that holds exactly this image?
    #[must_use]
    pub fn keeps(&self, image: &Image) -> bool {
        let wanted = fs::read(&image.path).expect("an image is there");
        let slots = fs::read_dir(self.path("state/slots"))
            .into_iter()
            .flatten()
            .flatten();
        slots
            .filter_map(|slot| fs::read_dir(slot.path()).ok())
            .flatten()
            .flatten()
            .any(|file| fs::read(file.path()).is_ok_and(|bytes| bytes == wanted))
    }
}

fn answer(entry: &Entry) -> Option<Answer> {
    let What::Request {
        path,
        range,
        status,
        ..
    } = &entry.what
    else {
        return None;
    };
    let from = range.as_deref().map_or(0, |range| {
        let first = range
            .strip_prefix("bytes=")
            .and_then(|it| it.split_once('-'));
        let number = first.and_then(|(first, _)| first.parse().ok());
        number.unwrap_or_else(|| panic!("a range begins with a number: {range}"))
    });
    Some(Answer {
        path: path.clone(),
        from,
        status: *status,
    })
}

fn sent(entry: &Entry) -> Option<u64> {
    match &entry.what {
        What::Sent { bytes, .. } => Some(*bytes),
        _ => None,
    }
}
