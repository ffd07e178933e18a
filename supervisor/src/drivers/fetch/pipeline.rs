//! What happens to the bytes of an image behind the buffer they come in, each stage on a thread of its own: written and hashed first, and
//! then hashed by MD5, which takes longer than all the rest and bears no dividing.
//!
//! ```text
//! source ─► buffer ─► file, SHA-256, BLAKE2b ─► MD5 ─┐
//!             ▲                                      │
//!             └────────── emptied buffers ◄──────────┘
//! ```
//!
//! A few buffers go round, so that memory is constant, and whoever is quicker waits for whoever is slower. A byte is written before it is
//! hashed and counts as written once the system has it. The stages end when the pipeline is ended or dropped, after what was
//! passed on to them; a disk that fails ends them at once, and the fault is what [`end`](Pipeline::end) tells.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
    sync::{Arc, mpsc as threads},
    thread::Builder,
};

use supervisor_core::event::FetchFault;
use tokio::sync::{mpsc, oneshot, watch};

use super::verify::Hashes;
use crate::drivers::store::at;

/// Bytes collected before they are passed on, at least; as many may be lost with a killed process.
pub(super) const BLOCK: usize = 64 * 1024;

/// Bytes that may be collected while the file is busy with those before them.
const BUFFER: usize = BLOCK + BLOCK / 2;

/// Buffers that go round: one is filled, one is in each stage, and as many wait before the slowest, so that no stage falls asleep over
/// each block: to be woken costs more than to hash one. The network's own buffers come on top.
const BUFFERS: usize = 6;

/// For the stack of a stage, in bytes; the hashes lie in it.
const STACK: usize = 256 * 1024;

/// The file is synced each time so many bytes have been written, so that the last sync is short and a power cut costs little.
const SYNCED_EVERY: u64 = 64 << 20;

/// A file, and the hashes of what is in it.
#[derive(Debug)]
pub(super) struct Works {
    pub(super) file: File,
    pub(super) hashes: Box<Hashes>,
}

/// The stages at work.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// What comes next, unless there is no buffer to put it in.
    buffer: Option<Vec<u8>>,
    /// Has room for all buffers there are.
    full: mpsc::Sender<Vec<u8>>,
    emptied: mpsc::Receiver<Vec<u8>>,
    /// Buffers that are not made yet.
    unmade: usize,
    /// Bytes that were passed on or were there before.
    passed: u64,
    /// Bytes in the file.
    written: watch::Receiver<u64>,
    first: oneshot::Receiver<io::Result<Works>>,
    /// Only where somebody asked for it.
    second: Option<oneshot::Receiver<Hashes>>,
}

/// A stage has ended before its time; [`Pipeline::end`] knows why.
#[derive(Debug)]
pub(super) struct Broken;

impl Pipeline {
    /// Starts the stages. So many bytes are in the file, and the next are written behind them. Fails when the system has no thread to give,
    /// and the works are lost.
    pub(super) fn start(mut works: Works, there: u64) -> io::Result<Self> {
        let (full, filled) = mpsc::channel(BUFFERS);
        let (empty, emptied) = mpsc::channel(BUFFERS);
        let (count, written) = watch::channel(there);
        let (next, second) = match works.hashes.divide() {
            Some(hashes) => {
                let (next, passed) = mpsc::channel(BUFFERS);
                (next, Some(thread(move || hash(hashes, passed, &empty))?))
            }
            None => (empty, None),
        };
        let first = thread(move || write(works, filled, &count, &next))?;
        Ok(Self {
            buffer: None,
            full,
            emptied,
            unmade: BUFFERS,
            passed: there,
            written,
            first,
            second,
        })
    }

    /// Takes some of these bytes, at least one, and says how many. Waits for a buffer if there is none; a wait that is left takes nothing.
    pub(super) async fn take(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let buffer = match &mut self.buffer {
            Some(buffer) => buffer,
            none => {
                let mut buffer = match self.emptied.try_recv() {
                    Ok(buffer) => buffer,
                    Err(_) if self.unmade > 0 => {
                        self.unmade -= 1;
                        Vec::with_capacity(BUFFER)
                    }
                    Err(_) => self.emptied.recv().await.ok_or(Broken)?,
                };
                buffer.clear();
                none.insert(buffer)
            }
        };
        let taken = bytes.len().min(BUFFER - buffer.len());
        buffer.extend_from_slice(&bytes[..taken]);
        let collected = buffer.len();
        if collected == BUFFER || (collected >= BLOCK && self.written() == self.passed) {
            self.pass_on()?;
        }
        Ok(taken)
    }

    /// Bytes in the file.
    pub(super) fn written(&self) -> u64 {
        *self.written.borrow()
    }

    /// Returns when all that was taken is in the file.
    pub(super) async fn flush(&mut self) -> Result<(), Broken> {
        self.pass_on()?;
        let passed = self.passed;
        let reached = self.written.wait_for(|written| *written == passed).await;
        reached.map(|_| ()).map_err(|_| Broken)
    }

    /// Ends the stages when they have done all that was taken. A fault is the disk's.
    pub(super) async fn end(mut self, path: &Path) -> Result<Works, FetchFault> {
        // Whether it could be passed on shows in how the first stage ended.
        let _ = self.pass_on();
        let Self {
            full,
            first,
            second,
            ..
        } = self;
        drop(full);
        // A thread that panics ends the whole process.
        let ending = |_| FetchFault::Disk("a stage has ended without a word".to_owned());
        let first = first.await.map_err(ending)?;
        let second = match second {
            Some(second) => Some(second.await.map_err(ending)?),
            None => None,
        };
        let mut works = first.map_err(|why| FetchFault::Disk(at(path, &why).to_string()))?;
        if let Some(second) = second {
            works.hashes.rejoin(second);
        }
        Ok(works)
    }

    /// Ends the stages; what was not passed on to them is forgotten.
    pub(super) async fn stop(self) {
        let Self {
            full,
            first,
            second,
            ..
        } = self;
        drop(full);
        // How they ended is of no interest any more.
        let _ = first.await;
        if let Some(second) = second {
            let _ = second.await;
        }
    }

    fn pass_on(&mut self) -> Result<(), Broken> {
        let Some(buffer) = self.buffer.take_if(|buffer| !buffer.is_empty()) else {
            return Ok(());
        };
        self.passed += buffer.len() as u64;
        self.full.try_send(buffer).map_err(|_| Broken)
    }
}

/// The first stage. What it hands on fits, and a next one that has ended wants nothing more.
fn write(
    works: Works,
    mut filled: mpsc::Receiver<Vec<u8>>,
    written: &watch::Sender<u64>,
    next: &mpsc::Sender<Vec<u8>>,
) -> io::Result<Works> {
    let Works { file, mut hashes } = works;
    let file = Arc::new(file);
    let mut syncs = Syncs::default();
    while let Some(buffer) = filled.blocking_recv() {
        (&*file).write_all(&buffer)?;
        written.send_modify(|written| *written += buffer.len() as u64);
        hashes.pass(&buffer);
        syncs.after(buffer.len(), &file)?;
        let _ = next.try_send(buffer);
    }
    syncs.end()?;
    let file =
        Arc::into_inner(file).expect("a sync has let go of the file before it tells its end");
    Ok(Works { file, hashes })
}

/// The second stage.
fn hash(
    mut hashes: Hashes,
    mut written: mpsc::Receiver<Vec<u8>>,
    empty: &mpsc::Sender<Vec<u8>>,
) -> Hashes {
    while let Some(buffer) = written.blocking_recv() {
        hashes.pass(&buffer);
        let _ = empty.try_send(buffer);
    }
    hashes
}

/// Syncs beside the writing, one at a time.
#[derive(Default)]
struct Syncs {
    /// Bytes written since the last one began.
    since: u64,
    under_way: Option<threads::Receiver<io::Result<()>>>,
}

impl Syncs {
    /// So many more bytes were written.
    fn after(&mut self, bytes: usize, file: &Arc<File>) -> io::Result<()> {
        self.since += bytes as u64;
        if self.since < SYNCED_EVERY {
            return Ok(());
        }
        match self.under_way.as_ref().map(threads::Receiver::try_recv) {
            // The disk is slower than the source. The system itself makes the writer wait when too much is not on the disk.
            Some(Err(threads::TryRecvError::Empty)) => return Ok(()),
            Some(Ok(ended)) => ended?,
            Some(Err(threads::TryRecvError::Disconnected)) | None => {}
        }
        let (tell, told) = threads::sync_channel(1);
        let file = Arc::clone(file);
        let sync = thread(move || {
            let ended = file.sync_data();
            drop(file);
            // Fails only when the writing has failed.
            let _ = tell.send(ended);
        });
        // Without a thread for it the next one makes up for it, or the last.
        self.under_way = sync.is_ok().then_some(told);
        self.since = 0;
        Ok(())
    }

    /// Waits for the last one, which does not cover the last bytes.
    fn end(self) -> io::Result<()> {
        match self.under_way.map(|told| told.recv()) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) | None => Ok(()),
        }
    }
}

/// Starts a thread, whose end is told. The runtime's own threads are for what is over soon, and it takes the whole process along when
/// the system gives it none.
fn thread<T: Send + 'static>(
    step: impl FnOnce() -> T + Send + 'static,
) -> io::Result<oneshot::Receiver<T>> {
    let (tell, told) = oneshot::channel();
    Builder::new().stack_size(STACK).spawn(move || {
        // Fails only when nobody wants to know.
        let _ = tell.send(step());
    })?;
    Ok(told)
}
