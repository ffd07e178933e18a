//! The local socket to the workers, in the brain's words.

use std::{io, path::Path, time::Duration};

use supervisor_core::event::{Event, Tenure};
use tokio::sync::mpsc;
use worker_link::{LinkEvent, ListenError, Listener, Options, endpoint::Guest};
use worker_protocol::v1::ToWorker;

use super::Events;

/// The supervisor's end of the link.
#[derive(Debug)]
pub(crate) struct Link {
    listener: Listener,
}

impl Link {
    /// Listens under a fresh name in `base`, for workers that run as this user or as the guest.
    pub(crate) fn listen(
        base: &Path,
        heartbeat: Duration,
        guest: Option<Guest>,
        events: Events,
    ) -> Result<Self, ListenError> {
        let options = Options {
            heartbeat,
            guest,
            ..Options::default()
        };
        let (listener, happened) = Listener::bind(base, options)?;
        tokio::spawn(tell(happened, events));
        Ok(Self { listener })
    }

    /// The line that ties a worker to this supervisor, for its stdin.
    pub(crate) fn leash(&self, tenure: Tenure) -> io::Result<String> {
        Ok(self.listener.expect(tenure.0)?.to_line())
    }

    /// A worker that is not there, or reads too little to be told, is reported as parted.
    pub(crate) fn send(&self, tenure: Tenure, message: ToWorker) {
        if let Err(why) = self.listener.send(tenure.0, message) {
            tracing::debug!(tenure = tenure.0, "failed to {why}");
        }
    }

    pub(crate) fn hang_up(&self, tenure: Tenure) {
        self.listener.close(tenure.0);
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
