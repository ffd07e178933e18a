//! The types that words of the command line become; see the module `cli`.

pub(crate) use supervisor_core::alink::version::Version;

use crate::advice::Mistake;
pub(crate) use crate::service::Name;

/// Reads a version; the fault says what to do.
pub(crate) fn version(text: &str) -> Result<Version, String> {
    text.parse()
        .map_err(|fault| format!("{fault}; {}", Mistake::NoVersion.cure()))
}
