//! The local socket to the workers, in the brain's words.
//!
//! When it cannot be made, the supervisor goes on without: the device stays connected, and whenever a worker is to be started the socket is
//! tried again first. A start that fails for it is tried again by the brain, after growing waits and without end.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use supervisor_core::event::{Event, Tenure};
use tokio::sync::mpsc;
use worker_link::{LinkEvent, ListenError, Listener, Options, endpoint::Guest};
use worker_protocol::v1::ToWorker;

use super::{Events, chain};

/// The supervisor's end of the link.
#[derive(Debug)]
pub(crate) struct Link {
    listener: Option<Listener>,
    base: PathBuf,
    options: Options,
    events: Events,
}

impl Link {
    /// Listens under a fresh name in `base`, now or when the first worker is started, for workers that run as this user or as the guest.
    pub(crate) fn listen(
        base: &Path,
        heartbeat: Duration,
        guest: Option<Guest>,
        events: Events,
    ) -> Self {
        let options = Options {
            heartbeat,
            guest,
            ..Options::default()
        };
        let mut link = Self {
            listener: None,
            base: base.to_owned(),
            options,
            events,
        };
        if let Err(why) = link.listener() {
            let why = chain(&why);
            tracing::error!("failed to {why}; it is tried again before each start of a worker");
        }
        link
    }

    /// The line that ties a worker to this supervisor, for its stdin.
    ///
    /// # Errors
    /// There is no socket, and none can be made; or there is no randomness for its token.
    pub(crate) fn leash(&mut self, tenure: Tenure) -> io::Result<String> {
        let listener = self
            .listener()
            .map_err(|why| io::Error::other(format!("failed to {}", chain(&why))))?;
        Ok(listener.expect(tenure.0)?.to_line())
    }

    fn listener(&mut self) -> Result<&Listener, ListenError> {
        let listener = match self.listener.take() {
            Some(listener) => listener,
            None => {
                let (listener, happened) = Listener::bind(&self.base, self.options.clone())?;
                tokio::spawn(tell(happened, self.events.clone()));
                listener
            }
        };
        Ok(self.listener.insert(listener))
    }

    /// A worker that is not there, or reads too little to be told, is reported as parted.
    pub(crate) fn send(&self, tenure: Tenure, message: ToWorker) {
        let Some(listener) = &self.listener else {
            return; // Then there is no worker either.
        };
        if let Err(why) = listener.send(tenure.0, message) {
            tracing::debug!(tenure = tenure.0, "failed to {why}");
        }
    }

    pub(crate) fn hang_up(&self, tenure: Tenure) {
        if let Some(listener) = &self.listener {
            listener.close(tenure.0);
        }
    }
}

async fn tell(mut happened: mpsc::Receiver<LinkEvent>, events: Events) {
    while let Some(event) = happened.recv().await {
        let event = match event {
            LinkEvent::Joined { tenure, hello } => Event::Joined {
                tenure: Tenure(tenure),
                version: hello.version,
                pid: hello.pid,
            },
            LinkEvent::Said { tenure, message } => Event::Said {
                tenure: Tenure(tenure),
                message,
            },
            LinkEvent::Parted { tenure, why } => Event::Parted {
                tenure: Tenure(tenure),
                why,
            },
            LinkEvent::Stranger { why } => Event::Stranger { why },
        };
        if events.send(event).await.is_err() {
            return; // The spine has ended.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_cannot_be_made_is_tried_again_when_a_worker_is_to_be_started() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("link");
        std::fs::write(&base, "in the way").unwrap();
        let (events, _happened) = mpsc::channel(1);
        let mut link = Link::listen(&base, Duration::from_secs(1), None, events);
        let why = link.leash(Tenure(1)).unwrap_err().to_string();
        assert!(
            why.contains("link") && why.starts_with("failed to "),
            "{why}"
        );
        link.hang_up(Tenure(1));
        std::fs::remove_file(&base).unwrap();
        assert!(link.leash(Tenure(2)).is_ok());
    }
}
