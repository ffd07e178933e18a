//! Who is there: the first frames after the preface, the same in every version.

use serde::{Deserialize, Serialize};

/// The secret that proves a worker was started by this supervisor; given on the leash, used once.
pub const TOKEN_BYTES: usize = 32;

/// The worker's first frame. It has two seconds from the connection to send it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The token from the leash.
    pub token: [u8; TOKEN_BYTES],
    /// The version the program says it is, 1 to 64 characters.
    pub version: String,
    /// SHA-256 of the thing model's text, so that a changed model can be told from an unchanged one.
    pub model_digest: [u8; 32],
    /// The worker's process id, for the log and for checking the peer.
    pub pid: u32,
}

impl std::fmt::Debug for Hello {
    /// Never shows the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello")
            .field("version", &self.version)
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

/// The supervisor's answer to [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The worker is who it should be.
    Welcome(Welcome),
    /// It is not; the connection is closed after this frame.
    Refused {
        /// A plain sentence for the worker's log, at most 200 bytes.
        reason: String,
    },
}

/// What a welcomed worker needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Which life of which worker this is.
    pub tenure: u64,
    /// How often each side says that it is alive, in milliseconds.
    pub heartbeat_ms: u32,
    /// How long a snapshot may be, in bytes.
    pub largest_snapshot: u32,
}
