//! `cargo xtask systems`: the end-to-end suite on this system, counted, and the table of what was run on which system.
//!
//! The suite is one; `cargo xtask windows` and `cargo xtask arm64` run the same with the programs they have built. Each run leaves
//! its report in the folder `systems` of the build folder, and `--table` makes one table of all reports that lie there. It
//! refuses to count what did not run: a test that does not apply is named with its reason, one that was left out as left out.

mod figures;
mod report;
mod suite;
mod table;

pub(crate) use report::{Report, ReportError};
pub(crate) use suite::Suite;

use crate::step::{Outcome, Steps};
use crate::workspace::Workspace;
use e2e::System;

/// What to run and what to show.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run nothing: print the table test × system of the reports that are there
    #[arg(long)]
    table: bool,
    #[command(flatten)]
    show: Show,
}

/// How a run of the suite is told.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Show {
    /// Print the report as one JSON object at the end
    #[arg(long)]
    json: bool,
}

/// Runs the suite natively, or prints the table.
///
/// # Errors
/// When the workspace cannot be read, or for the table no report.
pub(crate) fn systems(args: &Args) -> Result<bool, crate::Error> {
    let workspace = Workspace::read()?;
    if args.table {
        let reports = Report::all(&workspace)?;
        print!("{}", table::table(&reports));
        return Ok(reports.iter().all(Report::holds));
    }
    let mut steps = Steps::new();
    let suite = Suite::of(System::own(), name_of_this_one());
    let mut report = None;
    steps.step("the end-to-end suite", || {
        suite.step(&workspace, &mut report)
    });
    Ok(args.show.finish(steps, "systems", report.as_ref()))
}

impl Suite {
    /// Runs it as a step; the report is there even if tests have failed.
    pub(crate) fn step(&self, workspace: &Workspace, report: &mut Option<Report>) -> Outcome {
        let ran = report.insert(self.run(workspace)?);
        ran.outcome()
    }
}

impl Show {
    /// Closes the list of steps; the last line is the report's.
    pub(crate) fn finish(self, steps: Steps, what: &str, report: Option<&Report>) -> bool {
        let held = steps.finish(what);
        match report {
            Some(report) if self.json => println!("{}", report.json()),
            Some(report) => println!("{}", report.line()),
            None => {}
        }
        held
    }
}

/// This system by its name and processor.
fn name_of_this_one() -> String {
    let system = match System::own() {
        System::Windows => "Windows",
        System::Mac => "macOS",
        _ => "Linux",
    };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "x86-64",
        "aarch64" => "ARM64",
        other => other,
    };
    format!("{system} {processor}")
}
