//! The first line on a worker's stdin: where to connect, with which token, for which tenure.
//!
//! It travels over stdin because arguments and environment can be seen by other processes. One line of JSON; unknown fields
//! are ignored, so that a later supervisor may say more to a worker of today.

use std::{
    fmt,
    io::{self, BufRead, Read as _},
};

use serde::{Deserialize, Serialize};
use worker_protocol::handshake::TOKEN_BYTES;

use crate::random;

/// What ties a worker to the supervisor that started it.
#[derive(Clone, PartialEq, Eq)]
pub struct Leash {
    /// Where the supervisor listens.
    pub address: String,
    /// The secret to show there; used once.
    pub token: [u8; TOKEN_BYTES],
    /// Which life of which worker this is.
    pub tenure: u64,
    /// A file the worker must hold locked while it may touch the hardware; `None` where there is no need. The system lets go of
    /// it when the process ends, however it ends, so that a worker whose supervisor was killed keeps the next one's waiting.
    pub guard: Option<String>,
}

impl Leash {
    /// The longest line in bytes, with its line feed.
    pub const LONGEST_LINE: usize = 8 * 1024;

    const FORM: u32 = 1;

    /// The line for the worker's stdin, with its line feed.
    #[must_use]
    pub fn to_line(&self) -> String {
        let line = Line {
            hotplate: Self::FORM,
            address: self.address.clone(),
            token: random::hex(&self.token),
            tenure: self.tenure,
            guard: self.guard.clone(),
        };
        let mut text = serde_json::to_string(&line).expect("two texts and two numbers are JSON");
        text.push('\n');
        text
    }

    /// Reads the line from a worker's stdin; waits for it as long as the reader does.
    ///
    /// # Errors
    /// When the input ends or fails before a whole line, the line is too long, or it is no leash.
    pub fn read(input: &mut impl BufRead) -> Result<Self, LeashError> {
        let mut line = Vec::new();
        let longest = u64::try_from(Self::LONGEST_LINE).expect("some kilobytes fit 64 bits");
        input
            .take(longest)
            .read_until(b'\n', &mut line)
            .map_err(LeashError::Unreadable)?;
        if line.pop() != Some(b'\n') {
            return Err(if line.len() + 1 >= Self::LONGEST_LINE {
                LeashError::TooLong
            } else {
                LeashError::Ended
            });
        }
        let line: Line = serde_json::from_slice(&line).map_err(LeashError::Form)?;
        if line.hotplate != Self::FORM {
            return Err(LeashError::Version(line.hotplate));
        }
        Ok(Self {
            address: line.address,
            token: random::from_hex(&line.token).ok_or(LeashError::Token)?,
            tenure: line.tenure,
            guard: line.guard,
        })
    }
}

impl fmt::Debug for Leash {
    /// Never shows the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leash")
            .field("address", &self.address)
            .field("tenure", &self.tenure)
            .finish_non_exhaustive()
    }
}

/// Why a line is not a leash. None of the texts shows the token.
#[derive(Debug, thiserror::Error)]
pub enum LeashError {
    /// The input could not be read.
    #[error("read the leash")]
    Unreadable(#[source] io::Error),
    /// The input ended before the line did.
    #[error("read the leash: the input ended before a line did")]
    Ended,
    /// More than [`Leash::LONGEST_LINE`] bytes without a line feed.
    #[error(
        "read the leash: the line is longer than {} bytes",
        Leash::LONGEST_LINE
    )]
    TooLong,
    /// The line is not JSON of the expected form.
    #[error("read the leash: the line is of another form")]
    Form(#[source] serde_json::Error),
    /// A form this worker does not know.
    #[error("read the leash: its form is `{0}`, this worker knows 1")]
    Version(u32),
    /// The token is not 64 hexadecimal digits.
    #[error("read the leash: its token is not {} hexadecimal digits", 2 * TOKEN_BYTES)]
    Token,
}

#[derive(Serialize, Deserialize)]
struct Line {
    hotplate: u32,
    address: String,
    token: String,
    tenure: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guard: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leash() -> Leash {
        Leash {
            address: r"\\.\pipe\hotplate-1".to_owned(),
            token: [0xA5; TOKEN_BYTES],
            tenure: 7,
            guard: None,
        }
    }

    fn read(text: &str) -> Result<Leash, LeashError> {
        Leash::read(&mut text.as_bytes())
    }

    #[test]
    fn the_line_keeps_its_form() {
        assert_eq!(
            leash().to_line(),
            format!(
                "{}\"token\":\"{}\",\"tenure\":7}}\n",
                r#"{"hotplate":1,"address":"\\\\.\\pipe\\hotplate-1","#,
                "a5".repeat(32)
            )
        );
    }

    #[test]
    fn a_line_is_read_back_and_what_follows_is_left() {
        let text = leash().to_line() + "rest";
        let mut input = text.as_bytes();
        assert_eq!(Leash::read(&mut input).unwrap(), leash());
        assert_eq!(input, b"rest");
    }

    #[test]
    fn a_later_supervisor_may_say_more() {
        let line = leash()
            .to_line()
            .replace("\"hotplate\"", "\"grace\":5,\"hotplate\"");
        assert_eq!(read(&line).unwrap(), leash());
    }

    #[test]
    fn an_input_that_ends_early_is_no_leash() {
        assert!(matches!(read(""), Err(LeashError::Ended)));
        assert!(matches!(
            read(leash().to_line().trim_end()),
            Err(LeashError::Ended)
        ));
    }

    #[test]
    fn an_endless_line_is_given_up_at_its_bound() {
        assert!(matches!(
            Leash::read(&mut io::BufReader::new(io::repeat(b'x'))),
            Err(LeashError::TooLong)
        ));
    }

    #[test]
    fn other_forms_are_refused() {
        assert!(matches!(read("hello\n"), Err(LeashError::Form(_))));
        assert!(matches!(read("{}\n"), Err(LeashError::Form(_))));
        let later = leash()
            .to_line()
            .replace("\"hotplate\":1", "\"hotplate\":2");
        assert!(matches!(read(&later), Err(LeashError::Version(2))));
        let short = leash().to_line().replace("a5a5", "a5");
        assert!(matches!(read(&short), Err(LeashError::Token)));
        let other = leash().to_line().replace("a5a5", "g5a5");
        assert!(matches!(read(&other), Err(LeashError::Token)));
    }

    #[test]
    fn the_token_is_never_shown() {
        assert!(!format!("{:?}", leash()).contains("165"));
        assert!(!format!("{:?}", leash()).to_lowercase().contains("a5a5"));
    }
}
