//! Windows: what its service control is told, as a text to look at.

use super::{Definition, Unfit, definition::plain};

/// The waits before a service that has ended is started again, in milliseconds: the last one holds from then on.
pub(super) const RESTARTS: [u64; 3] = [1_000, 5_000, 30_000];

/// After so long without an end the first wait holds again, in seconds.
pub(super) const CALM: u64 = 86_400;

/// How long an orderly stop may take when the machine shuts down, in seconds.
pub(super) const STOP: u64 = 30;

/// What `install` registers.
pub(super) fn text(of: &Definition) -> Result<String, Unfit> {
    let [first, second, further] = RESTARTS.map(|wait| wait / 1000);
    Ok(format!(
        "\
name         {name}
command      \"{program}\" --config \"{config}\" service --name {name} run
start        automatic, delayed
account      LocalSystem
on failure   restart after {first} s, {second} s, and {further} s from then on; forgotten after {CALM} s
shutdown     waits up to {STOP} s for an orderly stop
",
        name = of.name,
        program = plain(&of.program)?,
        config = plain(&of.config)?,
    ))
}
