//! A tracer that counts a process's system calls over all its threads, and at one of them kills it or makes the call fail.
//!
//! The count goes over all threads together, which `strace`'s fault injection cannot do: it counts for each thread and each call by itself,
//! so that most points could not be named. A child of the traced process is followed until it executes its own program and is
//! then let go, so that workers run untraced. All requests to the kernel come from one thread, as it demands.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::call;
use super::deed::Deed;

/// Waits for a line before it becomes the program, so that it can be traced from the program's first call on.
const GATE: &str = "read -r go && exec \"$@\" </dev/null";

/// `ptrace_syscall_info.op` of a call that begins, and of one that ends.
const ENTRY: u8 = 1;
const EXIT: u8 = 2;

/// Why a process cannot be traced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TraceError {
    /// The system forbids it.
    #[error(
        "trace a process: this system does not permit it (a container without the capability, or `kernel.yama.ptrace_scope`)"
    )]
    NotPermitted(#[source] Errno),
    /// The program could not be started.
    #[error("start the supervisor")]
    Start(#[source] std::io::Error),
    /// Something else failed.
    #[error("trace the supervisor")]
    Failed(#[source] Errno),
}

/// What to do when.
#[derive(Debug, Clone)]
pub(super) struct Trap {
    /// What.
    pub(super) deed: Deed,
    /// At which of the calls that count, from 1; 0 only counts. What lasts happens at all later ones too.
    pub(super) at: u64,
    /// The folder whose files may fail.
    pub(super) root: PathBuf,
}

impl Trap {
    /// This, at that call.
    pub(super) fn at(deed: Deed, at: u64) -> Self {
        let root = PathBuf::new();
        Self { deed, at, root }
    }
}

/// How it came out.
#[derive(Debug, Clone, Default)]
pub(super) struct Traced {
    /// How many calls counted.
    pub(super) calls: u64,
    /// The call at which it happened, if it did.
    pub(super) sprung: Option<String>,
    /// Its exit code.
    pub(super) code: Option<i32>,
    /// The signal that ended it.
    pub(super) signal: Option<i32>,
}

/// A traced process.
#[derive(Debug)]
pub(super) struct Running {
    /// Its number.
    pub(super) pid: u32,
    has_sprung: Arc<AtomicBool>,
    has_ended: Arc<AtomicBool>,
    thread: JoinHandle<Result<Traced, TraceError>>,
}

impl Running {
    /// Starts a program under the tracer; what it prints is added to `log`.
    pub(super) fn start(
        program: &Path,
        arguments: Vec<OsString>,
        environment: Vec<(&'static str, OsString)>,
        log: &Path,
        trap: Trap,
    ) -> Result<Self, TraceError> {
        let mut command = Command::new("sh");
        command
            .args(["-c", GATE, "sh"])
            .arg(program)
            .args(arguments)
            .envs(environment)
            // Ctrl-C is for the sweep alone.
            .process_group(0)
            .stdin(Stdio::piped());
        let opened = File::options().create(true).append(true).open(log);
        let opened = opened.and_then(|file| Ok((file.try_clone()?, file)));
        let (out, err) = opened.map_err(TraceError::Start)?;
        command.stdout(out).stderr(err);
        let has_ended = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&has_ended);
        let has_sprung = Arc::new(AtomicBool::new(false));
        let sprung = Arc::clone(&has_sprung);
        let (begun, beginning) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let traced = Tracer::begin(command, trap, sprung).and_then(|tracer| {
                // Fails only if nobody waits for it any more.
                let _ = begun.send(tracer.leader);
                tracer.follow()
            });
            ended.store(true, Ordering::Release);
            traced
        });
        match beginning.recv() {
            Ok(leader) => Ok(Self {
                pid: leader.as_raw().unsigned_abs(),
                has_sprung,
                has_ended,
                thread,
            }),
            Err(_) => match thread.join().expect("a tracer does not panic") {
                Err(error) => Err(error),
                Ok(_) => Err(TraceError::Failed(Errno::ESRCH)),
            },
        }
    }

    /// Has it happened?
    pub(super) fn has_sprung(&self) -> bool {
        self.has_sprung.load(Ordering::Acquire)
    }

    /// Has it ended?
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Waits for its end.
    pub(super) fn join(self) -> Result<Traced, TraceError> {
        self.thread.join().expect("a tracer does not panic")
    }
}

struct Tracer {
    leader: Pid,
    trap: Trap,
    /// Whether the program runs by now; before that it is the gate.
    is_open: bool,
    /// Threads whose present call is to fail.
    failing: HashMap<Pid, Errno>,
    seen: Traced,
    sprung: Arc<AtomicBool>,
}

impl Tracer {
    fn begin(
        mut command: Command,
        trap: Trap,
        sprung: Arc<AtomicBool>,
    ) -> Result<Self, TraceError> {
        let mut child = command.spawn().map_err(TraceError::Start)?;
        let leader = Pid::from_raw(child.id().cast_signed());
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_EXITKILL;
        if let Err(why) = ptrace::seize(leader, options) {
            // Without its line it ends by itself.
            drop(child.stdin.take());
            let _ = child.wait();
            return Err(match why {
                Errno::EPERM | Errno::EACCES | Errno::ENOSYS => TraceError::NotPermitted(why),
                other => TraceError::Failed(other),
            });
        }
        let mut gate = child.stdin.take().expect("it was asked for");
        gate.write_all(b"go\n").map_err(TraceError::Start)?;
        Ok(Self {
            leader,
            trap,
            is_open: false,
            failing: HashMap::new(),
            seen: Traced::default(),
            sprung,
        })
    }

    /// Until the last traced process has ended or was let go.
    fn follow(mut self) -> Result<Traced, TraceError> {
        // Only what this thread started or traces: others do the same beside it.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        loop {
            let status = match waitpid(None, Some(flags)) {
                Ok(status) => status,
                Err(Errno::EINTR) => continue,
                Err(Errno::ECHILD) => return Ok(self.seen),
                Err(why) => return Err(TraceError::Failed(why)),
            };
            match self.take(status) {
                // A thread that was killed meanwhile is told of as such.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(why) => return Err(TraceError::Failed(why)),
            }
        }
    }

    fn take(&mut self, status: WaitStatus) -> Result<(), Errno> {
        match status {
            WaitStatus::Exited(pid, code) if pid == self.leader => self.seen.code = Some(code),
            WaitStatus::Signaled(pid, signal, _) if pid == self.leader => {
                self.seen.signal = Some(signal as i32);
            }
            WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_EXEC) => {
                if pid != self.leader {
                    return ptrace::detach(pid, None);
                }
                self.is_open = true;
                return ptrace::syscall(pid, None);
            }
            WaitStatus::PtraceEvent(pid, _, _) => return self.resume(pid, None),
            WaitStatus::PtraceSyscall(pid) => {
                self.call(pid)?;
                return self.resume(pid, None);
            }
            WaitStatus::Stopped(pid, signal) => return self.resume(pid, Some(signal)),
            _ => {}
        }
        Ok(())
    }

    fn resume(&self, pid: Pid, signal: Option<Signal>) -> Result<(), Errno> {
        if self.is_open {
            ptrace::syscall(pid, signal)
        } else {
            ptrace::cont(pid, signal)
        }
    }

    fn call(&mut self, pid: Pid) -> Result<(), Errno> {
        match ptrace::syscall_info(pid)?.op {
            ENTRY => self.enters(pid),
            EXIT => match self.failing.remove(&pid) {
                Some(errno) => {
                    let mut regs = ptrace::getregs(pid)?;
                    regs.rax = i64::from(-(errno as i32)).cast_unsigned();
                    ptrace::setregs(pid, regs)
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn enters(&mut self, pid: Pid) -> Result<(), Errno> {
        let is_over = self.seen.sprung.is_some() && !self.trap.deed.lasts();
        if is_over {
            return Ok(());
        }
        let mut regs = ptrace::getregs(pid)?;
        let Some(words) = call::counts(self.trap.deed, pid, &regs, &self.trap.root) else {
            return Ok(());
        };
        self.seen.calls += 1;
        if self.trap.at == 0 || self.seen.calls < self.trap.at {
            return Ok(());
        }
        self.seen.sprung.get_or_insert(words);
        self.sprung.store(true, Ordering::Release);
        match self.trap.deed.errno() {
            None => kill(self.leader, Signal::SIGKILL),
            Some(errno) => {
                self.failing.insert(pid, errno);
                // No call has this number: nothing is done.
                regs.orig_rax = u64::MAX;
                ptrace::setregs(pid, regs)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes three folders, in a shell and its children, under the tracer.
    fn traced(folder: &Path, deed: Deed, at: u64) -> Traced {
        let script = "mkdir one; mkdir two; exec 3>three; echo >&3";
        let script = format!("cd {} && {script}", folder.display());
        let trap = Trap {
            root: folder.to_owned(),
            ..Trap::at(deed, at)
        };
        let arguments = vec!["-c".into(), script.into()];
        let running = Running::start(
            Path::new("/bin/sh"),
            arguments,
            Vec::new(),
            &folder.join("log"),
            trap,
        );
        running.unwrap().join().unwrap()
    }

    #[test]
    fn without_a_point_everything_is_done_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let traced = traced(folder.path(), Deed::Enospc, 0);
        assert_eq!((traced.code, traced.sprung), (Some(0), None));
        // The shell's own file and what it writes there; its children are let go when they become other programs.
        assert_eq!(traced.calls, 2);
        assert!(folder.path().join("two").is_dir());
    }

    #[test]
    fn a_call_that_is_to_fail_does_nothing_and_fails() {
        let folder = tempfile::tempdir().unwrap();
        let traced = traced(folder.path(), Deed::Enospc, 1);
        assert!(
            traced
                .sprung
                .is_some_and(|call| call.starts_with("openat("))
        );
        assert_ne!(traced.code, Some(0));
        assert!(!folder.path().join("three").exists());
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(!log.is_empty(), "the shell complains");
    }

    #[test]
    fn a_fault_that_lasts_meets_every_later_call_too() {
        let folder = tempfile::tempdir().unwrap();
        let made = || folder.path().join("three").is_file();
        traced(folder.path(), Deed::Enospc, 2);
        assert!(made(), "it met the write alone");
        std::fs::remove_file(folder.path().join("three")).unwrap();
        let one = traced(folder.path(), Deed::FullDisk, 1);
        assert!(!made() && one.sprung.is_some());
        let script = "echo 4 2>/dev/null >four; echo 5 2>/dev/null >five; exit 0";
        let met = |deed: Deed| {
            let script = format!("cd {} && {script}", folder.path().display());
            let trap = Trap {
                root: folder.path().to_owned(),
                ..Trap::at(deed, 1)
            };
            let arguments = vec!["-c".into(), script.into()];
            let log = folder.path().join("log");
            let running =
                Running::start(Path::new("/bin/sh"), arguments, Vec::new(), &log, trap).unwrap();
            assert_eq!(running.join().unwrap().code, Some(0));
            ["four", "five"].map(|name| folder.path().join(name).exists())
        };
        assert_eq!(met(Deed::FullDisk), [false, false]);
        assert_eq!(met(Deed::Enospc), [false, true]);
    }

    #[test]
    fn a_process_is_killed_before_its_call_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let traced = traced(folder.path(), Deed::Kill, 1);
        assert_eq!((traced.code, traced.signal), (None, Some(9)));
        assert!(traced.sprung.is_some());
        assert!(!folder.path().join("three").exists(), "{traced:?}");
    }
}
