//! The supervisor's command line as its own source defines it. Only the names are of interest here, so that what is given stays text.

#[path = "../../../supervisor/src/cli.rs"]
pub(super) mod cli;

/// In the place of the supervisor's own types, which this may not depend on.
mod given {
    /// Any text passes for a version.
    pub(crate) type Version = String;

    /// And for the name of a service.
    pub(crate) type Name = String;

    /// Takes every text.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the supervisor's own refuses what is no version"
    )]
    pub(crate) fn version(text: &str) -> Result<Version, String> {
        Ok(text.to_owned())
    }
}
