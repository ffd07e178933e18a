//! Reading one TOML file, setting by setting.
//!
//! Each setting is asked for once, with its default and its bounds. The asking itself finds the faults, remembers what was asked
//! so that anything else in the file is a fault too, and writes the list that `check-config` shows. Nothing stops at the
//! first fault: an operator should need one look, not ten.

use std::{collections::BTreeMap, fmt::Display, path::Path, time::Duration};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::advice::{Mistake, meant};

/// One thing wrong with the configuration, as a line for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) String);

/// One setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effective {
    /// `section.key`.
    pub(crate) key: String,
    /// Its value in TOML's spelling, or a mask.
    pub(crate) value: String,
    /// `default`, `line 3`, or what else it came from.
    pub(crate) origin: String,
}

/// A file being read.
pub(crate) struct Reading<'t> {
    file: &'t Path,
    text: &'t str,
    sections: BTreeMap<String, Spanned<DeValue<'t>>>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) effective: Vec<Effective>,
}

impl<'t> Reading<'t> {
    /// Takes a file's text apart. What is not TOML is a fault, and then nothing but defaults can be read.
    pub(crate) fn new(file: &'t Path, text: &'t str) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut reading = Self {
            file,
            text,
            sections: BTreeMap::new(),
            faults: Vec::new(),
            effective: Vec::new(),
        };
        for error in &errors {
            let line = reading.line(error.span().map_or(0, |span| span.start));
            let not_toml = Mistake::NotToml;
            let (what, cure) = (not_toml.cause(), not_toml.cure());
            reading.fault(Some(line), format!("{what}: {}; {cure}", error.message()));
        }
        if errors.is_empty() {
            for (key, value) in table.into_inner() {
                reading
                    .sections
                    .insert(key.into_inner().into_owned(), value);
            }
        }
        reading
    }

    /// Opens a section; one that is not there is an empty one.
    pub(crate) fn section(&mut self, name: &'static str) -> Section<'_, 't> {
        let mut entries = BTreeMap::new();
        if let Some(value) = self.sections.remove(name) {
            let line = self.line(value.span().start);
            match value.into_inner() {
                DeValue::Table(table) => {
                    for (key, value) in table {
                        entries.insert(key.into_inner().into_owned(), value);
                    }
                }
                other => self.fault(
                    Some(line),
                    format!(
                        "`{name}` is a {}, it must be a section: write `[{name}]` on a line of its own",
                        other.type_str()
                    ),
                ),
            }
        }
        Section {
            name,
            entries,
            asked: Vec::new(),
            wrong: Vec::new(),
            reading: self,
        }
    }

    /// Ends the reading: sections nobody asked for are faults.
    pub(crate) fn end(&mut self, known: &[&str]) {
        for (name, value) in std::mem::take(&mut self.sections) {
            let line = self.line(value.span().start);
            let known_words = listed(known);
            self.fault(
                Some(line),
                match meant(&name, known) {
                    Some(word) => {
                        format!("unknown section `{name}`; did you mean `{word}`? Known are {known_words}")
                    }
                    None => format!("unknown section `{name}`; known are {known_words}"),
                },
            );
        }
    }

    /// Notes a fault with the file and, if it is known, the line.
    pub(crate) fn fault(&mut self, line: Option<usize>, what: impl Display) {
        let file = self.file.display();
        self.faults.push(Fault(match line {
            Some(line) => format!("`{file}`, line {line}: {what}"),
            None => format!("`{file}`: {what}"),
        }));
    }

    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        before.filter(|byte| **byte == b'\n').count() + 1
    }
}

/// One section being read.
pub(crate) struct Section<'r, 't> {
    name: &'static str,
    entries: BTreeMap<String, Spanned<DeValue<'t>>>,
    asked: Vec<&'static str>,
    wrong: Vec<&'static str>,
    reading: &'r mut Reading<'t>,
}

/// A value as it was found.
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) line: usize,
}

impl Section<'_, '_> {
    /// The file it stands in.
    pub(crate) fn file(&self) -> &Path {
        self.reading.file
    }

    /// A setting with a default.
    pub(crate) fn or<T: Form>(&mut self, key: &'static str, default: T) -> T {
        self.or_where(key, default, T::DEMAND, |_| true)
    }

    /// A setting with a default and a further demand on its value, told in words that fit after "it must be".
    pub(crate) fn or_where<T: Form>(
        &mut self,
        key: &'static str,
        default: T,
        demand: &str,
        holds: impl FnOnce(&T) -> bool,
    ) -> T {
        let found = self.may(key, |value| {
            T::read(value)
                .filter(holds)
                .ok_or_else(|| demand.to_owned())
        });
        let (value, origin) = match found {
            Some(found) => (found.value, format!("line {}", found.line)),
            None => (default, "default".to_owned()),
        };
        let shown = value.shown();
        self.list(key, shown, origin);
        value
    }

    /// A setting that may be missing. The reader's error is the end of a sentence: "it must be ...". It is not listed for
    /// `check-config` until [`Section::list`] is called.
    pub(crate) fn may<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<Found<T>> {
        self.asked.push(key);
        let value = self.entries.remove(key)?;
        let line = self.reading.line(value.span().start);
        let value = value.into_inner();
        match read(&value) {
            Ok(value) => Some(Found { value, line }),
            Err(demand) => {
                let type_name = value.type_str();
                self.wrong.push(key);
                self.fault(
                    key,
                    Some(line),
                    format!("must be {demand} (it is a {type_name})"),
                );
                None
            }
        }
    }

    /// A text that may be missing.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<Found<String>> {
        self.may(key, |value| {
            String::read(value).ok_or_else(|| String::DEMAND.to_owned())
        })
    }

    /// Writes a line for `check-config`.
    pub(crate) fn list(&mut self, key: &str, value: impl Into<String>, origin: impl Into<String>) {
        self.reading.effective.push(Effective {
            key: format!("{}.{key}", self.name),
            value: value.into(),
            origin: origin.into(),
        });
    }

    /// Notes a fault of this section's key.
    pub(crate) fn fault(&mut self, key: &str, line: Option<usize>, what: impl Display) {
        let name = self.name;
        self.reading.fault(line, format!("`{name}.{key}` {what}"));
    }

    /// Notes that a key is needed and not there, unless it is there and wrong, which has been noted already.
    pub(crate) fn missing(&mut self, key: &'static str, hint: &str) {
        if !self.faulty(&[key]) {
            self.fault(key, None, format!("is missing; {hint}"));
        }
    }

    /// Is one of these keys there, and wrong?
    pub(crate) fn faulty(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.wrong.contains(key))
    }

    /// Ends the section: keys nobody asked for are faults.
    pub(crate) fn end(mut self) {
        for (key, value) in std::mem::take(&mut self.entries) {
            let line = self.reading.line(value.span().start);
            let (name, known) = (self.name, listed(&self.asked));
            let what = match meant(&key, &self.asked) {
                Some(word) => {
                    format!("is unknown; did you mean `{word}`? Known in `[{name}]` are {known}")
                }
                None => format!("is unknown; known in `[{name}]` are {known}"),
            };
            self.fault(&key, Some(line), what);
        }
    }
}

/// A type a setting can have.
pub(crate) trait Form: Sized {
    /// What the value must be, in words that fit after "it must be".
    const DEMAND: &'static str;

    /// Reads it, or `None` if it is something else.
    fn read(value: &DeValue<'_>) -> Option<Self>;

    /// TOML's spelling of it.
    fn shown(&self) -> String;
}

impl Form for bool {
    const DEMAND: &'static str = "true or false";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        value.as_bool()
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Form for u64 {
    const DEMAND: &'static str = "a whole number, not negative";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        let number = value.as_integer()?;
        Self::from_str_radix(number.as_str(), number.radix()).ok()
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Form for String {
    const DEMAND: &'static str = "a text in quotes";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }

    fn shown(&self) -> String {
        format!("{self:?}")
    }
}

impl Form for Vec<String> {
    const DEMAND: &'static str = "a list of texts in quotes";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        let items = value.as_array()?.iter();
        items.map(|item| String::read(item.get_ref())).collect()
    }

    fn shown(&self) -> String {
        format!("{self:?}")
    }
}

impl Form for BTreeMap<String, String> {
    const DEMAND: &'static str = "a table of texts in quotes, as in `{ NAME = \"text\" }`";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        let entries = value.as_table()?.iter();
        entries
            .map(|(key, value)| Some((key.get_ref().to_string(), String::read(value.get_ref())?)))
            .collect()
    }

    fn shown(&self) -> String {
        // Variables of a process are a usual place for secrets; the names are enough to see what is in force.
        let names: Vec<_> = self
            .keys()
            .map(|name| format!("{name} = \"***\""))
            .collect();
        format!("{{ {} }}", names.join(", "))
    }
}

/// Spans are seconds and may have a fraction; the finest step is a millisecond, the longest span a year.
impl Form for Duration {
    const DEMAND: &'static str = "a number of seconds, fractions allowed, at most a year";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        let number = match value {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return None,
        };
        let seconds: f64 = number.parse().ok()?;
        (0.0..=31_536_000.0)
            .contains(&seconds)
            .then(|| Self::from_millis((seconds * 1000.0).round() as u64))
    }

    fn shown(&self) -> String {
        self.as_secs_f64().to_string()
    }
}

/// Names in back-ticks, with commas.
pub(crate) fn listed(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
