//! The account of the bytes that were spent: one small file, replaced before every request.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use supervisor_core::event::FetchFault;

use crate::{
    config::Limits,
    drivers::{
        scanner,
        store::{at, disk::sync_folder},
    },
};

/// The form of the file; one of another form cannot be read.
const FORM: u8 = 1;

/// No account is longer, in bytes.
const LONGEST: u64 = 4096;

const DAY: u64 = 24 * 3600;

/// The account of a state folder. Its steps are taken one at a time, also when whoever asked for one no longer waits for it.
#[derive(Debug, Clone)]
pub(crate) struct Account(Arc<Mutex<Books>>);

#[derive(Debug)]
struct Books {
    place: PathBuf,
    /// What is on the disk, or less after bytes were given back; read when it is first needed.
    spent: Option<Spent>,
    /// Is it to be written down even if it does not change? One that could not be read would stay so for ever.
    damaged: bool,
}

/// What has been spent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spent {
    form: u8,
    /// The latest day on which bytes were spent, in days since 1970 UTC.
    day: u64,
    /// Bytes of that day.
    of_day: u64,
    /// What was fetched last.
    build: String,
    /// Bytes of its update.
    of_update: u64,
    /// Bytes spent that may come after this was written.
    open: u64,
    /// The day of a clock that went back, when that was first seen.
    behind: Option<u64>,
}

/// One step on an account.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) build: String,
    pub(super) limits: Limits,
    /// Bytes spent before that may still come.
    pub(super) open: u64,
    /// Bytes spent before that never come.
    pub(super) back: u64,
    pub(super) act: Act,
}

/// What it is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// Bytes are to be asked for.
    Spend(Ask),
    /// Only what has become known is to be written down.
    Rest,
    /// The update has all its bytes.
    Close,
}

/// What is to be spent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ask {
    /// As much as there is of the day, within bounds.
    Some {
        /// So many at least, or none.
        least: u64,
        /// So many at most.
        most: u64,
        /// So many will be needed in all; none is spent if not all of them can be had for this update.
        missing: u64,
    },
    /// So many bytes, or none.
    All(u64),
}

impl Ask {
    pub(super) fn most(self) -> u64 {
        match self {
            Self::Some { most, .. } => most,
            Self::All(bytes) => bytes,
        }
    }
}

impl Account {
    pub(crate) fn at(place: PathBuf) -> Self {
        let books = Books {
            place,
            spent: None,
            damaged: false,
        };
        Self(Arc::new(Mutex::new(books)))
    }

    /// Takes a step; how many bytes may be asked for then. It waits for the disk.
    pub(super) fn carry_out(&self, step: &Step) -> io::Result<Result<u64, FetchFault>> {
        self.carry_out_on(step, today())
    }

    fn carry_out_on(&self, step: &Step, today: u64) -> io::Result<Result<u64, FetchFault>> {
        // A step that panicked has changed nothing.
        let mut books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Books {
            place,
            spent,
            damaged,
        } = &mut *books;
        let before = spent.get_or_insert_with(|| {
            read(place).unwrap_or_else(|why| {
                let place = place.display();
                tracing::warn!(
                    "`{place}` cannot be read, so that all bytes of this day and of this update count as spent: {why}"
                );
                *damaged = true;
                Spent::everything(today, &step.build)
            })
        });
        let mut after = before.clone();
        after.begin(step, today);
        let allowed = after.spend(step);
        if after != *before || *damaged {
            match write(place, &after) {
                Ok(()) => *damaged = false,
                // Nothing was spent: what the disk says instead is never less than what is true.
                Err(_) if !matches!((step.act, &allowed), (Act::Spend(_), Ok(_))) => {}
                Err(why) => return Err(why),
            }
            *before = after;
        }
        Ok(allowed)
    }
}

impl Spent {
    /// Everything of this day and of this update.
    fn everything(today: u64, build: &str) -> Self {
        Self {
            form: FORM,
            day: today,
            of_day: u64::MAX,
            build: build.to_owned(),
            of_update: u64::MAX,
            ..Self::default()
        }
    }

    /// Takes in what has become known since the last step.
    fn begin(&mut self, step: &Step, today: u64) {
        self.form = FORM;
        if self.build != step.build {
            self.build.clone_from(&step.build);
            self.of_update = 0;
        }
        self.turn_to(today);
        self.of_day = self.of_day.saturating_sub(step.back);
        self.of_update = self.of_update.saturating_sub(step.back);
        self.open = step.open;
    }

    /// A day begins if it is later than the one at hand, or later by a whole day on a clock that had gone back.
    fn turn_to(&mut self, today: u64) {
        let back_for_a_day = self
            .behind
            .is_some_and(|since| today > since.saturating_add(1));
        if today > self.day || (today < self.day && back_for_a_day) {
            // What was under way may have come since midnight.
            (self.day, self.of_day, self.behind) = (today, self.open, None);
        } else if today == self.day {
            self.behind = None;
        } else if self.behind.is_none_or(|since| today < since) {
            self.behind = Some(today);
        }
    }

    fn spend(&mut self, step: &Step) -> Result<u64, FetchFault> {
        let ask = match step.act {
            Act::Spend(ask) => ask,
            Act::Rest => return Ok(0),
            Act::Close => {
                self.of_update = 0;
                return Ok(0);
            }
        };
        let (least, missing) = match ask {
            Ask::Some { least, missing, .. } => (least.max(1), missing.max(1)),
            Ask::All(bytes) => (bytes, bytes),
        };
        let mut allowed = ask.most();
        if let Some(budget) = step.limits.budget {
            let left = budget.saturating_sub(self.of_update);
            if left < missing {
                return Err(FetchFault::OverBudget { budget });
            }
            allowed = allowed.min(left);
        }
        if let Some(budget) = step.limits.budget_per_day {
            let left = budget.saturating_sub(self.of_day);
            if budget < least {
                // No day has so many.
                return Err(FetchFault::OverBudget { budget });
            }
            if left < least {
                return Err(FetchFault::DaySpent { budget });
            }
            allowed = allowed.min(left);
        }
        self.of_day = self.of_day.saturating_add(allowed);
        self.of_update = self.of_update.saturating_add(allowed);
        self.open = self.open.saturating_add(allowed);
        Ok(allowed)
    }
}

fn today() -> u64 {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    wall.map_or(0, |wall| wall.as_secs() / DAY)
}

/// The account on the disk; without one nothing was spent.
fn read(place: &Path) -> io::Result<Spent> {
    let file = match File::open(place) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Spent::default()),
        opened => opened?,
    };
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text)?;
    let spent: Spent = serde_json::from_slice(&text)?;
    if spent.form != FORM {
        return Err(io::Error::other(format!("it is of form {}", spent.form)));
    }
    Ok(spent)
}

/// Replaces the account on the disk, durably: a power cut leaves the one before or this one.
fn write(place: &Path, spent: &Spent) -> io::Result<()> {
    let fresh = place.with_extension("new");
    let text = serde_json::to_vec(spent)?;
    let mut file = scanner::past(|| File::create(&fresh)).map_err(|why| at(&fresh, &why))?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .map_err(|why| at(&fresh, &why))?;
    drop(file);
    scanner::past(|| fs::rename(&fresh, place))
        .and_then(|()| place.parent().map_or(Ok(()), sync_folder))
        .map_err(|why| at(place, &why))
}

#[cfg(test)]
mod tests;
