//! Sending a file's bytes, counted exactly, as slowly and as wrongly as the faults want it.

use std::path::PathBuf;
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::faults::FaultName;
use crate::shared::Shared;

/// How long one piece may take to be written before the client counts as gone.
const WRITE_LIMIT: Duration = Duration::from_secs(120);
/// How many bytes are read from disk and written at once.
const PIECE: u64 = 64 * 1024;

#[derive(Debug)]
pub(super) struct FileBody {
    pub(super) path: PathBuf,
    /// The file's length on disk; beyond it come zeros.
    pub(super) size: u64,
    pub(super) start: u64,
    pub(super) length: u64,
    /// Position in the file and the bit to flip there.
    pub(super) flip: Option<(u64, u8)>,
    /// Every byte is changed by this.
    pub(super) mask: u8,
    /// Close after this many body bytes.
    pub(super) cut: Option<u64>,
    /// Stop after this many body bytes until the fault is cleared.
    pub(super) stall: Option<u64>,
    /// Bytes per second.
    pub(super) rate: Option<u64>,
}

impl FileBody {
    /// Sends the body; `sent` tells how much went out, also when it fails.
    pub(super) async fn send<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        sent: &mut u64,
        shared: &Shared,
    ) -> std::io::Result<()> {
        let mut file = File::open(&self.path).await?;
        file.seek(std::io::SeekFrom::Start(self.start.min(self.size)))
            .await?;
        let end = self.cut.map_or(self.length, |cut| cut.min(self.length));
        let mut stall = self.stall;
        while *sent < end {
            if stall.is_some_and(|at| at <= *sent) {
                stall = None;
                stream.flush().await?;
                stalled(stream, shared, FaultName::Stall).await?;
            }
            let mut size = PIECE.min(end - *sent);
            if let Some(at) = stall {
                size = size.min(at - *sent);
            }
            if let Some(rate) = self.rate {
                // Fifty pieces a second, so that the rate is smooth and little is under way at a time.
                size = size.min(rate.div_ceil(50));
                sleep(Duration::from_secs_f64(size as f64 / rate as f64)).await;
            }
            let piece = self.piece(&mut file, *sent, size).await?;
            timeout(WRITE_LIMIT, stream.write_all(&piece)).await??;
            *sent += size;
        }
        stream.flush().await
    }

    /// The next bytes of the response, as the faults want them.
    async fn piece(&self, file: &mut File, sent: u64, size: u64) -> std::io::Result<Vec<u8>> {
        let at = self.start + sent;
        let mut piece = Vec::new();
        file.take(size).read_to_end(&mut piece).await?;
        piece.resize(usize::try_from(size).expect("a piece is at most 64 KiB"), 0);
        if self.mask != 0 {
            piece.iter_mut().for_each(|byte| *byte ^= self.mask);
        }
        if let Some((place, bit)) = self.flip
            && (at..at + size).contains(&place)
        {
            // The difference is below 64 KiB, as the range was just checked.
            piece[(place - at) as usize] ^= bit;
        }
        Ok(piece)
    }
}

/// Waits until the fault is cleared or the client hangs up.
pub(super) async fn stalled<S: AsyncRead + Unpin>(
    stream: &mut S,
    shared: &Shared,
    fault: FaultName,
) -> std::io::Result<()> {
    let mut changes = shared.changes();
    let mut byte = [0];
    while shared.look(|world| world.faults.is_set(fault)) {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return Ok(()) },
            read = stream.read(&mut byte) => if read? == 0 {
                return Err(std::io::ErrorKind::ConnectionAborted.into());
            },
        }
    }
    Ok(())
}
