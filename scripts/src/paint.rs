//! Colour for people, plain text for everything else.
//!
//! Escape codes are written only when standard output is a terminal and `NO_COLOR` is not set; a log file or a pipe gets the
//! same words without them. This module decides nothing else and never reads the terminal.

use std::io::{IsTerminal, stdout};
use std::time::Duration;

/// Whether standard output understands escape codes and wants them.
#[must_use]
pub(crate) fn coloured() -> bool {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // The old Windows console prints escape codes as text; the terminals that understand them announce themselves.
    let able = !cfg!(windows)
        || ["WT_SESSION", "TERM"]
            .iter()
            .any(|name| std::env::var_os(name).is_some());
    wanted && able && stdout().is_terminal()
}

fn wrapped(code: &str, text: &str) -> String {
    if coloured() {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// Green, for what holds.
pub(crate) fn green(text: &str) -> String {
    wrapped("32", text)
}

/// Red, for what failed.
pub(crate) fn red(text: &str) -> String {
    wrapped("31", text)
}

/// Yellow, for an alarm that fails nothing.
pub(crate) fn yellow(text: &str) -> String {
    wrapped("33", text)
}

/// Faint, for what may be overlooked.
pub(crate) fn faint(text: &str) -> String {
    wrapped("2", text)
}

/// Bold, for a heading.
pub(crate) fn bold(text: &str) -> String {
    wrapped("1", text)
}

/// A duration as people read it: `0.4 s`, `12.0 s`, `3 min 05 s`.
#[must_use]
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_in_seconds_and_then_in_minutes() {
        assert_eq!(duration(Duration::from_millis(440)), "0.4 s");
        assert_eq!(duration(Duration::from_secs(185)), "3 min 05 s");
    }
}
