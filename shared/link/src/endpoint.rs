//! Where the two processes meet: a name that is fresh for every start and open to this user alone.
//!
//! Unix has a socket file in a private folder, Windows a named pipe with an owner-only security descriptor. Neither is what
//! keeps strangers out (the token on the leash does), but both keep them from trying.

use std::{
    io,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

use interprocess::local_socket::{
    GenericFilePath, ListenerOptions, Name,
    tokio::{Listener, Stream, prelude::*},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[cfg(unix)]
#[path = "endpoint/unix.rs"]
pub(crate) mod system;
#[cfg(windows)]
#[path = "endpoint/windows.rs"]
pub(crate) mod system;

/// A user, beside this process's own, who may connect. Only Unix knows such a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guest {
    /// Who, and nobody else of the group.
    pub user: u32,
    /// Whose members may pass through the folder the socket lies in.
    pub group: u32,
}

/// A listening local socket. Its name is gone when it is dropped.
#[derive(Debug)]
pub struct Endpoint {
    // Dropped before the place, so that the socket file has gone when its folder is removed.
    listener: Listener,
    place: system::Place,
}

impl Endpoint {
    /// Listens under a fresh name in `base`, or under a private name elsewhere where `base` does not suit the system.
    ///
    /// Must be called within a tokio runtime. The caller is the only user of `base` at a time: socket files that an earlier
    /// life left there are removed.
    ///
    /// # Errors
    /// When no name can be made, or the system refuses to listen.
    pub fn listen(base: &Path) -> io::Result<Self> {
        Self::listen_to(base, None)
    }

    /// The same, for a guest as well.
    ///
    /// # Errors
    /// As above, or when this process may not let the guest in: that takes the rights of root.
    pub fn listen_to(base: &Path, guest: Option<Guest>) -> io::Result<Self> {
        let place = system::Place::find(base, guest)?;
        let options = place.guard(ListenerOptions::new().name(name(place.address())?))?;
        let listener = options.create_tokio()?;
        place.let_in()?;
        Ok(Self { listener, place })
    }

    /// What a peer must be told to connect; UTF-8 in every case.
    #[must_use]
    pub fn address(&self) -> &str {
        self.place.address()
    }

    /// The next peer. Dropping the future loses none.
    ///
    /// # Errors
    /// When the system cannot accept one now, or the peer is another user's and was hung up on.
    pub async fn accept(&self) -> io::Result<Pipe> {
        let stream = self.listener.accept().await?;
        self.place.vet(&stream)?;
        Ok(Pipe(stream))
    }
}

/// One connected local socket.
#[derive(Debug)]
pub struct Pipe(Stream);

impl Pipe {
    /// Connects to an [`Endpoint::address`].
    ///
    /// # Errors
    /// When the address is none of this system's, or nobody listens there.
    pub async fn connect(address: &str) -> io::Result<Self> {
        Stream::connect(name(address)?).await.map(Self)
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    /// Ends this side's bytes; ready once the system will deliver them even if this process exits.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        system::poll_shutdown(&mut self.0, cx)
    }
}

fn name(address: &str) -> io::Result<Name<'_>> {
    address.to_fs_name::<GenericFilePath>()
}

#[cfg(test)]
mod tests;
