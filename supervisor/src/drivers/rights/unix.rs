//! Owners and modes.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
};

use super::RightsError;
use crate::{
    config::Account,
    drivers::store::{disk::THROUGH, layout::Layout, verify::Manifest},
};

/// A worker's own folder is its own.
const OWN: u32 = 0o700;
/// What beside the way is the supervisor's alone.
const PRIVATE: u32 = 0o600;
/// A slot is looked at and left as it is.
const SLOT: u32 = 0o755;
/// Everybody who comes that far may read and execute what is in it.
const READ: u32 = 0o055;

/// Opens the way to what workers need, and closes whatever lies beside it. To be called before the first of them is started.
pub(crate) fn open_state(layout: &Layout, account: &Account) -> Result<(), RightsError> {
    let failed = |path: &Path, source| RightsError {
        user: account.name.clone(),
        path: path.to_owned(),
        source,
    };
    let root = layout.root();
    // Files of a time when nobody came through here.
    close_files(root).map_err(|why| failed(root, why))?;
    let home = layout.home();
    let own = || {
        match fs::create_dir(&home) {
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => return Err(why),
            _ => {}
        }
        chown(&home, Some(account.user), Some(account.group))?;
        fs::set_permissions(&home, Permissions::from_mode(OWN))
    };
    own().map_err(|why| failed(&home, why))?;
    for folder in [&layout.slots(), &layout.run(), root] {
        let open = || {
            chown(folder, None, Some(account.group))?;
            fs::set_permissions(folder, Permissions::from_mode(THROUGH))
        };
        open().map_err(|why| failed(folder, why))?;
    }
    Ok(())
}

fn close_files(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        if found.is_file() && found.mode() & 0o077 != 0 {
            fs::set_permissions(entry.path(), Permissions::from_mode(PRIVATE))?;
        }
    }
    Ok(())
}

/// Lets whoever may come that far read and execute what is in a slot. Nothing is changed where that holds already.
pub(crate) fn open_slot(slot: &Manifest) -> io::Result<()> {
    for path in slot.paths() {
        if let Some(folder) = path.parent() {
            add(folder, SLOT)?;
        }
        add(path, READ)?;
    }
    Ok(())
}

fn add(path: &Path, rights: u32) -> io::Result<()> {
    let mode = fs::metadata(path)?.mode();
    if mode & rights == rights {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode((mode | rights) & 0o7777))
}

/// What is likely to keep workers from running as this user, in sentences: this process is not root, or a folder above the state folder is
/// closed. Lists of access rights beside the modes are not looked at.
pub(crate) fn in_the_way(state: &Path, account: &Account) -> Vec<String> {
    let mut words = Vec::new();
    let user = &account.name;
    // Linux alone tells a process who it is without further ado.
    if fs::metadata("/proc/self").is_ok_and(|it| it.uid() != 0) {
        words.push(format!(
            "`worker.user` is set, and only root may start a worker as user `{user}`"
        ));
    }
    let whole = std::path::absolute(state).unwrap_or_else(|_| state.to_owned());
    for folder in whole.ancestors().skip(1) {
        let Ok(found) = fs::metadata(folder) else {
            continue;
        };
        let bit = match () {
            () if found.uid() == account.user => 0o100,
            () if found.gid() == account.group => 0o010,
            () => 0o001,
        };
        if found.mode() & bit == 0 {
            words.push(format!(
                "`{}` is closed to user `{user}`, who finds neither socket nor folder behind it; open it (`chmod o+x`), or move `state.dir`",
                folder.display()
            ));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_folder_on_the_way_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let account = Account {
            user: 54_321,
            group: 54_321,
            name: "oven".to_owned(),
        };
        let closed = || {
            let words = in_the_way(&state, &account);
            let shown = format!("`{}` is closed", folder.path().display());
            words.iter().any(|word| word.contains(&shown))
        };
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        assert!(closed());
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        assert!(!closed());
    }
}
