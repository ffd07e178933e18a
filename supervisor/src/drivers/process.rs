//! Worker processes: started on the leash from a slot that was just verified, read line by line, ended when told, reaped once.
//!
//! A worker's stdin is its leash: the first line says where to connect, and its end says that the supervisor is gone. It is held open for
//! exactly as long as the process lives. What a worker prints goes into the log, within bounds on line length and rate, so
//! that a worker gone mad cannot fill the supervisor's memory or drown its log.

mod birth;
mod birthmark;
pub(crate) mod orphans;
mod output;
pub(crate) mod pidfile;
#[cfg(unix)]
#[path = "process/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "process/windows.rs"]
mod system;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, io, time::Duration};

use supervisor_core::event::{Event, Tenure};
use tokio::{io::AsyncWriteExt, process::Child, sync::oneshot};

use self::{
    birth::{Birth, Unborn},
    pidfile::PidFiles,
};
use super::{Events, after_you, report, store::verify::Manifest};
use crate::config::Worker;

/// How long what a worker has printed may take to arrive after its end. A grandchild that holds the pipe longer is not listened to.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// All worker processes; there are at most two at a time.
#[derive(Debug)]
pub(crate) struct Processes {
    settings: Worker,
    files: PidFiles,
    events: Events,
    alive: HashMap<Tenure, oneshot::Sender<()>>,
}

impl Processes {
    /// None runs yet, and none of a former supervisor any more.
    pub(crate) fn new(settings: Worker, files: PidFiles, events: Events) -> Self {
        Self {
            settings,
            files,
            events,
            alive: HashMap::new(),
        }
    }

    /// Answered by `Spawned` and later, once, `Exited`, or by `SpawnFailed`, `SlotDamaged` or `SlotUnreadable`. The leash is the first line
    /// on the worker's stdin.
    pub(crate) fn spawn(&mut self, tenure: Tenure, slot: Manifest, leash: io::Result<String>) {
        let leash = match leash {
            Ok(leash) => leash,
            Err(why) => {
                let why = format!("no token for `{}`: {why}", slot.program().display());
                report(&self.events, Event::SpawnFailed { tenure, why });
                return;
            }
        };
        let (kill, killed) = oneshot::channel();
        self.alive.retain(|_, kill| !kill.is_closed());
        self.alive.insert(tenure, kill);
        let life = Life {
            tenure,
            leash,
            files: self.files.clone(),
            events: self.events.clone(),
        };
        let birth = Birth {
            tenure,
            slot,
            settings: self.settings.clone(),
        };
        tokio::spawn(life.run(birth, Order(Some(killed))));
    }

    /// Ends a process at once; its `Exited` follows, or `SpawnFailed` if it did not run yet. One that has ended already is left in peace.
    pub(crate) fn kill(&mut self, tenure: Tenure) {
        if let Some(kill) = self.alive.remove(&tenure) {
            // Fails only when the process has been reaped.
            let _ = kill.send(());
        }
    }
}

/// The order to end a process, which may never come.
struct Order(Option<oneshot::Receiver<()>>);

impl Order {
    /// Ends when the order is given. May be dropped and called again until then.
    async fn given(&mut self) {
        if let Some(order) = &mut self.0 {
            let given = order.await.is_ok();
            self.0 = None;
            if given {
                return;
            }
        }
        // The driver is gone or the order was forgotten: the process goes on until it ends.
        std::future::pending::<()>().await;
    }
}

/// One process from start to end.
struct Life {
    tenure: Tenure,
    leash: String,
    files: PidFiles,
    events: Events,
}

impl Life {
    async fn run(self, birth: Birth, mut killed: Order) {
        let tenure = self.tenure;
        let event = match birth.raise(&mut killed).await {
            Ok(child) => return self.accompany(child, killed).await,
            Err(Unborn::Damaged(why)) => Event::SlotDamaged { tenure, why },
            Err(Unborn::Unreadable(why)) => Event::SlotUnreadable { tenure, why },
            Err(Unborn::NotStarted(why)) => Event::SpawnFailed { tenure, why },
        };
        // Fails only when the spine has ended.
        let _ = self.events.send(event).await;
    }

    /// Tells of its start and its end.
    async fn accompany(&self, mut child: Child, mut killed: Order) {
        let tenure = self.tenure;
        // Without an id the process has been waited for already, which only this task does.
        let pid = child.id().unwrap_or_default();
        self.files.write(pid).await;
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
            () = killed.given() => {
                // Fails only when the process has ended by itself in this moment.
                let _ = child.start_kill();
                child.wait().await
            }
        };
        let exit = status.map_or(supervisor_core::event::Exit::Unknown, system::exit);
        // Told, and acted upon, before anything is put away: the next worker waits for this word, and the supervisor's own end may, too. A
        // thread that is woken for a file would take the processor from both.
        let _ = self.events.send(Event::Exited { tenure, exit }).await;
        after_you().await;
        self.files.strike(pid);
        drop(leash);
        for pipe in [stdout, stderr].into_iter().flatten() {
            let abort = pipe.abort_handle();
            if tokio::time::timeout(LAST_WORDS, pipe).await.is_err() {
                abort.abort();
            }
        }
    }
}
