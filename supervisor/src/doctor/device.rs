//! What can be seen on the device itself: configuration, rights, room, clock.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::Check;
use crate::{
    advice::Mistake,
    config::{Config, Loaded},
    drivers::store::{
        disk::{Disk as _, Real},
        layout::Layout,
    },
    show,
};

/// The program is younger than this, so that no clock that is right is before it: 2026-01-01.
const LEAST: Duration = Duration::from_secs(1_767_225_600);

/// A clock that is off by more is told.
const OFF: Duration = Duration::from_secs(300);

/// A clock that is off by more makes certificates fail.
const FAR_OFF: Duration = Duration::from_secs(86_400);

/// A download of the largest image there was needs room for itself, and so does the next one.
const IMAGES: u64 = 2;

/// No holder's word is longer, in bytes.
const LONGEST_WORD: u64 = 32;

/// One check for each fault of the configuration, or one that all is well.
pub(super) fn configuration(file: &Path, loaded: &Loaded) -> Vec<Check> {
    let name = "configuration";
    let shown = file.display();
    match &loaded.config {
        Err(faults) => {
            let check = |text: &str| {
                // Behind the first of these a fault says what to do.
                let (says, next) = text.split_once("; ").unwrap_or((
                    text,
                    "mend it; `supervisor check-config` shows every setting and where it comes from",
                ));
                Check::failed(name, says, next)
            };
            faults.iter().map(|fault| check(&fault.0)).collect()
        }
        Ok(config) if config.fetch.vouching.require_signature => {
            let count = loaded.effective.len();
            let whole = Check::ok(name, format!("`{shown}`, {count} settings"));
            [whole].into_iter().chain(secret(loaded)).collect()
        }
        Ok(_) => {
            let text = show::UNSIGNED.trim_start_matches("WARNING: ");
            let (says, next) = text.split_once("; ").unwrap_or((text, "pin a key"));
            let open = Check::warning(name, says, next);
            [open].into_iter().chain(secret(loaded)).collect()
        }
    }
}

/// Where the secret comes from; one that others may read is a fault of the configuration.
fn secret(loaded: &Loaded) -> Option<Check> {
    let mut settings = loaded.effective.iter();
    let found = settings.find(|it| it.key == "cloud.device_secret")?;
    let private = match cfg!(unix) {
        true => ", which only its owner may read",
        false => "",
    };
    let place = match found.origin.starts_with("environment") {
        true => found.origin.clone(),
        false => format!("{}{private}", found.origin),
    };
    Some(Check::ok("secret", format!("from {place}")))
}

/// Whether whoever asks may use what the configuration names; the supervisor may be somebody else.
pub(super) fn rights(file: &Path, state: &Path) -> Vec<Check> {
    let name = "rights";
    let (folder, is_there) = nearest(state);
    let shown = state.display();
    let state = match (may_change(&folder), is_there) {
        (Ok(()), true) => match open_to_others(state) {
            Some(mode) => Check::warning(
                name,
                format!("others may enter the state folder `{shown}` (mode {mode:03o})"),
                "nothing to do unless you opened it: the supervisor closes it again when it starts",
            ),
            None => Check::ok(name, format!("the state folder `{shown}` may be changed")),
        },
        (Ok(()), false) => Check::ok(
            name,
            format!("the state folder `{shown}` is not there yet and can be made"),
        ),
        (Err(why), _) => Check::failed(
            name,
            format!(
                "`{}` may not be changed by whoever asks: {why}",
                folder.display()
            ),
            "ask as the user the supervisor runs as, for example with `sudo`; if it is that user, give it the folder (`chown`)",
        ),
    };
    let readable = match fs::File::open(file) {
        Ok(_) => None,
        Err(why) => Some(Check::warning(
            name,
            format!("the configuration cannot be read by whoever asks: {why}"),
            "ask as the user the supervisor runs as",
        )),
    };
    readable.into_iter().chain([state]).collect()
}

/// The folder, or the nearest one above it that is there.
fn nearest(folder: &Path) -> (PathBuf, bool) {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let mut there = whole.ancestors().filter(|it| it.exists());
    let found = there.next().unwrap_or(Path::new("/")).to_owned();
    let is_there = found == whole;
    (found, is_there)
}

#[cfg(unix)]
fn may_change(folder: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};

    if !folder.is_dir() {
        return Err(io::Error::other("it is not a folder"));
    }
    let all = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    Ok(access(folder, all)?)
}

/// On Windows access lists decide, and only a try would show what they say.
#[cfg(not(unix))]
fn may_change(folder: &Path) -> io::Result<()> {
    match folder.is_dir() {
        true => Ok(()),
        false => Err(io::Error::other("it is not a folder")),
    }
}

#[cfg(unix)]
fn open_to_others(folder: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = fs::metadata(folder).ok()?.permissions().mode() & 0o777;
    // A worker's user may be let through, by its group.
    (mode & 0o007 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> Option<u32> {
    None
}

/// Whether there is room for the next image, beside what must stay free.
pub(super) fn space(config: &Config) -> Check {
    let name = "space";
    let (folder, _) = nearest(&config.state);
    let free = match fs4::available_space(&folder) {
        Ok(free) => free,
        Err(why) => return Check::not_tried(name, format!("how much room there is: {why}")),
    };
    let keep = config.fetch.limits.keep_free;
    let image = largest_image(&Layout::of(&config.state));
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let says = format!(
        "{} free where the state folder is; {} must stay free (`update.keep_free_bytes`)",
        megabytes(free),
        megabytes(keep)
    );
    let next = "make room on that disk, or set `state.dir` to a larger one";
    if free <= keep {
        return Check::failed(name, says, next);
    }
    if free - keep < image.saturating_mul(IMAGES) {
        let says = format!("{says}; the largest image so far has {}", megabytes(image));
        return Check::warning(name, says, next);
    }
    Check::ok(name, says)
}

/// The length of the longest file among the slots.
fn largest_image(layout: &Layout) -> u64 {
    let inside = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let files = inside(&layout.slots()).flat_map(|slot| inside(&slot.path()));
    let sizes = files.filter_map(|file| Some(file.metadata().ok()?.len()));
    sizes.max().unwrap_or(0)
}

/// Whether the clock can be right: by its own word, by a certificate it called not valid yet, and by the time a server gave.
pub(super) fn clock(certificate: Option<Mistake>, date: Option<SystemTime>) -> Check {
    let name = "clock";
    let now = SystemTime::now();
    let shown = humantime::format_rfc3339_seconds(now);
    let cure = Mistake::NotYetValid.cure();
    if now.duration_since(UNIX_EPOCH).is_ok_and(|it| it < LEAST) || now < UNIX_EPOCH {
        let says = format!("it says {shown}, before this program was made");
        return Check::failed(name, says, cure);
    }
    if let Some(mistake @ (Mistake::NotYetValid | Mistake::Expired)) = certificate {
        let says = format!("it says {shown}, and {}", mistake.cause());
        return Check::failed(name, says, mistake.cure());
    }
    let Some(date) = date else {
        let says = format!("it says {shown}, which can be; no server has given its time yet");
        return Check::ok(name, says);
    };
    let off = now
        .duration_since(date)
        .unwrap_or_else(|why| why.duration());
    let says = format!(
        "it says {shown}, {} s off from the firmware host's",
        off.as_secs()
    );
    match off {
        off if off > FAR_OFF => Check::failed(name, says, cure),
        off if off > OFF => Check::warning(name, says, cure),
        _ => Check::ok(name, says),
    }
}

/// The living process that wrote down that it holds the state folder, if there is one.
pub(super) fn holder(layout: &Layout) -> Option<u32> {
    let word = Real.read(&layout.holder(), LONGEST_WORD).ok()?;
    let process: u32 = String::from_utf8(word).ok()?.trim().parse().ok()?;
    let pid = sysinfo::Pid::from_u32(process);
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_processes_specifics(
        sysinfo::ProcessesToUpdate::Some(&[pid]),
        true,
        sysinfo::ProcessRefreshKind::nothing(),
    );
    system.process(pid).map(|_| process)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_clock_is_judged_by_a_servers_time_and_by_certificates() {
        let now = SystemTime::now();
        let verdict = |certificate, date| clock(certificate, date).verdict;
        assert_eq!(verdict(None, None), Verdict::Ok);
        assert_eq!(verdict(None, Some(now)), Verdict::Ok);
        for (off, wanted) in [(600, Verdict::Warning), (100_000, Verdict::Failed)] {
            let off = Duration::from_secs(off);
            assert_eq!(verdict(None, Some(now + off)), wanted);
            assert_eq!(verdict(None, Some(now - off)), wanted);
        }
        let not_yet = clock(Some(Mistake::NotYetValid), None);
        assert_eq!(not_yet.verdict, Verdict::Failed);
        assert!(not_yet.says.contains("not valid yet"), "{not_yet:?}");
    }

    #[test]
    fn a_state_folder_that_is_not_there_is_judged_by_the_one_above_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = std::path::absolute(folder.path()).unwrap();
        assert_eq!(nearest(&root.join("a/b")), (root.clone(), false));
        assert_eq!(nearest(&root), (root.clone(), true));
        fs::write(root.join("file"), "").unwrap();
        assert!(may_change(&root).is_ok() && may_change(&root.join("file")).is_err());
    }
}
