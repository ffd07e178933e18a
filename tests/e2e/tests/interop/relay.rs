//! A network between a client and a web server that breaks: it passes on what both say, and cuts the first answer.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

/// How much is passed on at once, in bytes.
const PIECE: usize = 16 * 1024;

/// Listens on a free port of loopback; ends when dropped.
pub(crate) struct Relay {
    /// Where it listens.
    pub(crate) port: u16,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Passes everything on to a port; the first answers are cut after so many bytes of their bodies, one after each number.
    pub(crate) fn to(port: u16, cuts: Vec<u64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let over = Arc::<AtomicBool>::default();
        let ended = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut cuts = cuts.into_iter();
            for client in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                // A connection that fails is one that breaks, which is what is asked of it.
                let _ = pass(&client, &server, cuts.next());
            }
        });
        Self {
            port: own,
            over,
            thread: Some(thread),
        }
    }
}

/// Passes a request there and its answer back, which ends when the server closes or the body has been cut.
fn pass(mut client: &TcpStream, mut server: &TcpStream, cut: Option<u64>) -> std::io::Result<()> {
    let mut request = Vec::new();
    head(client, &mut request)?;
    server.write_all(&request)?;
    let mut answer = Vec::new();
    let body = head(server, &mut answer)?;
    let (head, first) = answer.split_at(body);
    client.write_all(head)?;
    let rest = first.chain(server);
    let mut rest = rest.take(cut.unwrap_or(u64::MAX));
    let mut piece = vec![0; PIECE];
    loop {
        let read = rest.read(&mut piece)?;
        if read == 0 {
            break;
        }
        client.write_all(&piece[..read])?;
    }
    client.shutdown(Shutdown::Both)
}

/// Reads until the empty line is there, and tells where it ends.
fn head(mut from: &TcpStream, bytes: &mut Vec<u8>) -> std::io::Result<usize> {
    from.set_read_timeout(Some(e2e::LIMIT))?;
    let mut piece = [0; 1024];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            return Ok(end + 4);
        }
        let read = from.read(&mut piece)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&piece[..read]);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // A connection wakes it from its wait for one.
        if TcpStream::connect(("127.0.0.1", self.port)).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}
