//! The two checkpoint files from outside: read and written here by hand, so that their layout is held by more than its author.

use std::{fs, path::PathBuf};

use e2e::{Stand, until};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Magic, format, generation, length.
const HEADER: usize = 8 + 4 + 8 + 4;
const MAGIC: &[u8] = b"hotstate\x01\0\0\0";
const CHECKSUM: usize = 32;

/// What lies in a checkpoint file.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) number: u64,
    pub(super) body: Value,
}

impl Kept {
    fn read(bytes: &[u8]) -> Option<Self> {
        let whole = bytes.len().checked_sub(CHECKSUM)?;
        let (framed, checksum) = bytes.split_at(whole);
        if Sha256::digest(framed)[..] != *checksum {
            return None;
        }
        let number = u64::from_le_bytes(framed.get(12..20)?.try_into().ok()?);
        let body = framed.strip_prefix(MAGIC)?.get(HEADER - MAGIC.len()..)?;
        let body = serde_json::from_slice(body).ok()?;
        Some(Self { number, body })
    }

    fn bytes(&self) -> Vec<u8> {
        let body = self.body.to_string();
        let length = u32::try_from(body.len()).unwrap();
        let mut bytes = [
            MAGIC,
            &self.number.to_le_bytes(),
            &length.to_le_bytes(),
            body.as_bytes(),
        ]
        .concat();
        let checksum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// The device's own words in it.
    pub(super) fn state(&self) -> Value {
        let text = self.body["snapshot"].as_str().unwrap_or_default();
        serde_json::from_str(text).unwrap_or_default()
    }
}

pub(super) fn files(stand: &Stand) -> [PathBuf; 2] {
    ["checkpoint.a", "checkpoint.b"].map(|name| stand.path("state").join(name))
}

/// The newest whole one.
pub(super) fn newest(stand: &Stand) -> Option<Kept> {
    let read = |file: &PathBuf| Kept::read(&fs::read(file).ok()?);
    let found = files(stand);
    let found = found.iter().filter_map(read);
    found.max_by_key(|kept| kept.number)
}

/// Waits until the device's words on the disk fulfil a condition.
#[track_caller]
pub(super) fn await_kept(stand: &Stand, what: &str, reached: impl Fn(&Value) -> bool) -> Kept {
    until(what, || match newest(stand) {
        Some(kept) if reached(&kept.state()) => Ok(kept),
        other => Err(format!("{other:?}")),
    })
}

/// Changes what is kept as if it had been kept so; no supervisor runs meanwhile.
#[track_caller]
pub(super) fn change(stand: &Stand, change: impl FnOnce(&mut Value)) {
    let mut kept = newest(stand).expect("something is kept");
    change(&mut kept.body);
    for file in files(stand) {
        fs::write(file, kept.bytes()).unwrap();
    }
}

/// The time the checkpoint has is put back by so many milliseconds.
pub(super) fn age(body: &mut Value, by_ms: u64) {
    let at = body["at"].as_u64().expect("a time is kept");
    body["at"] = (at - by_ms).into();
}
