//! The log: one line per decision, on standard error, with tenure and job as fields, in one of the forms of the module `line`.
//!
//! This is a subscriber of our own: a level, a time, a text and its fields are all there is. It knows no filters by name and no
//! spans, and never makes anybody wait longer than standard error does.

mod line;

use std::{
    io::{self, IsTerminal, Write},
    time::SystemTime,
};

#[cfg(windows)]
use std::sync::{Mutex, PoisonError};

use supervisor_core::event::{Grade, Note};
use tracing::{Event, Metadata, Subscriber, level_filters::LevelFilter, span};

pub(crate) use self::line::Form;
use self::line::Parts;
#[cfg(windows)]
use crate::kept::Kept;

/// How long the log file of a service of Windows, and the one before it, may each become, in bytes.
#[cfg(windows)]
const FULL: u64 = 1024 * 1024;

/// From now on lines are written; colours only on a terminal.
pub(crate) fn start(level: LevelFilter, form: Form) {
    begin(Log {
        level,
        form,
        colours: io::stderr().is_terminal(),
        #[cfg(windows)]
        file: None,
    });
}

/// The same, but into a file: nobody reads the standard error of a service of Windows.
#[cfg(windows)]
pub(crate) fn start_into(level: LevelFilter, form: Form, file: std::path::PathBuf) {
    begin(Log {
        level,
        form,
        colours: false,
        file: Some(Mutex::new(Kept::at(file, FULL))),
    });
}

fn begin(log: Log) {
    if tracing::subscriber::set_global_default(log).is_err() {
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

struct Log {
    level: LevelFilter,
    form: Form,
    colours: bool,
    #[cfg(windows)]
    file: Option<Mutex<Kept>>,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let mut parts = Parts::default();
        event.record(&mut parts);
        let level = *event.metadata().level();
        let line = parts.line(self.form, level, SystemTime::now(), self.colours);
        #[cfg(windows)]
        if let Some(file) = &self.file {
            return file
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write(&line);
        }
        // One write, so that lines stay whole. A log that cannot be written is no reason to stop.
        let _ = io::stderr().write_all(line.as_bytes());
    }

    // There are no spans: none is ever enabled.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps what would have been written.
    struct Kept(Log, Arc<Mutex<Vec<String>>>);

    impl Subscriber for Kept {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            self.0.enabled(metadata)
        }

        fn event(&self, event: &Event<'_>) {
            let mut parts = Parts::default();
            event.record(&mut parts);
            let level = *event.metadata().level();
            let line = parts.line(self.0.form, level, SystemTime::now(), self.0.colours);
            self.1.lock().unwrap().push(line);
        }

        fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
            self.0.new_span(attributes)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn a_note_is_one_line_with_its_fields_and_lesser_ones_are_left_out() {
        let lines = Arc::default();
        let log = Log {
            level: LevelFilter::INFO,
            form: Form::Human,
            colours: false,
            #[cfg(windows)]
            file: None,
        };
        tracing::subscriber::with_default(Kept(log, Arc::clone(&lines)), || {
            let said = |grade, tenure| {
                note(&Note {
                    grade,
                    tenure,
                    job: None,
                    text: "the worker is \"well\"".to_owned(),
                    turn: None,
                });
            };
            said(Grade::Warning, Some(supervisor_core::event::Tenure(4)));
            said(Grade::Info, None);
            said(Grade::Detail, None);
        });
        let lines = lines.lock().unwrap();
        let (time, rest) = lines[0].split_once(' ').unwrap();
        assert!(
            time.ends_with('Z') && time.len() == "2026-11-23T10:28:45.364Z".len(),
            "{time}"
        );
        assert_eq!(rest, "WARN  the worker is \"well\" tenure=4\n");
        assert!(
            lines[1].ends_with("INFO  the worker is \"well\"\n"),
            "{}",
            lines[1]
        );
        assert_eq!(lines.len(), 2);
    }
}
