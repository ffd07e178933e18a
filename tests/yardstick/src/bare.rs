//! The least a parent must do for a worker of the sdk: hold its leash, welcome it, tell it to begin.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin, Command},
    sync::mpsc,
    time::timeout,
};
use worker_link::{LinkEvent, Listener, Options};
use worker_protocol::v1::{Ask, Done, FromWorker, Handover, RequestId, ToWorker};

use crate::Error;

/// A worker that needs longer for anything is not worth measuring.
const PATIENCE: Duration = Duration::from_secs(10);

/// A worker that runs.
pub(crate) struct Worker {
    pub(crate) process: Child,
    /// It would go with its leash.
    _leash: ChildStdin,
}

/// A parent of one worker after another.
pub(crate) struct Parent {
    listener: Listener,
    events: mpsc::Receiver<LinkEvent>,
    tenure: u64,
}

impl Parent {
    /// Its socket lies in this folder. Must be called within a tokio runtime.
    pub(crate) fn new(folder: &Path) -> Result<Self, Error> {
        let (listener, events) = Listener::bind(folder, Options::default())?;
        Ok(Self {
            listener,
            events,
            tenure: 0,
        })
    }

    /// Starts the next worker. It ends when it is dropped.
    pub(crate) async fn start(&mut self, program: &Path) -> Result<Worker, Error> {
        self.tenure += 1;
        let line = self.listener.expect(self.tenure)?.to_line();
        let mut process = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut leash = process.stdin.take().ok_or(Error::Worker("on its leash"))?;
        leash.write_all(line.as_bytes()).await?;
        Ok(Worker {
            process,
            _leash: leash,
        })
    }

    /// Waits until the newest worker has warmed up, and orders it to begin.
    pub(crate) async fn activate(&mut self, from: Option<Handover>) -> Result<(), Error> {
        self.until("ready", |word| {
            matches!(word, FromWorker::Ready).then_some(())
        })
        .await?;
        match self.ask(Ask::Activate { from }).await? {
            Done::Active => Ok(()),
            _ => Err(Error::Worker("active")),
        }
    }

    /// Orders the newest worker to hand over and go. Its end is the caller's to see.
    pub(crate) async fn hand_over(&mut self) -> Result<Vec<u8>, Error> {
        match self.ask(Ask::Quiesce).await? {
            Done::Snapshot(snapshot) => Ok(snapshot),
            _ => Err(Error::Worker("hand over")),
        }
    }

    async fn ask(&mut self, ask: Ask) -> Result<Done, Error> {
        let id = RequestId(0);
        let request = ToWorker::Request { id, ask };
        self.listener
            .send(self.tenure, request)
            .map_err(|_gone| Error::Worker("listen"))?;
        self.until("answer", |word| match word {
            FromWorker::Reply { result, .. } => result.ok(),
            _ => None,
        })
        .await
    }

    /// Waits for a word of the newest worker; what others have still to say is of no interest.
    async fn until<T>(
        &mut self,
        what: &'static str,
        wanted: impl Fn(FromWorker) -> Option<T>,
    ) -> Result<T, Error> {
        let heard = async {
            while let Some(event) = self.events.recv().await {
                match event {
                    LinkEvent::Said { tenure, message } if tenure == self.tenure => {
                        if let Some(found) = wanted(message) {
                            return Some(found);
                        }
                    }
                    LinkEvent::Parted { tenure, .. } if tenure == self.tenure => return None,
                    _ => {}
                }
            }
            None
        };
        timeout(PATIENCE, heard)
            .await
            .ok()
            .flatten()
            .ok_or(Error::Worker(what))
    }
}
