//! What Hotplate is measured against: the same work with nothing around it.
//!
//! Each of these does the least that could be called the same: no record, no verification, no deadline, no way back. They are programs
//! of their own because they must be built as what they are compared with is; `cargo xtask bench` builds and runs them. They take
//! their orders line by line on standard input, one round each, and answer each with one line on standard output: moments in
//! microseconds since 1970, which is the one clock that all processes of a machine share.

mod bare;
mod restart;

use std::{
    ffi::OsString,
    io::{self, BufRead, Write},
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::sync::mpsc;

const USAGE: &str = "\
yardstick restart <worker> <folder>    a worker that is killed for each line is started again at once";

/// Why a yardstick could not be laid on.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The system does not play along.
    #[error(transparent)]
    System(#[from] io::Error),
    /// There is no socket to meet the worker at.
    #[error(transparent)]
    Listen(#[from] worker_link::ListenError),
    /// A worker did not do its part.
    #[error("see the worker {0}")]
    Worker(&'static str),
    /// The command line says nothing that is known here.
    #[error("understand the command line\n{USAGE}")]
    Usage,
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match lay_on(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to {error}");
            ExitCode::FAILURE
        }
    }
}

fn lay_on(words: &[OsString]) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match words {
        [what, worker, folder] if what == "restart" => {
            let (worker, folder) = (PathBuf::from(worker), PathBuf::from(folder));
            runtime.block_on(restart::restart(&worker, &folder))
        }
        _ => Err(Error::Usage),
    }
}

/// The orders: one for each line on standard input. It is read on a thread of its own, which ends with the process.
fn orders() -> mpsc::Receiver<String> {
    let (order, orders) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if order.blocking_send(line).is_err() {
                return;
            }
        }
    });
    orders
}

/// One line for whoever ordered it.
fn answer(line: impl std::fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Microseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    })
}
