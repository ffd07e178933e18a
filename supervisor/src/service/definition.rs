//! What every system must know of the service: its name and a few whole paths.

use std::{
    fmt, io,
    path::{Path, PathBuf, absolute},
    str::FromStr,
};

use crate::config::Loaded;

/// No name is longer, in bytes.
const LONGEST_NAME: usize = 64;

/// A name that all three systems take as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
        let begins = text.starts_with(|it: char| it.is_ascii_alphanumeric());
        if begins && text.len() <= LONGEST_NAME && text.chars().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "a name is 1 to {LONGEST_NAME} letters, digits and `-_.`, and begins with one of the former"
            ))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A service to be defined. All paths are whole ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) name: Name,
    pub(crate) program: PathBuf,
    pub(crate) config: PathBuf,
    /// The state folder, if the configuration could be read.
    pub(crate) state: Option<PathBuf>,
    /// Do workers run as a user of their own?
    pub(crate) has_worker_user: bool,
}

impl Definition {
    /// What is to be run, with this configuration.
    pub(crate) fn new(
        name: Name,
        program: PathBuf,
        config: &Path,
        loaded: &Loaded,
    ) -> io::Result<Self> {
        let state = loaded.state.as_ref();
        Ok(Self {
            name,
            program: absolute(program)?,
            config: absolute(config)?,
            state: state.map(absolute).transpose()?,
            has_worker_user: loaded.has_worker_user,
        })
    }
}

/// A path that cannot stand in a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot stand in a service's definition: it has control characters or is no Unicode", .0.display())]
pub(crate) struct Unfit(PathBuf);

/// A path as text; every form of definition takes what is left then.
pub(crate) fn plain(path: &Path) -> Result<&str, Unfit> {
    let text = path.to_str().filter(|it| !it.contains(char::is_control));
    text.ok_or_else(|| Unfit(path.to_owned()))
}
