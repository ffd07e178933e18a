//! Which step goes how.

use std::io;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power goes out before this change, and nothing happens any more.
    Out(u64),
    /// This step fails, and no other.
    Fails(u64, io::ErrorKind),
    /// This step fails, and all that follow.
    FailsFrom(u64, io::ErrorKind),
}

/// What a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// It changes something.
    Change,
    /// It changes nothing, so that a power cut before it is the same as one after it.
    Look,
}

/// The steps that were taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps {
    /// Steps of any sort.
    pub(crate) all: u64,
    /// Those that change something.
    pub(crate) changes: u64,
    fault: Option<Fault>,
    hit: bool,
}

impl Steps {
    pub(super) fn with(fault: Option<Fault>) -> Self {
        Self {
            fault,
            ..Self::default()
        }
    }

    /// Has the power gone out?
    pub(crate) fn is_out(&self) -> bool {
        self.hit && matches!(self.fault, Some(Fault::Out(_)))
    }

    /// Did what was planned come to pass?
    pub(crate) fn is_hit(&self) -> bool {
        self.hit
    }

    pub(super) fn next(&mut self, sort: Sort) -> io::Result<()> {
        let (step, change) = (self.all, self.changes);
        self.all += 1;
        self.changes += u64::from(sort == Sort::Change);
        let fails = match self.fault {
            Some(Fault::Out(at)) if self.hit || (sort == Sort::Change && change == at) => {
                Some(io::Error::other("the power is out"))
            }
            Some(Fault::Fails(at, kind)) if step == at => Some(kind.into()),
            Some(Fault::FailsFrom(at, kind)) if step >= at => Some(kind.into()),
            _ => None,
        };
        self.hit |= fails.is_some();
        fails.map_or(Ok(()), Err)
    }
}
