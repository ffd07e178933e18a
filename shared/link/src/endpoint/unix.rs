//! A socket file in a folder that only its owner may enter.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown,
    },
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};

use interprocess::local_socket::{
    ListenerOptions,
    tokio::{Stream, prelude::*},
};
use tokio::io::AsyncWrite;

use super::Guest;
use crate::random;

/// The longest path a socket may have, in bytes: macOS holds 104 with the closing zero, Linux 108.
pub(super) const LONGEST_PATH: usize = 103;

const PREFIX: &str = "worker-";
const SUFFIX: &str = ".sock";

/// Where the socket lies, and whose it is.
#[derive(Debug)]
pub(crate) struct Place {
    address: String,
    owner: u32,
    guest: Option<Guest>,
    /// A folder of our own outside the base, to be removed.
    spare: Option<PathBuf>,
}

impl Place {
    /// In `base` if its path is short enough, else in a new private folder among the system's temporary files.
    pub(super) fn find(base: &Path, guest: Option<Guest>) -> io::Result<Self> {
        let file = format!("{PREFIX}{}{SUFFIX}", random::name()?);
        if let Some(address) = short(&base.join(&file)) {
            DirBuilder::new().recursive(true).mode(0o700).create(base)?;
            sweep(base)?;
            return Self::new(address, base, guest, None);
        }
        for temporary in [std::env::temp_dir(), PathBuf::from("/tmp")] {
            let folder = temporary.join(format!("hotplate-{}", random::name()?));
            let Some(address) = short(&folder.join(&file)) else {
                continue;
            };
            // Not recursive: a folder that is already there is somebody else's.
            DirBuilder::new().mode(0o700).create(&folder)?;
            return Self::new(address, &folder, guest, Some(folder.clone()));
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "no folder for the socket has a path of at most {LONGEST_PATH} bytes, neither `{}` nor a temporary one",
                base.display()
            ),
        ))
    }

    fn new(
        address: String,
        folder: &Path,
        guest: Option<Guest>,
        spare: Option<PathBuf>,
    ) -> io::Result<Self> {
        // A guest may pass, and neither look around nor put anything there.
        let mode = if let Some(guest) = guest {
            chown(folder, None, Some(guest.group))?;
            0o710
        } else {
            0o700
        };
        fs::set_permissions(folder, Permissions::from_mode(mode))?;
        // A folder this process has just made or opened to itself alone tells who this process is.
        let owner = fs::metadata(folder)?.uid();
        Ok(Self {
            address,
            owner,
            guest,
            spare,
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn guard<'a>(
        &self,
        options: ListenerOptions<'a>,
    ) -> io::Result<ListenerOptions<'a>> {
        Ok(options)
    }

    /// Lets the guest connect, once the socket is there.
    pub(super) fn let_in(&self) -> io::Result<()> {
        let Some(guest) = self.guest else {
            return Ok(());
        };
        chown(&self.address, None, Some(guest.group))?;
        fs::set_permissions(&self.address, Permissions::from_mode(0o660))
    }

    /// Refuses a peer that runs as another user, where the system tells (root may enter any folder).
    pub(super) fn vet(&self, stream: &Stream) -> io::Result<()> {
        match stream.peer_creds()?.euid() {
            Some(user) if user != self.owner && Some(user) != self.guest.map(|it| it.user) => {
                Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    format!("a peer runs as user {user}, not {}", self.owner),
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Makes a file that the guest may open, and nobody else, where the guest may make none.
pub(crate) fn make_for(guest: Guest, file: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    options.open(file)?;
    chown(file, Some(guest.user), Some(guest.group))
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(folder) = &self.spare {
            // Nothing depends on it; the system clears its temporary files too.
            let _ = fs::remove_dir(folder);
        }
    }
}

pub(super) fn poll_shutdown(stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let Stream::UdSocket(socket) = stream;
    Pin::new(socket.inner_mut()).poll_shutdown(cx)
}

fn short(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    (text.len() <= LONGEST_PATH).then(|| text.to_owned())
}

/// Removes socket files of earlier lives that ended without removing their own.
fn sweep(base: &Path) -> io::Result<()> {
    for entry in fs::read_dir(base)? {
        let entry = entry?;
        let name = entry.file_name();
        if name
            .to_str()
            .is_some_and(|it| it.starts_with(PREFIX) && it.ends_with(SUFFIX))
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
