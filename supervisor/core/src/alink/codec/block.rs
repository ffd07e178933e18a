//! A file in blocks over MQTT: asking for one, and reading the frame it arrives in (platform document 302377).
//!
//! A frame is the length of a JSON header (two bytes, high first), the header, the file's bytes, and their CRC-16/ARC (two
//! bytes, low first). It is the one payload of the platform that is not JSON. A frame is taken whole or not at all: a block
//! with a byte too few, too many or changed is asked for again. Whether it is the block that is waited for is not
//! decided here; it says itself where it belongs.

use serde_json::Value as Json;
use thiserror::Error;

use super::Id;
use super::outgoing::request;
use super::read::{Fields, ReadFault, id, object};
use super::value::Members;
use crate::alink::shown;

/// The smallest block the platform hands out, in bytes; only a file's last one may be smaller.
pub const SMALLEST_BLOCK: u32 = 256;

/// The largest block the platform hands out, in bytes.
pub const LARGEST_BLOCK: u32 = 131_072;

/// The longest file the platform hands out in blocks, in bytes.
pub const LONGEST_BLOCK_FILE: u64 = 16 * 1024 * 1024;

/// A part of a file, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block<'a> {
    /// The id of the request it answers, if it is readable.
    pub id: Option<Id>,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// The whole file's length in bytes. The block lies within it.
    pub file_length: u64,
    /// Its bytes, at least one.
    pub bytes: &'a [u8],
}

/// Why a payload is not a block.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BlockFault {
    /// It ends within its header.
    #[error("the block has {length} bytes and ends within its header")]
    Short {
        /// The payload's length in bytes.
        length: usize,
    },
    /// Its header is none.
    #[error("the block's header cannot be read")]
    Header(#[from] ReadFault),
    /// The platform answered with no block.
    #[error("the platform refused the block with {code}: {message}")]
    Refused {
        /// Its code, other than 200.
        code: i64,
        /// The beginning of its message; perhaps empty.
        message: String,
    },
    /// It has more or fewer bytes than its header says.
    #[error(
        "the block has {found} bytes after its header, {wanted} of the file and 2 of checksum were announced"
    )]
    Length {
        /// How many bytes follow the header.
        found: usize,
        /// How many bytes of the file the header announces.
        wanted: u64,
    },
    /// It does not lie within the file it is said to be of.
    #[error("the block of {size} bytes at {offset} goes beyond its file of {file_length} bytes")]
    Beyond {
        /// Where it begins, in bytes.
        offset: u64,
        /// Its length in bytes.
        size: u64,
        /// The file's length in bytes.
        file_length: u64,
    },
    /// Its bytes are not those that were sent.
    #[error("the block's checksum is {found:#06x}, not {wanted:#06x}")]
    Checksum {
        /// The checksum of the bytes that arrived.
        found: u16,
        /// The checksum that was sent with them.
        wanted: u16,
    },
}

/// Asks for `size` bytes from `offset` on, [`SMALLEST_BLOCK`] to [`LARGEST_BLOCK`] of them or what is left of the file.
#[must_use]
pub fn block_request(id: &Id, stream_id: u64, file_id: u64, offset: u64, size: u32) -> Vec<u8> {
    let file = numbers([("streamId", stream_id), ("fileId", file_id)]);
    let block = numbers([("size", size.into()), ("offset", offset)]);
    let params = Members::new()
        .json("fileInfo", &file)
        .json("fileBlock", &block)
        .close();
    request(id).json("params", &params).close()
}

fn numbers(members: [(&str, u64); 2]) -> Vec<u8> {
    let add = |object: Members, (name, number): (&str, u64)| {
        object.json(name, number.to_string().as_bytes())
    };
    members.into_iter().fold(Members::new(), add).close()
}

/// Reads the answer to a request for a block.
///
/// # Errors
/// The payload is not exactly one block whose checksum holds, or the platform refused the request.
pub fn parse_block(payload: &[u8]) -> Result<Block<'_>, BlockFault> {
    let short = BlockFault::Short {
        length: payload.len(),
    };
    let Some((length, rest)) = payload.split_first_chunk() else {
        return Err(short);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    let Some((header, rest)) = rest.split_at_checked(length) else {
        return Err(short);
    };
    let header = object(header)?;
    let header = Fields::new(&header);
    let code = header.need_code()?;
    if code != 200 {
        // Whatever follows is not looked at: the documents do not say what does.
        let message = header.find("message").or_else(|| header.find("msg"));
        return Err(BlockFault::Refused {
            code,
            message: shown(message.and_then(Json::as_str).unwrap_or_default()),
        });
    }
    let (offset, size, file_length) = place(header)?;
    let wrong_length = BlockFault::Length {
        found: rest.len(),
        wanted: size,
    };
    let Some((bytes, checksum)) = rest.split_last_chunk() else {
        return Err(wrong_length);
    };
    if u64::try_from(bytes.len()) != Ok(size) {
        return Err(wrong_length);
    }
    if offset.checked_add(size).is_none_or(|end| end > file_length) {
        return Err(BlockFault::Beyond {
            offset,
            size,
            file_length,
        });
    }
    let (found, wanted) = (crc16(bytes), u16::from_le_bytes(*checksum));
    if found != wanted {
        return Err(BlockFault::Checksum { found, wanted });
    }
    Ok(Block {
        id: header.find("id").and_then(id),
        offset,
        file_length,
        bytes,
    })
}

/// The id of the request that a payload answers, if it is readable: also of one that holds no block.
#[must_use]
pub fn block_request_of(payload: &[u8]) -> Option<Id> {
    let (length, rest) = payload.split_first_chunk()?;
    let header = object(rest.get(..usize::from(u16::from_be_bytes(*length)))?).ok()?;
    Fields::new(&header).find("id").and_then(id)
}

/// Where a block begins, how many bytes it has, and how many its file has.
fn place(header: Fields<'_>) -> Result<(u64, u64, u64), ReadFault> {
    let fields = match header.need("data")? {
        Json::Object(fields) => Fields::new(fields),
        other => return Err(header.wrong("data", "an object", other)),
    };
    let length = "a length in bytes";
    Ok((
        fields.need_whole("bOffset", 0, "a whole number")?,
        fields.need_whole("bSize", 1, length)?,
        fields.need_whole("fileLength", 1, length)?,
    ))
}

/// CRC-16/ARC: polynomial 0x8005 with its bits reversed, begun with 0. A bit at a time is fast enough for what a network
/// delivers, and needs no table.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| {
            let carry = if sum & 1 == 1 { 0xA001 } else { 0 };
            sum >> 1 ^ carry
        })
    })
}

#[cfg(test)]
#[path = "block_tests.rs"]
mod tests;
