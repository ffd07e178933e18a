//! The terminal as Windows has it.

use std::io;

/// Standard output's columns and rows.
pub(super) fn size() -> Option<(usize, usize)> {
    let (columns, rows) = terminal_size::terminal_size()?;
    Some((usize::from(columns.0), usize::from(rows.0)))
}

/// Windows tells of a reader that has gone only when something is written.
pub(super) fn is_read() -> bool {
    true
}

/// Since Windows 10 it does when it is told to.
pub(super) fn understands_sequences() -> bool {
    anstyle_query::windows::enable_ansi_colors().unwrap_or(false)
}

/// Asks at the console for a line that is not shown.
///
/// # Errors
/// There is no console.
pub(crate) fn read_secret(question: &str) -> io::Result<String> {
    rpassword::prompt_password(question)
}
