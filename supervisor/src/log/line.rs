//! What a line of the log looks like.
//!
//! | form | for whom | a line |
//! |---|---|---|
//! | human | whoever reads along | time, level, text, fields as `name=value` |
//! | json | programs that collect logs | one object: `time`, `level`, `text`, and each field under its name |
//! | journald | systemd's journal | `<N>` for the level, as in sd-daemon(3), text, fields; the journal knows the time itself |

use std::{
    fmt::{self, Write as _},
    time::SystemTime,
};

use serde_json::{Map, Value};
use tracing::{
    Level,
    field::{Field, Visit},
};

/// The form of the log's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// To be read along.
    Human,
    /// To be collected.
    Json,
    /// To be kept by systemd's journal.
    Journald,
}

impl Form {
    /// The names that `log.format` takes; `auto` is none of them.
    pub(crate) const NAMES: [(&'static str, Self); 3] = [
        ("human", Self::Human),
        ("json", Self::Json),
        ("journald", Self::Journald),
    ];

    /// What suits where standard error leads to: systemd names its journal in this variable.
    pub(crate) fn fitting(journal_stream: Option<&str>) -> Self {
        match journal_stream {
            Some(_) => Self::Journald,
            None => Self::Human,
        }
    }
}

/// A line's text, and its fields.
#[derive(Default)]
pub(super) struct Parts {
    text: String,
    fields: Map<String, Value>,
}

impl Parts {
    /// The whole line, with its end.
    pub(super) fn line(&self, form: Form, level: Level, now: SystemTime, colours: bool) -> String {
        let (name, colour, severity) = match level {
            Level::ERROR => ("ERROR", 31, 3),
            Level::WARN => ("WARN", 33, 4),
            Level::INFO => ("INFO", 32, 6),
            Level::DEBUG => ("DEBUG", 34, 7),
            _ => ("TRACE", 35, 7),
        };
        let time = humantime::format_rfc3339_millis(now);
        let text = &self.text;
        match form {
            Form::Human if colours => format!(
                "\x1b[2m{time}\x1b[0m \x1b[{colour}m{name:5}\x1b[0m {text}\x1b[2m{}\x1b[0m\n",
                self.fields()
            ),
            Form::Human => format!("{time} {name:5} {text}{}\n", self.fields()),
            Form::Journald => {
                // The journal takes each line for an entry, and the level of the first is not that of the next.
                let text = text.replace('\n', " | ");
                format!("<{severity}>{text}{}\n", self.fields())
            }
            Form::Json => {
                let mut whole = Map::new();
                whole.insert("time".to_owned(), time.to_string().into());
                whole.insert("level".to_owned(), name.to_ascii_lowercase().into());
                whole.insert("text".to_owned(), text.as_str().into());
                whole.extend(self.fields.clone());
                format!("{}\n", Value::Object(whole))
            }
        }
    }

    fn fields(&self) -> String {
        self.fields
            .iter()
            .fold(String::new(), |mut text, (name, value)| {
                // Writing into a text in memory cannot fail.
                let _ = match value {
                    Value::String(value) if !value.contains(char::is_whitespace) => {
                        write!(text, " {name}={value}")
                    }
                    value => write!(text, " {name}={value}"),
                };
                text
            })
    }
}

impl Visit for Parts {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.text.push_str(value);
        } else {
            self.fields.insert(field.name().to_owned(), value.into());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn said(form: Form) -> String {
        let mut fields = Map::new();
        fields.insert("tenure".to_owned(), 4.into());
        fields.insert("why".to_owned(), "it is late".into());
        let parts = Parts {
            text: "the worker is \"unwell\"\nand says so".to_owned(),
            fields,
        };
        let now = UNIX_EPOCH + Duration::from_millis(1_764_000_000_123);
        parts.line(form, Level::WARN, now, false)
    }

    #[test]
    fn a_line_for_programs_is_one_object_with_its_fields_as_they_are() {
        let line = said(Form::Json);
        assert_eq!(line.matches('\n').count(), 1);
        let value: Value = serde_json::from_str(&line).unwrap();
        let wanted = serde_json::json!({"time": "2025-11-24T16:00:00.123Z", "level": "warn", "tenure": 4, "why": "it is late",
            "text": "the worker is \"unwell\"\nand says so"});
        assert_eq!(value, wanted);
    }

    #[test]
    fn the_journal_is_told_the_level_and_gets_one_line() {
        let line = said(Form::Journald);
        assert_eq!(
            line,
            "<4>the worker is \"unwell\" | and says so tenure=4 why=\"it is late\"\n"
        );
    }

    #[test]
    fn systemd_is_recognised_by_what_it_leaves_in_the_environment() {
        assert_eq!(Form::fitting(Some("8:1234")), Form::Journald);
        assert_eq!(Form::fitting(None), Form::Human);
    }
}
