//! A supervision loop as `systemd`'s with `Restart=always`, but for its pause: it waits for the worker's end and starts it again at once.
//!
//! `systemd` itself waits `RestartSec`, 100 ms by default, before that.

use std::path::Path;

use crate::{Error, answer, bare::Parent, now, orders};

/// Kills the worker for each order and answers with the moment of the kill. When the next one acts is its own to tell.
pub(crate) async fn restart(program: &Path, folder: &Path) -> Result<(), Error> {
    let mut orders = orders();
    let mut parent = Parent::new(folder)?;
    let mut worker = parent.start(program).await?;
    parent.activate(None).await?;
    answer("active")?;
    while orders.recv().await.is_some() {
        let killed = now();
        worker.process.start_kill()?;
        worker.process.wait().await?;
        worker = parent.start(program).await?;
        parent.activate(None).await?;
        answer(killed)?;
    }
    Ok(())
}
