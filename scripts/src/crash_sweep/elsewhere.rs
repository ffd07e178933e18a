//! Where no tracer of ours works: the command is known, and says why it does nothing.

/// Whatever is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    any: Vec<String>,
}

/// The sweep cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    /// Not on this system.
    #[error("sweep with `{0}`: processes are traced on Linux on x86-64 only")]
    Elsewhere(String),
}

/// Says so.
///
/// # Errors
/// Always.
pub(crate) fn crash_sweep(args: &Args) -> Result<bool, crate::Error> {
    Err(SweepError::Elsewhere(args.any.join(" ")).into())
}
