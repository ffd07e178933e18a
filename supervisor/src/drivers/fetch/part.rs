//! A part: the beginning of an image on the disk, from which a broken download goes on.
//!
//! It is named after the digest of the whole, so that it belongs to whatever address brings the same image. Beside it lies a note
//! (`.meta`) that says how long the whole is and by which mark the server tells one content from another. A part without a note that
//! fits is not used. What is used is hashed again when it is opened, and a part that is carried from one try to the next
//! within one process keeps its hashes instead. The note is replaced by a rename; the bytes themselves are not synced for
//! it, because what a power cut does to them shows in the digest of the whole.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use supervisor_core::{event::FetchFault, record::WantedFile};

use super::{
    sink::{Sink, on_disk},
    verify::Wanted,
    vouch::Sealed,
};
use crate::drivers::{
    scanner,
    store::{at, layout::note_of},
};

/// The form of the note; one of another form is not used.
const FORM: u8 = 1;

/// No note is longer, in bytes; a mark of a server that does not fit is not kept.
const LONGEST_NOTE: u64 = 4096;

/// No mark of a server is longer, in bytes.
const LONGEST_MARK: usize = 512;

/// What is known about a part beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartNote {
    form: u8,
    /// How long the whole is, in bytes.
    size: u64,
    /// Where the beginning came from, without the query, which may be secret and is another one each time.
    source: String,
    /// The strong `ETag`, else the `Last-Modified` of what was begun.
    mark: Option<String>,
    /// Bytes that came from the network in all tries that have ended.
    received: u64,
    /// Was it started over already? That is done once only.
    started_over: bool,
}

/// The beginning of an image.
#[derive(Debug)]
pub(crate) struct Part {
    place: PathBuf,
    note: PartNote,
    sink: Sink,
}

impl Part {
    /// Takes up what is there, or begins with nothing.
    pub(crate) async fn open(
        place: PathBuf,
        file: &WantedFile,
        sealed: Option<Sealed>,
    ) -> Result<Self, FetchFault> {
        let size = file.size;
        let wanted = Wanted::new(&file.digests, sealed);
        let path = place.clone();
        let note = on_disk(move || Ok(read(&path, size))).await?;
        let begun = note.is_some();
        let mut note = note.unwrap_or_default();
        (note.form, note.size) = (FORM, size);
        let sink = if begun {
            Sink::resume(place.clone(), wanted, size).await?
        } else {
            Sink::create(place.clone(), wanted).await?
        };
        // What a killed process had fetched was not counted; what lies on the disk was fetched for certain.
        note.received = note.received.max(sink.taken());
        Ok(Self { place, note, sink })
    }

    /// Is it the beginning of this image, in a state to be gone on with?
    pub(crate) fn fits(&self, place: &Path, size: u64) -> bool {
        self.place == place && self.note.size == size && self.sink.is_whole()
    }

    /// Were its hashes begun for the same signature?
    pub(crate) fn is_sealed_by(&self, sealed: Option<&Sealed>) -> bool {
        self.sink.is_sealed_by(sealed)
    }

    /// May its bytes be gone on with? Not when a step on them was left or failed.
    pub(crate) fn sink_is_whole(&self) -> bool {
        self.sink.is_whole()
    }

    pub(crate) fn sink(&mut self) -> &mut Sink {
        &mut self.sink
    }

    /// Bytes taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.sink.taken()
    }

    /// Bytes in the file so far.
    pub(crate) fn written(&self) -> u64 {
        self.sink.written()
    }

    /// Bytes that came from the network for this image, as far as they were counted.
    pub(crate) fn received(&self) -> u64 {
        self.note.received
    }

    /// So many bytes came from the network.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.note.received += bytes as u64;
    }

    /// What the server called the content that was begun, if it came from this address.
    pub(crate) fn mark(&self, source: &str) -> Option<&str> {
        self.note
            .mark
            .as_deref()
            .filter(|_| self.note.source == source)
    }

    /// The first bytes are about to come, from here and with this mark.
    pub(crate) async fn begin(
        &mut self,
        source: &str,
        mark: Option<String>,
    ) -> Result<(), FetchFault> {
        source.clone_into(&mut self.note.source);
        self.note.mark = mark.filter(|mark| mark.len() <= LONGEST_MARK);
        self.save().await
    }

    /// Forgets the bytes. That is done once for an image; the second time it is the fault it was done for.
    pub(crate) async fn start_over(&mut self, why: FetchFault) -> Result<(), FetchFault> {
        if self.note.started_over {
            return Err(why);
        }
        // The bytes first: a note of other bytes than those that are there would be a lie.
        self.sink.clear().await?;
        self.note.started_over = true;
        self.note.mark = None;
        self.save().await
    }

    /// Writes the note.
    pub(crate) async fn save(&self) -> Result<(), FetchFault> {
        let path = note_of(&self.place);
        let text = serde_json::to_vec(&self.note).expect("a note has only text keys");
        on_disk(move || {
            let fresh = path.with_extension("meta-new");
            scanner::past(|| fs::write(&fresh, &text)).map_err(|why| at(&fresh, &why))?;
            scanner::past(|| fs::rename(&fresh, &path)).map_err(|why| at(&path, &why))
        })
        .await
    }
}

/// The note of a part, if it can be read and is about an image of this size.
fn read(part: &Path, size: u64) -> Option<PartNote> {
    let file = fs::File::open(note_of(part)).ok()?;
    let mut text = Vec::new();
    file.take(LONGEST_NOTE).read_to_end(&mut text).ok()?;
    let note: PartNote = serde_json::from_slice(&text).ok()?;
    (note.form == FORM && note.size == size).then_some(note)
}

/// Every part in this folder.
pub(crate) fn all_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == "part"))
        .collect()
}

/// Removes parts and what lies beside them. What stays is removed at the next start.
pub(crate) fn remove_all(parts: &[PathBuf]) {
    for part in parts {
        let _ = fs::remove_file(part);
        let _ = fs::remove_file(note_of(part));
    }
}
