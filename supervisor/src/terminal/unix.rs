//! The terminal as Unix has it.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr},
};

/// The terminal of this process, whatever standard input and output are.
const TERMINAL: &str = "/dev/tty";

/// No secret is longer, in bytes.
const LONGEST: usize = 1024;

/// Standard output's columns and rows.
pub(super) fn size() -> Option<(usize, usize)> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    let size = (usize::from(size.ws_col), usize::from(size.ws_row));
    // One that nobody told its size has none.
    (size.0 > 0 && size.1 > 0).then_some(size)
}

/// Is there still somebody to read standard output? Of a pipe whose reader has gone, and of a terminal that hung up, the system says so
/// without being asked for anything.
pub(super) fn is_read() -> bool {
    let out = io::stdout();
    let mut asked = [PollFd::new(&out, PollFlags::empty())];
    let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
    match poll(&mut asked, Some(&Timespec::default())) {
        Ok(_) => !asked[0].revents().intersects(gone),
        // Whoever cannot tell finds out at the next line.
        Err(_) => true,
    }
}

/// All of Unix's do.
pub(super) fn understands_sequences() -> bool {
    true
}

/// Asks at the terminal for a line that is not shown.
///
/// # Errors
/// There is no terminal, or the one at it gives up (`Interrupted`).
pub(crate) fn read_secret(question: &str) -> io::Result<String> {
    let terminal = File::options().read(true).write(true).open(TERMINAL)?;
    // Silent before anybody is asked, as some answer at once.
    let quiet = Quiet::make(&terminal)?;
    (&terminal).write_all(question.as_bytes())?;
    let typed = typed(&quiet);
    drop(quiet);
    // The line end that was typed is not shown either.
    (&terminal).write_all(b"\n")?;
    typed
}

/// A terminal that shows nothing of what is typed, until this goes. Its keys come one by one, CTRL-C among them: a signal would end the
/// process with the terminal still silent.
struct Quiet<'t> {
    terminal: &'t File,
    before: Termios,
}

impl<'t> Quiet<'t> {
    fn make(terminal: &'t File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes -=
            LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing any more.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

fn typed(quiet: &Quiet<'_>) -> io::Result<String> {
    let (mut terminal, mut line, mut keys) = (quiet.terminal, Vec::new(), [0; 64]);
    loop {
        let count = terminal.read(&mut keys)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for key in &keys[..count] {
            match key {
                b'\r' | b'\n' => {
                    return String::from_utf8(line)
                        .map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why));
                }
                // CTRL-C, CTRL-D and CTRL-\.
                3 | 4 | 28 => return Err(io::ErrorKind::Interrupted.into()),
                // Backspace, as one of two keys.
                8 | 127 => {
                    line.pop();
                }
                // CTRL-U.
                21 => line.clear(),
                key if line.len() < LONGEST => line.push(*key),
                _ => {}
            }
        }
    }
}
