//! The platform as a source: a file in blocks over the MQTT session, which is the brain's to speak on.
//!
//! Here it is only said which block comes next, and waited until that very block is there. Whether it is late, torn or refused, and what is
//! done about it, is decided elsewhere; this source has neither a clock nor a fault of its own.

use supervisor_core::event::{BlockOrder, Event, FetchFault};

use super::{intake::Intake, pipeline};

/// Bytes of a block. One is asked for after the other, so that a block is what every round trip brings: small ones are slow, and what an
/// interruption wastes is one of them, as each is in the file before the next is asked for. The frame around it is far within what one MQTT packet may have. The platform gives 256 to 131,072; the last one is what is left.
const BLOCK: u32 = pipeline::BLOCK as u32;

/// The platform gives no smaller one, in bytes, but the last.
const SMALLEST: u64 = 256;

/// Brings what is missing, block by block.
pub(super) async fn bring(
    stream_id: u64,
    file_id: u64,
    intake: &mut Intake<'_>,
) -> Result<(), FetchFault> {
    let brief = intake.brief();
    // Nobody else takes from it: files are brought one after the other.
    let mut inlet = brief.blocks.0.lock().await;
    let file_length = intake.promised();
    if intake.taken() == 0 {
        // One stream is as good as another, so that only what is there counts.
        intake.part().begin("", None).await?;
    }
    while intake.taken() < file_length {
        let offset = intake.taken();
        let most = u64::from(BLOCK).min(file_length - offset);
        // The brain asks for it once for this; if it would have to ask again, it begins the download again.
        let allowed = intake.allow(SMALLEST.min(most)..=most).await?;
        let size = u32::try_from(allowed).unwrap_or(BLOCK);
        let block = BlockOrder {
            stream_id,
            file_id,
            offset,
            size,
            file_length,
        };
        let job = brief.order.job;
        // Fails only when the spine has ended.
        let _ = brief.events.send(Event::BlockWanted { job, block }).await;
        let bytes = loop {
            match inlet.recv().await {
                Some((at, bytes)) if at == offset && (1..=size as usize).contains(&bytes.len()) => {
                    break bytes;
                }
                Some(_) => {}
                None => {
                    let why = "the supervisor is ending".to_owned();
                    return Err(FetchFault::BadBlocks { why });
                }
            }
        };
        intake.take(&bytes).await?;
        intake.part().sink().flush().await?;
    }
    Ok(())
}
