//! macOS and Windows: the second in which it was started, as the system wrote it down then. Both have a clock that runs while they do not.

use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

use super::Seen;

pub(super) fn look(pid: u32) -> Option<Seen> {
    let mut system = System::new().ok()?;
    let pid = Pid::from_u32(pid);
    let kind = ProcessRefreshKind::nothing();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
    let process = system.process(pid)?;
    let status = process.status();
    let has_ended = matches!(status, ProcessStatus::Zombie | ProcessStatus::Dead);
    // Where the system hides the start from this user, there is nothing to tell it by.
    (process.start_time() != 0 && !has_ended).then(|| Seen {
        mark: format!("second {}", process.start_time()),
        is_stopped: status == ProcessStatus::Stop,
    })
}
