//! What a running process costs, read from `/proc` (Linux only; see proc(5)).
//!
//! Reading and understanding are apart, so that the understanding is tested on every system.

use std::fs;
use std::io;
use std::path::PathBuf;

/// The field of `stat` with the user time of a process.
const OWN: usize = 14;

/// The field of `stat` with the user time of its children that were waited for.
const CHILDREN: usize = 16;

/// A process's memory and threads at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Memory {
    /// Resident set size in bytes: what it maps and is in memory, shared pages counted in full.
    pub(super) rss: u64,
    /// Proportional set size in bytes: each shared page divided by the number of its users.
    pub(super) pss: u64,
    /// Memory without a file behind it, in bytes: heap and stacks.
    pub(super) anonymous: u64,
    /// Threads.
    pub(super) threads: u64,
}

/// A process could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// Its file could not be read; the process may have ended.
    #[error("read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its file could not be written.
    #[error("write `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file has another shape than documented.
    #[error("find `{what}` in `{path}`")]
    Shape {
        /// What is missing.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
}

/// Measures memory and threads.
///
/// # Errors
/// When the process has ended or the system has no such files.
pub(super) fn memory(pid: u32) -> Result<Memory, ProcessError> {
    let (rollup, rollup_path) = read(pid, "smaps_rollup")?;
    let (status, status_path) = read(pid, "status")?;
    let bytes = |what| {
        number(&rollup, what)
            .map(|kib| kib * 1024)
            .ok_or_else(|| ProcessError::Shape {
                what,
                path: rollup_path.clone(),
            })
    };
    Ok(Memory {
        rss: bytes("Rss:")?,
        pss: bytes("Pss:")?,
        anonymous: bytes("Anonymous:")?,
        threads: number(&status, "Threads:").ok_or(ProcessError::Shape {
            what: "Threads:",
            path: status_path,
        })?,
    })
}

/// The processor time a process has used since it started, in ticks of the system's clock.
///
/// # Errors
/// When the process has ended or the system has no such file.
pub(super) fn ticks(pid: u32) -> Result<u64, ProcessError> {
    let (stat, path) = read(pid, "stat")?;
    times(&stat, OWN).ok_or(ProcessError::Shape {
        what: "utime and stime",
        path,
    })
}

/// The processor time of the children we have waited for, in ticks of the system's clock.
///
/// # Errors
/// When the system has no such file.
pub(super) fn ticks_of_children() -> Result<u64, ProcessError> {
    let (stat, path) = read(std::process::id(), "stat")?;
    times(&stat, CHILDREN).ok_or(ProcessError::Shape {
        what: "cutime and cstime",
        path,
    })
}

/// The resident memory of a process in bytes: now, and the most there was.
///
/// # Errors
/// When the process has ended or the system has no such file.
pub(super) fn resident(pid: u32) -> Result<(u64, u64), ProcessError> {
    let (status, path) = read(pid, "status")?;
    let bytes = |what| {
        number(&status, what)
            .map(|kib| kib * 1024)
            .ok_or_else(|| ProcessError::Shape {
                what,
                path: path.clone(),
            })
    };
    Ok((bytes("VmRSS:")?, bytes("VmHWM:")?))
}

/// Lets the most there was of resident memory begin anew with what is there now.
///
/// # Errors
/// When the system does not let us.
pub(super) fn forget_peak(pid: u32) -> Result<(), ProcessError> {
    let path = PathBuf::from(format!("/proc/{pid}/clear_refs"));
    fs::write(&path, "5").map_err(|source| ProcessError::Write { path, source })
}

fn read(pid: u32, file: &str) -> Result<(String, PathBuf), ProcessError> {
    let path = PathBuf::from(format!("/proc/{pid}/{file}"));
    match fs::read_to_string(&path) {
        Ok(text) => Ok((text, path)),
        Err(source) => Err(ProcessError::Read { path, source }),
    }
}

/// The number on the line that begins with this word.
fn number(text: &str, word: &str) -> Option<u64> {
    text.lines()
        .find_map(|row| row.strip_prefix(word))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// User time from this field on, and system time in the next. The second field is the program's name in parentheses and may
/// itself hold blanks and parentheses, so counting starts after the last one.
fn times(stat: &str, field: usize) -> Option<u64> {
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace().skip(field - 3);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_the_whole_first_word() {
        let rollup = "5581-7ffd [rollup]\nRss:    2540 kB\nPss:    1311 kB\nPss_Anon:   600 kB\nAnonymous:   604 kB\n";
        assert_eq!(number(rollup, "Pss:"), Some(1311));
        assert_eq!(number(rollup, "Anonymous:"), Some(604));
        assert_eq!(number(rollup, "Swap:"), None);
    }

    #[test]
    fn times_are_found_behind_a_name_with_blanks_and_parentheses() {
        let stat = "77 (odd ) name) S 1 77 77 0 -1 4194560 150 0 0 0 31 11 5 2 20 0 2 0 100";
        assert_eq!(times(stat, OWN), Some(42));
        assert_eq!(times(stat, CHILDREN), Some(7));
        assert_eq!(times("77 (short) S 1", OWN), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn our_own_process_can_be_measured() {
        let own = memory(std::process::id()).expect("we run");
        assert!(
            own.rss >= own.pss && own.pss > 0 && own.threads > 0,
            "{own:?}"
        );
        assert!(ticks(std::process::id()).is_ok());
        assert!(ticks_of_children().is_ok());
        let (now, most) = resident(std::process::id()).expect("we run");
        assert!(0 < now && now <= most, "{now} {most}");
    }
}
