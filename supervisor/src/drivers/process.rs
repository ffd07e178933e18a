//! Worker processes: started on the leash, read line by line, ended when told, reaped once.
//!
//! A worker's stdin is its leash: the first line says where to connect, and its end says that the supervisor is gone. It is held open for
//! exactly as long as the process lives. What a worker prints goes into the log, within bounds on line length and rate, so
//! that a worker gone mad cannot fill the supervisor's memory or drown its log.

mod output;
#[cfg(unix)]
#[path = "process/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "process/windows.rs"]
mod system;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use supervisor_core::event::{Event, Tenure};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    sync::oneshot,
};

use super::{Events, report};
use crate::config::{SECRET_VARIABLE, Worker};

/// A program that was written a moment ago may be held open by another process that is just being started; it is tried again this often
/// and after this pause each time.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(25);

/// How long what a worker has printed may take to arrive after its end. A grandchild that holds the pipe longer is not listened to.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// All worker processes; there are at most two at a time.
#[derive(Debug)]
pub(crate) struct Processes {
    settings: Worker,
    events: Events,
    alive: HashMap<Tenure, oneshot::Sender<()>>,
}

impl Processes {
    pub(crate) fn new(settings: Worker, events: Events) -> Self {
        Self {
            settings,
            events,
            alive: HashMap::new(),
        }
    }

    /// Answered by `Spawned` and later, once, `Exited`, or by `SpawnFailed`. The leash is the first line on the worker's stdin.
    pub(crate) fn spawn(&mut self, tenure: Tenure, image: PathBuf, leash: io::Result<String>) {
        let leash = match leash {
            Ok(leash) => leash,
            Err(why) => {
                let why = format!("no token for `{}`: {why}", image.display());
                report(&self.events, Event::SpawnFailed { tenure, why });
                return;
            }
        };
        let mut command = Command::new(&image);
        command
            .args(&self.settings.args)
            .envs(&self.settings.env)
            .env_remove(SECRET_VARIABLE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        system::set_apart(&mut command);
        let (kill, killed) = oneshot::channel();
        self.alive.retain(|_, kill| !kill.is_closed());
        self.alive.insert(tenure, kill);
        let life = Life {
            tenure,
            image,
            leash,
            events: self.events.clone(),
        };
        tokio::spawn(life.run(command, killed));
    }

    /// Ends a process at once; its `Exited` follows. One that has ended already is left in peace.
    pub(crate) fn kill(&mut self, tenure: Tenure) {
        if let Some(kill) = self.alive.remove(&tenure) {
            // Fails only when the process has been reaped.
            let _ = kill.send(());
        }
    }
}

/// One process from start to end.
struct Life {
    tenure: Tenure,
    image: PathBuf,
    leash: String,
    events: Events,
}

impl Life {
    async fn run(self, command: Command, killed: oneshot::Receiver<()>) {
        let tenure = self.tenure;
        let event = match start(command).await {
            Ok(child) => self.accompany(child, killed).await,
            Err(why) => Event::SpawnFailed {
                tenure,
                why: told(&self.image, &why),
            },
        };
        // Fails only when the spine has ended.
        let _ = self.events.send(event).await;
    }

    async fn accompany(&self, mut child: Child, mut killed: oneshot::Receiver<()>) -> Event {
        let tenure = self.tenure;
        // Without an id the process has been waited for already, which only this task does.
        let pid = child.id().unwrap_or_default();
        let _ = self.events.send(Event::Spawned { tenure, pid }).await;
        let mut leash = child.stdin.take();
        if let Some(leash) = &mut leash {
            // A worker that closed its stdin or died already is seen by its silence or its exit.
            let _ = leash.write_all(self.leash.as_bytes()).await;
            let _ = leash.flush().await;
        }
        let stdout = child
            .stdout
            .take()
            .map(|pipe| output::follow(pipe, tenure, "stdout"));
        let stderr = child
            .stderr
            .take()
            .map(|pipe| output::follow(pipe, tenure, "stderr"));
        let status = tokio::select! {
            status = child.wait() => status,
            order = &mut killed => match order {
                Ok(()) => {
                    // Fails only when the process has ended by itself in this moment.
                    let _ = child.start_kill();
                    child.wait().await
                }
                // The driver is gone or the order was forgotten: the process goes on until it ends.
                Err(_) => child.wait().await,
            },
        };
        drop(leash);
        for pipe in [stdout, stderr].into_iter().flatten() {
            let abort = pipe.abort_handle();
            if tokio::time::timeout(LAST_WORDS, pipe).await.is_err() {
                abort.abort();
            }
        }
        let exit = status.map_or(supervisor_core::event::Exit::Unknown, system::exit);
        Event::Exited { tenure, exit }
    }
}

async fn start(mut command: Command) -> io::Result<Child> {
    let mut tries = 0;
    loop {
        match command.spawn() {
            Err(why) if why.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                tries += 1;
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            started => return started,
        }
    }
}

/// The plain words come first, as the platform cuts what it is told.
fn told(image: &Path, why: &io::Error) -> String {
    let words = match why.kind() {
        _ if system::is_foreign(why) => "not a program for this system",
        io::ErrorKind::NotFound => "the program, or the loader it asks for, is not there",
        io::ErrorKind::PermissionDenied => "the program may not be executed",
        _ => "the system refuses to start the program",
    };
    format!("{words}: `{}`: {why}", image.display())
}
