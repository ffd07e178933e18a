//! What workers that run as another user may reach in the state folder: their own folder, their socket, and the slot they are started
//! from, to read. Everything else stays the supervisor's alone.
//!
//! The state folder and those on the way are passed through by the user's group, which sees nothing of what they hold; whatever lies
//! beside the way is private by its own mode.

#[cfg(unix)]
#[path = "rights/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "rights/windows.rs"]
mod system;

pub(crate) use system::{in_the_way, open_slot, open_state};

use std::{io, path::PathBuf};

/// Why workers cannot run as another user.
#[derive(Debug, thiserror::Error)]
#[error(
    "workers cannot run as user `{user}`: `{}` cannot be opened to it; run the supervisor as root, or leave out `worker.user`",
    path.display()
)]
pub(crate) struct RightsError {
    user: String,
    path: PathBuf,
    source: io::Error,
}
