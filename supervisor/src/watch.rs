//! `status --watch`: the running supervisor asked again and again, and its answers shown as they change.
//!
//! On a terminal it is one page drawn in place; into a pipe it is a line for each change, or a line of JSON. A supervisor that goes away is waited
//! for. Nothing here decides, and nothing but the question reaches the supervisor.

mod pace;
mod view;

use std::{
    io,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};
use supervisor_core::{event::Request, status::Status};
use tokio::time::sleep;

use self::pace::Pace;
use crate::{
    drivers::{
        control::{self, Answer, AskError},
        host::Footprint,
        signal::Wishes,
        store::layout::Layout,
    },
    failure::{Failure, unexpected},
    terminal::{self, Page},
};

/// How often it is asked.
const EVERY: Duration = Duration::from_millis(500);

/// What was heard.
struct Heard {
    status: Box<Status>,
    supervisor: Footprint,
}

/// Where it is shown.
enum Paper {
    Page(Page),
    Lines,
    Objects,
}

/// Shows how the supervisor on this state folder is until somebody wishes an end, or nobody reads it any more.
pub(crate) async fn watch(state: &Path, json: bool) -> Result<(), Failure> {
    let mut wishes = Wishes::listen().map_err(|why| unexpected(&why))?;
    let watched = async {
        let paper = match json {
            true => Paper::Objects,
            false if terminal::is_drawable() => match Page::open() {
                Ok(page) => Paper::Page(page),
                Err(_) => return Ok(()),
            },
            false => Paper::Lines,
        };
        Watch::on(paper).go_on(state).await
    };
    // Leaving drops the page, so that the terminal is as it was.
    tokio::select! {
        ended = watched => ended,
        () = wishes.next() => Ok(()),
    }
}

struct Watch {
    paper: Paper,
    pace: Pace,
    /// What was heard last, and when.
    last: Option<(Heard, Instant)>,
    /// What was told last, without what changes at every look.
    told: Option<String>,
}

impl Watch {
    fn on(paper: Paper) -> Self {
        Self {
            paper,
            pace: Pace::default(),
            last: None,
            told: None,
        }
    }

    async fn go_on(mut self, state: &Path) -> Result<(), Failure> {
        let layout = Layout::of(state);
        loop {
            let shown = match control::ask(&layout, &Request::Status).await {
                Ok(Answer::Status { status, supervisor }) => {
                    self.heard(Heard { status, supervisor })
                }
                Ok(_) => return Err(unexpected(&AskError::Unfit)),
                Err(why @ (AskError::Nobody(_) | AskError::NoAnswer(_) | AskError::Refused(_))) => {
                    self.unheard(&why)
                }
                Err(why) => return Err(unexpected(&why)),
            };
            // When nothing changes nothing is written, so that a write alone would not find out.
            if shown.is_err() || !terminal::is_read() {
                return Ok(());
            }
            sleep(EVERY).await;
        }
    }

    fn heard(&mut self, heard: Heard) -> io::Result<()> {
        let now = Instant::now();
        let (status, supervisor) = (&heard.status, &heard.supervisor);
        self.pace
            .look(now, status.fetched_bytes.zip(status.image_bytes));
        let shown = match &self.paper {
            Paper::Page(page) => page.draw(&view::page(status, supervisor, &self.pace)),
            Paper::Lines => once(&mut self.told, view::line(status, supervisor), |line| {
                format!("{}  {line}", time())
            }),
            Paper::Objects => {
                let object = object(status, supervisor);
                once(&mut self.told, steady(object.clone()).to_string(), |_| {
                    object.to_string()
                })
            }
        };
        self.last = Some((heard, now));
        shown
    }

    fn unheard(&mut self, why: &AskError) -> io::Result<()> {
        self.pace = Pace::default();
        let why = crate::drivers::chain(why);
        match &self.paper {
            Paper::Page(page) => {
                let last = self.last.as_ref();
                let last = last.map(|(heard, at)| (&*heard.status, at.elapsed()));
                page.draw(&view::absent(&why, last))
            }
            Paper::Lines => once(&mut self.told, format!("waiting: {why}"), |line| {
                format!("{}  {line}", time())
            }),
            Paper::Objects => once(
                &mut self.told,
                json!({ "waiting": why }).to_string(),
                str::to_owned,
            ),
        }
    }
}

/// Writes a line, unless it says what the one before said.
fn once(
    told: &mut Option<String>,
    new: String,
    line: impl FnOnce(&str) -> String,
) -> io::Result<()> {
    if told.as_ref() == Some(&new) {
        return Ok(());
    }
    let line = line(&new);
    *told = Some(new);
    terminal::put(&format!("{line}\n"))
}

/// What `status --json` says.
pub(crate) fn object(status: &Status, supervisor: &Footprint) -> Value {
    let mut object = serde_json::to_value(status).expect("a status has only text keys");
    object["supervisor"] =
        serde_json::to_value(supervisor).expect("a footprint has only text keys");
    object
}

/// The same without what is another at every look.
fn steady(mut object: Value) -> Value {
    let mut forget = |place: &str, names: &[&str]| {
        if let Some(Value::Object(entries)) = object.pointer_mut(place) {
            for name in names {
                entries.remove(*name);
            }
        }
    };
    let footprint = ["memory_bytes", "cpu_permille"];
    forget("", &["fetched_bytes"]);
    forget("/supervisor", &footprint);
    // There is an active worker, and perhaps a standby.
    for place in ["/workers/0", "/workers/1", "/workers/2"] {
        forget(place, &footprint);
    }
    object
}

fn time() -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_seconds(SystemTime::now())
}
