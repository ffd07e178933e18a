//! What the system knows about this run of the machine, and about our processes: memory and processor time, read only when somebody asks.

use supervisor_core::{checkpoint::Boot, status::Status};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// The name that Linux made up for this run of the machine.
#[cfg(target_os = "linux")]
pub(crate) fn boot_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// What tells this run of the machine from every other, if the system knows.
#[cfg(target_os = "linux")]
pub(crate) fn boot() -> Option<Boot> {
    // Without `/proc` nothing is known: the time of the start would be another one as soon as a clock is set.
    boot_name().map(Boot::Named)
}

/// What tells this run of the machine from every other, if the system knows.
#[cfg(not(target_os = "linux"))]
pub(crate) fn boot() -> Option<Boot> {
    Boot::since(System::boot_time().ok()?)
}

/// The supervisor's own footprint.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Footprint {
    /// Its process id.
    pub(crate) pid: u32,
    /// Its resident memory in bytes.
    pub(crate) memory_bytes: Option<u64>,
    /// Its processor time in permille of one core since the last look.
    pub(crate) cpu_permille: Option<u32>,
    /// Why it does not run on the configuration it was given; missing if it does.
    pub(crate) configuration: Option<String>,
}

/// Looks processes up; remembers the last look, as processor time is told per span.
#[derive(Debug)]
pub(crate) struct Host {
    /// Missing where the system's own figures cannot be read.
    system: Option<System>,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self {
            system: System::new().ok(),
        }
    }

    /// Fills in what is known of the workers, and says what is known of this process.
    pub(crate) fn look(&mut self, status: &mut Status) -> Footprint {
        let own = std::process::id();
        let Some(system) = &mut self.system else {
            return Footprint {
                pid: own,
                ..Footprint::default()
            };
        };
        let workers = status.workers.iter().filter_map(|worker| worker.pid);
        let mut pids: Vec<Pid> = workers.chain([own]).map(Pid::from_u32).collect();
        // One asked for twice would be taken for dead.
        pids.sort_unstable();
        pids.dedup();
        let known: Vec<Pid> = system.processes().keys().copied().collect();
        let kind = ProcessRefreshKind::nothing().with_memory().with_cpu();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, kind);
        let read = |pid: u32| {
            let pid = Pid::from_u32(pid);
            let process = system.process(pid)?;
            let cpu = (process.cpu_usage() * 10.0).round() as u32;
            Some((process.memory(), known.contains(&pid).then_some(cpu)))
        };
        for worker in &mut status.workers {
            let found = worker.pid.and_then(read);
            worker.memory_bytes = found.map(|(memory, _)| memory);
            worker.cpu_permille = found.and_then(|(_, cpu)| cpu);
        }
        let found = read(own);
        Footprint {
            pid: own,
            memory_bytes: found.map(|(memory, _)| memory),
            cpu_permille: found.and_then(|(_, cpu)| cpu),
            configuration: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use supervisor_core::status::WorkerStatus;

    use super::*;

    #[test]
    fn this_run_of_the_machine_is_known_again_at_every_look() {
        let boot = boot().expect("the systems we test on know");
        assert!(boot.is(&super::boot().unwrap()), "{boot:?}");
    }

    #[test]
    fn a_living_process_has_memory_and_a_dead_one_has_none() {
        let worker = |pid| WorkerStatus {
            pid: Some(pid),
            ..WorkerStatus::default()
        };
        let mut status = Status {
            // No system gives out the largest number.
            workers: vec![worker(std::process::id()), worker(u32::MAX - 1)],
            ..Status::default()
        };
        let mut host = Host::new();
        let first = host.look(&mut status);
        assert!(
            status.workers[0]
                .memory_bytes
                .is_some_and(|bytes| bytes > 100_000)
        );
        assert_eq!(status.workers[1].memory_bytes, None);
        assert_eq!(first.pid, std::process::id());
        assert_eq!(first.cpu_permille, None, "one look cannot tell a rate");
        let second = host.look(&mut status);
        assert!(second.cpu_permille.is_some());
    }
}
