//! What one try of a download is about, and the way blocks of the platform come to it: what every source may know.

use supervisor_core::event::FetchOrder;
use tokio::sync::{Mutex, mpsc};

use crate::{config::Fetching, drivers::Events};

/// What one try of a download is about.
pub(super) struct Brief {
    pub(super) settings: Fetching,
    pub(super) events: Events,
    pub(super) blocks: Inlet,
    pub(super) order: FetchOrder,
}

/// A block, and where in the file it begins.
type Block = (u64, Vec<u8>);

/// Where blocks come in; one waits there at most.
#[derive(Debug)]
pub(super) struct Outlet(mpsc::Sender<Block>);

/// Where the download takes them.
#[derive(Debug)]
pub(super) struct Inlet(pub(super) Mutex<mpsc::Receiver<Block>>);

pub(super) fn channel() -> (Outlet, Inlet) {
    let (put, taken) = mpsc::channel(1);
    (Outlet(put), Inlet(Mutex::new(taken)))
}

impl Outlet {
    /// A block for which there is no room was not waited for, and is dropped.
    pub(super) fn put(&self, offset: u64, bytes: Vec<u8>) {
        let _ = self.0.try_send((offset, bytes));
    }

    /// Was everything taken?
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.capacity() == self.0.max_capacity()
    }
}
