//! A firmware server that says whatever a test wants, for answers that neither the emulator nor a good server gives.
//!
//! One answer per connection, one connection at a time: the supervisor downloads one thing at a time, and asks anew for each try.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use crate::LIMIT;

/// No request of the supervisor has a longer head, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;

/// A web server on a free port of loopback; it ends when dropped.
#[derive(Debug)]
pub struct Web {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    /// Answers each request by what is made of its head (in lower case), then closes the connection.
    ///
    /// # Panics
    /// When loopback has no free port.
    #[must_use]
    pub fn start(mut answer: impl FnMut(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it was just bound");
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let over = Arc::<AtomicBool>::default();
        let (heads, ended) = (Arc::clone(&asked), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let Some((mut stream, head)) = read_head(stream) else {
                    continue;
                };
                let bytes = answer(&head);
                heads
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(head);
                // Fails when the client has heard enough.
                let _ = stream.write_all(&bytes);
            }
        });
        Self {
            address,
            asked,
            over,
            thread: Some(thread),
        }
    }

    /// The address of its one file.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/firmware.bin", self.address)
    }

    /// The heads of all requests so far, in lower case.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn read_head(mut stream: TcpStream) -> Option<(TcpStream, String)> {
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    stream.set_write_timeout(Some(LIMIT)).ok()?;
    let (mut head, mut piece) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        head.extend_from_slice(&piece[..read]);
        if head.len() > LONGEST_HEAD {
            return None;
        }
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    Some((stream, head))
}

impl Drop for Web {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // A connection wakes it from its wait for one.
        if TcpStream::connect(self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}
