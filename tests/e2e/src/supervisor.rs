//! A running supervisor, seen from outside: its process, its log, its `status`.

use std::{
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::Value;

use crate::{LIMIT, Log, Programs, Stand, console, until};

/// A supervisor process. It is killed when dropped, and its workers end with their leashes.
#[derive(Debug)]
pub struct Supervisor<'s> {
    stand: &'s Stand,
    child: Child,
    ended: AtomicBool,
    /// What it has logged so far.
    pub log: Log,
}

impl<'s> Supervisor<'s> {
    pub(crate) fn start(stand: &'s Stand) -> Self {
        Self::start_as(stand, |_| {})
    }

    pub(crate) fn start_as(stand: &'s Stand, dress: impl FnOnce(&mut Command)) -> Self {
        let mut command = stand.command(&["run"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        console::give_own(&mut command);
        dress(&mut command);
        let mut child = command
            .spawn()
            .expect("a program that is there can be started");
        let log = Log::default();
        // Whoever changed one of them reads it.
        if let Some(stderr) = child.stderr.take() {
            log.follow(stderr);
        }
        if let Some(stdout) = child.stdout.take() {
            log.follow(stdout);
        }
        Self {
            stand,
            child,
            ended: AtomicBool::new(false),
            log,
        }
    }

    /// What `status --json` says now.
    ///
    /// # Panics
    /// When the supervisor gives no answer.
    #[track_caller]
    pub fn status(&self) -> Value {
        self.try_status()
            .unwrap_or_else(|why| panic!("no status: {why}"))
    }

    fn try_status(&self) -> Result<Value, String> {
        let asked = self.stand.cli(&["status", "--json"]);
        serde_json::from_str(&asked.stdout).map_err(|_| asked.stderr)
    }

    /// Asks for the status until it fulfils a condition, and returns it.
    ///
    /// # Panics
    /// When it does not within the limit.
    #[track_caller]
    pub fn await_status(&self, what: &str, mut reached: impl FnMut(&Value) -> bool) -> Value {
        until(what, || {
            let status = self.try_status()?;
            if reached(&status) {
                Ok(status)
            } else {
                Err(status.to_string())
            }
        })
    }

    /// Waits until a worker of this version is active, nothing is under way and the cloud link is up.
    ///
    /// # Panics
    /// When it is not within the limit.
    #[track_caller]
    pub fn await_rest(&self, version: &str) -> Value {
        self.await_status(&format!("{version} active, at rest, connected"), |status| {
            status["phase"] == "idle"
                && status["cloud_up"] == true
                && status["workers"]
                    .as_array()
                    .is_some_and(|workers| workers.len() == 1)
                && status["workers"][0]["stage"] == "active"
                && status["workers"][0]["version"] == version
        })
    }

    /// The process id of the active worker.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn worker(&self) -> u64 {
        self.try_worker()
            .unwrap_or_else(|why| panic!("no worker runs: {why}"))
    }

    /// The same, or what is known instead.
    ///
    /// # Errors
    /// When none runs, or the supervisor does not answer.
    pub fn try_worker(&self) -> Result<u64, String> {
        let status = self.try_status()?;
        let process = status["workers"][0]["pid"].as_u64();
        process.ok_or_else(|| status.to_string())
    }

    /// The supervisor's own process id.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        self.child.wait().expect("a child can be waited for once");
        if Programs::under_test().are_foreign() {
            // Wine's server keeps a socket of a killed process for good when data came in just then, as about one kill in thirty in
            // mid-download shows; to the cloud it looks as if the process took what is sent.
            self.stand.cloud.hang_up_downloads();
        }
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Waits until it ends by itself, and returns its exit code.
    ///
    /// # Panics
    /// When it does not within the limit.
    #[track_caller]
    pub fn await_end(&mut self) -> Option<i32> {
        let child = &mut self.child;
        let status = until("the supervisor's end", || match child.try_wait() {
            Ok(Some(status)) => Ok(status),
            other => Err(format!("{other:?} after {LIMIT:?}")),
        });
        self.ended.store(true, Ordering::Relaxed);
        status.code()
    }

    /// Asks it to end in order: on Unix by a signal, on Windows by CTRL-C in its console.
    pub fn ask_to_end(&self) {
        console::ask_to_end(self.child.id());
    }

    /// Presses CTRL-BREAK in its console, which only Windows has.
    pub fn press_break(&self) {
        console::press_break(self.child.id());
    }
}

/// The process that runs this version, as a status says.
#[must_use]
pub fn process_of(status: &Value, version: &str) -> Option<u64> {
    let mut workers = status["workers"].as_array()?.iter();
    workers.find(|worker| worker["version"] == version)?["pid"].as_u64()
}

impl Drop for Supervisor<'_> {
    fn drop(&mut self) {
        if !self.ended.load(Ordering::Relaxed) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the supervisor's log ---\n{}", self.log.text());
        }
    }
}
