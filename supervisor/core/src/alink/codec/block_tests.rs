use std::error::Error;

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::*;

const HEADER: &str = r#"{"code":200,"data":{"bOffset":0,"fileLength":3612,"bSize":9,"fileToken":"default"},"id":"1","message":"success"}"#;
const BYTES: &[u8] = b"123456789";
/// The check value published for CRC-16/ARC over these nine bytes is 0xBB3D.
const CHECKSUM: [u8; 2] = [0x3d, 0xbb];

fn frame(header: &str, bytes: &[u8], checksum: [u8; 2]) -> Vec<u8> {
    let length = u16::try_from(header.len()).unwrap().to_be_bytes();
    [&length, header.as_bytes(), bytes, &checksum].concat()
}

fn with(from: &str, to: &str) -> Vec<u8> {
    assert!(HEADER.contains(from));
    frame(&HEADER.replace(from, to), BYTES, CHECKSUM)
}

/// The chain of a fault's texts.
fn fault(payload: &[u8]) -> String {
    let fault = parse_block(payload).unwrap_err();
    match fault.source() {
        Some(source) => format!("{fault}: {source}"),
        None => fault.to_string(),
    }
}

#[test]
fn a_request_is_written_as_the_documents_have_it() {
    let request = block_request(&Id::from(1), 25914, 1, 0, 4096);
    assert_eq!(
        std::str::from_utf8(&request).unwrap(),
        r#"{"id":"1","version":"1.0","params":{"fileInfo":{"streamId":25914,"fileId":1},"fileBlock":{"size":4096,"offset":0}}}"#
    );
    let largest = block_request(&Id::from(u32::MAX), u64::MAX, u64::MAX, u64::MAX, u32::MAX);
    assert!(
        largest.ends_with(br#""fileBlock":{"size":4294967295,"offset":18446744073709551615}}}"#)
    );
}

#[test]
fn a_frame_is_read_and_its_bytes_are_not_copied() {
    let payload = frame(HEADER, BYTES, CHECKSUM);
    let block = parse_block(&payload).unwrap();
    assert_eq!(
        block,
        Block {
            id: Some(Id::from(1)),
            offset: 0,
            file_length: 3612,
            bytes: BYTES,
        }
    );
    assert!(std::ptr::eq(
        block.bytes,
        &raw const payload[2 + HEADER.len()..][..9]
    ));
}

#[test]
fn the_request_it_answers_is_known_of_a_payload_that_is_no_block_too() {
    let one = Some(Id::from(1));
    let torn = frame(HEADER, b"1234", CHECKSUM);
    assert!(parse_block(&torn).is_err());
    assert_eq!(block_request_of(&torn), one);
    assert_eq!(
        block_request_of(&frame(r#"{"code":500,"id":1}"#, b"", [0, 0])),
        one
    );
    for payload in [&b""[..], b"\0", b"\0\x02{", b"\0\x02{}", b"\0\x02[]"] {
        assert_eq!(block_request_of(payload), None);
    }
}

#[test]
fn a_frame_of_the_lengths_and_with_the_checksum_of_a_captured_one_is_read() {
    // Captured: 412 bytes, of which 0x005C are header, and a checksum of 0x05FC. The file's bytes are not those captured; the
    // last two of them were chosen with another implementation so that the checksum comes out.
    let header = r#"{"code":200,"data":{"bOffset":0,"fileLength":3612,"bSize":316},"id":"1","message":"success"}"#;
    let mut bytes: Vec<u8> = (0..=250).cycle().take(314).collect();
    bytes.extend([0x3d, 0x81]);
    let payload = frame(header, &bytes, [0xfc, 0x05]);
    assert_eq!(payload.len(), 412);
    assert_eq!(payload[..2], [0x00, 0x5c]);
    let block = parse_block(&payload).unwrap();
    assert_eq!((block.file_length, block.bytes), (3612, &bytes[..]));
}

#[test]
fn the_checksum_is_the_published_one() {
    let all: Vec<u8> = (0..=255).collect();
    for (bytes, sum) in [
        (&b""[..], 0),
        (BYTES, 0xbb3d),
        (&all, 0xbad3),
        (&[0; 256], 0),
        (&[0xff; 256], 0x5440),
    ] {
        assert_eq!(crc16(bytes), sum);
    }
}

#[test]
fn the_last_block_may_be_a_single_byte_and_the_largest_is_taken() {
    let last = r#"{"code":"200","data":{"bOffset":3611,"fileLength":3612,"bSize":1}}"#;
    let payload = frame(last, b"\0", [0, 0]);
    let block = parse_block(&payload).unwrap();
    assert_eq!(
        (block.id, block.offset, block.bytes),
        (None, 3611, &[0][..])
    );
    let largest = format!(
        r#"{{"code":200,"data":{{"bOffset":{},"fileLength":{LONGEST_BLOCK_FILE},"bSize":{LARGEST_BLOCK}}}}}"#,
        LONGEST_BLOCK_FILE - u64::from(LARGEST_BLOCK),
    );
    let payload = frame(&largest, &vec![0; LARGEST_BLOCK as usize], [0, 0]);
    assert!(payload.len() <= super::super::LONGEST_PAYLOAD);
    assert!(parse_block(&payload).is_ok());
}

#[test]
fn a_frame_cut_anywhere_or_with_a_byte_too_many_is_refused() {
    let whole = frame(HEADER, BYTES, CHECKSUM);
    for length in 0..whole.len() {
        let told = parse_block(&whole[..length]).unwrap_err();
        if length < 2 + HEADER.len() {
            assert_eq!(told, BlockFault::Short { length });
        } else {
            let found = length - 2 - HEADER.len();
            assert_eq!(told, BlockFault::Length { found, wanted: 9 });
        }
    }
    let longer = [&whole[..], b"\0"].concat();
    assert_eq!(
        fault(&longer),
        "the block has 12 bytes after its header, 9 of the file and 2 of checksum were announced"
    );
}

#[test]
fn a_changed_byte_or_a_checksum_the_wrong_way_round_is_noticed() {
    assert_eq!(
        fault(&frame(HEADER, b"123456798", CHECKSUM)),
        "the block's checksum is 0xebfd, not 0xbb3d"
    );
    assert_eq!(
        fault(&frame(HEADER, BYTES, [0xbb, 0x3d])),
        "the block's checksum is 0xbb3d, not 0x3dbb"
    );
    let whole = frame(HEADER, BYTES, CHECKSUM);
    for place in 2 + HEADER.len()..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[place] ^= 1 << bit;
            assert!(
                matches!(parse_block(&changed), Err(BlockFault::Checksum { .. })),
                "bit {bit} of byte {place}"
            );
        }
    }
}

#[test]
fn a_refusal_is_told_by_its_code_whatever_follows() {
    let refusal = r#"{"code":6205,"id":"1","message":"no such stream"}"#;
    for (bytes, checksum) in [(&b""[..], &[][..]), (b"", &[0, 0]), (BYTES, &CHECKSUM)] {
        let head = frame(refusal, b"", [0, 0]);
        let payload = [&head[..head.len() - 2], bytes, checksum].concat();
        assert_eq!(
            fault(&payload),
            "the platform refused the block with 6205: no such stream"
        );
    }
    let long = format!(r#"{{"code":"500","msg":"{}"}}"#, "x`\\n".repeat(5_000));
    let BlockFault::Refused { code, message } =
        parse_block(&frame(&long, b"", [0, 0])).unwrap_err()
    else {
        panic!("a refusal is a refusal");
    };
    assert_eq!((code, message.chars().count()), (500, 64));
    assert!(!message.contains(['`', '\n']));
}

#[test]
fn a_block_that_leaves_its_file_is_refused() {
    assert_eq!(
        fault(&with(r#""bOffset":0"#, r#""bOffset":3604"#)),
        "the block of 9 bytes at 3604 goes beyond its file of 3612 bytes"
    );
    assert!(parse_block(&with(r#""bOffset":0"#, r#""bOffset":3603"#)).is_ok());
    let end = with(r#""bOffset":0"#, r#""bOffset":18446744073709551615"#);
    assert!(matches!(parse_block(&end), Err(BlockFault::Beyond { .. })));
}

#[test]
fn a_header_that_is_none_is_refused_by_its_field() {
    let data = r#"{"bOffset":0,"fileLength":3612,"bSize":9,"fileToken":"default"}"#;
    for (from, to, told) in [
        (r#""code":200,"#, "", "`code` is missing"),
        (data, "null", "`data` is missing"),
        (data, "[]", "`data` is a list, not an object"),
        (r#""bSize":9,"#, "", "`bSize` is missing"),
        (
            r#""bSize":9"#,
            r#""bSize":0"#,
            "`bSize` is 0, not a length in bytes",
        ),
        (
            r#""bSize":9"#,
            r#""bSize":-9"#,
            "`bSize` is -9, not a length in bytes",
        ),
        (
            r#""bOffset":0"#,
            r#""bOffset":0.5"#,
            "`bOffset` is 0.5, not a whole number",
        ),
        (
            r#""fileLength":3612"#,
            r#""fileLength":"3612""#,
            "`fileLength` is the text `3612`, not a length in bytes",
        ),
    ] {
        assert_eq!(
            fault(&with(from, to)),
            format!("the block's header cannot be read: {told}")
        );
    }
    assert!(fault(&frame("", BYTES, CHECKSUM)).contains("not readable JSON"));
    assert!(fault(&frame("{\"code\":200", BYTES, CHECKSUM)).contains("not readable JSON"));
    let huge = with(r#""bSize":9"#, r#""bSize":18446744073709551615"#);
    assert_eq!(
        parse_block(&huge),
        Err(BlockFault::Length {
            found: 11,
            wanted: u64::MAX
        })
    );
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(payload in any::<Vec<u8>>()) {
        let _ = (parse_block(&payload), block_request_of(&payload));
    }

    #[test]
    fn no_numbers_in_a_header_make_the_parser_panic(
        offset in any::<u64>(),
        size in any::<u64>(),
        length in any::<u64>(),
        bytes in any::<Vec<u8>>(),
    ) {
        let header = format!(r#"{{"code":200,"data":{{"bOffset":{offset},"bSize":{size},"fileLength":{length}}}}}"#);
        prop_assert!(parse_block(&frame(&header, &bytes, [0, 0])).is_err() || size == bytes.len() as u64);
    }

    #[test]
    fn any_block_within_its_file_is_read(
        before in 0_u64..1 << 40,
        bytes in proptest::collection::vec(any::<u8>(), 1..600),
        after in 0_u64..1 << 40,
    ) {
        let (size, file_length) = (bytes.len(), before + bytes.len() as u64 + after);
        let header = format!(
            r#"{{"id":7,"data":{{"fileLength":{file_length},"bSize":{size},"bOffset":{before},"more":[]}},"code":200}}"#
        );
        let payload = frame(&header, &bytes, model(&bytes).to_le_bytes());
        let id = Some(Id::from(7));
        prop_assert_eq!(parse_block(&payload), Ok(Block { id, offset: before, file_length, bytes: &bytes }));
    }
}

/// The checksum by its definition: what is left of the bits, each byte's lowest first, after division by x^16+x^15+x^2+1.
fn model(bytes: &[u8]) -> u16 {
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1));
    let mut left = 0_u32;
    for bit in bits.chain([0; 16]) {
        left = left << 1 | u32::from(bit);
        if left > 0xFFFF {
            left ^= 0x1_8005;
        }
    }
    u16::try_from(left).unwrap().reverse_bits()
}
