//! `cargo xtask bench`: numbers the README promises, measured on the machine at hand.
//!
//! A bench reports; it fails only when it cannot measure. Numbers for programs go out as one JSON object, everything for people
//! goes to standard error in that case.

mod footprint;
mod process;

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The release supervisor's size, memory, threads and processor time when idle with TLS and an active worker
    Footprint(footprint::Args),
}

/// A number could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The programs could not be made ready or did not come to rest.
    #[error(transparent)]
    Stage(#[from] crate::stage::StageError),
    /// A process could not be measured.
    #[error(transparent)]
    Process(#[from] process::ProcessError),
    /// The system's clock is not known.
    #[error("ask for the ticks in a second")]
    Ticks(#[source] crate::run::RunError),
}

/// Measures.
///
/// # Errors
/// When the measurement cannot be made.
pub(crate) fn bench(args: &Args) -> Result<bool, crate::Error> {
    match &args.what {
        What::Footprint(args) => footprint::footprint(args)?,
    }
    Ok(true)
}
