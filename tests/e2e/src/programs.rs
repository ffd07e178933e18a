//! The programs under test: where they are, and how they are run on this system.

use std::{
    env,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        mpsc::{self, Receiver},
    },
    time::{Duration, Instant},
};

use crate::{LIMIT, PAUSE, build};

/// How long the end of what a process has printed may come after its own end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The programs under test.
#[derive(Debug)]
pub struct Programs {
    folder: PathBuf,
    suffix: &'static str,
    runner: Option<String>,
    target: OnceLock<String>,
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
                target: OnceLock::new(),
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

    /// The system they are built for, as the supervisor itself shows it among its settings.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn target(&self) -> &str {
        self.target.get_or_init(|| {
            let empty = tempfile::NamedTempFile::new().expect("the system has a temporary folder");
            let mut command = self.supervisor();
            command
                .arg("--config")
                .arg(self.see(empty.path()))
                .arg("check-config");
            let shown = finish(&mut command).stdout;
            let line = shown.lines().find(|line| line.contains("update.target"));
            let value = line.and_then(|line| line.split('"').nth(1));
            value
                .unwrap_or_else(|| panic!("no target is among the settings: {shown}"))
                .to_owned()
        })
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
    let stdout = Reading::of(child.stdout.take().expect("it was asked for"));
    let stderr = Reading::of(child.stderr.take().expect("it was asked for"));
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
    Ended {
        code: status.code(),
        stdout: stdout.text(),
        stderr: stderr.text(),
    }
}

/// What comes out of a pipe, read on a thread of its own, so that a process with much to say is not kept waiting.
struct Reading {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: Receiver<()>,
}

impl Reading {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let (ended, end) = mpsc::channel();
        let kept = Arc::clone(&bytes);
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // What came before a failure is all there is.
            while let Ok(count @ 1..) = pipe.read(&mut piece) {
                lock(&kept).extend_from_slice(&piece[..count]);
            }
            // Fails only when nobody waits for it any more.
            let _ = ended.send(());
        });
        Self { bytes, end }
    }

    /// All of it, once the process has ended. The first program under Wine leaves Wine's own server behind, which holds the pipe open
    /// for as long as it likes; therefore the end of the pipe is awaited for a short time only.
    fn text(self) -> String {
        // Whether it has ended or the time is over: what is there counts.
        let _ = self.end.recv_timeout(LAST_WORDS);
        String::from_utf8_lossy(&lock(&self.bytes)).replace("\r\n", "\n")
    }
}

fn lock(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}
