//! The turns in the story of an update, for whoever tells it afterwards.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::alink::version::Version;

/// A place in the story of an update where it went on, or ended. Its text is what the log says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// An offer was accepted.
    Began {
        /// What ran, if anything.
        from: Option<Version>,
        /// What is wanted.
        to: Version,
        /// How large its image is, in bytes.
        bytes: u64,
    },
    /// The image is whole, verified, and a slot on the disk.
    Fetched {
        /// Which version it is.
        version: Version,
    },
    /// The new version runs the device, on trial.
    TookOver {
        /// Which version.
        version: Version,
        /// How long nobody ran the device, in milliseconds; unknown after a power cut in the switch.
        gap_ms: Option<u64>,
    },
    /// The new version is trusted, durably.
    Trusted {
        /// Which version.
        version: Version,
    },
    /// It ended without success, durably.
    Failed {
        /// Why, as the platform hears it.
        why: String,
    },
}

impl Turn {
    /// Is nothing more to come in this update?
    #[must_use]
    pub fn ends(&self) -> bool {
        matches!(self, Self::Trusted { .. } | Self::Failed { .. })
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Began { to, bytes, .. } => {
                write!(f, "version {to} is to be installed, {bytes} bytes")
            }
            Self::Fetched { version } => {
                write!(f, "the image of version {version} is whole and verified")
            }
            Self::TookOver { version, gap_ms } => {
                write!(f, "version {version} runs and is being proved")?;
                match gap_ms {
                    Some(gap) => write!(f, "; nobody ran the device for {gap} ms"),
                    None => Ok(()),
                }
            }
            Self::Trusted { version } => write!(f, "version {version} is trusted"),
            Self::Failed { why } => write!(f, "the update ended: {why}"),
        }
    }
}
