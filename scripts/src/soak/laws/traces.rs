//! `nothing_leaks`: what is left at rest, on the disk and among the processes, is what is needed and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::soak::processes::{Found, open_files};

/// How many files and sockets a supervisor has open at rest, at most; it needs about thirty.
const OPEN_FILES: usize = 64;

/// What is left too much, in words.
pub(crate) fn leaks(
    state: &Path,
    temporary: &Path,
    record: &Value,
    supervisor: u32,
    platform: u32,
    found: &[Found],
) -> Vec<String> {
    let mut leaks = Vec::new();
    let workers: Vec<&Found> = found
        .iter()
        .filter(|found| found.pid != supervisor && found.pid != platform)
        .collect();
    if workers.len() != 1 {
        leaks.push(format!(
            "{} processes besides supervisor and platform: {workers:?}",
            workers.len()
        ));
    }
    let named: BTreeSet<u64> = ["active", "former"]
        .iter()
        .filter_map(|name| record[name]["id"].as_u64())
        .collect();
    let slots = entries(&state.join("slots"));
    let numbers: BTreeSet<u64> = slots
        .iter()
        .filter_map(|name| name.split('-').next()?.parse().ok())
        .collect();
    if numbers != named || slots.len() != named.len() {
        leaks.push(format!("slots {slots:?}, and the record names {named:?}"));
    }
    let parts = entries(&state.join("parts"));
    if !parts.is_empty() {
        leaks.push(format!("parts {parts:?}"));
    }
    for (place, most) in RUN {
        let of_kind: Vec<String> = entries(&state.join("run"))
            .into_iter()
            .filter(|name| name.starts_with(place))
            .collect();
        if of_kind.len() > most {
            leaks.push(format!("in `run` {of_kind:?}"));
        }
    }
    let unknown: Vec<String> = entries(&state.join("run"))
        .into_iter()
        .filter(|name| !RUN.iter().any(|(place, _)| name.starts_with(place)))
        .collect();
    if !unknown.is_empty() {
        leaks.push(format!("in `run` {unknown:?}"));
    }
    let temporary = entries(temporary);
    if !temporary.is_empty() {
        leaks.push(format!("in the folder for what is temporary {temporary:?}"));
    }
    if let Some(open) = open_files(supervisor).filter(|open| *open > OPEN_FILES) {
        leaks.push(format!("{open} open files"));
    }
    leaks
}

/// How many entries of the folder `run` may begin so.
const RUN: [(&str, usize); 4] = [("control", 2), ("link", 1), ("pid", 2), ("guard", 1)];

/// The names in a folder, sorted.
fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
