//! `supervisor service …`: has the system run the supervisor from the start of the machine on.
//!
//! Each system is given a definition in its own form and is then asked by its own means (`systemctl`, `launchctl`, Windows' service
//! control), without any shell. The definitions are plain functions from a few paths to a text, so that every system can print those of
//! all three. A definition that something else made is neither overwritten nor removed.

mod definition;
#[cfg(not(windows))]
mod files;
mod launchd;
#[cfg(windows)]
mod scm;
#[cfg(windows)]
pub(crate) mod serve;
mod systemd;
#[cfg(test)]
mod tests;
#[cfg(not(windows))]
mod tool;
mod windows;

use std::{io, path::PathBuf};

pub(crate) use self::definition::{Definition, Name, Unfit};
pub(crate) use crate::cli::service::{Deed, Service, System};
use crate::config::Loaded;

#[cfg(target_os = "macos")]
use self::launchd as system;
#[cfg(windows)]
use self::scm as system;
#[cfg(not(any(windows, target_os = "macos")))]
use self::systemd as system;

impl System {
    const HERE: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::Launchd
    } else {
        Self::Systemd
    };

    fn definition(self, of: &Definition) -> Result<String, Unfit> {
        match self {
            Self::Systemd => systemd::text(of),
            Self::Windows => windows::text(of),
            Self::Launchd => launchd::text(of),
        }
    }
}

/// Why something could not be done with the service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    /// This program does not know where it lies.
    #[error("the path of this program cannot be found")]
    Program(#[source] io::Error),
    /// A path of the definition is none the system takes.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The configuration is wrong; a service with it would not start.
    #[error("the service is not installed, as it would not start: {0}")]
    Config(String),
    /// Something else made it.
    #[error(
        "`{0}` was not made by `supervisor service install`; remove it by its own means, or choose another `--name`"
    )]
    Foreign(PathBuf),
    /// There is none.
    #[error("no service `{0}` is installed; `supervisor service install` installs it")]
    NotInstalled(Name),
    /// It may not be done.
    #[error("{0}: this takes the rights of {ADMINISTRATOR}")]
    Denied(String),
    /// A definition could not be written, read or removed.
    #[cfg(not(windows))]
    #[error("`{0}` cannot be changed")]
    File(PathBuf, #[source] io::Error),
    /// What asks the system is not there.
    #[cfg(not(windows))]
    #[error(
        "`{0}` is not there: something else starts the programs of this system, and has to be told to run `supervisor run`"
    )]
    NoTool(&'static str),
    /// The system does not do it.
    #[error("{0}")]
    Refused(String),
    /// It does not run; only for the exit code, as it has been told.
    #[error("the service `{0}` does not run")]
    Down(Name),
}

const ADMINISTRATOR: &str = if cfg!(windows) {
    "an administrator; try again in a prompt that was opened as one"
} else {
    "root; try again with `sudo`"
};

/// How the service is, as the system sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) is_up: bool,
    /// For people.
    pub(crate) words: String,
}

/// Does it, and returns what to tell of it.
pub(crate) fn carry_out(
    service: &Service,
    config: &std::path::Path,
    loaded: &Loaded,
) -> Result<String, ServiceError> {
    let name = &service.name;
    let definition = |program: Option<PathBuf>| {
        let program = match program {
            Some(program) => program,
            None => std::env::current_exe().map_err(ServiceError::Program)?,
        };
        Definition::new(name.clone(), program, config, loaded).map_err(ServiceError::Program)
    };
    match &service.deed {
        Deed::Print { system, program } => {
            let definition = definition(program.clone())?;
            Ok(system.unwrap_or(System::HERE).definition(&definition)?)
        }
        #[cfg(not(windows))]
        Deed::Install {
            root: Some(root), ..
        } => {
            let definition = definition(None)?;
            let file = files::place(system::FOLDER, system::SUFFIX, name, Some(root));
            files::write(&file, &System::HERE.definition(&definition)?)?;
            Ok(format!("`{}` is written\n", file.display()))
        }
        Deed::Install { now, .. } => {
            if let Err(faults) = &loaded.config {
                let faults = faults.iter().map(|fault| fault.0.as_str());
                return Err(ServiceError::Config(faults.collect::<Vec<_>>().join("\n")));
            }
            let mut told = system::install(&definition(None)?)?;
            if *now {
                told += &system::start(name)?;
            } else {
                told +=
                    "`supervisor service start` starts it; otherwise it starts with the machine\n";
            }
            Ok(told)
        }
        #[cfg(not(windows))]
        Deed::Uninstall { root: Some(root) } => {
            let file = files::place(system::FOLDER, system::SUFFIX, name, Some(root));
            files::remove(&file, name)?;
            Ok(format!("`{}` is removed\n", file.display()))
        }
        Deed::Uninstall { .. } => system::uninstall(name),
        Deed::Start => system::start(name),
        Deed::Stop => system::stop(name),
        Deed::Status { json } => {
            let state = system::state(name)?;
            match json {
                true => {
                    let words = state.words.trim_end();
                    let told = serde_json::json!({"service": name.to_string(), "up": state.is_up, "words": words});
                    crate::show::say(&format!("{told}\n"));
                }
                false => crate::show::say(&state.words),
            }
            match state.is_up {
                true => Ok(String::new()),
                false => Err(ServiceError::Down(name.clone())),
            }
        }
        // Answered where the configuration is at hand.
        #[cfg(windows)]
        Deed::Run => Ok(String::new()),
    }
}

/// How the service of this name is.
pub(crate) fn look(name: &Name) -> Result<State, ServiceError> {
    system::state(name)
}
