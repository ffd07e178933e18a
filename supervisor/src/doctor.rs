//! `doctor`: everything a device needs is looked at, and each check says how it is and what the next step would be.
//!
//! | check | what is looked at | what it refuses |
//! |---|---|---|
//! | configuration, secret, rights, space, clock, worker | files, the disk, the system's clock | to write anything |
//! | supervisor | whether one answers on this state folder | |
//! | name, port, tls, login, ping | the way to the broker, on one connection | to log in while a supervisor runs: a second session with the same identity throws the first one out |
//! | firmware | the host of the update under way | to fetch anything |
//! | service | what the system says | to start or stop anything |
//!
//! Checks that cannot be made because an earlier one failed are told as not tried. Every wait has a limit.

mod broker;
mod device;
mod line;
mod worker;

use std::{path::Path, time::Duration};

use serde::Serialize;
use serde_json::json;
use supervisor_core::{event::Request, status::Status};

use crate::{
    config::{Environment, Loaded, last_good},
    drivers::{
        chain,
        control::{self, Answer, AskError},
        store::layout::Layout,
    },
    exit::Exit,
    given::Name,
    run::on_runtime,
    service::{self, ServiceError},
    show::say,
    terminal::{self, Colour},
};

/// How long each step on the network may take.
const LIMIT: Duration = Duration::from_secs(10);

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Ok,
    Warning,
    Failed,
    NotTried,
}

impl Verdict {
    fn word(self) -> (&'static str, Colour) {
        match self {
            Self::Ok => ("ok", Colour::Green),
            Self::Warning => ("warning", Colour::Yellow),
            Self::Failed => ("failed", Colour::Red),
            Self::NotTried => ("not tried", Colour::Dim),
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    check: &'static str,
    verdict: Verdict,
    says: String,
    /// What to do, where there is something to do.
    next: Option<String>,
}

impl Check {
    fn ok(check: &'static str, says: impl Into<String>) -> Self {
        Self::of(check, Verdict::Ok, says.into(), None)
    }

    fn warning(check: &'static str, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self::of(check, Verdict::Warning, says.into(), Some(next.into()))
    }

    fn failed(check: &'static str, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self::of(check, Verdict::Failed, says.into(), Some(next.into()))
    }

    fn not_tried(check: &'static str, says: impl Into<String>) -> Self {
        Self::of(check, Verdict::NotTried, says.into(), None)
    }

    fn of(check: &'static str, verdict: Verdict, says: String, next: Option<String>) -> Self {
        Self {
            check,
            verdict,
            says,
            next,
        }
    }
}

/// What is known of a running supervisor.
enum Running {
    /// It says how it is.
    Answers(Box<Status>),
    /// There is one, or may be one, and it gives no answer.
    Silent,
    /// There is none.
    Nobody,
}

/// Makes all checks, tells them, and answers whether something failed.
pub(crate) fn examine(
    file: &Path,
    loaded: Loaded,
    environment: Environment<'_>,
    json: bool,
) -> Exit {
    let checks = checks(file, loaded, environment);
    let well = checks.iter().all(|it| it.verdict != Verdict::Failed);
    say(&match json {
        true => format!("{}\n", json!({ "well": well, "checks": checks })),
        false => table(&checks, terminal::is_coloured()),
    });
    match well {
        true => Exit::Done,
        false => Exit::Unexpected,
    }
}

fn checks(file: &Path, loaded: Loaded, environment: Environment<'_>) -> Vec<Check> {
    let mut checks = device::configuration(file, &loaded);
    // A supervisor would run on its copy, and so it is with that that the rest is looked at.
    let (loaded, _) = last_good::or_last_good(file, loaded, environment);
    let Some(state) = &loaded.state else {
        let rest = "what to look at stands in the configuration";
        checks.push(Check::not_tried("everything else", rest));
        checks.push(installed());
        return checks;
    };
    let layout = Layout::of(state);
    let (running, supervisor) = supervisor(&layout);
    checks.extend(device::rights(file, state));
    let Ok(config) = &loaded.config else {
        checks.push(supervisor);
        checks.push(worker::worker(&layout));
        checks.push(Check::not_tried("broker", "it stands in the configuration"));
        checks.push(installed());
        return checks;
    };
    checks.push(device::space(config));
    let seen = broker::look(&config.cloud, &running);
    let (firmware, date) = broker::firmware(config, &layout);
    checks.push(device::clock(seen.clock, date));
    checks.push(supervisor);
    checks.push(worker::worker(&layout));
    checks.extend(seen.checks);
    checks.push(firmware);
    checks.push(installed());
    checks
}

/// Whether a supervisor runs on this state folder.
fn supervisor(layout: &Layout) -> (Running, Check) {
    let name = "supervisor";
    let mut answer = None;
    let asked = on_runtime(async {
        answer = Some(control::ask(layout, &Request::Status).await);
        Ok(())
    });
    if let Err(failure) = asked {
        let check = Check::failed(
            name,
            failure.text,
            "see what the system lacks, and try again",
        );
        return (Running::Silent, check);
    }
    match answer {
        Some(Ok(Answer::Status { status, supervisor })) => {
            let process = supervisor.pid;
            let check = match supervisor.configuration {
                Some(word) => Check::warning(
                    name,
                    format!("process {process} {word}"),
                    "mend the configuration, and start it again",
                ),
                None => Check::ok(name, format!("process {process} answers")),
            };
            (Running::Answers(status), check)
        }
        Some(Err(why @ AskError::Nobody(_))) => {
            if let Some(process) = device::holder(layout) {
                let says = format!(
                    "process {process} holds the state folder and does not answer; it may be about to start or to end"
                );
                let next = "try again in some seconds; if that stays so, look at its log";
                return (Running::Silent, Check::warning(name, says, next));
            }
            let text = chain(&why);
            let (says, next) = text.split_once("; ").unwrap_or((&text, "start one"));
            (Running::Nobody, Check::warning(name, says, next))
        }
        Some(Err(why)) => {
            let check = Check::failed(
                name,
                chain(&why),
                "ask as the user it runs as; if it is that already, look at its log",
            );
            (Running::Silent, check)
        }
        _ => {
            let check = Check::failed(
                name,
                chain(&AskError::Unfit),
                "use the program it was started from",
            );
            (Running::Silent, check)
        }
    }
}

/// Whether the system starts a supervisor.
fn installed() -> Check {
    let name = "service";
    let service: Name = "hotplate".parse().expect("letters are a name");
    match service::look(&service) {
        Ok(state) if state.is_up => Check::ok(name, state.words.trim_end()),
        Ok(state) => Check::warning(
            name,
            state.words.trim_end(),
            "`supervisor service start` starts it",
        ),
        Err(why @ ServiceError::NotInstalled(_)) => {
            let text = chain(&why);
            let (says, next) = text.split_once("; ").unwrap_or((&text, "install it"));
            Check::warning(name, says, next)
        }
        Err(why) => {
            let why = chain(&why);
            let first = why.lines().next().unwrap_or_default();
            // What the system said counts, and not by which words it was asked.
            Check::not_tried(name, first.split_once("`: ").map_or(first, |it| it.1))
        }
    }
}

/// One row for each check, and one more for its next step.
fn table(checks: &[Check], coloured: bool) -> String {
    let width = checks.iter().map(|it| it.check.len()).max().unwrap_or(0);
    let mut text = String::new();
    for it in checks {
        let (word, colour) = it.verdict.word();
        let word = colour.paint(&format!("{word:9}"), coloured);
        let (name, says) = (it.check, it.says.replace('\n', ": "));
        text += &format!("{word}  {name:width$}  {says}\n");
        if let Some(next) = &it.next {
            text += &format!("{:9}  {:width$}  next: {next}\n", "", "");
        }
    }
    let failed = checks.iter().filter(|it| it.verdict == Verdict::Failed);
    let warned = checks.iter().filter(|it| it.verdict == Verdict::Warning);
    let sum = match (failed.count(), warned.count()) {
        (0, 0) => "all is well".to_owned(),
        (0, warned) => format!("nothing failed, {warned} to look at"),
        (failed, _) => format!("{failed} failed"),
    };
    text + &sum + "\n"
}
