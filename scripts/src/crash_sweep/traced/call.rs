//! Which of a process's system calls count, and what each of them is about.
//!
//! Calls that only look (reads, waits, clocks) leave nothing behind that a kill could tear: a kill before one is a kill before the next
//! call that does something. They do count where they are to fail.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::libc::{self, c_long, user_regs_struct};
use nix::unistd::Pid;

use super::deed::Deed;

/// The longest path that is looked at, in bytes.
const LONGEST_PATH: usize = 4096;

/// What a call is about, and in which of its arguments that stands.
#[derive(Debug, Clone, Copy)]
enum About {
    /// A path.
    Path(usize),
    /// A folder's handle, and a path that may begin there.
    PathAt(usize, usize),
    /// A handle.
    Handle(usize),
    /// A new process or thread, its flags.
    Birth(usize),
    /// A new process or thread, its flags behind a pointer.
    BirthAt(usize),
    /// None of these.
    Nothing,
}

/// What can go wrong with a call.
const CHANGES: u8 = 1;
const FILLS: u8 = 2;
const OPENS: u8 = 4;
const LOOKS: u8 = 8;
const NETWORK: u8 = 16;
const STARTS: u8 = 32;

type Row = (c_long, &'static str, About, u8);

const ROWS: &[Row] = &[
    (
        libc::SYS_openat,
        "openat",
        About::PathAt(0, 1),
        CHANGES | OPENS,
    ),
    (libc::SYS_open, "open", About::Path(0), CHANGES | OPENS),
    (
        libc::SYS_creat,
        "creat",
        About::Path(0),
        CHANGES | FILLS | OPENS,
    ),
    (libc::SYS_write, "write", About::Handle(0), CHANGES | FILLS),
    (
        libc::SYS_writev,
        "writev",
        About::Handle(0),
        CHANGES | FILLS,
    ),
    (
        libc::SYS_pwrite64,
        "pwrite64",
        About::Handle(0),
        CHANGES | FILLS,
    ),
    (
        libc::SYS_copy_file_range,
        "copy_file_range",
        About::Handle(2),
        CHANGES | FILLS,
    ),
    (
        libc::SYS_sendfile,
        "sendfile",
        About::Handle(0),
        CHANGES | FILLS,
    ),
    (
        libc::SYS_fallocate,
        "fallocate",
        About::Handle(0),
        CHANGES | FILLS,
    ),
    (libc::SYS_ftruncate, "ftruncate", About::Handle(0), CHANGES),
    (libc::SYS_fsync, "fsync", About::Handle(0), CHANGES | FILLS),
    (
        libc::SYS_fdatasync,
        "fdatasync",
        About::Handle(0),
        CHANGES | FILLS,
    ),
    (
        libc::SYS_sync_file_range,
        "sync_file_range",
        About::Handle(0),
        CHANGES,
    ),
    (libc::SYS_flock, "flock", About::Handle(0), CHANGES),
    (libc::SYS_rename, "rename", About::Path(1), CHANGES | FILLS),
    (
        libc::SYS_renameat,
        "renameat",
        About::PathAt(2, 3),
        CHANGES | FILLS,
    ),
    (
        libc::SYS_renameat2,
        "renameat2",
        About::PathAt(2, 3),
        CHANGES | FILLS,
    ),
    (libc::SYS_link, "link", About::Path(1), CHANGES | FILLS),
    (
        libc::SYS_linkat,
        "linkat",
        About::PathAt(2, 3),
        CHANGES | FILLS,
    ),
    (
        libc::SYS_symlink,
        "symlink",
        About::Path(1),
        CHANGES | FILLS,
    ),
    (libc::SYS_unlink, "unlink", About::Path(0), CHANGES),
    (libc::SYS_unlinkat, "unlinkat", About::PathAt(0, 1), CHANGES),
    (libc::SYS_mkdir, "mkdir", About::Path(0), CHANGES | FILLS),
    (
        libc::SYS_mkdirat,
        "mkdirat",
        About::PathAt(0, 1),
        CHANGES | FILLS,
    ),
    (libc::SYS_rmdir, "rmdir", About::Path(0), CHANGES),
    (libc::SYS_chmod, "chmod", About::Path(0), CHANGES),
    (libc::SYS_fchmod, "fchmod", About::Handle(0), CHANGES),
    (libc::SYS_fchmodat, "fchmodat", About::PathAt(0, 1), CHANGES),
    (libc::SYS_read, "read", About::Handle(0), LOOKS),
    (libc::SYS_pread64, "pread64", About::Handle(0), LOOKS),
    (libc::SYS_getdents64, "getdents64", About::Handle(0), LOOKS),
    (libc::SYS_statx, "statx", About::PathAt(0, 1), LOOKS),
    (
        libc::SYS_newfstatat,
        "newfstatat",
        About::PathAt(0, 1),
        LOOKS,
    ),
    (libc::SYS_statfs, "statfs", About::Path(0), LOOKS),
    (libc::SYS_clone, "clone", About::Birth(0), CHANGES | STARTS),
    (
        libc::SYS_clone3,
        "clone3",
        About::BirthAt(0),
        CHANGES | STARTS,
    ),
    (libc::SYS_fork, "fork", About::Nothing, CHANGES | STARTS),
    (libc::SYS_vfork, "vfork", About::Nothing, CHANGES | STARTS),
    (libc::SYS_execve, "execve", About::Path(0), CHANGES | STARTS),
    (libc::SYS_kill, "kill", About::Nothing, CHANGES),
    (
        libc::SYS_pidfd_send_signal,
        "pidfd_send_signal",
        About::Nothing,
        CHANGES,
    ),
    (libc::SYS_wait4, "wait4", About::Nothing, CHANGES),
    (libc::SYS_waitid, "waitid", About::Nothing, CHANGES),
    (libc::SYS_exit_group, "exit_group", About::Nothing, CHANGES),
    (libc::SYS_pipe2, "pipe2", About::Nothing, CHANGES | OPENS),
    (
        libc::SYS_socket,
        "socket",
        About::Nothing,
        CHANGES | OPENS | NETWORK,
    ),
    // Its failure is not ours to bear: the runtime begins with one and panics without, before anything else is done.
    (libc::SYS_socketpair, "socketpair", About::Nothing, CHANGES),
    (libc::SYS_bind, "bind", About::Handle(0), CHANGES | NETWORK),
    (
        libc::SYS_listen,
        "listen",
        About::Handle(0),
        CHANGES | NETWORK,
    ),
    (
        libc::SYS_connect,
        "connect",
        About::Handle(0),
        CHANGES | NETWORK,
    ),
    (
        libc::SYS_accept4,
        "accept4",
        About::Handle(0),
        CHANGES | OPENS | NETWORK,
    ),
    (libc::SYS_sendto, "sendto", About::Handle(0), CHANGES),
    (libc::SYS_sendmsg, "sendmsg", About::Handle(0), CHANGES),
    (libc::SYS_shutdown, "shutdown", About::Handle(0), CHANGES),
];

/// A call that counts, in words.
pub(super) fn counts(deed: Deed, pid: Pid, regs: &user_regs_struct, root: &Path) -> Option<String> {
    let number = c_long::try_from(regs.orig_rax).ok()?;
    let (_, name, about, kind) = ROWS.iter().find(|row| row.0 == number)?;
    let wanted = match deed {
        Deed::Kill => CHANGES,
        Deed::Enospc | Deed::FullDisk => FILLS | OPENS,
        Deed::Eio | Deed::DeadDisk => CHANGES | LOOKS,
        Deed::Eacces | Deed::NoRights => CHANGES | NETWORK,
        Deed::Emfile | Deed::NoHandles => OPENS,
        Deed::Enomem | Deed::NoMemory => STARTS,
    };
    if kind & wanted == 0 {
        return None;
    }
    let subject = Subject::of(*about, pid, regs);
    let words = format!("{name}({subject})");
    let is_ours =
        |subject: &Subject| matches!(subject, Subject::Path(path) if path.starts_with(root));
    let makes = number != libc::SYS_openat || regs.rdx & libc::O_CREAT as u64 != 0;
    let fits = match deed {
        // Wakings of itself and lines for the log change nothing that outlives it.
        Deed::Kill => {
            let is_waking =
                matches!(&subject, Subject::Path(path) if path.starts_with("anon_inode:"));
            let is_log = *name == "write" && regs.rdi <= 2;
            !is_waking && !is_log
        }
        Deed::Enospc | Deed::FullDisk => is_ours(&subject) && makes,
        Deed::Eio | Deed::DeadDisk => is_ours(&subject) && kind & STARTS == 0,
        // A handle that is open stays so, whatever becomes of the rights.
        Deed::Eacces | Deed::NoRights => {
            kind & NETWORK != 0
                || (is_ours(&subject) && !matches!(about, About::Handle(_)))
                || *name == "execve"
        }
        Deed::Emfile | Deed::NoHandles => is_ours(&subject) || !matches!(subject, Subject::Path(_)),
        // A thread is no process.
        Deed::Enomem | Deed::NoMemory => !matches!(subject, Subject::Thread),
    };
    fits.then_some(words)
}

/// What a call is about.
#[derive(Debug)]
enum Subject {
    Path(PathBuf),
    Thread,
    Nothing,
}

impl Subject {
    fn of(about: About, pid: Pid, regs: &user_regs_struct) -> Self {
        let argument =
            |place: usize| [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9][place];
        let thread = |flags: u64| match flags & libc::CLONE_THREAD as u64 {
            0 => Self::Nothing,
            _ => Self::Thread,
        };
        match about {
            About::Path(place) => Self::Path(here(pid).join(path(pid, argument(place)))),
            About::PathAt(folder, place) => {
                let path = path(pid, argument(place));
                let base = match argument(folder) as i32 {
                    libc::AT_FDCWD => here(pid),
                    handle => handle_of(pid, handle),
                };
                // An absolute path replaces the folder; an empty one leaves it.
                Self::Path(base.join(path))
            }
            About::Handle(place) => Self::Path(handle_of(pid, argument(place) as i32)),
            About::Birth(place) => thread(argument(place)),
            About::BirthAt(place) => {
                let mut flags = [0; 8];
                match read(pid, argument(place), &mut flags) {
                    8 => thread(u64::from_ne_bytes(flags)),
                    // What cannot be seen is left alone.
                    _ => Self::Thread,
                }
            }
            About::Nothing => Self::Nothing,
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Thread => f.write_str("a thread"),
            Self::Nothing => Ok(()),
        }
    }
}

/// The current folder of a process.
fn here(pid: Pid) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default()
}

fn handle_of(pid: Pid, handle: i32) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/fd/{handle}")).unwrap_or_default()
}

fn path(pid: Pid, address: u64) -> PathBuf {
    let mut bytes = [0; LONGEST_PATH];
    let count = read(pid, address, &mut bytes);
    let end = bytes[..count].iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(count)])
        .into_owned()
        .into()
}

/// Reads the memory of a process that stands still; what cannot be read stays as it is.
fn read(pid: Pid, address: u64, bytes: &mut [u8]) -> usize {
    let Ok(memory) = fs::File::open(format!("/proc/{pid}/mem")) else {
        return 0;
    };
    // A page that is not there ends the text.
    let mut done = 0;
    while done < bytes.len() {
        let page = 4096 - (address as usize + done) % 4096;
        let end = bytes.len().min(done + page);
        match memory.read_at(&mut bytes[done..end], address + done as u64) {
            Ok(count @ 1..) => done += count,
            _ => break,
        }
        if bytes[..done].contains(&0) && bytes.len() > 8 {
            break;
        }
    }
    done
}
