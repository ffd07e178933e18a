//! One window: days of the week and a span of minutes, as text and as numbers.

use std::{fmt, str::FromStr};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

const DAILY: &str = "daily";

const MINUTES: u16 = 24 * 60;

/// Days of the week and a span of time on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// One for each day, Monday first.
    days: [bool; 7],
    from: u16,
    /// At most a whole day later.
    length: u16,
}

/// Why a text is not a window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowFault {
    /// Something is missing, or there is too much.
    #[error("has not the form `mon-fri 02:00-04:30`, `sat,sun 22:00-05:00` or `daily 03:00-04:00`")]
    Form,
    /// A word that is no day.
    #[error("names the day `{0}`, which is none of mon, tue, wed, thu, fri, sat, sun")]
    Day(String),
    /// A text that is no time of day.
    #[error("names the time `{0}`, which is none from 00:00 to 24:00")]
    Time(String),
}

impl Window {
    /// Does this minute of this day, Monday being 0, lie in it?
    #[must_use]
    pub fn contains(&self, day: u8, minute: u16) -> bool {
        let day = usize::from(day % 7);
        let before = (day + 6) % 7;
        let begun_today = self.days[day] && self.spans(minute);
        begun_today || (self.days[before] && self.spans(minute + MINUTES))
    }

    /// Minutes counted from the beginning of the day on which it opens.
    fn spans(&self, minute: u16) -> bool {
        (self.from..self.from + self.length).contains(&minute)
    }
}

impl FromStr for Window {
    type Err = WindowFault;

    fn from_str(text: &str) -> Result<Self, WindowFault> {
        let lower = text.to_ascii_lowercase();
        let mut words = lower.split_ascii_whitespace();
        let (Some(days), Some(span), None) = (words.next(), words.next(), words.next()) else {
            return Err(WindowFault::Form);
        };
        let (from, to) = span.split_once('-').ok_or(WindowFault::Form)?;
        let (from, to) = (minute(from)?, minute(to)?);
        if from == MINUTES {
            return Err(WindowFault::Time("24:00".to_owned()));
        }
        let length = if to > from {
            to - from
        } else {
            to + MINUTES - from
        };
        Ok(Self {
            days: named(days)?,
            from,
            length,
        })
    }
}

fn named(text: &str) -> Result<[bool; 7], WindowFault> {
    if text == DAILY {
        return Ok([true; 7]);
    }
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        // From Saturday to Monday is three days.
        let count = (last + 7 - first) % 7;
        for step in 0..=count {
            days[(first + step) % 7] = true;
        }
    }
    Ok(days)
}

fn day(word: &str) -> Result<usize, WindowFault> {
    let known = DAYS.iter().position(|day| *day == word);
    known.ok_or_else(|| WindowFault::Day(word.to_owned()))
}

fn minute(text: &str) -> Result<u16, WindowFault> {
    let fault = || WindowFault::Time(text.to_owned());
    let (hour, minute) = text.split_once(':').ok_or_else(fault)?;
    let is_number = |text: &str| text.len() == 2 && text.bytes().all(|it| it.is_ascii_digit());
    if !is_number(hour) || !is_number(minute) {
        return Err(fault());
    }
    let (hour, minute): (u16, u16) = match (hour.parse(), minute.parse()) {
        (Ok(hour), Ok(minute)) => (hour, minute),
        _ => return Err(fault()),
    };
    let all = hour * 60 + minute;
    if minute < 60 && all <= MINUTES {
        Ok(all)
    } else {
        Err(fault())
    }
}

/// As it is written in the configuration.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days == [true; 7] {
            f.write_str(DAILY)?;
        } else {
            let named = DAYS.iter().zip(self.days);
            let names: Vec<_> = named.filter(|(_, is)| *is).map(|(day, _)| *day).collect();
            f.write_str(&names.join(","))?;
        }
        let to = match self.from + self.length {
            to if to > MINUTES => to - MINUTES,
            to => to,
        };
        let (from, to) = ((self.from / 60, self.from % 60), (to / 60, to % 60));
        write!(f, " {:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1)
    }
}
