//! How a person at the keyboard, or the system, asks a running supervisor to end: by a signal on Unix, by a key of its console on
//! Windows. Wine makes CTRL-C of the signal that a terminal sends for this key, and has no way to press CTRL-BREAK.

use std::process::{Command, Stdio};

use crate::Programs;

/// CREATE_NO_WINDOW: a console of its own that nobody sees.
#[cfg(windows)]
const OWN_CONSOLE: u32 = 0x0800_0000;

/// The numbers of the keys: CTRL_C_EVENT and CTRL_BREAK_EVENT.
const C: u32 = 0;
const BREAK: u32 = 1;

/// A key pressed in a supervisor's console must not reach the tests.
#[cfg(windows)]
pub(crate) fn give_own(command: &mut Command) {
    use std::os::windows::process::CommandExt as _;

    command.creation_flags(OWN_CONSOLE);
}

/// A signal is sent to one process alone.
#[cfg(not(windows))]
pub(crate) fn give_own(_: &mut Command) {}

/// Sends what asks a process to end in order.
pub(crate) fn ask_to_end(process: u32) {
    if cfg!(windows) {
        return press(C, process);
    }
    let signal = if Programs::under_test().are_foreign() {
        "-INT"
    } else {
        "-TERM"
    };
    let mut command = Command::new("kill");
    command.args([signal, &process.to_string()]);
    let asked = command.status().expect("`kill` is on every Unix");
    assert!(asked.success(), "{command:?}: {asked}");
}

/// Presses CTRL-BREAK in the console of a process.
pub(crate) fn press_break(process: u32) {
    press(BREAK, process);
}

/// Only what is attached to a console can press a key in it, and gives up its own for that; so it is a process of its own. The key reaches
/// it, too, and may end it: whether the key was pressed is seen by what the process under test does.
fn press(key: u32, process: u32) {
    let script = format!(
        "$console = Add-Type -PassThru -Namespace Hotplate -Name Console -MemberDefinition '
            [DllImport(\"kernel32.dll\")] public static extern bool FreeConsole();
            [DllImport(\"kernel32.dll\")] public static extern bool AttachConsole(uint process);
            [DllImport(\"kernel32.dll\")] public static extern bool GenerateConsoleCtrlEvent(uint key, uint group);
        '
        [void]$console::FreeConsole()
        [void]$console::AttachConsole({process})
        [void]$console::GenerateConsoleCtrlEvent({key}, 0)"
    );
    let mut command = Command::new("powershell");
    command
        .args(["-NoProfile", "-NonInteractive", "-Command", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
        .status()
        .expect("such a key is there on Windows alone, and so is `powershell`");
}
