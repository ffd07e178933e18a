//! The plain way from one program to the next: stop it, keep its state in a file, start the other one, give it the state.
//!
//! The programs are workers of the sdk, so that they are the same ones; what is plain is that nobody warms up before the other one
//! has gone. The file is synced and takes its place by its name, as nothing else holds the state meanwhile. Nothing is verified, and
//! nobody is taken back.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use worker_protocol::v1::{Cause, Handover};

use crate::{Error, answer, bare::Parent, orders};

/// Swaps two programs back and forth, once for each order. When they act is their own to tell.
pub(crate) async fn swap(programs: [&Path; 2], folder: &Path) -> Result<(), Error> {
    let mut orders = orders();
    let mut parent = Parent::new(folder)?;
    let state = folder.join("state.json");
    let mut worker = parent.start(programs[0]).await?;
    parent.activate(None).await?;
    answer("active")?;
    let mut next = programs[1];
    let mut after = programs[0];
    while orders.recv().await.is_some() {
        let snapshot = parent.hand_over().await?;
        keep(&state, &snapshot)?;
        worker.process.wait().await?;
        worker = parent.start(next).await?;
        let from = Handover {
            snapshot: fs::read(&state)?,
            cause: Cause::Upgrade,
            age_ms: None,
        };
        parent.activate(Some(from)).await?;
        answer("active")?;
        (next, after) = (after, next);
    }
    Ok(())
}

/// As whoever must not lose a state writes it.
pub(crate) fn keep(path: &Path, state: &[u8]) -> io::Result<()> {
    let unborn = path.with_extension("new");
    let mut file = File::create(&unborn)?;
    file.write_all(state)?;
    file.sync_all()?;
    fs::rename(&unborn, path)
}
