//! A yardstick at work: one line to it is one round, one line from it is what it saw.

use crate::run;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// A program of `tests/yardstick`. It ends with this.
pub(super) struct Yardstick {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// A yardstick does not do its work.
#[derive(Debug, thiserror::Error)]
#[error("lay on the yardstick `{0}`")]
pub(crate) struct YardstickError(String, #[source] io::Error);

impl Yardstick {
    /// Starts it. If it runs metronomes, they write their beats into this journal.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start<A: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
        journal: Option<&Path>,
    ) -> Result<Self, YardstickError> {
        let mut command = run::command(program, args);
        let line = run::line(&command);
        let failed = |source| YardstickError(line.clone(), source);
        let mut child = command
            .envs(journal.map(|journal| ("METRONOME_JOURNAL", journal)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (orders, answers) = pipes.ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self {
            child,
            orders,
            answers: BufReader::new(answers),
        })
    }

    /// One round.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn round(&mut self, order: &str) -> Result<String, YardstickError> {
        let told = writeln!(self.orders, "{order}").and_then(|()| self.orders.flush());
        told.map_err(|source| YardstickError("order".to_owned(), source))?;
        self.answer()
    }

    /// What it says next.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn answer(&mut self) -> Result<String, YardstickError> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(1..) => Ok(line.trim().to_owned()),
            Ok(0) => {
                let end = io::ErrorKind::UnexpectedEof.into();
                Err(YardstickError("answer".to_owned(), end))
            }
            Err(source) => Err(YardstickError("answer".to_owned(), source)),
        }
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        // What it has started ends with it. One that is gone already needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
