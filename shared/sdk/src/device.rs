//! What a device author writes: one trait.
//!
//! The sdk owns the leash, the socket, the handshake, the heartbeats, the time limits and the exit codes; a device owns its
//! hardware and its state. All methods are called one after the other, from one task, so a device needs no locks.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
pub use worker_protocol::v1::{Cause, Consent, Health, Refusal};
use worker_protocol::{Value, ValueMap};

use crate::{model::Model, reporter::Reporter};

/// The code for what the model declares and the device does not do; the first of those a device may give itself.
const NOT_DONE: u32 = 100_000;

/// A device that can be started, upgraded, taken back and asked.
pub trait Device: Send + 'static {
    /// The state that crosses lives and versions. Readers must ignore unknown fields and default missing ones.
    type Snapshot: Serialize + DeserializeOwned + Send;

    /// Identity, version, properties, services and events. Everything else is checked against it.
    fn model(&self) -> Model;

    /// As a standby beside the active worker: load, check, allocate; touch no hardware. Without it there is nothing to be checked.
    fn warm_up(&mut self) -> impl Future<Output = Result<(), Fault>> + Send {
        std::future::ready(Ok(()))
    }

    /// Take the hardware and run, from where the former life stood if that is known.
    fn activate(
        &mut self,
        report: Reporter,
        from: Option<Resume<Self::Snapshot>>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// How often [`Device::tick`] is called while active, first right after the activation; `None` for a device without a control loop.
    fn period(&self) -> Option<Duration> {
        None
    }

    /// One turn of the control loop. Missed turns are skipped, not made up for.
    fn tick(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Set one property. The value already has the type and range the model declares. Without it all are refused.
    fn set(
        &mut self,
        name: &str,
        value: Value,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = value;
        std::future::ready(Err(undone("set", name)))
    }

    /// Call one service. The arguments already have the types and ranges the model declares. Without it all are refused.
    fn call(
        &mut self,
        service: &str,
        args: ValueMap,
    ) -> impl Future<Output = Result<ValueMap, Refusal>> + Send {
        let _ = args;
        std::future::ready(Err(undone("call", service)))
    }

    /// Whether a switch to another version may happen now.
    fn may_switch(&self) -> Consent {
        Consent::Now
    }

    /// Where the device stands, for the next life should this one end badly.
    fn snapshot(&self) -> Self::Snapshot;

    /// Make the device safe and hand over where it stood. Without it the snapshot is handed over, which is enough for a device that
    /// may go on by itself while the next version takes over.
    fn quiesce(&mut self) -> impl Future<Output = Self::Snapshot> + Send {
        std::future::ready(self.snapshot())
    }

    /// How the device does.
    fn health(&self) -> Health {
        Health::Well
    }
}

/// What the model declares and the device does not do.
fn undone(deed: &str, name: &str) -> Refusal {
    Refusal {
        code: NOT_DONE,
        message: format!("this device does not {deed} `{name}`"),
    }
}

/// Where a former life stood.
#[derive(Debug, Clone, PartialEq)]
pub struct Resume<S> {
    /// Its state.
    pub state: S,
    /// Why there is a next life.
    pub cause: Cause,
    /// How old the state is; `None` when the clock cannot tell.
    pub age: Option<Duration>,
}

/// Why a device cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);
