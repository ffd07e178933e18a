//! What only Windows has: creation flags, and its own words for a foreign program.

use std::{fs::File, io, path::Path, process::ExitStatus};

use supervisor_core::event::Exit;
use tokio::process::Command;

use crate::config::Account;

/// ERROR_BAD_EXE_FORMAT: not a program at all.
const BAD_FORMAT: i32 = 193;
/// ERROR_EXE_MACHINE_TYPE_MISMATCH: a program for another processor.
const OTHER_PROCESSOR: i32 = 216;

const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// A program is started by its path, which leads to nothing else while the handle is held.
pub(super) fn by_handle(_: &File, _: &Path) -> Option<Command> {
    None
}

/// Ctrl-C in the console reaches only the supervisor, and no window opens.
pub(super) fn set_apart(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
}

/// A configuration for Windows names no other user.
pub(super) fn become_other(_: &mut Command, _: &Account, _: &Path) {}

/// There is no such right to lose.
pub(super) fn restore_execution(_: &File) -> io::Result<bool> {
    Ok(false)
}

pub(super) fn exit(status: ExitStatus) -> Exit {
    status.code().map_or(Exit::Unknown, Exit::Code)
}

/// Does the system say that the file is no program it can run?
pub(super) fn is_foreign(why: &io::Error) -> bool {
    matches!(why.raw_os_error(), Some(BAD_FORMAT | OTHER_PROCESSOR))
}
