//! A datagram socket: a path, or on Linux a name that begins with `@` and lies on no disk.

use std::{
    ffi::OsStr,
    io,
    os::unix::{ffi::OsStrExt as _, net::SocketAddr, net::UnixDatagram},
};

/// Where the datagrams go.
#[derive(Debug)]
pub(super) struct Socket(UnixDatagram);

impl Socket {
    /// Connects to an address as `NOTIFY_SOCKET` gives it.
    pub(super) fn open(address: &OsStr) -> io::Result<Self> {
        let address = match address.as_bytes() {
            [b'@', name @ ..] => hidden(name)?,
            [b'/', ..] => SocketAddr::from_pathname(address)?,
            _ => {
                let why = "neither a whole path nor a name that begins with `@`";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }

    /// Was it taken? Whoever takes none now is told the next time.
    pub(super) fn send(&self, words: &str) -> bool {
        self.0.send(words.as_bytes()).is_ok()
    }
}

#[cfg(target_os = "linux")]
fn hidden(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;

    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn hidden(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}
