//! One record as bytes: magic, format, generation, length, JSON, checksum.
//!
//! The newest of two such files wins, and one that is torn in any way is not a record at all. Which file is read or written is
//! the store's business; here are only bytes. The header is laid out by hand and
//! never changes; what is inside is JSON, which carries its own tolerance for older and newer fields.

use sha2::{Digest, Sha256};

use super::Record;

const MAGIC: [u8; 8] = *b"hotplate";
const FORMAT: u32 = 1;
const HEADER: usize = 8 + 4 + 8 + 4;
const CHECKSUM: usize = 32;

/// No record is longer, in bytes: 32 owed reports and 32 strikes of a few hundred bytes each leave room to spare.
pub const LONGEST: usize = 1 << 20;

/// A record and how many were written before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// Its place in the order in which records were written; the highest is the newest.
    pub number: u64,
    /// The record.
    pub record: Record,
}

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A write that was cut short, or rot.
    #[error("it is torn")]
    Torn,
    /// Nothing of ours.
    #[error("it is not a record")]
    Foreign,
    /// A later supervisor's.
    #[error("it has format {0}, written by a later supervisor")]
    Later(u32),
    /// The checksum holds and the content does not.
    #[error("its content cannot be read")]
    Content,
}

/// Writes a record as bytes.
#[must_use]
pub fn encode(generation: &Generation) -> Vec<u8> {
    let body = serde_json::to_vec(&generation.record)
        .expect("a record holds nothing JSON has no form for");
    let length = u32::try_from(body.len()).expect("a record is bounded by its lists");
    let mut bytes = Vec::with_capacity(HEADER + body.len() + CHECKSUM);
    bytes.extend(MAGIC);
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend(generation.number.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(body);
    let checksum = Sha256::digest(&bytes);
    bytes.extend(checksum.as_slice());
    bytes
}

/// Reads a record from bytes, which are all of a file's.
///
/// # Errors
/// The bytes are not exactly one whole record of this format.
pub fn decode(bytes: &[u8]) -> Result<Generation, Damage> {
    let (magic, rest) = take::<8>(bytes)?;
    if magic != MAGIC {
        return Err(Damage::Foreign);
    }
    let (format, rest) = take(rest)?;
    let format = u32::from_le_bytes(format);
    if format != FORMAT {
        return Err(Damage::Later(format));
    }
    let (number, rest) = take(rest)?;
    let (length, rest) = take(rest)?;
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(|_| Damage::Torn)?;
    let (body, checksum) = rest.split_at_checked(length).ok_or(Damage::Torn)?;
    if Sha256::digest(&bytes[..HEADER + length]).as_slice() != checksum {
        return Err(Damage::Torn);
    }
    let record = serde_json::from_slice(body).map_err(|_| Damage::Content)?;
    Ok(Generation {
        number: u64::from_le_bytes(number),
        record,
    })
}

fn take<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), Damage> {
    let (head, rest) = bytes.split_first_chunk().ok_or(Damage::Torn)?;
    Ok((*head, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    fn generation() -> Generation {
        Generation {
            number: 7,
            record: Record {
                next_slot: 3,
                ..Record::default()
            },
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        assert_eq!(decode(&encode(&generation())), Ok(generation()));
    }

    #[test]
    fn a_record_cut_anywhere_or_with_any_bit_flipped_is_not_taken() {
        let whole = encode(&generation());
        for length in 0..whole.len() {
            assert_eq!(
                decode(&whole[..length]),
                Err(Damage::Torn),
                "cut at {length}"
            );
        }
        for place in 0..whole.len() {
            let mut torn = whole.clone();
            torn[place] ^= 1;
            assert!(decode(&torn).is_err(), "flipped at {place}");
        }
        let mut long = whole;
        long.push(0);
        assert_eq!(decode(&long), Err(Damage::Torn));
    }

    #[test]
    fn an_older_record_without_a_field_and_a_newer_one_with_a_further_field_are_read() {
        let older: Record = serde_json::from_str(r#"{"next_slot":3}"#).unwrap();
        assert_eq!(older, generation().record);
        let newer: Record = serde_json::from_str(r#"{"next_slot":3,"mood":"good"}"#).unwrap();
        assert_eq!(newer, generation().record);
    }

    #[test]
    fn the_layout_of_the_header_is_a_promise() {
        let bytes = encode(&Generation {
            number: 0x0102,
            record: Record::default(),
        });
        assert_eq!(bytes[..20], *b"hotplate\x01\0\0\0\x02\x01\0\0\0\0\0\0");
        let body = u32::from_le_bytes([bytes[20], bytes[21], bytes[22], bytes[23]]);
        assert_eq!(bytes.len(), HEADER + body as usize + CHECKSUM);
    }

    /// Bytes whose header and checksum hold.
    fn framed(number: u64, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        let mut bytes = [
            &b"hotplate\x01\0\0\0"[..],
            &number.to_le_bytes(),
            &length,
            body,
        ]
        .concat();
        let checksum = Sha256::digest(&bytes);
        bytes.extend(checksum.as_slice());
        bytes
    }

    #[test]
    fn content_that_is_no_record_is_told_from_a_torn_file() {
        assert_eq!(decode(&framed(7, br#"{"next_slot":3}"#)), Ok(generation()));
        for body in ["", "null", "3", "{\"next_slot\":\"x\"}", "{"] {
            assert_eq!(
                decode(&framed(7, body.as_bytes())),
                Err(Damage::Content),
                "{body}"
            );
        }
        let later = [&b"hotplate\x02\0\0\0"[..], &[0; 60]].concat();
        assert_eq!(decode(&later), Err(Damage::Later(2)));
        assert_eq!(decode(&[b'x'; 80]), Err(Damage::Foreign));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in any::<Vec<u8>>(), number in any::<u64>()) {
            let _ = decode(&bytes);
            let _ = decode(&[&b"hotplate\x01\0\0\0"[..], &bytes].concat());
            let _ = decode(&framed(number, &bytes));
        }

        #[test]
        fn whatever_is_read_is_written_so_that_it_reads_the_same(
            number in any::<u64>(),
            slot in any::<u64>(),
            other in "[a-z_]{1,12}",
            value in "null|true|[0-9]{1,9}|\\[\\]|\\{\\}|\"[a-z]{0,9}\"",
        ) {
            let body = format!(r#"{{"next_slot":{slot},"{other}":{value}}}"#);
            if let Ok(read) = decode(&framed(number, body.as_bytes())) {
                prop_assert_eq!(read.number, number);
                prop_assert_eq!(decode(&encode(&read)), Ok(read));
            }
        }
    }
}
