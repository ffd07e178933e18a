//! One block of a file over MQTT: a JSON header, the file's bytes, and a checksum.

use serde_json::json;
use supervisor_core::alink::codec::{Block, BlockFault, Id, parse_block};

use crate::{Understood, in_few_words, understood};

/// Hands the bytes to the reader of blocks, once as they are and once with the checksum they would need.
///
/// # Panics
/// The reader breaks a promise.
#[must_use]
pub fn block_reply(payload: &[u8]) -> Understood {
    match parse_block(payload) {
        Ok(block) => {
            is_sound(&block, payload);
            understood([("block", true)])
        }
        Err(fault) => {
            in_few_words(&fault);
            if let BlockFault::Checksum { .. } = fault {
                mended(payload);
            }
            Understood::new()
        }
    }
}

/// Only the checksum was wrong, so with the right one it is a block.
fn mended(payload: &[u8]) {
    let length = u16::from_be_bytes([payload[0], payload[1]]);
    let before = &payload[..payload.len() - 2];
    let sum = crc16(&before[2 + usize::from(length)..]);
    let payload = [before, &sum.to_le_bytes()].concat();
    let block = parse_block(&payload).expect("nothing but the checksum was wrong");
    is_sound(&block, &payload);
}

/// The block has what its header says, lies within its file, and written plainly is the same.
fn is_sound(block: &Block<'_>, payload: &[u8]) {
    let size = block.bytes.len() as u64;
    assert!(size > 0);
    assert!(u128::from(block.offset) + u128::from(size) <= u128::from(block.file_length));
    let (before, sum) = payload.split_at(payload.len() - 2);
    assert!(before.ends_with(block.bytes));
    assert_eq!(sum, crc16(block.bytes).to_le_bytes());

    let header = json!({
        "code": "200",
        "id": block.id.as_ref().map(Id::as_str),
        "data": {"bSize": size, "bOffset": block.offset, "fileLength": block.file_length},
    })
    .to_string();
    let length = u16::try_from(header.len()).expect("an id and three numbers are short");
    let plainly = [&length.to_be_bytes(), header.as_bytes(), block.bytes, sum].concat();
    assert_eq!(parse_block(&plainly).as_ref(), Ok(block));
}

/// CRC-16/ARC by its definition: what is left of the bits, each byte's lowest first, after division by x^16+x^15+x^2+1.
fn crc16(bytes: &[u8]) -> u16 {
    let mut left = 0_u32;
    for byte in bytes.iter().chain(&[0, 0]) {
        for bit in 0..8 {
            left = left << 1 | u32::from(byte >> bit & 1);
            if left > 0xFFFF {
                left ^= 0x1_8005;
            }
        }
    }
    u16::try_from(left)
        .expect("what is left is below the divisor")
        .reverse_bits()
}
