//! For whoever sits in front of it: what is being done, and a Ctrl-C that leaves nothing large behind.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};

/// Set by Ctrl-C; whoever waits looks at it, so that nothing large is left behind.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// By Ctrl-C or a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("go on: it was asked to stop")]
pub(crate) struct Stopped;

/// From now on Ctrl-C is noticed by [`stopped`] instead of ending us at once.
pub(crate) fn watch_for_stop() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        // Without it Ctrl-C ends us at once, as it does elsewhere.
        if let Ok(runtime) = runtime
            && runtime.block_on(asked_to_stop()).is_ok()
        {
            STOPPED.store(true, Ordering::Relaxed);
        }
    });
}

/// Ctrl-C, or where the system has it the signal by which a service or a time limit ends a program.
#[cfg(unix)]
async fn asked_to_stop() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn asked_to_stop() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// Fails after Ctrl-C.
pub(crate) fn stopped() -> Result<(), Stopped> {
    if STOPPED.load(Ordering::Relaxed) {
        return Err(Stopped);
    }
    Ok(())
}

/// What is being done, on standard error: rewritten in place on a terminal, a line for each step elsewhere.
#[derive(Debug, Default)]
pub(super) struct Live {
    shown: bool,
}

impl Live {
    /// A step.
    pub(super) fn show(&mut self, text: &str) {
        if io::stderr().is_terminal() {
            self.move_to(text);
        } else {
            eprintln!("{text}");
        }
    }

    /// What came of it; it stays.
    pub(super) fn say(&mut self, text: &str) {
        self.end();
        eprintln!("{text}");
    }

    /// How far a step is; of use only on a terminal.
    pub(super) fn move_to(&mut self, text: &str) {
        if io::stderr().is_terminal() {
            eprint!("\r\u{1b}[2K{text}");
            self.shown = true;
        }
    }

    /// Leaves nothing behind of what was shown.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.shown) {
            eprint!("\r\u{1b}[2K");
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}
