//! One connection to a server, step by step, so that the step that fails is known by its name. Every step has a limit.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    sync::{Arc, mpsc},
    time::Duration,
};

use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;

use super::LIMIT;
use crate::{config::Trust, drivers::tls};

/// No more addresses of a name are tried.
const MOST_ADDRESSES: usize = 8;

/// A connection, with TLS or without.
pub(super) enum Line {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Line {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(line) => line.read(bytes),
            Self::Tls(line) => line.read(bytes),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(line) => line.write(bytes),
            Self::Tls(line) => line.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(line) => line.flush(),
            Self::Tls(line) => line.flush(),
        }
    }
}

/// The addresses of a name. The system has no limit for this question, so that it is asked on a thread that is left behind in the end.
pub(super) fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let (told, answer) = mpsc::channel();
    let asked = (host.to_owned(), port);
    std::thread::Builder::new().spawn(move || {
        let found = asked
            .to_socket_addrs()
            .map(|it| it.take(MOST_ADDRESSES).collect());
        // Fails only when nobody waits any more.
        let _ = told.send(found);
    })?;
    let late = || {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {LIMIT:?}"),
        )
    };
    let found: Vec<_> = answer.recv_timeout(LIMIT).unwrap_or_else(|_| Err(late()))?;
    match found.is_empty() {
        true => Err(io::Error::other("the name has no address")),
        false => Ok(found),
    }
}

/// Connects to the first of these addresses that answers.
pub(super) fn open(addresses: &[SocketAddr]) -> io::Result<(TcpStream, SocketAddr)> {
    let each = LIMIT / u32::try_from(addresses.len()).unwrap_or(1).max(1);
    let mut last = io::Error::other("there is no address");
    for address in addresses {
        match TcpStream::connect_timeout(address, each.max(Duration::from_secs(1))) {
            Ok(line) => {
                line.set_read_timeout(Some(LIMIT))?;
                line.set_write_timeout(Some(LIMIT))?;
                return Ok((line, *address));
            }
            Err(why) => last = why,
        }
    }
    Err(last)
}

/// Speaks TLS with whom the trust vouches for; answers with the version that was agreed on.
pub(super) fn secure(trust: &Trust, host: &str, mut line: TcpStream) -> io::Result<(Line, String)> {
    let config = tls::client(trust).map_err(io::Error::other)?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let mut talk = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    while talk.is_handshaking() {
        if talk.complete_io(&mut line)? == (0, 0) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let version = talk.protocol_version().and_then(|it| it.as_str());
    let version = version.unwrap_or("TLS").to_owned();
    let talk = StreamOwned::new(talk, line);
    Ok((Line::Tls(Box::new(talk)), version))
}
