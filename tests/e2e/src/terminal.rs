//! A terminal for a program under test: what it shows, as a person would see it, and what is typed.

use std::{
    io::{Read as _, Write as _},
    num::NonZero,
    process::{Child, Command},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::LIMIT;

/// What a terminal shows, and the program at it. It is killed when dropped.
pub struct Terminal {
    pty: Arc<pty_process::blocking::Pty>,
    child: Child,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

struct Seen {
    parser: vt100::Parser,
    is_over: bool,
}

impl Terminal {
    /// Starts a program at a terminal of so many columns and rows.
    ///
    /// # Panics
    /// When the system has no terminals.
    #[must_use]
    pub fn start(command: &Command, columns: u16, rows: u16) -> Self {
        let (pty, pts) = pty_process::blocking::open().expect("the system has terminals");
        pty.resize(pty_process::Size::new(rows, columns))
            .expect("a terminal can be given a size");
        let mut at = pty_process::blocking::Command::new(command.get_program())
            .args(command.get_args())
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .env_remove("HOTPLATE_DEVICE_SECRET");
        if let Some(folder) = command.get_current_dir() {
            at = at.current_dir(folder);
        }
        let child = at
            .spawn(pts)
            .expect("a program that is there can be started");
        let (pty, seen) = (
            Arc::new(pty),
            Arc::new((
                Mutex::new(Seen {
                    parser: vt100::Parser::new(some(rows), some(columns), 0),
                    is_over: false,
                }),
                Condvar::new(),
            )),
        );
        let (read, shown) = (Arc::clone(&pty), Arc::clone(&seen));
        std::thread::spawn(move || {
            let (mut read, mut piece, mut ends) = (&*read, [0; 4096], 0);
            // On Linux the end is an error. It is asked for twice: the kernel looks for words first and for the end after that, so that the
            // last words of a program that ended between the two are there behind the error.
            while ends < 2 {
                let Ok(count @ 1..) = read.read(&mut piece) else {
                    ends += 1;
                    continue;
                };
                lock(&shown.0).parser.process(&piece[..count]);
                shown.1.notify_all();
            }
            lock(&shown.0).is_over = true;
            shown.1.notify_all();
        });
        Self { pty, child, seen }
    }

    /// Types something; a line ends with `\r`, and CTRL-C is `\x03`.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn type_in(&self, keys: &str) {
        (&*self.pty)
            .write_all(keys.as_bytes())
            .expect("the terminal is there");
    }

    /// Makes it another size.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn resize(&self, columns: u16, rows: u16) {
        lock(&self.seen.0)
            .parser
            .screen_mut()
            .set_size(some(rows), some(columns));
        self.pty
            .resize(pty_process::Size::new(rows, columns))
            .expect("the terminal is there");
    }

    /// What it shows now, without colours.
    #[must_use]
    pub fn shown(&self) -> String {
        lock(&self.seen.0).parser.screen().contents()
    }

    /// Looks at the screen.
    pub fn look<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(lock(&self.seen.0).parser.screen())
    }

    /// Waits until what is shown fulfils a condition, and returns it.
    ///
    /// # Panics
    /// When it does not within the limit; the message has what is shown.
    #[track_caller]
    pub fn await_shown(&self, what: &str, mut reached: impl FnMut(&str) -> bool) -> String {
        let start = Instant::now();
        let mut seen = lock(&self.seen.0);
        loop {
            let shown = seen.parser.screen().contents();
            if reached(&shown) {
                return shown;
            }
            let rest = LIMIT.checked_sub(start.elapsed());
            let (Some(rest), false) = (rest, seen.is_over) else {
                drop(seen);
                panic!(
                    "`{what}` was not shown within {LIMIT:?}, or before the end; shown is:\n{shown}"
                );
            };
            let woken = self.seen.1.wait_timeout(seen, rest);
            seen = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the program's end, and until all it has said is shown; returns its exit code.
    ///
    /// # Panics
    /// When it does not end within the limit.
    #[track_caller]
    pub fn await_end(&mut self) -> Option<i32> {
        let child = &mut self.child;
        let ended = crate::until("the end of the program at the terminal", || {
            match child.try_wait() {
                Ok(Some(status)) => Ok(status),
                other => Err(format!("{other:?}")),
            }
        });
        let start = Instant::now();
        let mut seen = lock(&self.seen.0);
        // Elsewhere than on Linux the end of a terminal is not told to whoever reads it.
        while let Some(rest) = (LIMIT / 30).checked_sub(start.elapsed())
            && !seen.is_over
        {
            let woken = self.seen.1.wait_timeout(seen, rest);
            seen = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        ended.code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the terminal shows ---\n{}", self.shown());
        }
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn some(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a terminal has a column and a row")
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
