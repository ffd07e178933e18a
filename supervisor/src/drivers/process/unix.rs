//! What only Unix has: process groups, signals, and its own word for a foreign program.

use std::{
    fs::{File, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::{
            fs::{FileExt, PermissionsExt},
            process::ExitStatusExt,
        },
    },
    path::Path,
    process::ExitStatus,
};

use supervisor_core::event::Exit;
use tokio::process::Command;

use crate::config::Account;

/// ENOEXEC, the same number on Linux and macOS.
const NO_EXECUTABLE: i32 = 8;
/// EBADARCH of macOS: a program for another processor.
const OTHER_PROCESSOR: i32 = 86;

/// In the rights of a file.
const OWNER_EXECUTES: u32 = 0o100;

/// How a program for Linux itself begins; a script begins with the name of its interpreter, which could not open the handle.
const ELF: [u8; 4] = *b"\x7fELF";

/// Starts the very file that is held open, whatever its path leads to by now; only Linux can do that. The child finds the handle under
/// its own number until the program is in its place; then it closes by itself.
pub(super) fn by_handle(program: &File, path: &Path) -> Option<Command> {
    let mut magic = [0; ELF.len()];
    let begins = program.read_exact_at(&mut magic, 0);
    if !cfg!(target_os = "linux") || begins.is_err() || magic != ELF {
        return None;
    }
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command.arg0(path);
    Some(command)
}

/// Starts whatever the path leads to.
pub(super) fn by_path(path: &Path) -> Command {
    Command::new(path)
}

/// Ctrl-C in the terminal reaches only the supervisor: the worker is in a group of its own.
pub(super) fn set_apart(command: &mut Command) {
    command.process_group(0);
}

/// The program runs as another user, in a folder of its own. The standard library drops all further groups when root gives itself up.
pub(super) fn become_other(command: &mut Command, account: &Account, home: &Path) {
    let name = &account.name;
    command
        .uid(account.user)
        .gid(account.group)
        .current_dir(home)
        .env("HOME", home)
        .env("USER", name)
        .env("LOGNAME", name);
}

/// Gives a program back the right of its owner to execute it, and says whether that had been lost.
pub(super) fn restore_execution(program: &File) -> io::Result<bool> {
    let rights = program.metadata()?.permissions().mode();
    if rights & OWNER_EXECUTES != 0 {
        return Ok(false);
    }
    program.set_permissions(Permissions::from_mode(rights | OWNER_EXECUTES))?;
    Ok(true)
}

pub(super) fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

/// Does the system say that the same may go well in a moment? What it says so of here has a kind of its own.
pub(super) fn is_fleeting(_: &io::Error) -> bool {
    false
}

/// Does the system say that the file is no program it can run?
pub(super) fn is_foreign(why: &io::Error) -> bool {
    let code = why.raw_os_error();
    code == Some(NO_EXECUTABLE) || (cfg!(target_os = "macos") && code == Some(OTHER_PROCESSOR))
}
