//! A worker's `main`: what its arguments mean, and how it comes to its leash.

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use worker_link::{Facts, Leash};

use crate::{
    device::Device,
    exit::Exit,
    guard::Guard,
    leash::{self, End, Ends},
    log,
    model::Model,
    runner::{QUIESCE_LIMIT, Runner, Turns},
    tsl,
};

/// How long a worker may take to join its supervisor.
const JOIN_LIMIT: Duration = Duration::from_secs(5);

const USAGE: &str = "\
This is a worker: a device's program, which is started by its supervisor and told over its standard input where to
connect. Started by hand it only answers questions:
  --version            print the program's version
  --tsl [PRODUCT KEY]  print the thing model for the platform's console";

/// Runs a device: the whole of a worker's `main`.
///
/// Without arguments it reads its leash from stdin, joins the supervisor and lives until that asks it to end or goes away.
/// `--version` and `--tsl [product key]` print and end. The device is made by `make` in each case. The exit code is an
/// [`Exit`]; a panic in the device ends the process with another one.
pub fn run<D: Device>(make: impl FnOnce() -> D) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let arguments: Vec<Option<&str>> = arguments.iter().map(|it| it.to_str()).collect();
    let exit = match arguments.as_slice() {
        [] => on_the_leash(make),
        [Some("--version")] => print(&format!("{}\n", make().model().version)),
        [Some("--tsl")] => print(&tsl::export(&make().model(), "")),
        [Some("--tsl"), Some(key)] => print(&tsl::export(&make().model(), key)),
        [Some("--help" | "-h")] => print(&format!("{USAGE}\n")),
        _ => explain(),
    };
    exit.into()
}

/// Joins the supervisor that holds the leash, and lives there.
pub(crate) async fn serve<D: Device>(device: D, leash: &Leash, ends: Ends) -> Exit {
    let facts = facts(&device.model());
    match worker_link::connect(leash, &facts, JOIN_LIMIT).await {
        Ok((connection, welcome)) => {
            Runner::new(device, connection, &welcome, ends, Turns::Never)
                .guarded(Guard::of(leash.guard.as_deref()))
                .live()
                .await
        }
        Err(error) => {
            log::error(format_args!("could not join: {}", chain(&error)));
            Exit::NotJoined
        }
    }
}

/// What a worker says of itself in its hello.
pub(crate) fn facts(model: &Model) -> Facts {
    Facts {
        version: model.version.clone(),
        model_digest: Sha256::digest(tsl::export(model, "")).into(),
    }
}

/// An orderly end is on its way. A device that blocks this process would prevent it, and a worker without a supervisor must not
/// stay at the hardware: the next supervisor starts one of its own.
fn leave_for_certain() {
    std::thread::sleep(QUIESCE_LIMIT + Duration::from_secs(1));
    log::error(format_args!(
        "the supervisor has gone and the device does not become safe; leaving"
    ));
    std::process::exit(Exit::SupervisorLost as i32);
}

fn on_the_leash<D: Device>(make: impl FnOnce() -> D) -> Exit {
    if io::stdin().is_terminal() {
        return explain();
    }
    #[cfg(target_os = "linux")]
    take_name();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            log::error(format_args!("could not start the runtime: {error}"));
            return Exit::Failed;
        }
    };
    let exit = runtime.block_on(async {
        let (ender, ends) = watch::channel(None);
        let held = match leash::hold(io::stdin(), ender.clone(), leave_for_certain) {
            Ok(held) => held,
            Err(error) => {
                log::error(format_args!("could not read the leash: {error}"));
                return Exit::Failed;
            }
        };
        let leash = match held.await {
            Ok(Ok(leash)) => leash,
            Ok(Err(error)) => {
                log::error(format_args!("{}", chain(&error)));
                return explain();
            }
            Err(_gone) => return Exit::Failed,
        };
        if let Err(error) = listen_for_signals(ender) {
            log::warn(format_args!(
                "signals will end this process at once: {error}"
            ));
        }
        serve(make(), &leash, ends).await
    });
    // Whatever a device has left running must not keep the process, nor may taking the runtime apart: the next worker waits for this one's
    // end, and the system clears up faster.
    std::mem::forget(runtime);
    exit
}

/// A supervisor starts what it has verified from the open file, and Linux then calls the process after the number of that. What it is
/// called is for people and their tools only, so nothing follows if it cannot be changed.
#[cfg(target_os = "linux")]
fn take_name() {
    use std::os::unix::ffi::OsStrExt as _;

    let program = std::env::args_os().next().unwrap_or_default();
    if let Some(name) = std::path::Path::new(&program).file_name()
        && let Ok(mut comm) = std::fs::OpenOptions::new()
            .write(true)
            .open("/proc/self/comm")
    {
        // The kernel cuts it at 15 bytes.
        let _ = comm.write_all(name.as_bytes());
    }
}

/// An interrupt from the keyboard reaches the supervisor too, which then asks in order; only a request to end is obeyed. A stopped worker
/// whose supervisor dies is hung up on by the system and made to go on: the end of its leash tells it what to do, and it must live to do it.
#[cfg(unix)]
fn listen_for_signals(ender: watch::Sender<Option<End>>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut hangups = signal(SignalKind::hangup())?;
    let mut terminations = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = hangups.recv() => {}
                _ = terminations.recv() => {
                    ender.send_replace(Some(End::Terminated));
                }
            }
        }
    });
    Ok(())
}

/// A key press reaches the supervisor too, which then asks in order; only the end of the session is obeyed.
#[cfg(windows)]
fn listen_for_signals(ender: watch::Sender<Option<End>>) -> io::Result<()> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};

    let (mut keys, mut breaks) = (ctrl_c()?, ctrl_break()?);
    let (mut closes, mut shutdowns) = (ctrl_close()?, ctrl_shutdown()?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = keys.recv() => {}
                _ = breaks.recv() => {}
                _ = closes.recv() => {
                    ender.send_replace(Some(End::Terminated));
                }
                _ = shutdowns.recv() => {
                    ender.send_replace(Some(End::Terminated));
                }
            }
        }
    });
    Ok(())
}

fn explain() -> Exit {
    // The explanation is for a person; that it cannot be written is nothing to act upon.
    let _ = writeln!(io::stderr(), "{USAGE}");
    Exit::Usage
}

fn print(text: &str) -> Exit {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Exit::Done,
        Err(error) => {
            log::error(format_args!("could not print: {error}"));
            Exit::Failed
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words.push_str(": ");
        words.push_str(&error.to_string());
        source = error.source();
    }
    words
}
