//! The configuration file of a stand: settings by name, written as TOML.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write as _},
};

/// Settings by section and key, each value in TOML's spelling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<&'static str, BTreeMap<&'static str, String>>);

impl Settings {
    /// Sets `section.key`.
    ///
    /// # Panics
    /// When the name has no dot.
    pub fn set(&mut self, name: &'static str, value: impl Display) {
        let (section, key) = name
            .split_once('.')
            .expect("a setting is named `section.key`");
        self.0
            .entry(section)
            .or_default()
            .insert(key, value.to_string());
    }

    /// The same for a text, which is put in quotes.
    pub fn text(&mut self, name: &'static str, value: &str) {
        self.set(name, format!("{value:?}"));
    }

    /// Leaves `section.key` at its default.
    ///
    /// # Panics
    /// When the name has no dot.
    pub fn unset(&mut self, name: &'static str) {
        let (section, key) = name
            .split_once('.')
            .expect("a setting is named `section.key`");
        if let Some(entries) = self.0.get_mut(section) {
            entries.remove(key);
        }
    }

    /// The file's text.
    #[must_use]
    pub fn toml(&self) -> String {
        self.0
            .iter()
            .fold(String::new(), |mut text, (section, entries)| {
                // Writing to a text cannot fail.
                let _ = writeln!(text, "[{section}]");
                for (key, value) in entries {
                    let _ = writeln!(text, "{key} = {value}");
                }
                text
            })
    }
}
