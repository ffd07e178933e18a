//! The device's record as it lies on the disk, read from outside: the newer of two files, whose header and checksum are passed over.

use std::path::Path;

use serde_json::Value;

/// Where the generation's number begins, and where the length of the content.
const NUMBER: usize = 12;
const LENGTH: usize = 20;
const CONTENT: usize = 24;

/// The record in a state folder, if one of its files holds one.
pub(super) fn read(state: &Path) -> Option<Value> {
    let files = ["record.a", "record.b"].map(|name| std::fs::read(state.join(name)));
    let read = files
        .into_iter()
        .flatten()
        .filter_map(|bytes| content(&bytes));
    read.max_by_key(|(number, _)| *number)
        .map(|(_, record)| record)
}

fn content(bytes: &[u8]) -> Option<(u64, Value)> {
    let number = u64::from_le_bytes(bytes.get(NUMBER..LENGTH)?.try_into().ok()?);
    let length = u32::from_le_bytes(bytes.get(LENGTH..CONTENT)?.try_into().ok()?);
    let end = CONTENT.checked_add(usize::try_from(length).ok()?)?;
    let record = serde_json::from_slice(bytes.get(CONTENT..end)?).ok()?;
    Some((number, record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_of_two_records_is_read_and_what_is_torn_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, number: u64, content: &str, length: usize| {
            let mut bytes = b"hotplate\x01\0\0\0".to_vec();
            bytes.extend(number.to_le_bytes());
            bytes.extend(u32::try_from(length).unwrap().to_le_bytes());
            bytes.extend(content.as_bytes());
            std::fs::write(folder.path().join(name), bytes).unwrap();
        };
        assert_eq!(read(folder.path()), None);
        write("record.a", 7, r#"{"next_slot":3}"#, 15);
        write("record.b", 8, r#"{"next_slot":4}"#, 15);
        assert_eq!(read(folder.path()).unwrap()["next_slot"], 4);
        write("record.b", 8, r#"{"next_slot":4"#, 15);
        assert_eq!(read(folder.path()).unwrap()["next_slot"], 3);
    }
}
