//! What only Windows has: creation flags, and its own words for a foreign program.

use std::{
    ffi::OsString,
    fs::File,
    io,
    os::windows::ffi::OsStrExt,
    path::{self, Component, Path, PathBuf, Prefix},
    process::ExitStatus,
};

use supervisor_core::event::Exit;
use tokio::process::Command;

use crate::config::Account;

/// ERROR_INTERNAL_ERROR: the system failed, and says no more.
const INTERNAL_ERROR: i32 = 1359;
/// ERROR_BAD_EXE_FORMAT: not a program at all.
const BAD_FORMAT: i32 = 193;
/// ERROR_EXE_MACHINE_TYPE_MISMATCH: a program for another processor.
const OTHER_PROCESSOR: i32 = 216;

/// From this length on, in UTF-16 units, a path is handed over in the form that has no limit. The usual one allows 259.
const LONG: usize = 248;

const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// A program is started by its path, which leads to nothing else while the handle is held.
pub(super) fn by_handle(_: &File, _: &Path) -> Option<Command> {
    None
}

/// Starts whatever the path leads to. The standard library opens files at the end of a path of any length, but hands a program's path over as
/// it is, and Windows starts none that is longer than 259 characters unless its path is written out whole.
pub(super) fn by_path(path: &Path) -> Command {
    if path.as_os_str().encode_wide().count() < LONG {
        return Command::new(path);
    }
    // A path that cannot be written out has its own reason to fail.
    Command::new(written_out(path).unwrap_or_else(|_| path.to_owned()))
}

/// `\\?\` and the whole path, in which nothing is looked up or shortened any more; for a share `\\?\UNC\`, its server and its name.
fn written_out(path: &Path) -> io::Result<PathBuf> {
    let absolute = path::absolute(path)?;
    let mut components = absolute.components();
    let mut whole = OsString::from(r"\\?\");
    match components.next() {
        Some(Component::Prefix(prefix)) => match prefix.kind() {
            Prefix::Disk(_) => whole.push(prefix.as_os_str()),
            Prefix::UNC(server, share) => {
                for part in ["UNC".as_ref(), r"\".as_ref(), server, r"\".as_ref(), share] {
                    whole.push(part);
                }
            }
            // It is written out already, or names no file.
            _ => return Ok(absolute),
        },
        _ => return Ok(absolute),
    }
    whole.push(components.as_path());
    Ok(whole.into())
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

/// Does the system say that the same may go well in a moment? An internal error of its own is no fault of the program.
pub(super) fn is_fleeting(why: &io::Error) -> bool {
    why.raw_os_error() == Some(INTERNAL_ERROR)
}

/// Does the system say that the file is no program it can run?
pub(super) fn is_foreign(why: &io::Error) -> bool {
    matches!(why.raw_os_error(), Some(BAD_FORMAT | OTHER_PROCESSOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_written_out_begins_at_its_disk_or_its_share() {
        for (path, whole) in [
            (
                r"C:\slots\1-1.0.0\image.exe",
                r"\\?\C:\slots\1-1.0.0\image.exe",
            ),
            (r"C:/slots/../state/image.exe", r"\\?\C:\state\image.exe"),
            (
                r"\\host\share\state\image.exe",
                r"\\?\UNC\host\share\state\image.exe",
            ),
            (r"\\?\C:\state\image.exe", r"\\?\C:\state\image.exe"),
        ] {
            assert_eq!(written_out(Path::new(path)).unwrap(), Path::new(whole));
        }
    }

    #[test]
    fn only_a_long_path_is_written_out() {
        let short = Path::new(r"C:\state\image.exe");
        assert_eq!(by_path(short).as_std().get_program(), short.as_os_str());
        let long = Path::new(r"C:\").join("x".repeat(LONG)).join("image.exe");
        let given = by_path(&long).as_std().get_program().to_owned();
        let given = given.to_str().unwrap();
        assert_eq!(given.strip_prefix(r"\\?\"), long.to_str());
    }
}
