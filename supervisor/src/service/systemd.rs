//! Linux: a unit of systemd.
//!
//! What the unit takes away, it takes from the worker as well, which is the device's own program. Therefore devices, `/sys`, all kinds of
//! sockets and real-time scheduling stay, and what a device may need beyond that is given by a drop-in (`systemctl edit`).

use std::{fmt::Write as _, path::Path};

use super::{Definition, Unfit, definition::plain};

/// The spine is to come round at least this often, in seconds; it does so every few milliseconds.
const WATCHDOG: u32 = 30;

/// How long an orderly stop may take, in seconds; longer than the supervisor itself allows it.
const STOP: u32 = 30;

/// Where systemd keeps the folders it makes for services.
const STATES: &str = "/var/lib";

/// With a state folder whose path is longer, in bytes, sockets lie among the temporary files, where others must see them too.
const LONGEST_STATE: usize = 60;

/// The unit.
pub(super) fn text(of: &Definition) -> Result<String, Unfit> {
    let mut unit = format!(
        "\
# Made by `supervisor service`. Changes go into a drop-in: systemctl edit {name}
[Unit]
Description=Hotplate supervisor ({name})
After=network.target nss-user-lookup.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} --config {config} run
# It is up when the device is, and no worker is so bad that its supervisor should be ended.
TimeoutStartSec=infinity
WatchdogSec={WATCHDOG}
Restart=always
RestartSec=1
# The supervisor stops its worker in order. One that lost its supervisor makes the device safe by itself, and then goes.
KillMode=process
TimeoutStopSec={STOP}
# A worker that took all memory is started again; that is no reason to end the supervisor.
OOMPolicy=continue
SyslogIdentifier={name}
UMask=0077

NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
RestrictNamespaces=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallFilter=~@cpu-emulation @module @mount @obsolete @reboot @swap
",
        name = of.name,
        program = quoted(plain(&of.program)?),
        config = quoted(plain(&of.config)?).replace('$', "$$"),
    );
    if of.has_worker_user {
        unit += "\
# What it takes to start the worker as another user, and to end it.
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_KILL CAP_SETGID CAP_SETUID
";
    }
    unit += &writes(of)?;
    unit += "\n[Install]\nWantedBy=multi-user.target\n";
    Ok(unit)
}

/// The state folder is the one place that is written to.
fn writes(of: &Definition) -> Result<String, Unfit> {
    let default = || Path::new(STATES).join(of.name.to_string());
    let state = of.state.clone().unwrap_or_else(default);
    let path = plain(&state)?;
    let mut lines = String::new();
    let own = state.strip_prefix(STATES).ok().and_then(Path::to_str);
    // Nothing in such a name is special to systemd.
    let is_simple = |it: &str| {
        it.chars()
            .all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it))
    };
    match own.filter(|it| !it.is_empty() && is_simple(it)) {
        Some(own) => {
            let mode = if of.has_worker_user { "0710" } else { "0700" };
            let _ = write!(lines, "StateDirectory={own}\nStateDirectoryMode={mode}\n");
        }
        None => {
            let _ = writeln!(lines, "ReadWritePaths={}", quoted(path));
        }
    }
    lines += match path.len() <= LONGEST_STATE {
        true => "PrivateTmp=yes\n",
        false => "ReadWritePaths=/tmp\n",
    };
    Ok(lines)
}

/// As one word of a unit, whatever the path has in it.
fn quoted(path: &str) -> String {
    let path = path
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('%', "%%");
    format!("\"{path}\"")
}

#[cfg(not(any(windows, target_os = "macos")))]
pub(super) use self::here::{FOLDER, SUFFIX, install, start, state, stop, uninstall};

#[cfg(not(any(windows, target_os = "macos")))]
mod here {
    use std::{
        thread::sleep,
        time::{Duration, Instant},
    };

    use super::super::{
        Definition, Name, ServiceError, State, files,
        files::place,
        tool::{ask, tell},
    };
    use crate::drivers::store::{disk::Real, layout::Layout};

    /// Where an administrator's units lie; they go before those of packages.
    pub(in super::super) const FOLDER: &str = "/etc/systemd/system";
    pub(in super::super) const SUFFIX: &str = ".service";

    const TOOL: &str = "systemctl";

    /// How long a start may take before it is told that it goes on by itself.
    const START_WAIT: Duration = Duration::from_secs(20);
    const LOOK_AGAIN: Duration = Duration::from_millis(200);

    pub(in super::super) fn install(of: &Definition) -> Result<String, ServiceError> {
        let file = place(FOLDER, SUFFIX, &of.name, None);
        // Asked first: where systemd does not run, nothing is to be left behind.
        tell(TOOL, &["show", "--property=Version"])?;
        if let Some(state) = &of.state {
            // systemd lets nobody write to what is not there.
            Layout::make_on(&Real, state, &mut Vec::new())
                .map_err(|why| ServiceError::File(state.clone(), why))?;
        }
        files::write(&file, &super::text(of)?)?;
        tell(TOOL, &["daemon-reload"])?;
        tell(TOOL, &["enable", "--quiet", &unit(&of.name)])?;
        Ok(format!("`{}` is installed and enabled\n", file.display()))
    }

    pub(in super::super) fn uninstall(name: &Name) -> Result<String, ServiceError> {
        let file = place(FOLDER, SUFFIX, name, None);
        if !files::is_ours(&file)? {
            return Err(ServiceError::NotInstalled(name.clone()));
        }
        tell(TOOL, &["disable", "--quiet", "--now", &unit(name)])?;
        files::remove(&file, name)?;
        tell(TOOL, &["daemon-reload"])?;
        Ok(format!("`{}` is stopped and removed\n", unit(name)))
    }

    pub(in super::super) fn start(name: &Name) -> Result<String, ServiceError> {
        is_there(name)?;
        tell(TOOL, &["start", "--no-block", &unit(name)])?;
        let begun = Instant::now();
        loop {
            let state = state(name)?;
            if state.is_up {
                return Ok(state.words);
            }
            if begun.elapsed() >= START_WAIT {
                let goes_on = "it is being started still, and goes on by itself\n";
                return Ok(state.words + goes_on);
            }
            sleep(LOOK_AGAIN);
        }
    }

    pub(in super::super) fn stop(name: &Name) -> Result<String, ServiceError> {
        is_there(name)?;
        tell(TOOL, &["stop", &unit(name)])?;
        Ok(format!("`{}` is stopped\n", unit(name)))
    }

    pub(in super::super) fn state(name: &Name) -> Result<State, ServiceError> {
        let unit = unit(name);
        let wanted = "--property=LoadState,ActiveState,SubState,StatusText,UnitFileState,MainPID";
        let said = ask(TOOL, &["show", wanted, &unit])?;
        let word = |key: &str| {
            let mut lines = said.out.lines().filter_map(|line| line.split_once('='));
            lines
                .find(|(it, _)| *it == key)
                .map_or("", |(_, value)| value)
        };
        if !said.is_content || word("LoadState").is_empty() {
            // It says why.
            tell(TOOL, &["show", wanted, &unit])?;
        }
        if word("LoadState") == "not-found" {
            return Err(ServiceError::NotInstalled(name.clone()));
        }
        let mut words = format!("{unit}: {} ({})", word("ActiveState"), word("SubState"));
        if !word("MainPID").is_empty() && word("MainPID") != "0" {
            words += &format!(", process {}", word("MainPID"));
        }
        if !word("StatusText").is_empty() {
            words += &format!(": {}", word("StatusText"));
        }
        words += &format!("; {} at the start of the machine\n", word("UnitFileState"));
        Ok(State {
            is_up: word("ActiveState") == "active",
            words,
        })
    }

    fn is_there(name: &Name) -> Result<(), ServiceError> {
        state(name).map(drop)
    }

    fn unit(name: &Name) -> String {
        format!("{name}{SUFFIX}")
    }
}
