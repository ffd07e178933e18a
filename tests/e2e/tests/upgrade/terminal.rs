//! The command line at a terminal, as a person sees it on the screen, and into a pipe, as a program reads it.

mod doctor;
mod explain;
mod init;
mod watch;

use std::process::{Command, Stdio};

use e2e::{Ended, until};

/// Gives a program its whole standard input, and waits for its end.
#[track_caller]
fn told(command: &mut Command, input: &str) -> Ended {
    use std::io::{ErrorKind, Write as _};

    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that has no question may have ended before it is told anything.
    match child.stdin.take().unwrap().write_all(input.as_bytes()) {
        Err(why) if why.kind() != ErrorKind::BrokenPipe => panic!("{why}"),
        _ => {}
    }
    until("the program's end", || match child.try_wait() {
        Ok(Some(_)) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
