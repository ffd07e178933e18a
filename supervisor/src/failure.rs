//! What is told when something could not be done, and the code the program ends with.
//!
//! Every error is turned into words here, once, with all its causes; whoever meets one only says which kind it is.

use crate::{
    drivers::{chain, store::OpenError},
    exit::Exit,
    service::ServiceError,
    show::complain,
};

/// Tells what went wrong, if anything did, and answers how the program ends.
pub(crate) fn told(done: Result<(), Failure>) -> Exit {
    match done {
        Ok(()) => Exit::Done,
        Err(failure) => {
            complain(&failure.text);
            failure.exit
        }
    }
}

/// What is told when something could not be done, and the code it ends with.
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) text: String,
}

/// Something failed that nobody could have known before.
pub(crate) fn unexpected(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure {
        exit: Exit::Unexpected,
        text: chain(error),
    }
}

/// The state folder could not be opened.
pub(crate) fn unopened(error: &OpenError) -> Failure {
    let exit = match error {
        OpenError::Held { .. } => Exit::AlreadyRunning,
        OpenError::Unusable { .. } => Exit::Damaged,
    };
    Failure {
        exit,
        text: chain(error),
    }
}

/// The service could not be set up, or asked.
pub(crate) fn unserved(error: &ServiceError) -> Failure {
    let exit = match error {
        ServiceError::Config(_) | ServiceError::Unfit(_) => Exit::Usage,
        _ => Exit::Unexpected,
    };
    Failure {
        exit,
        text: chain(error),
    }
}
