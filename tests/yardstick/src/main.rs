//! What Hotplate is measured against: the same work with nothing around it.
//!
//! Each of these does the least that could be called the same: no record, no verification, no deadline, no way back. They are programs
//! of their own because they must be built as what they are compared with is; `cargo xtask bench` builds and runs them. They take
//! their orders line by line on standard input, one round each, and answer each with one line on standard output: moments in
//! microseconds since 1970, which is the one clock that all processes of a machine share.

mod alone;
mod bare;
#[cfg(unix)]
mod floor;
mod restart;
mod swap;

use std::{
    ffi::OsString,
    io::{self, BufRead, Write},
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use alone::Account;
use tokio::sync::mpsc;

const USAGE: &str = "\
yardstick restart <worker> <folder>        a worker that is killed for each line is started again at once
yardstick swap <worker> <worker> <folder>  for each line one is stopped, and the other one started with its state
yardstick origin <account> <folder>        the same with a program that keeps the session with the platform itself
yardstick floor <folder>                   for each line a bare child takes over from another

an account is <host:port> <ca file> <client id> <user name> <password> <topic>";

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
    let path = |at: usize| words.get(at).map(PathBuf::from).ok_or(Error::Usage);
    let account = |from: usize| {
        let words = words.get(from..from + Account::WORDS).ok_or(Error::Usage)?;
        let words = words.iter().map(|word| word.to_string_lossy().into_owned());
        Account::of(&words.collect::<Vec<_>>())
    };
    let what = words.first().and_then(|word| word.to_str());
    match what.unwrap_or_default() {
        "restart" => runtime.block_on(restart::restart(&path(1)?, &path(2)?)),
        "swap" => runtime.block_on(swap::swap([&path(1)?, &path(2)?], &path(3)?)),
        "origin" => runtime.block_on(alone::origin(&account(1)?, &path(1 + Account::WORDS)?)),
        "alone" => runtime.block_on(alone::alone(&account(1)?, &path(1 + Account::WORDS)?)),
        #[cfg(unix)]
        "floor" => runtime.block_on(floor::floor(&path(1)?)),
        #[cfg(unix)]
        "floor-child" => floor::child(&path(1)?),
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
