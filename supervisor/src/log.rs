//! The log: one line per decision, on standard error, with tenure and job as fields.
//!
//! This is a subscriber of our own: a level, a time, a text and its fields are all there is. It knows no filters by name and no
//! spans, and never makes anybody wait longer than standard error does.

#[cfg(any(windows, test))]
mod kept;

use std::{
    fmt::{self, Write as _},
    io::{self, IsTerminal, Write},
    time::SystemTime,
};

#[cfg(windows)]
use std::sync::{Mutex, PoisonError};

use supervisor_core::event::{Grade, Note};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};

/// From now on lines are written; colours only on a terminal.
pub(crate) fn start(level: LevelFilter) {
    begin(Log {
        level,
        colours: io::stderr().is_terminal(),
        #[cfg(windows)]
        file: None,
    });
}

/// The same, but into a file: nobody reads the standard error of a service of Windows.
#[cfg(windows)]
pub(crate) fn start_into(level: LevelFilter, file: std::path::PathBuf) {
    begin(Log {
        level,
        colours: false,
        file: Some(Mutex::new(kept::Kept::at(file))),
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
    colours: bool,
    #[cfg(windows)]
    file: Option<Mutex<kept::Kept>>,
}

impl Log {
    fn line(&self, level: Level, parts: &Parts) -> String {
        let (name, colour) = match level {
            Level::ERROR => ("ERROR", 31),
            Level::WARN => ("WARN", 33),
            Level::INFO => ("INFO", 32),
            Level::DEBUG => ("DEBUG", 34),
            _ => ("TRACE", 35),
        };
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        let Parts { text, fields } = parts;
        if self.colours {
            format!(
                "\x1b[2m{time}\x1b[0m \x1b[{colour}m{name:5}\x1b[0m {text}\x1b[2m{fields}\x1b[0m\n"
            )
        } else {
            format!("{time} {name:5} {text}{fields}\n")
        }
    }
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
        let line = self.line(*event.metadata().level(), &parts);
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

/// A line's text, and its fields behind it.
#[derive(Default)]
struct Parts {
    text: String,
    fields: String,
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.text.push_str(value);
        } else if value.contains(char::is_whitespace) {
            self.record_debug(field, &value);
        } else {
            self.record_debug(field, &format_args!("{value}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a text in memory cannot fail.
        let _ = if field.name() == "message" {
            write!(self.text, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
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
            let line = self.0.line(*event.metadata().level(), &parts);
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
