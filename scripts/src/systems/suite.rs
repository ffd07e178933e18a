//! One run of the end-to-end suite against programs for some system.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use e2e::{EXEMPTIONS, System, figures};

use super::figures::Figure;
use super::report::{Ended, Report};
use crate::run;
use crate::step::Failure;
use crate::workspace::Workspace;

/// The suite, and the programs it is to test.
#[derive(Debug)]
pub(crate) struct Suite {
    system: System,
    title: String,
    environment: Vec<(OsString, OsString)>,
    threads: Option<usize>,
    only: Option<&'static [&'static str]>,
}

impl Suite {
    /// The whole suite against the programs it builds for itself.
    pub(crate) fn of(system: System, title: impl Into<String>) -> Self {
        Self {
            system,
            title: title.into(),
            environment: Vec::new(),
            threads: None,
            only: None,
        }
    }

    /// Against the programs in this folder.
    pub(crate) fn with_programs(self, folder: &Path) -> Self {
        self.with("HOTPLATE_BIN_DIR", folder)
    }

    /// With this in the environment of tests and programs.
    pub(crate) fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// With so many tests at a time, where most of a test's time is waiting.
    pub(crate) fn at_a_time(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Only tests whose name begins with one of these.
    pub(crate) fn only(mut self, beginnings: &'static [&'static str]) -> Self {
        self.only = Some(beginnings);
        self
    }

    /// Runs it and keeps the report. That tests have failed is no error but in the report.
    ///
    /// # Errors
    /// When the tests cannot be built or run, one of them neither passed nor failed, or a beginning or an exemption names none.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<Report, Failure> {
        let start = Instant::now();
        let all = self.all(workspace)?;
        let plan = self.plan(&all)?;
        let folder = Report::folder(workspace);
        let log = folder.join(format!("{}.log", self.system.key()));
        let cannot = |why: std::io::Error| {
            Failure::from_error(&why, format!("see why `{}` cannot be used", log.display()))
        };
        fs::create_dir_all(&folder).map_err(cannot)?;
        let printed = File::create(&log).map_err(cannot)?;
        let measured = folder.join(format!("{}.figures", self.system.key()));
        File::create(&measured).map_err(cannot)?;
        let mut command = self.command(workspace);
        command.env(figures::FIGURES, &measured).arg("--exact");
        if let Some(threads) = self.threads {
            command.arg(format!("--test-threads={threads}"));
        }
        // Whichever list is the shorter one: a command line has an end.
        if plan.run.len() < all.len() / 2 {
            command.args(&plan.run);
        } else {
            let rest = all.iter().filter(|name| !plan.run.contains(name.as_str()));
            rest.for_each(|name| {
                command.args(["--skip", name]);
            });
        }
        command
            .stdin(Stdio::null())
            .stderr(printed.try_clone().map_err(cannot)?)
            .stdout(printed);
        let status = command.status().map_err(cannot)?;
        let text = String::from_utf8_lossy(&fs::read(&log).map_err(cannot)?).into_owned();
        let tests = ended(&text);
        if let Some(lost) = plan.run.iter().find(|name| !tests.contains_key(**name)) {
            return Err(Failure::new(
                format!("`{lost}` neither passed nor failed; the test program ended with {status}"),
                format!("read {}", log.display()),
            ));
        }
        let measured = fs::read_to_string(&measured).map_err(cannot)?;
        let figures = Figure::all(&measured).map_err(|why| {
            Failure::from_error(&why, "mend what the tests say they have measured")
        })?;
        let report = Report {
            system: self.system.key().to_owned(),
            title: self.title.clone(),
            ran: tests.len(),
            passed: tests.values().filter(|it| **it == Ended::Passed).count(),
            seconds: start.elapsed().as_secs(),
            tests,
            does_not_apply: plan.does_not_apply,
            left_out: plan.left_out,
            figures,
            log: log.clone(),
        };
        report.save(workspace).map_err(cannot)?;
        Ok(report)
    }

    fn command(&self, workspace: &Workspace) -> Command {
        let mut command =
            workspace.cargo(&["test", "--locked", "-p", "e2e", "--test", "upgrade", "--"]);
        command.envs(self.environment.iter().cloned());
        command
    }

    /// The names of all tests.
    fn all(&self, workspace: &Workspace) -> Result<BTreeSet<String>, Failure> {
        let listed = run::captured(self.command(workspace).arg("--list"));
        let listed = listed.map_err(|error| {
            Failure::from_error(&error, "mend what keeps the tests from being built")
        })?;
        let names = listed.lines().filter_map(|row| row.strip_suffix(": test"));
        Ok(names.map(str::to_owned).collect())
    }

    /// Which tests run, and what becomes of the others.
    fn plan<'a>(&self, all: &'a BTreeSet<String>) -> Result<Plan<'a>, Failure> {
        let mut does_not_apply = BTreeMap::new();
        for exemption in EXEMPTIONS {
            for name in exemption.tests {
                // Linux has all tests; elsewhere what cannot even be built is not among them.
                if cfg!(target_os = "linux") && !all.contains(*name) {
                    return Err(Failure::new(
                        format!("no test is named `{name}`"),
                        "correct the table in tests/e2e/src/systems.rs",
                    ));
                }
                if exemption.systems.contains(&self.system) {
                    does_not_apply.insert((*name).to_owned(), exemption.reason.to_owned());
                }
            }
        }
        let applying = all.iter().map(String::as_str);
        let applying = applying.filter(|name| !does_not_apply.contains_key(*name));
        let begins = |name: &str, some: &[&str]| some.iter().any(|it| name.starts_with(it));
        let (run, left_out): (BTreeSet<_>, BTreeSet<_>) =
            applying.partition(|name| self.only.is_none_or(|some| begins(name, some)));
        let unmet = self.only.unwrap_or_default().iter();
        if let Some(beginning) = unmet
            .copied()
            .find(|it| !run.iter().any(|name| name.starts_with(it)))
        {
            return Err(Failure::new(
                format!("no test that applies begins with `{beginning}`"),
                "name those that are there",
            ));
        }
        Ok(Plan {
            run,
            left_out: left_out.into_iter().map(str::to_owned).collect(),
            does_not_apply,
        })
    }
}

/// What is to become of each test.
#[derive(Debug)]
struct Plan<'a> {
    run: BTreeSet<&'a str>,
    left_out: Vec<String>,
    does_not_apply: BTreeMap<String, String>,
}

/// How each test ended, going by what the test program printed.
fn ended(printed: &str) -> BTreeMap<String, Ended> {
    let rows = printed.lines().filter_map(|row| {
        let (name, end) = row.strip_prefix("test ")?.split_once(" ... ")?;
        match end {
            "ok" => Some((name.to_owned(), Ended::Passed)),
            "FAILED" => Some((name.to_owned(), Ended::Failed)),
            _ => None,
        }
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passed_or_failed_is_counted() {
        let printed = "running 3 tests\ntest road::one ... ok\ntest two ... FAILED\ntest three ... ignored\n\ntest result: FAILED. 1 passed; 1 failed";
        let found = ended(printed);
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [
                ("road::one".to_owned(), Ended::Passed),
                ("two".to_owned(), Ended::Failed)
            ]
        );
    }

    #[test]
    fn every_test_is_run_or_left_out_or_does_not_apply() {
        let exempted = EXEMPTIONS.iter().flat_map(|it| it.tests);
        let mut all: BTreeSet<String> = exempted.map(|name| (*name).to_owned()).collect();
        all.extend(["road::one", "road::two", "roads::three"].map(str::to_owned));
        let suite = Suite::of(System::Wine, "Wine").only(&["road::"]);
        let plan = suite
            .plan(&all)
            .unwrap_or_else(|why| panic!("{}", why.output));
        assert_eq!(plan.run, BTreeSet::from(["road::one", "road::two"]));
        assert!(plan.left_out.contains(&"roads::three".to_owned()));
        let parts = plan.run.len() + plan.left_out.len() + plan.does_not_apply.len();
        assert_eq!(parts, all.len());
        let none = Suite::of(System::Wine, "Wine").only(&["rode::"]).plan(&all);
        assert!(none.is_err_and(|why| why.output.contains("rode::")));
    }
}
