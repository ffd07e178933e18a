//! Walking through one document: its commands in its order, as a newcomer would type them.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::markdown::{Block, Document, Mark};
use crate::run;
use crate::workspace::Workspace;

/// The longest a block may take; the longest of them builds a program.
const LIMIT: Duration = Duration::from_secs(600);

/// The pause between two looks at something that cannot tell by itself that it has changed.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a walk did not reach its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum WalkError {
    #[error("the walk's own files")]
    Own(#[from] io::Error),
    #[error("`{0}`, line {1}: this ended with {2}, and must {3}:\n{4}")]
    Ended(&'static str, usize, String, &'static str, String),
    #[error("`{0}`, line {1}: this did not show `{2}`:\n{3}")]
    Unshown(&'static str, usize, String, String),
    #[error("`{0}`, line {1}: this did not end within {2:?}:\n{3}")]
    Endless(&'static str, usize, Duration, String),
    #[error("`{0}`, line {1}: `{2}` does not have this in it")]
    Other(&'static str, usize, String),
    #[error("`{0}` leaves this behind in the workspace:\n{1}")]
    Litter(&'static str, String),
    #[error(transparent)]
    Run(#[from] run::RunError),
}

/// Walks, and tells how many commands ran.
pub(super) fn walk(workspace: &Workspace, document: &Document) -> Result<usize, WalkError> {
    if document.blocks.iter().any(Block::is_run) {
        // Commands find the programs built, as the documents say that they were.
        let mut build = workspace.cargo(&["build", "--locked", "-p", "supervisor", "-p", "worker"]);
        run::captured(&mut build)?;
    }
    let before = status(workspace)?;
    let mut walk = Walk::begin(workspace, document.name)?;
    let mut ran = 0;
    for block in &document.blocks {
        ran += walk.block(block)?;
    }
    drop(walk);
    let after = status(workspace)?;
    if after != before {
        return Err(WalkError::Litter(document.name, after));
    }
    Ok(ran)
}

fn status(workspace: &Workspace) -> Result<String, WalkError> {
    let mut git = run::command("git", ["status", "--porcelain"]);
    Ok(run::captured(git.current_dir(&workspace.root))?)
}

/// A walk under way.
struct Walk<'w> {
    workspace: &'w Workspace,
    document: &'static str,
    /// The newcomer's home.
    home: tempfile::TempDir,
    /// Where the last command left the shell.
    place: PathBuf,
    /// What was started and goes on, until the walk ends.
    going: Vec<Child>,
    /// Which free port stands for which of the document's.
    ports: Vec<(String, u16)>,
}

impl<'w> Walk<'w> {
    fn begin(workspace: &'w Workspace, document: &'static str) -> Result<Self, WalkError> {
        Ok(Self {
            workspace,
            document,
            home: tempfile::Builder::new().prefix("walk-").tempdir()?,
            place: workspace.root.clone(),
            going: Vec::new(),
            ports: Vec::new(),
        })
    }

    fn block(&mut self, block: &Block) -> Result<usize, WalkError> {
        let mut text = block.text.clone();
        for mark in &block.marks {
            match mark {
                Mark::Port(number) => {
                    let free = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
                    self.ports.push((number.clone(), free));
                }
                Mark::With { there, here } => text = text.replace(there, here),
                Mark::Is(path) => {
                    let file = fs::read_to_string(self.workspace.root.join(path))?;
                    if !file.contains(&block.text) {
                        return Err(WalkError::Other(self.document, block.line, path.clone()));
                    }
                }
                Mark::Writes(path) => {
                    let path = self.path(path);
                    if let Some(folder) = path.parent() {
                        fs::create_dir_all(folder)?;
                    }
                    fs::write(path, &text)?;
                }
                _ => {}
            }
        }
        for (number, free) in &self.ports {
            text = text.replace(number, &free.to_string());
        }
        if !block.is_run() {
            return Ok(0);
        }
        self.run(block, &text)?;
        Ok(text.lines().filter(|line| is_command(line)).count())
    }

    /// `~/` is the newcomer's home, anything else lies where the shell is.
    fn path(&self, path: &str) -> PathBuf {
        match path.strip_prefix("~/") {
            Some(rest) => self.home.path().join(rest),
            None => self.place.join(path),
        }
    }

    fn run(&mut self, block: &Block, text: &str) -> Result<(), WalkError> {
        let printed = self.home.path().join(format!(".printed-{}", block.line));
        let place = self.home.path().join(".place");
        let script = format!("set -e\n{text}\npwd > '{}'\n", place.display());
        let out = File::create(&printed)?;
        let mut command = Command::new("sh");
        command
            .args(["-c", &script])
            .current_dir(&self.place)
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out);
        self.dress(&mut command);
        let mut child = command.spawn()?;
        let until = block.marks.iter().find_map(|mark| match mark {
            Mark::Until(text) => Some(text.as_str()),
            _ => None,
        });
        let begun = Instant::now();
        let status = loop {
            let text = shown(&printed);
            if until.is_some_and(|until| text.contains(until)) {
                self.going.push(child);
                return Ok(());
            }
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if begun.elapsed() > LIMIT {
                end(&mut child);
                return Err(WalkError::Endless(self.document, block.line, LIMIT, text));
            }
            std::thread::sleep(PAUSE);
        };
        let text = shown(&printed);
        let fails = block.marks.contains(&Mark::Fails);
        if status.success() == fails || until.is_some() {
            let must = match (until, fails) {
                (Some(_), _) => "go on",
                (None, true) => "fail",
                (None, false) => "succeed",
            };
            let ended = status.to_string();
            return Err(WalkError::Ended(
                self.document,
                block.line,
                ended,
                must,
                text,
            ));
        }
        for mark in &block.marks {
            if let Mark::Shows(wanted) = mark
                && !text.contains(wanted.as_str())
            {
                let wanted = wanted.clone();
                return Err(WalkError::Unshown(self.document, block.line, wanted, text));
            }
        }
        if !fails {
            self.place = PathBuf::from(fs::read_to_string(place)?.trim_end());
        }
        Ok(())
    }

    /// A newcomer's environment: a home of its own, and cargo where it was.
    fn dress(&self, command: &mut Command) {
        let real = std::env::var_os("HOME").map(PathBuf::from);
        for (variable, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            if std::env::var_os(variable).is_none()
                && let Some(home) = &real
            {
                command.env(variable, home.join(folder));
            }
        }
        let built = self.workspace.target.join("debug");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(built).chain(std::env::split_paths(&path));
        command
            .env("HOME", self.home.path())
            .env("HOTPLATE", &self.workspace.root)
            .env("NO_COLOR", "1")
            .env(
                "PATH",
                std::env::join_paths(path).expect("it came from a path"),
            );
        // Each in a group of its own, so that what a shell has started ends with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
    }
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        for child in self.going.iter_mut().rev() {
            end(child);
        }
    }
}

/// Ends a shell and what it has started.
fn end(child: &mut Child) {
    #[cfg(unix)]
    {
        let group = format!("-{}", child.id());
        // Fails only when all of them have ended already.
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
    }
    #[cfg(not(unix))]
    let _ = child.kill();
    let _ = child.wait();
}

fn shown(printed: &Path) -> String {
    String::from_utf8_lossy(&fs::read(printed).unwrap_or_default()).into_owned()
}

fn is_command(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}
