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
    /// The disk is full from that call on, as long as this supervisor lives.
    FullDisk,
    /// The disk fails from that call on.
    DeadDisk,
    /// The rights are missing from that call on.
    NoRights,
    /// Too many files are open from that call on.
    NoHandles,
    /// There is no memory for other processes from that call on.
    NoMemory,
}

impl Deed {
    pub(super) const ALL: [Self; 11] = [
        Self::Kill,
        Self::Enospc,
        Self::Eio,
        Self::Eacces,
        Self::Emfile,
        Self::Enomem,
        Self::FullDisk,
        Self::DeadDisk,
        Self::NoRights,
        Self::NoHandles,
        Self::NoMemory,
    ];

    /// Does it stay, once it has happened, until the supervisor ends?
    pub(super) fn lasts(self) -> bool {
        self.passing() != self
    }

    /// The same for one call only.
    pub(super) fn passing(self) -> Self {
        match self {
            Self::FullDisk => Self::Enospc,
            Self::DeadDisk => Self::Eio,
            Self::NoRights => Self::Eacces,
            Self::NoHandles => Self::Emfile,
            Self::NoMemory => Self::Enomem,
            Self::Kill | Self::Enospc | Self::Eio | Self::Eacces | Self::Emfile | Self::Enomem => {
                self
            }
        }
    }

    /// The error that the call gives, if it is not a kill.
    pub(super) fn errno(self) -> Option<Errno> {
        match self {
            Self::Kill => None,
            Self::Enospc | Self::FullDisk => Some(Errno::ENOSPC),
            Self::Eio | Self::DeadDisk => Some(Errno::EIO),
            Self::Eacces | Self::NoRights => Some(Errno::EACCES),
            Self::Emfile | Self::NoHandles => Some(Errno::EMFILE),
            Self::Enomem | Self::NoMemory => Some(Errno::ENOMEM),
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
            Self::FullDisk => "full-disk",
            Self::DeadDisk => "dead-disk",
            Self::NoRights => "no-rights",
            Self::NoHandles => "no-handles",
            Self::NoMemory => "no-memory",
        }
    }
}
