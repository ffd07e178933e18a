//! Versions an operator does not want: left by a rollback, or cancelled.
//!
//! A hold is on a version, whatever its bytes: that is what operators name and the platform offers, and which digest the platform will
//! offer a build by is not known before it does. It is lifted by `release`, and by an operator who brings the version. It says
//! nothing against the build, whose tries are counted apart.

use serde::{Deserialize, Serialize};

use crate::alink::version::Version;

/// A version that is not taken from the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which.
    pub version: Version,
    /// Since when.
    pub by: Hold,
}

/// What an operator did to a version that is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hold {
    /// It ran, and the version before was wanted back.
    RolledBack,
    /// Its update was not wanted.
    Cancelled,
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::RolledBack => "the operator rolled back from it",
            Self::Cancelled => "the operator cancelled its update",
        })
    }
}
