//! One record as bytes: its JSON in a frame.
//!
//! What is inside the frame is JSON, which carries its own tolerance for older and newer fields.

use super::{
    Record,
    frame::{Frame, Framed},
};

impl Framed for Record {
    const FRAME: Frame = Frame {
        magic: *b"hotplate",
        format: 1,
    };

    // 32 owed reports and 32 strikes of a few hundred bytes each leave room to spare.
    const LONGEST: usize = 1 << 20;

    fn body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record holds nothing JSON has no form for")
    }

    fn of_body(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::{super::frame::Damage, *};
    use proptest::prelude::{any, prop_assert_eq, proptest};

    fn record() -> Record {
        Record {
            next_slot: 3,
            ..Record::default()
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        assert_eq!(Record::decode(&record().encode(7)), Ok((7, record())));
    }

    #[test]
    fn a_record_cut_anywhere_or_with_any_bit_flipped_is_not_taken() {
        let whole = record().encode(7);
        for length in 0..whole.len() {
            assert_eq!(
                Record::decode(&whole[..length]),
                Err(Damage::Torn),
                "cut at {length}"
            );
        }
        for place in 0..whole.len() {
            let mut torn = whole.clone();
            torn[place] ^= 1;
            assert!(Record::decode(&torn).is_err(), "flipped at {place}");
        }
        let mut long = whole;
        long.push(0);
        assert_eq!(Record::decode(&long), Err(Damage::Torn));
    }

    #[test]
    fn an_older_record_without_a_field_and_a_newer_one_with_a_further_field_are_read() {
        let older: Record = serde_json::from_str(r#"{"next_slot":3}"#).unwrap();
        assert_eq!(older, record());
        let newer: Record = serde_json::from_str(r#"{"next_slot":3,"mood":"good"}"#).unwrap();
        assert_eq!(newer, record());
    }

    #[test]
    fn the_layout_of_the_header_is_a_promise() {
        let bytes = Record::default().encode(0x0102);
        assert_eq!(bytes[..20], *b"hotplate\x01\0\0\0\x02\x01\0\0\0\0\0\0");
        let body = u32::from_le_bytes([bytes[20], bytes[21], bytes[22], bytes[23]]);
        assert_eq!(bytes.len(), Frame::length(body as usize));
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
        assert_eq!(
            Record::decode(&framed(7, br#"{"next_slot":3}"#)),
            Ok((7, record()))
        );
        for body in ["", "null", "3", "{\"next_slot\":\"x\"}", "{"] {
            assert_eq!(
                Record::decode(&framed(7, body.as_bytes())),
                Err(Damage::Content { number: 7 }),
                "{body}"
            );
        }
        let later = Frame {
            format: 2,
            ..Record::FRAME
        };
        let later = later.wrap(9, b"whatever a later one writes");
        let (format, number) = (2, 9);
        assert_eq!(
            Record::decode(&later),
            Err(Damage::Later { format, number })
        );
        assert_eq!(Record::decode(&later[..later.len() - 1]), Err(Damage::Torn));
        assert_eq!(Record::decode(&[b'x'; 80]), Err(Damage::Foreign));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in any::<Vec<u8>>(), number in any::<u64>()) {
            let _ = Record::decode(&bytes);
            let _ = Record::decode(&[&b"hotplate\x01\0\0\0"[..], &bytes].concat());
            let _ = Record::decode(&framed(number, &bytes));
        }

        #[test]
        fn whatever_is_read_is_written_so_that_it_reads_the_same(
            number in any::<u64>(),
            slot in any::<u64>(),
            other in "[a-z_]{1,12}",
            value in "null|true|[0-9]{1,9}|\\[\\]|\\{\\}|\"[a-z]{0,9}\"",
        ) {
            let body = format!(r#"{{"next_slot":{slot},"{other}":{value}}}"#);
            if let Ok((read_number, read)) = Record::decode(&framed(number, body.as_bytes())) {
                prop_assert_eq!(read_number, number);
                prop_assert_eq!(Record::decode(&read.encode(number)), Ok((number, read)));
            }
        }
    }
}
