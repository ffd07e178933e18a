//! Version 1 of the conversation after the handshake.
//!
//! Requests carry an id and are always answered, by the deadline at the latest. Everything else is an event and is not answered.
//! The order of the variants and of their fields is part of the wire format: never reorder, never remove, never add here.

use serde::{Deserialize, Serialize};

use crate::value::ValueMap;

/// Matches an answer to its request; unique within a tenure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(pub u32);

/// What the supervisor says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// Something to be answered by [`FromWorker::Reply`] with the same id.
    Request {
        /// Chosen by the supervisor.
        id: RequestId,
        /// What is asked.
        ask: Ask,
    },
    /// Please publish the full status now.
    ReportAll,
    /// I am alive.
    Heartbeat {
        /// Counts up from 0 in each direction.
        beat: u64,
    },
}

/// What the supervisor may ask of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Ask {
    /// You are the active worker now: take the hardware and run. Answered [`Done::Active`].
    Activate {
        /// Where the device stood, if that is known.
        from: Option<Handover>,
    },
    /// Make the device safe, hand over your snapshot, then exit. Answered [`Done::Snapshot`].
    Quiesce,
    /// May the switch happen now? Answered [`Done::Consent`].
    MayI,
    /// Set these properties. Answered [`Done::Accepted`] after acting.
    Set {
        /// Names and values as the cloud sent them.
        properties: ValueMap,
    },
    /// Call a service. Answered [`Done::Outputs`] after acting.
    Call {
        /// The service's identifier.
        service: String,
        /// Its arguments.
        args: ValueMap,
    },
    /// Make the device safe and exit, with no successor waiting. Answered [`Done::Stopping`].
    Stop,
}

/// A former life's state, given to the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// The snapshot: JSON text, as the former worker wrote it.
    pub snapshot: Vec<u8>,
    /// Why there is a next life.
    pub cause: Cause,
    /// How old the snapshot is, in milliseconds; `None` when the clock cannot tell.
    pub age_ms: Option<u64>,
}

/// Why a worker starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// A newer version takes over.
    Upgrade,
    /// The former version is taken back.
    RollBack,
    /// The worker before it died or hung.
    Crash,
    /// The supervisor had gone and came back.
    SupervisorLost,
    /// The machine was off, or it cannot be told.
    PowerCut,
    /// The operator or the configuration asked for it.
    Restart,
}

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    /// The answer to a request.
    Reply {
        /// The request's id.
        id: RequestId,
        /// What came of it.
        result: Result<Done, Refusal>,
    },
    /// Warmed up as standby: loaded, checked, hardware untouched.
    Ready,
    /// Warm-up failed; the worker exits after this.
    Unfit {
        /// Why, in one sentence.
        reason: String,
    },
    /// The device's health changed (sent once after activation, then on change).
    Health(Health),
    /// Property values, newest per name.
    Properties(ValueMap),
    /// Something happened; order is kept.
    Raised {
        /// The event's identifier.
        event: String,
        /// Its outputs.
        outputs: ValueMap,
        /// When, in milliseconds since 1970 UTC by the worker's clock.
        at_ms: u64,
    },
    /// A snapshot for the next life, should this one end badly. At most one a second.
    Checkpoint {
        /// JSON text.
        snapshot: Vec<u8>,
    },
    /// A reason to report the full status fast holds from now on.
    Hurry {
        /// Its name, for example `timer`.
        reason: String,
    },
    /// That reason has ended.
    Relax {
        /// Its name.
        reason: String,
    },
    /// I am alive.
    Heartbeat {
        /// Counts up from 0 in each direction.
        beat: u64,
    },
}

/// What came of a request that was carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Done {
    /// The device runs.
    Active,
    /// The device is safe and this is where it stood: JSON text. The worker exits next.
    Snapshot(Vec<u8>),
    /// Whether the switch may happen.
    Consent(Consent),
    /// The properties were set.
    Accepted,
    /// The service's outputs.
    Outputs(ValueMap),
    /// The device is safe. The worker exits next.
    Stopping,
}

/// A device's answer to "may I switch now?".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Consent {
    /// Go on.
    Now,
    /// Ask again then.
    Later {
        /// In how many milliseconds.
        after_ms: u64,
        /// Why, in one sentence.
        reason: String,
    },
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// A code for the cloud: 460 for a bad argument, 100000 to 110000 for the device's own.
    pub code: u32,
    /// Why, in one sentence.
    pub message: String,
}

/// How the device does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// It does its work.
    Well,
    /// It does not.
    Unwell {
        /// Why, in one sentence.
        reason: String,
    },
}
