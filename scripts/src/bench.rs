//! `cargo xtask bench`: numbers the README promises, measured on the machine at hand.
//!
//! A bench reports; it fails only when it cannot measure. Numbers for programs go out as one JSON object, everything for people
//! goes to standard error in that case.

mod clock;
mod download;
mod footprint;
pub(crate) mod live;
mod process;
mod recovery;
mod release;
pub(crate) mod spread;
mod swap;
mod yardstick;

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
    /// A download's wall time, processor time and memory against `curl` and `md5sum`
    Download(download::Args),
    /// How long a device is without its worker after a kill, a bad version, a power cut
    Recovery(recovery::Args),
    /// How long nobody keeps the control loop when a device's program is swapped, and what is lost meanwhile
    Swap(swap::Args),
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
    /// The download could not be measured.
    #[error(transparent)]
    Download(#[from] download::DownloadError),
    /// A recovery could not be measured.
    #[error(transparent)]
    Recovery(#[from] recovery::RecoveryError),
    /// A swap could not be measured.
    #[error(transparent)]
    Swap(#[from] swap::SwapError),
    /// There is nothing to compare with.
    #[error(transparent)]
    Yardstick(#[from] yardstick::YardstickError),
    /// By whoever sits in front of it.
    #[error(transparent)]
    Stopped(#[from] live::Stopped),
}

/// What a yardstick answers is a moment.
fn moment(text: &str) -> clock::Moment {
    clock::Moment(text.parse().unwrap_or_default())
}

/// The ticks of the system's clock in a second, in which processor time is counted.
fn ticks_per_second() -> Result<f64, BenchError> {
    let asked = crate::run::captured(&mut crate::run::command("getconf", ["CLK_TCK"]))
        .map_err(BenchError::Ticks)?;
    Ok(asked.trim().parse().unwrap_or(100.0))
}

/// Measures.
///
/// # Errors
/// When the measurement cannot be made.
pub(crate) fn bench(args: &Args) -> Result<bool, crate::Error> {
    match &args.what {
        What::Footprint(args) => footprint::footprint(args)?,
        What::Download(args) => download::download(args)?,
        What::Recovery(args) => recovery::recovery(args)?,
        What::Swap(args) => swap::swap(args)?,
    }
    Ok(true)
}
