//! Tells whoever started the process how it stands, in systemd's words: a line or two per datagram to the socket in `NOTIFY_SOCKET`.
//!
//! The spine calls it each time it comes round, and nothing else does: a spine that hangs feeds no watchdog. A datagram that
//! cannot be sent at once is not sent; nobody is waited for. Where nobody asks, nothing is made up and nothing wakes.

use std::{ffi::OsString, time::Duration};

use supervisor_core::{status::Standing, time::Ticks};

#[cfg(unix)]
#[path = "notify/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "notify/elsewhere.rs"]
mod system;
#[cfg(test)]
#[cfg(unix)]
mod tests;

use self::system::Socket;

/// What asks for any of this. Workers never inherit it.
pub(crate) const VARIABLES: [&str; 3] = [SOCKET, "WATCHDOG_USEC", "WATCHDOG_PID"];

const SOCKET: &str = "NOTIFY_SOCKET";

/// The watchdog is fed this often in its time, so that one datagram that is lost does no harm.
const FEEDS: u64 = 3;

/// The one who wants to know.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    socket: Option<Socket>,
    /// How often the watchdog wants to be fed, and when it is due.
    watchdog: Option<(Duration, Ticks)>,
    is_ready: bool,
    is_stopping: bool,
    told: String,
}

impl Notify {
    /// Nobody wants to know.
    #[cfg(test)]
    pub(crate) fn nobody() -> Self {
        Self::default()
    }

    /// Whoever the environment names. A socket that cannot be had is told in the log, and the device runs all the same.
    pub(crate) fn from_env(variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let Some(address) = variable(SOCKET).filter(|it| !it.is_empty()) else {
            return Self::default();
        };
        let socket = match Socket::open(&address) {
            Ok(socket) => socket,
            Err(why) => {
                let address = address.display();
                tracing::warn!("nobody is told how it goes: `{SOCKET}` is `{address}`: {why}");
                return Self::default();
            }
        };
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let every = number("WATCHDOG_USEC").filter(|span| *span > 0 && ours);
        let every = every.map(|span| Duration::from_millis((span / 1000 / FEEDS).max(1)));
        Self {
            socket: Some(socket),
            watchdog: every.map(|every| (every, Ticks(0))),
            ..Self::default()
        }
    }

    /// The spine has come round. Tells what has changed, and feeds the watchdog if it is time.
    pub(crate) fn look<'a>(&mut self, now: Ticks, standing: impl FnOnce() -> Standing<'a>) {
        let Some(socket) = &self.socket else { return };
        if let Some((every, due)) = &mut self.watchdog
            && *due <= now
        {
            *due = now.after(*every);
            socket.send("WATCHDOG=1");
        }
        if self.is_stopping {
            return;
        }
        let standing = standing();
        let mut words = words(&standing);
        if standing.is_up() && !self.is_ready {
            self.is_ready = socket.send(&format!("READY=1\nSTATUS={words}"));
        } else if words != self.told && !socket.send(&format!("STATUS={words}")) {
            words.clear(); // Told the next time.
        }
        self.told = words;
    }

    /// The process is on its way to its end, in order.
    pub(crate) fn stopping(&mut self) {
        self.is_stopping = true;
        if let Some(socket) = &self.socket {
            socket.send("STOPPING=1\nSTATUS=stopping");
        }
    }

    /// When it is time to come round although nothing happens.
    pub(crate) fn next(&self) -> Option<Ticks> {
        self.watchdog.map(|(_, due)| due)
    }
}

fn words(standing: &Standing<'_>) -> String {
    let Standing {
        phase,
        active,
        installed,
        cloud_up,
    } = standing;
    let cloud = if *cloud_up { "up" } else { "down" };
    match active {
        Some(version) => format!("{phase}, worker {version} is active, cloud {cloud}"),
        None if *installed => format!("{phase}, no worker is active, cloud {cloud}"),
        None => format!("{phase}, no worker is installed, cloud {cloud}"),
    }
}
