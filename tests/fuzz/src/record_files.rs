//! What a disk may hand back in place of the record, and of a slot's description.

mod wake;

use sha2::{Digest as _, Sha256};
use supervisor_core::record::{
    Record, Slot,
    frame::{Damage, Framed as _},
};

use crate::{Understood, in_few_words, understood};

/// Hands the bytes to every reader of the state folder: as a whole file, as the content of one, and as a slot's description.
///
/// # Panics
/// A reader breaks a promise.
#[must_use]
pub fn record_files(bytes: &[u8]) -> Understood {
    understood([
        ("content", content(bytes)),
        ("record", record(bytes)),
        ("slot", slot(bytes)),
    ])
}

/// Bytes are a record as a whole or not at all, and a record is read back as it was written.
fn record(bytes: &[u8]) -> bool {
    match Record::decode(bytes) {
        Ok((number, record)) => {
            comes_back(number, &record);
            let (_, cut) = bytes.split_last().expect("a record has a header");
            assert_eq!(Record::decode(cut), Err(Damage::Torn));
            let longer = [bytes, b"\0"].concat();
            assert_eq!(Record::decode(&longer), Err(Damage::Torn));
            true
        }
        Err(fault) => {
            in_few_words(&fault);
            false
        }
    }
}

/// The bytes within a sound frame, which nothing but the content can make unreadable.
fn content(body: &[u8]) -> bool {
    let Ok(length) = u32::try_from(body.len()) else {
        return false;
    };
    let number = 7_u64;
    let mut file = b"hotplate\x01\0\0\0".to_vec();
    file.extend(number.to_le_bytes());
    file.extend(length.to_le_bytes());
    file.extend(body);
    let checksum = Sha256::digest(&file);
    file.extend(checksum.as_slice());
    match Record::decode(&file) {
        Ok((found, record)) => {
            assert_eq!(found, number);
            comes_back(number, &record);
            true
        }
        Err(damage) => {
            assert_eq!(damage, Damage::Content { number });
            assert!(serde_json::from_slice::<Record>(body).is_err());
            false
        }
    }
}

/// A record that was read is read back as it was, and the device wakes up with it.
fn comes_back(number: u64, record: &Record) {
    let (again, same) = Record::decode(&record.encode(number)).expect("what was written is read");
    assert_eq!((again, &same), (number, record));
    wake::wakes(record);
}

/// A slot's description is read back as it was written.
fn slot(bytes: &[u8]) -> bool {
    let Ok(slot) = serde_json::from_slice::<Slot>(bytes) else {
        return false;
    };
    let written = serde_json::to_vec(&slot).expect("a slot holds nothing JSON has no form for");
    let again: Slot = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(again, slot);
    true
}
