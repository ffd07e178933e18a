//! The birth of a process: its slot is verified, and what was verified is what is started.
//!
//! The handle through which the program was hashed stays open until the process runs. Linux starts the program from that very handle, so
//! that a path which leads elsewhere by now changes nothing; Windows lets nobody touch the file meanwhile; everywhere else, and for
//! what Linux cannot start so (scripts, and anything where `/proc` is not mounted), the program is started by its path, and
//! file and path are looked at once more. A child whose files were changed meanwhile is killed before it is given its leash, and
//! everything begins anew. It has run for that moment, and cannot have joined. A program that runs cannot be written into on any of
//! these systems (Linux 6.11 and 6.12 excepted), only be replaced, which the next start finds.

use std::{
    io,
    path::Path,
    process::Stdio,
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::{Duration, Instant},
};

use supervisor_core::event::Tenure;
use tokio::{
    process::{Child, Command},
    task::spawn_blocking,
    time::sleep,
};

use super::{Order, system};
use crate::{
    config::{SECRET_VARIABLE, Worker},
    drivers::{
        notify, rights,
        store::verify::{Manifest, Unverified, Verified, verify},
    },
};

/// A program that was written a moment ago may be held open by another process that is just being started, and a system may be short
/// of something for a moment; it is tried again this often and after this pause each time.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(25);

/// How often a slot that is changed while it is started is verified anew.
const MOST_ROUNDS: u32 = 3;

/// A process to be born.
pub(super) struct Birth {
    pub(super) tenure: Tenure,
    pub(super) slot: Manifest,
    pub(super) settings: Worker,
}

/// Why it was not.
#[derive(Debug)]
pub(super) enum Unborn {
    /// The slot is not what it was when it was installed.
    Damaged(String),
    /// The slot could not be read, however often that was tried.
    Unreadable(String),
    /// Anything else.
    NotStarted(String),
}

impl Birth {
    /// Verifies and starts; without an answer to an order to end that came before.
    pub(super) async fn raise(&self, killed: &mut Order) -> Result<Child, Unborn> {
        for _ in 0..MOST_ROUNDS {
            let verified = self.verify(killed).await?;
            let (mut child, by_handle) = match self.start(&verified).await {
                Ok(started) => started,
                Err(why) if self.is_mended(&verified, &why) => continue,
                Err(why) => return Err(Unborn::NotStarted(told(self.slot.program(), &why))),
            };
            if verified.is_unchanged(by_handle) {
                return Ok(child);
            }
            tracing::warn!(
                tenure = self.tenure.0,
                "the slot was changed while it was started; it is verified again"
            );
            // Fails only when it has ended by itself.
            let _ = child.kill().await;
        }
        Err(Unborn::NotStarted(format!(
            "its slot is changed again and again while it is started: `{}`",
            self.slot.program().display()
        )))
    }

    async fn verify(&self, killed: &mut Order) -> Result<Verified, Unborn> {
        let mut tries = 0;
        loop {
            let begun = Instant::now();
            let given_up = Arc::new(AtomicBool::new(false));
            let (slot, is_given_up) = (self.slot.clone(), given_up.clone());
            let is_for_other = self.settings.account.is_some();
            let look = move || {
                if is_for_other && let Err(why) = rights::open_slot(&slot) {
                    tracing::warn!("the worker's user is not let in to its slot: {why}");
                }
                verify(&slot, &is_given_up)
            };
            let verified = tokio::select! {
                verified = spawn_blocking(look) => verified,
                () = killed.given() => {
                    given_up.store(true, Ordering::Relaxed);
                    Ok(Err(Unverified::GivenUp))
                }
            };
            let why = match verified {
                Ok(Ok(verified)) => {
                    tracing::debug!(
                        tenure = self.tenure.0,
                        bytes = self.slot.size(),
                        micros = begun.elapsed().as_micros(),
                        "the slot is verified"
                    );
                    return Ok(verified);
                }
                Ok(Err(Unverified::NotNow(_) | Unverified::Unreadable(_)))
                    if tries < BUSY_TRIES =>
                {
                    tries += 1;
                    sleep(BUSY_PAUSE).await;
                    continue;
                }
                Ok(Err(Unverified::Damaged(why))) => return Err(Unborn::Damaged(why)),
                Ok(Err(Unverified::Unreadable(why))) => return Err(Unborn::Unreadable(why)),
                Ok(Err(Unverified::NotNow(why))) => {
                    format!("its slot cannot be verified at this moment: {why}")
                }
                Ok(Err(Unverified::GivenUp)) => "it was given up before it ran".to_owned(),
                // The runtime is ending.
                Err(why) => why.to_string(),
            };
            return Err(Unborn::NotStarted(why));
        }
    }

    /// Starts what was verified, and answers whether that was done from its handle.
    pub(super) async fn start(&self, verified: &Verified) -> io::Result<(Child, bool)> {
        let (program, path) = verified.program();
        if let Some(command) = system::by_handle(program, path)
            && let Ok(child) = start(self.dressed(command)).await
        {
            return Ok((child, true));
        }
        // Whatever was in the way, this has a reason to tell: of the path, which says more than the handle.
        let child = start(self.dressed(system::by_path(path))).await?;
        Ok((child, false))
    }

    /// Was the right to execute it all that was missing, and is it back? What was verified is what is trusted, and its rights are no part of
    /// that: they may be lost when a state folder is copied.
    fn is_mended(&self, verified: &Verified, why: &io::Error) -> bool {
        if why.kind() != io::ErrorKind::PermissionDenied {
            return false;
        }
        let (program, path) = verified.program();
        match system::restore_execution(program) {
            Ok(restored) => {
                if restored {
                    tracing::warn!(
                        tenure = self.tenure.0,
                        "`{}` might not be executed any more; its right is restored",
                        path.display()
                    );
                }
                restored
            }
            Err(why) => {
                let path = path.display();
                tracing::warn!("the right to execute `{path}` cannot be restored: {why}");
                false
            }
        }
    }

    fn dressed(&self, mut command: Command) -> Command {
        for name in notify::VARIABLES {
            command.env_remove(name);
        }
        if let Some(account) = &self.settings.account {
            system::become_other(&mut command, account, &self.settings.home);
        }
        command
            .args(&self.settings.args)
            .envs(&self.settings.env)
            .env_remove(SECRET_VARIABLE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        system::set_apart(&mut command);
        command
    }
}

async fn start(mut command: Command) -> io::Result<Child> {
    let mut tries = 0;
    loop {
        match command.spawn() {
            Err(why)
                if (why.kind() == io::ErrorKind::ExecutableFileBusy
                    || system::is_fleeting(&why))
                    && tries < BUSY_TRIES =>
            {
                tries += 1;
                sleep(BUSY_PAUSE).await;
            }
            started => return started,
        }
    }
}

/// The plain words come first, as the platform cuts what it is told.
fn told(image: &Path, why: &io::Error) -> String {
    let words = match why.kind() {
        _ if system::is_foreign(why) => "not a program for this system",
        io::ErrorKind::NotFound => "the program, or the loader it asks for, is not there",
        io::ErrorKind::PermissionDenied => "the program may not be executed",
        _ => "the system refuses to start the program",
    };
    format!("{words}: `{}`: {why}", image.display())
}
