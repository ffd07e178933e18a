//! The hands: each driver owns one resource, does what it is told, and reports what happened. None of them decides anything.
//!
//! A driver is called by the spine and must not make it wait; whatever takes time runs in a task of the driver's own and ends
//! in an event. The one queue of events is bounded ([`MOST_EVENTS`]): at the bound the driver that wants to report waits, never
//! the spine, which only ever empties it.

pub(crate) mod clock;
pub(crate) mod cloud;
pub(crate) mod control;
pub(crate) mod fetch;
pub(crate) mod flight;
pub(crate) mod host;
pub(crate) mod link;
pub(crate) mod metrics;
pub(crate) mod notify;
pub(crate) mod process;
pub(crate) mod rights;
pub(crate) mod scanner;
pub(crate) mod signal;
pub(crate) mod store;
pub(crate) mod tls;
pub(crate) mod word;

use supervisor_core::event::Event;
use tokio::sync::mpsc;

/// How many events may wait for the spine.
pub(crate) const MOST_EVENTS: usize = 64;

/// Where drivers report.
pub(crate) type Events = mpsc::Sender<Event>;

/// Reports without waiting: for the calls of the spine, which is the one that empties the queue.
pub(crate) fn report(events: &Events, event: Event) {
    if let Err(mpsc::error::TrySendError::Full(event)) = events.try_send(event) {
        let events = events.clone();
        tokio::spawn(async move {
            // Fails only when the spine has ended, and then nobody is left to be told.
            let _ = events.send(event).await;
        });
    }
}

/// Lets everybody go first who has something to do at this moment, and those whom they wake: for what nobody waits for, like putting
/// things away. One turn for the spine, one for those who carry out what it orders.
pub(crate) async fn after_you() {
    for _ in 0..2 {
        tokio::task::yield_now().await;
    }
}

/// A library's error with its reasons, which alone say what went wrong.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}
