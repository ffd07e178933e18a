//! The worker's end of the leash: a thread that reads stdin until it ends.
//!
//! A plain thread, because a read of stdin cannot be given up on every system; it ends with the process.

use std::{
    io::{self, BufReader, Read},
    thread,
};

use tokio::sync::{oneshot, watch};
use worker_link::{Leash, LeashError};

/// Enough for reading one line of some kilobytes.
const STACK_BYTES: usize = 128 * 1024;

/// Why a worker has to end although nobody asked it over the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The supervisor has gone.
    LeashEnded,
    /// The system or a person ended this process with a signal.
    Terminated,
}

/// Tells of an [`End`]; dropping it tells nothing.
pub(crate) type Ends = watch::Receiver<Option<End>>;

/// Reads the leash, and goes on reading until the input ends. `last` is called after that, on the leash's own thread: it works even
/// when the device holds up everything else.
pub(crate) fn hold(
    input: impl Read + Send + 'static,
    ends: watch::Sender<Option<End>>,
    last: impl FnOnce() + Send + 'static,
) -> io::Result<oneshot::Receiver<Result<Leash, LeashError>>> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new()
        .name("leash".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let mut input = BufReader::with_capacity(Leash::LONGEST_LINE, input);
            let leash = Leash::read(&mut input);
            let held = leash.is_ok();
            // The receiver is gone only if the process is about to end anyway.
            let _ = sender.send(leash);
            if held {
                // Whatever follows the first line is for later versions. An error ends a leash as surely as its end does.
                let _ = io::copy(&mut input, &mut io::sink());
                ends.send_replace(Some(End::LeashEnded));
                last();
            }
        })?;
    Ok(receiver)
}
