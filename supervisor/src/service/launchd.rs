//! macOS: a daemon of launchd.

use super::{Definition, Unfit, definition::plain};

/// How long an orderly stop may take, in seconds; longer than the supervisor itself allows it.
const STOP: u32 = 30;

/// The property list.
pub(super) fn text(of: &Definition) -> Result<String, Unfit> {
    Ok(format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- Made by `supervisor service`. -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>{name}</string>
	<key>ProgramArguments</key>
	<array>
		<string>{program}</string>
		<string>--config</string>
		<string>{config}</string>
		<string>run</string>
	</array>
	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<true/>
	<key>ThrottleInterval</key>
	<integer>1</integer>
	<key>ExitTimeOut</key>
	<integer>{STOP}</integer>
	<key>ProcessType</key>
	<string>Interactive</string>
	<key>Umask</key>
	<integer>63</integer>
	<key>StandardErrorPath</key>
	<string>/var/log/{name}.log</string>
</dict>
</plist>
"#,
        name = of.name,
        program = escaped(plain(&of.program)?),
        config = escaped(plain(&of.config)?),
    ))
}

fn escaped(path: &str) -> String {
    path.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(target_os = "macos")]
pub(super) use self::here::{FOLDER, SUFFIX, install, start, state, stop, uninstall};

#[cfg(target_os = "macos")]
mod here {
    use super::super::{
        Definition, Name, ServiceError, State, files,
        tool::{ask, tell},
    };

    /// Where an administrator's daemons lie.
    pub(in super::super) const FOLDER: &str = "/Library/LaunchDaemons";
    pub(in super::super) const SUFFIX: &str = ".plist";

    const TOOL: &str = "launchctl";

    pub(in super::super) fn install(of: &Definition) -> Result<String, ServiceError> {
        let file = files::place(FOLDER, SUFFIX, &of.name, None);
        files::write(&file, &super::text(of)?)?;
        tell(TOOL, &["enable", &target(&of.name)])?;
        Ok(format!("`{}` is installed\n", file.display()))
    }

    pub(in super::super) fn uninstall(name: &Name) -> Result<String, ServiceError> {
        let file = files::place(FOLDER, SUFFIX, name, None);
        if !files::is_ours(&file)? {
            return Err(ServiceError::NotInstalled(name.clone()));
        }
        unload(name)?;
        files::remove(&file, name)?;
        Ok(format!("`{name}` is stopped and removed\n"))
    }

    pub(in super::super) fn start(name: &Name) -> Result<String, ServiceError> {
        let file = files::place(FOLDER, SUFFIX, name, None);
        if !files::is_ours(&file)? {
            return Err(ServiceError::NotInstalled(name.clone()));
        }
        if is_loaded(name)? {
            tell(TOOL, &["kickstart", &target(name)])?;
        } else {
            let file = file.display().to_string();
            tell(TOOL, &["bootstrap", "system", &file])?;
        }
        Ok(format!("`{name}` is started\n"))
    }

    /// It would be started again at once if it were only ended.
    pub(in super::super) fn stop(name: &Name) -> Result<String, ServiceError> {
        let file = files::place(FOLDER, SUFFIX, name, None);
        if !files::is_ours(&file)? {
            return Err(ServiceError::NotInstalled(name.clone()));
        }
        unload(name)?;
        Ok(format!("`{name}` is stopped\n"))
    }

    pub(in super::super) fn state(name: &Name) -> Result<State, ServiceError> {
        let said = ask(TOOL, &["print", &target(name)])?;
        if !said.is_content {
            let file = files::place(FOLDER, SUFFIX, name, None);
            if !files::is_ours(&file)? {
                return Err(ServiceError::NotInstalled(name.clone()));
            }
        }
        let word = |key: &str| {
            let mut lines = said
                .out
                .lines()
                .filter_map(|line| line.trim().split_once(" = "));
            lines.find(|(it, _)| *it == key).map(|(_, value)| value)
        };
        let state = word("state").unwrap_or("not loaded");
        let pid = word("pid").map_or_else(String::new, |pid| format!(", process {pid}"));
        Ok(State {
            is_up: state == "running",
            words: format!("{name}: {state}{pid}\n"),
        })
    }

    fn unload(name: &Name) -> Result<(), ServiceError> {
        match is_loaded(name)? {
            true => tell(TOOL, &["bootout", &target(name)]),
            false => Ok(()),
        }
    }

    fn is_loaded(name: &Name) -> Result<bool, ServiceError> {
        Ok(ask(TOOL, &["print", &target(name)])?.is_content)
    }

    fn target(name: &Name) -> String {
        format!("system/{name}")
    }
}
