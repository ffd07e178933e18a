//! `cargo xtask crash-sweep`: the real supervisor, killed at every single call by which it changes the world, and with every such call
//! failing, and what becomes of it.
//!
//! A tracer is needed for that, and this one knows Linux on x86-64. Elsewhere the command says so and fails.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod elsewhere;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod traced;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub(crate) use elsewhere::{Args, SweepError, crash_sweep};
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) use traced::{Args, SweepError, crash_sweep};
