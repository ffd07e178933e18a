//! What tests have measured by the way, kept for whoever runs the suite: nothing is asserted of it here, as a machine with other things to
//! do is slow.

use std::{env, fs::OpenOptions, io::Write as _};

use serde_json::json;

/// Names the file the figures are appended to, one line of JSON each; without it they are only printed.
pub const FIGURES: &str = "HOTPLATE_FIGURES";

/// Keeps samples of one thing, in milliseconds, under its name.
///
/// # Panics
/// When the file that was asked for cannot be written.
pub fn keep(name: &str, samples_ms: &[f64]) {
    let line = json!({ "name": name, "samples_ms": samples_ms });
    println!("{line}");
    if let Some(path) = env::var_os(FIGURES) {
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        opened
            .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
            .unwrap_or_else(|why| panic!("`{}` cannot be written: {why}", path.display()));
    }
}
