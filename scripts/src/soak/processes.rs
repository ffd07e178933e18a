//! The processes of a lane: found by a mark in their environment, which children inherit, and sent signals.

use std::ffi::OsString;
use std::path::Path;

use sysinfo::{
    Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, Signal, System, UpdateKind,
};

/// The mark: this variable holds the lane's folder.
pub(super) const MARK: &str = "HOTPLATE_SOAK";

/// Looks at the system's processes.
pub(super) struct Processes {
    system: System,
    mark: OsString,
}

/// A process of the lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Its number.
    pub(super) pid: u32,
    /// Its program's name, as the system shows it.
    pub(super) name: String,
    /// When it was started, in seconds since 1970.
    started: u64,
}

impl Processes {
    /// Those of the lane in this folder.
    ///
    /// # Errors
    /// When the system does not show its processes.
    pub(super) fn of(lane: &Path) -> Result<Self, sysinfo::Error> {
        let mut mark = OsString::from(format!("{MARK}="));
        mark.push(lane);
        Ok(Self {
            system: System::new()?,
            mark,
        })
    }

    /// All that are alive, oldest first. One that was ended and is waited for by nobody counts only as a child of `parent`.
    pub(super) fn find(&mut self, parent: Option<u32>) -> Vec<Found> {
        let what = ProcessRefreshKind::nothing()
            .with_environ(UpdateKind::OnlyIfNotSet)
            .without_tasks();
        self.system
            .refresh_processes_specifics(ProcessesToUpdate::All, true, what);
        let parent = parent.map(Pid::from_u32);
        let ours = |process: &&sysinfo::Process| match process.status() {
            ProcessStatus::Zombie => parent.is_some() && process.parent() == parent,
            _ => process.environ().contains(&self.mark),
        };
        let mut found: Vec<Found> = self
            .system
            .processes()
            .values()
            .filter(ours)
            .map(|process| Found {
                pid: process.pid().as_u32(),
                name: process.name().to_string_lossy().into_owned(),
                started: process.start_time(),
            })
            .collect();
        found.sort_by_key(|found| (found.started, found.pid));
        found
    }

    /// Sends a signal; false where the system has none such, or the process is not there any more.
    pub(super) fn signal(&mut self, pid: u32, signal: Signal) -> bool {
        let pid = Pid::from_u32(pid);
        let what = ProcessRefreshKind::nothing().without_tasks();
        self.system
            .refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, what);
        let process = self.system.process(pid);
        process.and_then(|process| process.kill_with(signal)) == Some(true)
    }
}

/// A Ctrl-C at the terminal, or a time limit that ends a group, reaches only us: we end the others in our own way.
#[cfg(unix)]
pub(super) fn set_apart(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt as _;

    command.process_group(0);
}

/// Elsewhere there are no such groups.
#[cfg(not(unix))]
pub(super) fn set_apart(_: &mut std::process::Command) {}

/// How many files and sockets a process has open, where the system shows it.
pub(super) fn open_files(pid: u32) -> Option<usize> {
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}
