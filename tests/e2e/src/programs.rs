//! The programs under test: where they are, and how they are run on this system.

use std::{
    env,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    thread::JoinHandle,
    time::Instant,
};

use crate::{LIMIT, PAUSE, build};

/// The programs under test.
#[derive(Debug)]
pub struct Programs {
    folder: PathBuf,
    suffix: &'static str,
    runner: Option<String>,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Programs {
    /// Those of this test process; built first, if the environment names none.
    ///
    /// # Panics
    /// When they cannot be built.
    pub fn under_test() -> &'static Self {
        static PROGRAMS: OnceLock<Result<Programs, String>> = OnceLock::new();
        let programs = PROGRAMS.get_or_init(|| {
            let folder = env::var_os("HOTPLATE_BIN_DIR")
                .map_or_else(build::build, |folder| Ok(folder.into()))?;
            let suffix = if folder.join("supervisor.exe").is_file() {
                ".exe"
            } else {
                ""
            };
            let runner = env::var("HOTPLATE_RUNNER")
                .ok()
                .filter(|runner| !runner.is_empty());
            Ok(Self {
                folder,
                suffix,
                runner,
            })
        });
        programs.as_ref().unwrap_or_else(|why| panic!("{why}"))
    }

    /// The path of a program, which must be there.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.join(format!("{name}{}", self.suffix));
        assert!(
            path.is_file(),
            "`{}` is not there; see `HOTPLATE_BIN_DIR`",
            path.display()
        );
        path
    }

    /// A command that runs the supervisor.
    #[must_use]
    pub fn supervisor(&self) -> Command {
        let path = self.path("supervisor");
        let mut command = match &self.runner {
            Some(runner) => {
                let mut command = Command::new(runner);
                command.arg(path);
                command
            }
            None => Command::new(path),
        };
        command
            .env_remove("HOTPLATE_DEVICE_SECRET")
            .stdin(Stdio::null());
        command
    }

    /// Are these programs for another system than this one?
    #[must_use]
    pub fn are_foreign(&self) -> bool {
        self.runner.is_some()
    }

    /// How the programs under test name this path. Wine shows the whole disk as drive `Z:`.
    #[must_use]
    pub fn see(&self, path: &Path) -> String {
        let path = path.to_str().expect("the paths of a test are UTF-8");
        if self.are_foreign() {
            format!("Z:{path}")
        } else {
            path.to_owned()
        }
    }

    /// Ends a process under test at once, by the id it knows itself by.
    pub fn kill(&self, process: u64) {
        let process = process.to_string();
        let mut command = match &self.runner {
            Some(runner) => {
                let mut command = Command::new(runner);
                command.args(["taskkill", "/F", "/PID", &process]);
                command
            }
            None if cfg!(windows) => {
                let mut command = Command::new("taskkill");
                command.args(["/F", "/PID", &process]);
                command
            }
            None => {
                let mut command = Command::new("kill");
                command.args(["-KILL", &process]);
                command
            }
        };
        finish(&mut command);
    }
}

/// Runs a command to its end; one that takes longer than [`LIMIT`] is killed, and the test fails.
pub(crate) fn finish(command: &mut Command) -> Ended {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|why| panic!("{command:?} cannot be started: {why}"));
    let stdout = read(child.stdout.take());
    let stderr = read(child.stderr.take());
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if start.elapsed() < LIMIT => std::thread::sleep(PAUSE / 5),
            other => {
                // Fails only when it has ended in this moment.
                let _ = child.kill();
                let _ = child.wait();
                panic!("{command:?} did not end within {LIMIT:?}: {other:?}");
            }
        }
    };
    let text = |reader: JoinHandle<Vec<u8>>| {
        let bytes = reader.join().expect("reading cannot panic");
        String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
    };
    Ended {
        code: status.code(),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

/// Reads a pipe to its end, so that a process with much to say is not kept waiting.
fn read(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before a failure is all there is.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// True where the programs under test run on a Unix of their own; otherwise says why the test does not apply.
pub fn only_here(reason: &str) -> bool {
    let here = cfg!(unix) && !Programs::under_test().are_foreign();
    if !here {
        println!("does not apply to these programs: {reason}");
    }
    here
}
