//! Whether there is a worker that can be started: the record, the slot, every byte of it, and whether it may be run.

use std::{path::Path, sync::atomic::AtomicBool};

use supervisor_core::record::Record;

use super::Check;
use crate::{
    advice::Mistake,
    drivers::store::{
        disk::Real,
        layout::Layout,
        pair::Pair,
        verify::{Manifest, Unverified, verify},
    },
    program,
};

/// Looks at the installed worker without touching anything.
pub(super) fn worker(layout: &Layout) -> Check {
    let name = "worker";
    let install = "`supervisor install FILE --version VERSION` installs one; the platform can bring one as well";
    let mut words = Vec::new();
    let record = match Pair::<Record>::open(&Real, layout.records(), &mut words) {
        Ok((_, record)) => record,
        Err(why) => {
            let next =
                "try again; if that stays so, look at the disk and at the rights of its files";
            return Check::failed(name, format!("the record cannot be read: {why}"), next);
        }
    };
    let Some(record) = record else {
        return match words.is_empty() {
            true => Check::warning(name, "no worker is installed", install),
            false => Check::failed(name, words.join("; "), install),
        };
    };
    let Some(slot) = &record.active else {
        return Check::warning(name, "no worker is installed", install);
    };
    let manifest = Manifest::of(layout, slot);
    let whose = format!("version {} in slot {}", slot.version, slot.id.0);
    let back = match &record.former {
        Some(former) => format!(
            "the supervisor goes back to version {} when it starts; {install}",
            former.version
        ),
        None => install.to_owned(),
    };
    match verify(&manifest, &AtomicBool::new(false)) {
        Ok(_) => {}
        Err(Unverified::Damaged(why)) => {
            return Check::failed(name, format!("{whose}: {why}"), back);
        }
        Err(Unverified::Unreadable(why)) => {
            let next =
                "ask as the user the supervisor runs as; if it is that already, look at the disk";
            return Check::failed(name, format!("{whose}: {why}"), next);
        }
        Err(Unverified::NotNow(why)) => {
            return Check::not_tried(name, format!("{whose}: {why}"));
        }
        Err(Unverified::GivenUp) => return Check::not_tried(name, whose),
    }
    if !is_executable(manifest.program()) {
        let next = format!("`chmod u+x {}`", manifest.program().display());
        return Check::failed(name, format!("{whose} may not be executed"), next);
    }
    if program::is_foreign(manifest.program()).unwrap_or(false) {
        let mistake = Mistake::OtherSystem;
        return Check::failed(
            name,
            format!("{whose}: {}", mistake.cause()),
            mistake.cure(),
        );
    }
    match words.is_empty() {
        true => Check::ok(name, format!("{whose}, every byte verified")),
        false => Check::warning(
            name,
            format!("{whose} is whole; {}", words.join("; ")),
            "the supervisor mends that by itself when it starts",
        ),
    }
}

#[cfg(unix)]
fn is_executable(program: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::metadata(program).is_ok_and(|it| it.permissions().mode() & 0o111 != 0)
}

/// Windows goes by the name, which is ours.
#[cfg(not(unix))]
fn is_executable(_: &Path) -> bool {
    true
}
