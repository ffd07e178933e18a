//! What is done to a supervisor at a point.

use nix::errno::Errno;

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub(super) enum Deed {
    /// It is killed before the call.
    Kill,
    /// The disk is full.
    Enospc,
    /// The disk fails.
    Eio,
    /// The rights are missing.
    Eacces,
    /// Too many files are open.
    Emfile,
    /// There is no memory for another process.
    Enomem,
}

impl Deed {
    pub(super) const ALL: [Self; 6] = [
        Self::Kill,
        Self::Enospc,
        Self::Eio,
        Self::Eacces,
        Self::Emfile,
        Self::Enomem,
    ];

    /// The error that the call gives, if it is not a kill.
    pub(super) fn errno(self) -> Option<Errno> {
        match self {
            Self::Kill => None,
            Self::Enospc => Some(Errno::ENOSPC),
            Self::Eio => Some(Errno::EIO),
            Self::Eacces => Some(Errno::EACCES),
            Self::Emfile => Some(Errno::EMFILE),
            Self::Enomem => Some(Errno::ENOMEM),
        }
    }

    /// As it is written on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Enospc => "enospc",
            Self::Eio => "eio",
            Self::Eacces => "eacces",
            Self::Emfile => "emfile",
            Self::Enomem => "enomem",
        }
    }
}
