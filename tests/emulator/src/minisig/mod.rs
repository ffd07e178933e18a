//! A package's publisher signature: what it says of each file, and how it reaches the device.
//!
//! The format is minisign's, the claims are words in its trusted comment. Everything may also be untrue, since devices have to
//! refuse that; so nothing here checks a signature.

mod key;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use key::{KeyError, SigningKey};

use crate::firmware::{Firmware, Package, PackageError, StoredFile};

/// What is inserted behind the path of a file's URL.
pub(crate) const SUFFIX: &str = ".minisig";

/// How the signature of a package of one file reaches the device. Several files always have theirs at [`Carrier::Url`], since
/// the custom text has room for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    /// As the package's custom text, which the offer carries as `_package_udi`.
    #[default]
    Udi,
    /// As the member `minisig` of a JSON object in the custom text, beside what else the object has.
    UdiJson,
    /// At the file's URL with `.minisig` behind its path; the query that opens the file opens it too.
    Url,
}

/// Where the text of a signature comes from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Minisig {
    /// Made when the package is taken: each file is signed with this key and these claims.
    Made(SigningKey, Claims),
    /// These texts, true or not, one for each file in order; `None` is a file without one.
    Given(Vec<Option<String>>),
}

/// What a signature says of its file, as words `key:value` in the trusted comment.
///
/// The words `timestamp`, `version`, `target`, `module` and `size`, and for one of several files also `file` and `files`, say
/// what is true unless they are made to say something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    target: String,
    said: BTreeMap<String, Option<String>>,
}

impl Claims {
    /// The truth about a file, which runs on this target, such as `x86_64-unknown-linux-gnu`.
    #[must_use]
    pub fn of(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            said: BTreeMap::new(),
        }
    }

    /// The same with this word saying this instead; a word of no meaning is added.
    #[must_use]
    pub fn saying(mut self, word: &str, value: impl Display) -> Self {
        self.said.insert(word.to_owned(), Some(value.to_string()));
        self
    }

    /// The same without this word.
    #[must_use]
    pub fn without(mut self, word: &str) -> Self {
        self.said.insert(word.to_owned(), None);
        self
    }

    /// The trusted comment for a file that is one of so many.
    fn comment(&self, version: &str, module: &str, file: &StoredFile, of: usize) -> String {
        let mut words = vec![
            ("timestamp", (crate::shared::now() / 1000).to_string()),
            ("version", version.to_owned()),
            ("target", self.target.clone()),
            ("module", module.to_owned()),
            ("size", file.size.to_string()),
        ];
        if of > 1 {
            words.push(("file", file.name.clone()));
            words.push(("files", of.to_string()));
        }
        let unheard = |word: &&String| !words.iter().any(|(key, _)| key == word);
        let added: Vec<_> = self.said.keys().filter(unheard).cloned().collect();
        words
            .into_iter()
            .map(|(key, true_value)| (key, Some(true_value)))
            .chain(added.iter().map(|key| (key.as_str(), None)))
            .filter_map(|(key, true_value)| {
                let value = self.said.get(key).cloned().unwrap_or(true_value)?;
                Some(format!("{key}:{value}"))
            })
            .collect::<Vec<_>>()
            .join("\t")
    }
}

impl Package {
    /// The same, each file signed with this key when the package is taken; what is signed is the truth.
    #[must_use]
    pub fn signed(self, key: &SigningKey, target: impl Into<String>) -> Self {
        self.claimed(key, Claims::of(target))
    }

    /// The same, saying what these claims say.
    #[must_use]
    pub fn claimed(mut self, key: &SigningKey, claims: Claims) -> Self {
        self.minisig = Some(Minisig::Made(key.clone(), claims));
        self
    }

    /// The same, its one file with this text in place of a signature, whatever it is.
    #[must_use]
    pub fn minisig(mut self, text: impl Into<String>) -> Self {
        self.minisig = Some(Minisig::Given(vec![Some(text.into())]));
        self
    }

    /// The same, the signature reaching the device like this.
    #[must_use]
    pub fn carrier(mut self, carrier: Carrier) -> Self {
        self.carrier = carrier;
        self
    }
}

impl Minisig {
    /// Gives each file its text. Blocks while it reads the files.
    pub(crate) fn put(
        self,
        version: &str,
        module: &str,
        files: &mut [StoredFile],
    ) -> Result<(), PackageError> {
        let of = files.len();
        match self {
            Self::Made(key, claims) => {
                for file in files {
                    let comment = claims.comment(version, module, file, of);
                    let sign = || File::open(&file.path).and_then(|it| key.sign(it, &comment));
                    let text = sign().map_err(|source| PackageError::File {
                        path: file.path.clone(),
                        source,
                    })?;
                    file.minisig = Some(text);
                }
            }
            Self::Given(texts) if texts.len() == of => {
                for (file, text) in files.iter_mut().zip(texts) {
                    file.minisig = text;
                }
            }
            Self::Given(texts) => {
                return Err(PackageError::Minisigs {
                    texts: texts.len(),
                    files: of,
                });
            }
        }
        Ok(())
    }
}

impl Firmware {
    /// The signature of its first file, which is the only one of most packages.
    #[must_use]
    pub fn minisig(&self) -> Option<&str> {
        self.files.first()?.minisig.as_deref()
    }

    /// What an offer carries as `_package_udi`: the custom text, the signature, or both in one JSON object.
    #[must_use]
    pub fn package_udi(&self) -> Option<String> {
        match (self.carrier, self.minisig()) {
            (Carrier::Udi, Some(text)) => Some(text.to_owned()),
            (Carrier::UdiJson, Some(text)) => {
                let mut object = self.custom_object().unwrap_or_default();
                object.insert("minisig".into(), json!(text));
                Some(Value::Object(object).to_string())
            }
            (Carrier::Url, _) | (_, None) => self.custom.clone(),
        }
    }

    /// Whether custom text and signature fit together.
    pub(crate) fn custom_fits(&self) -> bool {
        match self.carrier {
            _ if self.custom.is_none() || self.minisig().is_none() => true,
            Carrier::Udi => false,
            Carrier::UdiJson => self.custom_object().is_some(),
            Carrier::Url => true,
        }
    }

    fn custom_object(&self) -> Option<Map<String, Value>> {
        serde_json::from_str(self.custom.as_deref()?).ok()
    }
}

/// The signature that lies beside a file as `<file>.minisig`, if there is one.
///
/// # Errors
/// When there is one and it cannot be read, or is no text.
pub(crate) fn beside(path: &std::path::Path) -> io::Result<Option<String>> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(SUFFIX);
    match std::fs::read_to_string(beside) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
