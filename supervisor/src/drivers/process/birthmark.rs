//! What tells one process from every other that ever has its number: its number, and its birthmark.
//!
//! A process id alone is given out again, sooner or later, to a stranger. The birthmark is a line of text that is compared as a whole and
//! read by nobody; how it is made up is each system's own affair, and may change with any version: a mark that is not understood any more
//! is nobody's.

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

#[cfg(not(target_os = "linux"))]
#[path = "birthmark/elsewhere.rs"]
mod system;
#[cfg(target_os = "linux")]
#[path = "birthmark/linux.rs"]
mod system;

/// A process that is there. One that has ended and only waits to be reaped is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its birthmark: one line, a hundred bytes at most.
    pub(super) mark: String,
    /// Does it stand still, by a signal? One that is traced does so too, but only from call to call.
    pub(super) is_stopped: bool,
}

/// Looks a process up; `None` also where the system tells too little to be sure.
pub(super) fn look(pid: u32) -> Option<Seen> {
    system::look(pid)
}

/// Ends a process at once. The caller has just seen that it is the one that is meant; the system could give its number to another one
/// in between only by going through all its numbers in these microseconds.
pub(super) fn kill(pid: u32) {
    let Ok(mut system) = System::new() else {
        return;
    };
    let pid = Pid::from_u32(pid);
    let kind = ProcessRefreshKind::nothing();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
    if let Some(process) = system.process(pid) {
        // Whether that did anything shows when it is looked up again.
        let _ = process.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// Waits for the end of its input.
    fn child() -> Child {
        let mut command = Command::new(if cfg!(windows) { "cmd" } else { "cat" });
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null());
        command.spawn().unwrap()
    }

    #[test]
    fn a_process_keeps_its_mark_and_shares_it_with_no_other() {
        let own = look(std::process::id()).unwrap();
        assert_eq!(look(std::process::id()).unwrap().mark, own.mark);
        assert!(!own.is_stopped);
        assert!(own.mark.len() <= 100 && own.mark.lines().count() == 1);
        // No system gives out the largest number.
        assert_eq!(look(u32::MAX - 1), None);
        assert_eq!(look(0), None);
    }

    #[test]
    fn one_that_was_ended_is_not_there_although_nobody_has_reaped_it_yet() {
        let mut child = child();
        let pid = child.id();
        assert!(look(pid).is_some());
        kill(pid);
        // Ends only when the process has.
        let mut output = child.stdin.take().unwrap();
        while std::io::Write::write_all(&mut output, b"\n").is_ok() {
            std::thread::yield_now();
        }
        let begun = std::time::Instant::now();
        while look(pid).is_some() && begun.elapsed().as_secs() < 30 {
            std::thread::yield_now();
        }
        assert_eq!(look(pid), None);
        assert!(!child.wait().unwrap().success());
    }
}
