//! The exit codes, all of them.
//!
//! Scripts and service files go by these numbers, therefore they are never changed and nothing else in the program ends the process
//! with a number of its own.

use std::process::ExitCode;

/// How the program ends. What each code means to whoever runs it stands in the table of the module `cli`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked has been done.
    Done = 0,
    /// Something unexpected failed, or there was no supervisor to ask.
    Unexpected = 1,
    /// The command line or the configuration is wrong; nothing was touched.
    Usage = 2,
    /// The state folder cannot be used as it is.
    Damaged = 3,
    /// Another supervisor holds the state folder.
    AlreadyRunning = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::EXIT_CODES;

    #[test]
    fn every_exit_code_is_explained_and_no_other() {
        let ends = [
            Exit::Done,
            Exit::Unexpected,
            Exit::Usage,
            Exit::Damaged,
            Exit::AlreadyRunning,
        ];
        assert_eq!(ends.map(|end| end as u8), EXIT_CODES.map(|(code, _)| code));
    }
}
