//! The ports it listens on: free ones, given ones, or, with a state folder, the ones of the time before.
//!
//! A device finds its platform under the same address after a restart. So with a state folder free ports are taken from below
//! those that systems give to outgoing connections: one of those could have a port while the emulator does not hold it, and a
//! device that calls again and again would even be connected with itself.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::ops::Range;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::options::Options;
use crate::random::Random;
use crate::start::StartError;

/// No system gives these to outgoing connections by itself.
const QUIET: Range<u16> = 15_000..32_000;
/// How many of them are tried.
const TRIES: usize = 200;
/// How long a port that was ours before is waited for when it is taken, and how long after a try the next one follows.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// Where it listened the time before.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Ports {
    mqtt: Option<u16>,
    mqtts: Option<u16>,
    api: Option<u16>,
    firmware: Option<u16>,
    firmware_tls: Option<u16>,
}

/// A listener and its address.
pub(crate) type Bound = (TcpListener, SocketAddr);

/// All listeners.
pub(crate) struct Listeners {
    pub(crate) mqtt: Bound,
    pub(crate) mqtts: Option<Bound>,
    pub(crate) api: Bound,
    pub(crate) firmware: Bound,
    pub(crate) firmware_tls: Option<Bound>,
}

impl Listeners {
    /// Listens on what the options ask for. With a state folder `before` says where that was before, if there was a time before.
    pub(crate) fn open(options: &Options, before: Ports) -> Result<Self, StartError> {
        let listen = |asked: u16, before: Option<u16>| {
            let at = |port| SocketAddr::new(options.host, port);
            match (asked, before) {
                (0, Some(port)) => patiently(at(port)),
                (0, None) if options.state.is_some() => quietly(at(0)),
                (port, _) => bind(at(port)),
            }
            .map_err(|(address, source)| StartError::Listen { address, source })
        };
        let listen_tls = |asked, before| options.tls.then(|| listen(asked, before)).transpose();
        Ok(Self {
            mqtt: listen(options.mqtt_port, before.mqtt)?,
            mqtts: listen_tls(options.mqtts_port, before.mqtts)?,
            api: listen(options.api_port, before.api)?,
            firmware: listen(options.firmware_port, before.firmware)?,
            firmware_tls: listen_tls(options.firmware_tls_port, before.firmware_tls)?,
        })
    }

    /// The ports in use.
    pub(crate) fn ports(&self) -> Ports {
        let port = |bound: &Bound| bound.1.port();
        Ports {
            mqtt: Some(port(&self.mqtt)),
            mqtts: self.mqtts.as_ref().map(port),
            api: Some(port(&self.api)),
            firmware: Some(port(&self.firmware)),
            firmware_tls: self.firmware_tls.as_ref().map(port),
        }
    }
}

fn bind(address: SocketAddr) -> Result<Bound, (SocketAddr, io::Error)> {
    let bound = || {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((TcpListener::from_std(listener)?, bound))
    };
    bound().map_err(|error| (address, error))
}

/// What keeps a port that was ours, such as the process before which is just being ended, goes away.
fn patiently(address: SocketAddr) -> Result<Bound, (SocketAddr, io::Error)> {
    let begun = Instant::now();
    loop {
        match bind(address) {
            Err((_, why))
                if why.kind() == io::ErrorKind::AddrInUse && begun.elapsed() < PATIENCE =>
            {
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

fn quietly(address: SocketAddr) -> Result<Bound, (SocketAddr, io::Error)> {
    let mut random = Random::unseeded();
    let mut last = bind(SocketAddr::new(address.ip(), draw(&mut random)));
    for _ in 1..TRIES {
        if last.is_ok() {
            break;
        }
        last = bind(SocketAddr::new(address.ip(), draw(&mut random)));
    }
    last
}

fn draw(random: &mut Random) -> u16 {
    let span = u64::from(QUIET.end - QUIET.start);
    let drawn = u16::try_from(random.next() % span).expect("the span is one of ports");
    QUIET.start + drawn
}
