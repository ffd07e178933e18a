//! What a run of the suite showed: kept as a file for the table, told as one line.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::figures::Figure;
use crate::step::{Failure, Held, Outcome};
use crate::workspace::Workspace;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ended {
    Passed,
    Failed,
}

/// What one run of the suite on one system showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The word for the system, which is also the name of the file.
    pub(crate) system: String,
    /// The system as people call it.
    pub(crate) title: String,
    /// How many tests ran.
    pub(crate) ran: usize,
    /// How many of them passed.
    pub(crate) passed: usize,
    /// How long it took, in seconds, the build of the tests included.
    pub(crate) seconds: u64,
    /// Each test that ran.
    pub(crate) tests: BTreeMap<String, Ended>,
    /// Each test that does not apply to this system, and why.
    pub(crate) does_not_apply: BTreeMap<String, String>,
    /// The tests that a shorter run left to a whole one.
    pub(crate) left_out: Vec<String>,
    /// What they measured by the way.
    #[serde(default)]
    pub(crate) figures: BTreeMap<String, Figure>,
    /// Where everything the tests printed is.
    pub(crate) log: PathBuf,
}

/// Why there are no reports to make a table of.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// A report, or the folder with all of them, could not be read.
    #[error("read `{path}`")]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A report is none.
    #[error("understand `{path}`")]
    Understand {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Report {
    /// The folder with the reports.
    pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
        workspace.target.join("systems")
    }

    /// All that are there, by the word for their system.
    pub(crate) fn all(workspace: &Workspace) -> Result<Vec<Self>, ReportError> {
        let folder = Self::folder(workspace);
        let unread = |path: &Path, source| ReportError::Read {
            path: path.to_owned(),
            source,
        };
        let mut reports = Vec::new();
        for entry in fs::read_dir(&folder).map_err(|why| unread(&folder, why))? {
            let path = entry.map_err(|why| unread(&folder, why))?.path();
            if path.extension().is_none_or(|it| it != "json") {
                continue;
            }
            let text = fs::read(&path).map_err(|why| unread(&path, why))?;
            let report: Self = serde_json::from_slice(&text)
                .map_err(|source| ReportError::Understand { path, source })?;
            reports.push(report);
        }
        reports.sort_by(|one, other| one.system.cmp(&other.system));
        Ok(reports)
    }

    /// Keeps it for the table.
    pub(crate) fn save(&self, workspace: &Workspace) -> std::io::Result<()> {
        let file = Self::folder(workspace).join(format!("{}.json", self.system));
        fs::write(file, self.json())
    }

    /// Did something run, and all of it pass?
    pub(crate) fn holds(&self) -> bool {
        self.ran > 0 && self.passed == self.ran
    }

    /// The same as a step.
    pub(crate) fn outcome(&self) -> Outcome {
        if self.holds() {
            return Ok(Held::with(self.line()));
        }
        let failed = self.tests.iter().filter(|(_, it)| **it == Ended::Failed);
        let names: Vec<&str> = failed.map(|(name, _)| name.as_str()).collect();
        Err(Failure::new(
            format!("{}\n{}", self.line(), names.join("\n")),
            format!("read what they printed in {}", self.log.display()),
        ))
    }

    /// The whole of it in one line.
    pub(crate) fn line(&self) -> String {
        let mut line = format!(
            "{}: {} ran, {} passed, {} do not apply",
            self.title,
            self.ran,
            self.passed,
            self.does_not_apply.len()
        );
        if !self.left_out.is_empty() {
            line.push_str(&format!(", {} left to a whole run", self.left_out.len()));
        }
        for (name, figure) in &self.figures {
            line.push_str(&format!("; {}", figure.words(name)));
        }
        line
    }

    /// The whole of it for programs.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("it has text for keys and no numbers but whole ones")
    }
}
