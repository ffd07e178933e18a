//! The log: one line per decision, on standard error, with tenure and job as fields.

use std::io::{self, IsTerminal};

use supervisor_core::event::{Grade, Note};
use tracing::level_filters::LevelFilter;

/// From now on lines are written; colours only on a terminal.
pub(crate) fn start(level: LevelFilter) {
    let started = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .try_init();
    if started.is_err() {
        tracing::debug!("the log has been started before");
    }
}

/// Writes a line of the brain's.
pub(crate) fn note(note: &Note) {
    let tenure = note.tenure.map(|tenure| tenure.0);
    let job = note.job.map(|job| job.0);
    let text = &note.text;
    match note.grade {
        Grade::Detail => tracing::debug!(tenure, job, "{text}"),
        Grade::Info => tracing::info!(tenure, job, "{text}"),
        Grade::Warning => tracing::warn!(tenure, job, "{text}"),
        Grade::Error => tracing::error!(tenure, job, "{text}"),
    }
}
