//! A worker's words for the log: one line on stderr, a level and a sentence.
//!
//! A stderr that cannot be written to is no reason to stop a device, so failures are ignored.

use std::{
    fmt::Arguments,
    io::{self, Write as _},
};

/// Something the device or its author did wrong, or that was lost.
pub(crate) fn error(sentence: Arguments<'_>) {
    line("error", sentence);
}

/// Something that was mended, but should be known.
pub(crate) fn warn(sentence: Arguments<'_>) {
    line("warn", sentence);
}

fn line(level: &str, sentence: Arguments<'_>) {
    // One write, so that lines of several threads do not mix.
    let text = format!("{level} {sentence}\n");
    let _ = io::stderr().write_all(text.as_bytes());
}
