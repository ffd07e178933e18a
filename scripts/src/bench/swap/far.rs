//! Distance: whatever goes through this port takes half a round trip longer each way.
//!
//! A connection's first bytes wait for one whole round trip more, which is what TCP's own handshake would have taken.

use super::SwapError;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, tcp};
use tokio::time::{Instant, sleep_until};

/// So many bytes are carried at once.
const PIECE: usize = 16 * 1024;

/// So many pieces may be on their way; then no more are read.
const MOST_UNDER_WAY: usize = 64;

/// A port on this machine that leads to another one, through a distance. It is there until this is dropped.
pub(super) struct Far {
    port: u16,
    _runtime: tokio::runtime::Runtime,
}

impl Far {
    /// Puts a port at a distance.
    ///
    /// # Errors
    /// When the system gives no port.
    pub(super) fn from(target: SocketAddr, round_trip: Duration) -> Result<Self, SwapError> {
        let open = || -> io::Result<Self> {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()?;
            let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
            let port = listener.local_addr()?.port();
            runtime.spawn(async move {
                while let Ok((near, _)) = listener.accept().await {
                    tokio::spawn(carry(near, target, round_trip));
                }
            });
            Ok(Self {
                port,
                _runtime: runtime,
            })
        };
        open().map_err(SwapError::Far)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

async fn carry(near: TcpStream, target: SocketAddr, round_trip: Duration) -> io::Result<()> {
    let far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let begin = Instant::now() + round_trip;
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::spawn(pump(near_read, far_write, begin, round_trip / 2));
    pump(far_read, near_write, begin, round_trip / 2).await
}

/// Carries what is read to the other side, each piece after its delay, and then its end.
async fn pump(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    begin: Instant,
    delay: Duration,
) -> io::Result<()> {
    let mut under_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut piece = vec![0; PIECE];
    let mut ended = false;
    while !(ended && under_way.is_empty()) {
        let due = under_way.front().map(|(due, _)| *due);
        tokio::select! {
            read = from.read(&mut piece), if !ended && under_way.len() < MOST_UNDER_WAY => {
                let read = read.unwrap_or(0);
                ended = read == 0;
                let sent = Instant::now().max(begin);
                under_way.push_back((sent + delay, piece[..read].to_vec()));
            }
            () = sleep_until(due.unwrap_or(begin)), if due.is_some() => {
                if let Some((_, bytes)) = under_way.pop_front() {
                    to.write_all(&bytes).await?;
                }
            }
        }
    }
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn what_goes_through_arrives_as_it_is_and_its_end_too() {
        let echo = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = echo.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = echo.accept().unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            stream.write_all(&bytes).unwrap();
        });
        let far = Far::from(target, Duration::from_millis(4)).unwrap();
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", far.port())).unwrap();
        let bytes: Vec<u8> = (0..100_000_u32).map(|it| it.to_le_bytes()[0]).collect();
        let begun = std::time::Instant::now();
        stream.write_all(&bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        assert_eq!(back, bytes);
        // Never less than it must be; how much more is the machine's affair.
        assert!(begun.elapsed() >= Duration::from_millis(8));
        answering.join().unwrap();
    }
}
