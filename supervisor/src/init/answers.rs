//! Questions and answers: at a terminal with a prompt, otherwise one line of standard input for each, in order.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::text::Place;
use crate::terminal;

/// No answer is longer, in bytes.
const LONGEST: u64 = 1024;

/// An answer that cannot be is asked for again so often, at a terminal.
const TRIES: usize = 3;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// Standard input is at its end.
    #[error(
        "nothing was written: standard input has no answer to \"{question}\"; give it with `{flag}`, or as a further line"
    )]
    Unanswered {
        /// What was asked.
        question: &'static str,
        /// What would answer it.
        flag: &'static str,
    },
    /// The answer is none.
    #[error("nothing was written: \"{question}\" needs an answer; give it with `{flag}`")]
    Empty {
        /// What was asked.
        question: &'static str,
        /// What would answer it.
        flag: &'static str,
    },
    /// Whoever was asked wants no more.
    #[error("nothing was written: it was given up")]
    GivenUp(#[source] io::Error),
}

/// Whoever answers.
pub(super) struct Answers {
    at_terminal: bool,
}

impl Answers {
    pub(super) fn new() -> Self {
        Self {
            at_terminal: io::stdin().is_terminal() && io::stderr().is_terminal(),
        }
    }

    /// What was given, or is answered now.
    pub(super) fn or_ask(
        &mut self,
        given: Option<String>,
        flag: &'static str,
        question: &'static str,
    ) -> Result<String, AskError> {
        if let Some(given) = given {
            return Ok(given);
        }
        self.insist(flag, question, |it| it.ask(flag, question))
    }

    /// The secret, which is not shown.
    pub(super) fn secret(&mut self) -> Result<String, AskError> {
        let (flag, question) = ("--secret-file", "Device secret");
        self.insist(flag, question, |it| match it.at_terminal {
            true => terminal::read_secret(&format!("{question} (not shown): "))
                .map(|secret| secret.trim().to_owned())
                .map_err(AskError::GivenUp),
            false => it.ask(flag, question),
        })
    }

    /// Where the cloud is, by one line: `instance iot-…`, `region cn-…`, `host …`, or a word that tells which of these it is.
    pub(super) fn place(&mut self) -> Result<Place, AskError> {
        let flag = "--instance`, `--region` or `--host";
        let question =
            "Where the device belongs to: an instance (iot-...), a region (cn-shanghai) or a host";
        let answer = self.insist(flag, question, |it| it.ask(flag, question))?;
        Ok(place_of(&answer))
    }

    /// The keys that were given, or one that is answered now; none means that every image is taken.
    pub(super) fn keys(&mut self, given: Vec<String>) -> Result<Vec<String>, AskError> {
        if !given.is_empty() {
            return Ok(given);
        }
        let question = "Public key of whoever signs your images (RW...; empty: any image is taken, for trying out)";
        let flag = "--key` or `--unsigned";
        let answer = self.ask(flag, question)?;
        match answer.is_empty() {
            // A line that is not there, or is empty, says nothing where nobody was told what it means.
            true if !self.at_terminal => Err(AskError::Empty { question, flag }),
            true => Ok(Vec::new()),
            false => Ok(vec![answer]),
        }
    }

    /// Asks until there is an answer; whoever is not at a terminal is asked once.
    fn insist(
        &mut self,
        flag: &'static str,
        question: &'static str,
        mut ask: impl FnMut(&mut Self) -> Result<String, AskError>,
    ) -> Result<String, AskError> {
        let tries = if self.at_terminal { TRIES } else { 1 };
        for _ in 0..tries {
            let answer = ask(self)?;
            if !answer.is_empty() {
                return Ok(answer);
            }
        }
        Err(AskError::Empty { question, flag })
    }

    fn ask(&mut self, flag: &'static str, question: &'static str) -> Result<String, AskError> {
        if self.at_terminal {
            // Standard output may be for a program to read.
            let mut err = io::stderr();
            let _ = write!(err, "{question}: ");
            let _ = err.flush();
        }
        let mut line = String::new();
        let mut input = io::stdin().lock();
        let read = io::Read::take(&mut input, LONGEST).read_line(&mut line);
        match read {
            Ok(0) => Err(AskError::Unanswered { question, flag }),
            Ok(_) => Ok(line.trim().to_owned()),
            Err(why) => Err(AskError::GivenUp(why)),
        }
    }
}

/// An instance of the platform begins with `iot-`, a region has no dots and is two letters and more; anything else is a host.
fn place_of(answer: &str) -> Place {
    if let Some((kind, value)) = answer.split_once(' ') {
        let value = value.trim().to_owned();
        match kind {
            "instance" => return Place::Instance(value),
            "region" => return Place::Region(value),
            "host" => return Place::Host(value),
            _ => {}
        }
    }
    let answer = answer.to_owned();
    let is_region = answer.split_once('-').is_some_and(|(country, rest)| {
        country.len() == 2
            && country.bytes().all(|it| it.is_ascii_lowercase())
            && rest
                .bytes()
                .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
    });
    match answer {
        answer if answer.starts_with("iot-") => Place::Instance(answer),
        answer if is_region => Place::Region(answer),
        answer => Place::Host(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_which_of_the_three_it_is() {
        let host = |text: &str| Place::Host(text.to_owned());
        for (answer, place) in [
            (
                "iot-06z00sample",
                Place::Instance("iot-06z00sample".to_owned()),
            ),
            ("cn-shanghai", Place::Region("cn-shanghai".to_owned())),
            ("ap-southeast-1", Place::Region("ap-southeast-1".to_owned())),
            ("192.168.1.10", host("192.168.1.10")),
            ("broker.example", host("broker.example")),
            ("localhost", host("localhost")),
            ("host my-broker", host("my-broker")),
            ("region us-west-1", Place::Region("us-west-1".to_owned())),
        ] {
            assert_eq!(place_of(answer), place, "{answer}");
        }
    }
}
