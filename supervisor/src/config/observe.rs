//! What the supervisor tells of itself: the log, and the numbers for an operator's alarms.

use std::net::SocketAddr;

use supervisor_core::event::Grade;
use tracing::level_filters::LevelFilter;

use super::{
    Environment,
    reading::{Reading, Section},
};
use crate::log::Form;

/// In this variable systemd says that standard error leads to its journal.
pub(crate) const JOURNAL_VARIABLE: &str = "JOURNAL_STREAM";

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Log {
    /// The least grave line that is logged.
    pub(crate) level: LevelFilter,
    /// What a line looks like.
    pub(crate) form: Form,
}

/// How the log is written, and the least grave line of it that the platform gets as well.
pub(super) fn log(reading: &mut Reading<'_>, environment: Environment<'_>) -> (Log, Option<Grade>) {
    let mut section = reading.section("log");
    let level = level(&mut section);
    let form = form(&mut section, environment);
    let upload = upload(&mut section);
    section.end();
    (Log { level, form }, upload)
}

/// Where the numbers can be had, if anywhere.
pub(super) fn metrics(reading: &mut Reading<'_>) -> Option<SocketAddr> {
    let mut section = reading.section("metrics");
    let found = section.text("listen");
    let listen = match &found {
        None => {
            section.list("listen", "nowhere", "default");
            None
        }
        Some(found) => {
            let (shown, origin) = (format!("{:?}", found.value), format!("line {}", found.line));
            section.list("listen", shown, origin);
            let address = found.value.parse::<SocketAddr>().ok();
            let address = address.filter(|address| address.ip().is_loopback());
            if address.is_none() {
                let demand = "must be an address of this machine alone and a port, as in \"127.0.0.1:9464\": whoever can reach it can read it";
                section.fault("listen", Some(found.line), demand);
            }
            address
        }
    };
    section.end();
    listen
}

fn level(section: &mut Section<'_, '_>) -> LevelFilter {
    let level = section.or_where(
        "level",
        "info".to_owned(),
        "one of \"error\", \"warn\", \"info\", \"debug\" and \"trace\"",
        |level| ["error", "warn", "info", "debug", "trace"].contains(&level.as_str()),
    );
    level.parse().unwrap_or(LevelFilter::INFO)
}

fn form(section: &mut Section<'_, '_>, environment: Environment<'_>) -> Form {
    let named = |name: &str| Form::NAMES.into_iter().find(|(it, _)| *it == name);
    let format = section.or_where(
        "format",
        "auto".to_owned(),
        "one of \"auto\", \"human\", \"json\" and \"journald\"",
        |format| format == "auto" || named(format).is_some(),
    );
    match named(&format) {
        Some((_, form)) => form,
        None => Form::fitting(environment(JOURNAL_VARIABLE).as_deref()),
    }
}

fn upload(section: &mut Section<'_, '_>) -> Option<Grade> {
    let grade = |name: &str| {
        Some(match name {
            "error" => Grade::Error,
            "warn" => Grade::Warning,
            "info" => Grade::Info,
            _ => return None,
        })
    };
    let upload = section.or_where(
        "upload",
        "off".to_owned(),
        "one of \"off\", \"error\", \"warn\" and \"info\"",
        |upload| upload == "off" || grade(upload).is_some(),
    );
    grade(&upload)
}
