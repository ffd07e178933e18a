//! What an operator at the device may wish beside asking how it is, and what becomes of it, in words that a program may read.
//!
//! Answers are reasons, never sentences: the shell has the one table that says them to people, each with the next step.

use serde::{Deserialize, Serialize};

use crate::{
    alink::{codec::Digest, version::Version},
    record::{Origin, Source, Wanted, WantedFile},
};

/// An image an operator brings: on this machine, on a medium in it, or on a web server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    /// Where its bytes are: an absolute path or an address. A publisher's signature lies beside it, with `.minisig` behind the name.
    pub source: Source,
    /// The version it is.
    pub version: Version,
    /// Its length in bytes.
    pub size: u64,
    /// Its digest, as the operator's program found it.
    pub digest: Digest,
    /// May it be older than what runs?
    pub allow_downgrade: bool,
}

impl Brought {
    /// It as something wanted.
    #[must_use]
    pub fn wanted(self) -> Wanted {
        let allow_downgrade = self.allow_downgrade;
        Wanted {
            version: self.version,
            files: vec![WantedFile {
                name: None,
                size: self.size,
                source: self.source,
                digests: vec![self.digest],
                digest_sign: None,
                seal: None,
            }],
            by: Origin::Operator { allow_downgrade },
            brought: true,
        }
    }
}

/// What becomes of an image an operator brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answered {
    /// Its update has begun.
    Begun,
    /// This version runs already.
    Running,
    /// This very update is under way.
    UnderWay,
    /// It is looked at when the update under way has ended.
    Waits,
    /// It is looked at when an operator says `resume`.
    Paused,
    /// It is not installed.
    Refused {
        /// Why.
        why: String,
    },
}

/// What an operator wishes; the answer is an [`Effect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Hold whatever can be held, and begin nothing.
    Pause,
    /// Go on where it stood.
    Resume,
    /// End the update under way, and stay with what ran.
    Cancel,
    /// Go back to the version before.
    Rollback,
    /// Take this version again, whatever was held against it.
    Release(Version),
    /// Let the update under way not wait for a maintenance window or for the device's consent.
    Hasten,
}

impl std::fmt::Display for Wish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pause => f.write_str("`pause`"),
            Self::Resume => f.write_str("`resume`"),
            Self::Cancel => f.write_str("`cancel`"),
            Self::Rollback => f.write_str("`rollback`"),
            Self::Hasten => f.write_str("`update --now`"),
            Self::Release(version) => write!(f, "`release {version}`"),
        }
    }
}

/// What becomes of a wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Nothing goes on and nothing begins until `resume`.
    Paused,
    /// The same, once what cannot be held any more has ended by itself.
    PausedSoon,
    /// It was paused before.
    PausedAlready,
    /// It goes on where it stood.
    Resumed,
    /// It was not paused.
    NotPaused,
    /// The update under way is over, and what ran goes on running.
    Cancelled {
        /// The version that is not installed.
        version: Version,
        /// Is it quarantined from now on, because the platform wanted it?
        quarantined: bool,
        /// The version of an offer that came meanwhile, and is looked at next.
        next: Option<Version>,
    },
    /// An offer that waited is dropped.
    Dropped {
        /// Its version.
        version: Version,
        /// Is it quarantined from now on, because the platform wanted it?
        quarantined: bool,
    },
    /// The new worker is stopped, and the one before it takes over again.
    TakenBack {
        /// The version that is stopped.
        from: Version,
        /// The version that takes over; none where none was installed.
        to: Option<Version>,
        /// Is the stopped one quarantined from now on, because the platform wanted it?
        quarantined: bool,
    },
    /// That happens already.
    OnItsWay {
        /// The version that runs then; none where none is installed.
        to: Option<Version>,
    },
    /// The update under way waits neither for a maintenance window nor for the device's consent from now on.
    Hastened {
        /// Is it held by a pause all the same?
        paused: bool,
    },
    /// No update is under way whose switch is still to come.
    NothingToHasten,
    /// Nothing is under way that could be cancelled.
    NothingUnderWay,
    /// The new version is being trusted in this moment.
    TooLate {
        /// Which.
        version: Version,
    },
    /// The version before takes over from the trusted one, in order.
    RollsBack {
        /// The version that is left, and is quarantined from now on.
        from: Version,
        /// The version that takes over.
        to: Version,
    },
    /// There is no version before the one that runs.
    NoFormer,
    /// The version before is quarantined itself.
    FormerQuarantined {
        /// Which.
        version: Version,
    },
    /// The version before was taken back because it kept dying.
    FormerKeptDying {
        /// Which.
        version: Version,
    },
    /// The version may be taken again.
    Released {
        /// How many tries its builds are given back.
        tries: u32,
    },
    /// Nothing was held against the version.
    NotQuarantined,
    /// It is not done.
    Refused {
        /// Why.
        why: String,
    },
}
