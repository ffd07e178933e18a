//! The test stand for whole programs: a cloud, a supervisor process, a worker process, and nothing of theirs but the binaries.
//!
//! A [`Stand`] has an emulated cloud on free ports, a private folder and a configuration; [`Stand::run`] starts a real supervisor
//! on it. Tests look from outside only: at what the cloud saw, at `status --json`, at the log, at exit codes. The supervisor's and
//! the worker's libraries are never linked here, so that a test cannot agree with a mistake they share.
//!
//! | variable | meaning |
//! |---|---|
//! | `HOTPLATE_BIN_DIR` | a folder with `supervisor`, `worker-1.0.0`, `worker-1.0.7` and `misfit` (or the same with `.exe`); without it they are built |
//! | `HOTPLATE_RUNNER` | a command that runs these programs on this system, such as `wine` |
//! | `HOTPLATE_FIGURES` | a file that what tests measure by the way is appended to |
//! | `HOTPLATE_KILL_SEED` | at which points of a download the supervisor is killed; a failing test tells its seed |
//!
//! It refuses to sleep: every wait is on a condition, has a limit, and says at its end what was seen last.

mod build;
mod cloud;
mod console;
mod downloads;
pub mod figures;
mod image;
mod log;
mod programs;
mod settings;
mod stand;
mod supervisor;
mod systems;
#[cfg(unix)]
mod terminal;
mod web;

pub use downloads::{Answer, Tally};
pub use image::Image;
pub use log::Log;
pub use programs::{Ended, Programs};
pub use settings::Settings;
pub use stand::{SECRET, Stand};
pub use supervisor::{Supervisor, process_of};
pub use systems::{EXEMPTIONS, Exemption, System, applies, exemption};
#[cfg(unix)]
pub use terminal::Terminal;
pub use web::Web;

use std::time::Duration;

/// The longest wait for anything; a healthy run needs a fraction of it, on the slowest machine too.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The pause between two looks at something that cannot tell by itself that it has changed.
pub const PAUSE: Duration = Duration::from_millis(25);

/// Looks again and again until `probe` finds something.
///
/// # Panics
/// When [`LIMIT`] is over; the message has `what` and what the last look showed.
#[track_caller]
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let start = std::time::Instant::now();
    loop {
        match probe() {
            Ok(found) => return found,
            Err(last) if start.elapsed() >= LIMIT => {
                panic!("`{what}` was not reached within {LIMIT:?}; seen last: {last}")
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
