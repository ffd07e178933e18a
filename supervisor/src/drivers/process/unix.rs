//! What only Unix has: process groups, signals, and its own word for a foreign program.

use std::{io, os::unix::process::ExitStatusExt, process::ExitStatus};

use supervisor_core::event::Exit;
use tokio::process::Command;

/// ENOEXEC, the same number on Linux and macOS.
const NO_EXECUTABLE: i32 = 8;
/// EBADARCH of macOS: a program for another processor.
const OTHER_PROCESSOR: i32 = 86;

/// Ctrl-C in the terminal reaches only the supervisor: the worker is in a group of its own.
pub(super) fn set_apart(command: &mut Command) {
    command.process_group(0);
}

pub(super) fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

/// Does the system say that the file is no program it can run?
pub(super) fn is_foreign(why: &io::Error) -> bool {
    let code = why.raw_os_error();
    code == Some(NO_EXECUTABLE) || (cfg!(target_os = "macos") && code == Some(OTHER_PROCESSOR))
}
