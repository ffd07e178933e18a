//! Colour and bars for people, plain text for everything else.
//!
//! Escape codes are written only when standard output is a terminal and `NO_COLOR` is not set; a log file or a pipe gets the
//! same words without them. This module decides nothing else and never reads the terminal.

use std::io::{IsTerminal, Write, stdout};
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

/// Whether a line can be rewritten in place: standard output is a terminal.
#[must_use]
pub(crate) fn moves() -> bool {
    stdout().is_terminal()
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

/// A bar of `width` cells, filled in proportion to `percent` (0 to 100; more counts as 100).
#[must_use]
pub(crate) fn bar(percent: u8, width: usize) -> String {
    let percent = usize::from(percent.min(100));
    let full = percent * width / 100;
    format!("{}{}", "█".repeat(full), "░".repeat(width - full))
}

/// A line that is rewritten in place on a terminal; elsewhere each distinct text is printed once, as its own line.
pub(crate) struct Live {
    last: String,
}

impl Live {
    /// Nothing shown yet.
    pub(crate) fn new() -> Self {
        Self {
            last: String::new(),
        }
    }

    /// Shows `text` in place of what was shown before.
    pub(crate) fn show(&mut self, text: &str) {
        if self.last == text {
            return;
        }
        text.clone_into(&mut self.last);
        if moves() {
            print!("\r\u{1b}[2K{text}");
            // A terminal that cannot be written to is gone; there is nobody left to tell.
            let _ = stdout().flush();
        } else {
            println!("{text}");
        }
    }

    /// Ends the line, so that what follows starts on a fresh one.
    pub(crate) fn end(self) {
        if !self.last.is_empty() && moves() {
            println!();
        }
    }
}

/// Bytes in thousands of millions.
pub(crate) fn giga(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    let bytes = bytes as f64;
    bytes / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_in_proportion_and_never_overflows() {
        assert_eq!(bar(0, 4), "░░░░");
        assert_eq!(bar(50, 4), "██░░");
        assert_eq!(bar(100, 4), "████");
        assert_eq!(bar(255, 4), "████");
    }

    #[test]
    fn a_duration_reads_in_seconds_and_then_in_minutes() {
        assert_eq!(duration(Duration::from_millis(440)), "0.4 s");
        assert_eq!(duration(Duration::from_secs(185)), "3 min 05 s");
    }
}
