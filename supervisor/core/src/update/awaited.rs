//! The block of an image that a download waits for, and whether an answer is it. What follows is decided in [`super::blocks`].

use std::error::Error as _;

use super::Hands;
use crate::{
    alink::codec::{Block, BlockFault, Id},
    event::BlockOrder,
    record::Source,
    time::Ticks,
};

/// A block that a download waits for.
#[derive(Debug, Clone)]
pub(super) struct Awaited {
    pub(super) block: BlockOrder,
    /// The last requests for it, the newest last.
    pub(super) requests: Vec<Id>,
    /// Until when the newest is waited for; if that is over, nothing has been asked for.
    pub(super) until: Option<Ticks>,
    pub(super) failures: u32,
    /// Is it paid for one request only?
    pub(super) once: bool,
    /// Has it been asked for, since the download said that it wants it?
    pub(super) asked: bool,
}

/// Why an answer is not the block.
pub(super) enum Unfit {
    /// Another answer may be better.
    Passing(String),
    /// There is no such file.
    Lasting(String),
}

impl Awaited {
    /// Is it of what the job under way wants, or has that moved?
    pub(super) fn is_of(&self, hands: &Hands<'_, '_>) -> bool {
        let BlockOrder {
            stream_id, file_id, ..
        } = self.block;
        let place = Source::Blocks { stream_id, file_id };
        let job = hands.ledger.record.job.as_ref();
        job.is_some_and(|job| job.wanted.files.iter().any(|file| file.source == place))
    }

    /// Must it be paid for again before it is asked for again?
    pub(super) fn is_used_up(&self) -> bool {
        self.once && self.asked && self.until.is_none()
    }

    pub(super) fn place(&self) -> (u64, u64, u64) {
        (self.block.stream_id, self.block.file_id, self.block.offset)
    }

    /// The bytes of the block, if this is it.
    pub(super) fn judge<'p>(
        &self,
        answer: Result<Block<'p>, BlockFault>,
    ) -> Result<&'p [u8], Unfit> {
        let block = answer.map_err(|fault| {
            let text = match fault.source() {
                Some(inner) => format!("{fault}: {inner}"),
                None => fault.to_string(),
            };
            match fault {
                BlockFault::Refused { code, .. } if !may_pass(code) => Unfit::Lasting(text),
                _ => Unfit::Passing(text),
            }
        })?;
        let (wanted, found) = (&self.block, block.bytes.len());
        if block.file_length != wanted.file_length {
            let (is, promised) = (block.file_length, wanted.file_length);
            let text = format!("the file has {is} bytes instead of {promised}");
            Err(Unfit::Lasting(text))
        } else if block.offset != wanted.offset {
            let (is, asked) = (block.offset, wanted.offset);
            let text = format!("the block of {asked} was asked for, that of {is} came");
            Err(Unfit::Passing(text))
        } else if u32::try_from(found).is_ok_and(|found| found <= wanted.size) {
            Ok(block.bytes)
        } else {
            let most = wanted.size;
            let text = format!("the block has {found} bytes, and {most} were asked for");
            Err(Unfit::Passing(text))
        }
    }
}

/// Is it about the platform's condition and not about what was asked for?
fn may_pass(code: i64) -> bool {
    matches!(code, 408 | 429 | 500..=599)
}
