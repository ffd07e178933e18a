//! A named pipe that only its owner may open.

use std::{
    fs, io,
    path::Path,
    task::{Context, Poll},
};

use interprocess::{
    local_socket::{ListenerOptions, tokio::Stream},
    os::windows::{local_socket::ListenerOptionsExt as _, security_descriptor::SecurityDescriptor},
};
use widestring::U16CString;

use super::Guest;
use crate::random;

/// Full access for whoever owns the pipe (the well-known "owner rights" identity), nothing inherited, nobody else. The system
/// adds no remote access: interprocess refuses remote clients.
const OWNER_ONLY: &str = "D:P(A;;GA;;;S-1-3-4)";

/// The name of a pipe.
#[derive(Debug)]
pub(crate) struct Place {
    address: String,
}

impl Place {
    /// Pipes have a name space of their own, so the base folder only has what lies beside the socket elsewhere: the workers' lock.
    pub(super) fn find(base: &Path, guest: Option<Guest>) -> io::Result<Self> {
        if guest.is_some() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // Without it workers do without their lock, and say so.
        let _ = fs::create_dir_all(base);
        Ok(Self {
            address: format!(r"\\.\pipe\hotplate-{}", random::name()?),
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    #[expect(clippy::unused_self, reason = "one interface with the other system")]
    pub(super) fn guard<'a>(
        &self,
        options: ListenerOptions<'a>,
    ) -> io::Result<ListenerOptions<'a>> {
        let text = U16CString::from_str(OWNER_ONLY).map_err(io::Error::other)?;
        Ok(options.security_descriptor(SecurityDescriptor::deserialize(&text)?))
    }

    /// There are no guests.
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "one interface with the other system"
    )]
    pub(super) fn let_in(&self) -> io::Result<()> {
        Ok(())
    }

    /// The security descriptor has already refused other users.
    pub(super) fn vet(&self, _stream: &Stream) -> io::Result<()> {
        Ok(())
    }
}

/// There are no guests.
pub(crate) fn make_for(_: Guest, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A pipe has no half that could be shut; what matters is that the peer has read everything before the handle goes.
pub(super) fn poll_shutdown(stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let Stream::NamedPipe(pipe) = stream;
    pipe.inner_mut().poll_flush(cx)
}
