//! The product against programs that others wrote: Mosquitto as the broker, nginx as the firmware server, minisign as the publisher's
//! tool, and the platform's official device SDK for Python against the emulator.
//!
//! `cargo xtask interop` brings them and says in the environment where they are. Without that these tests fail and say so: they are never
//! skipped in silence.

// Always true here; the lint that allows `unwrap` in tests goes by this attribute.
#[cfg(test)]
mod downloads;
#[cfg(test)]
mod nginx;
#[cfg(test)]
mod ordinary;
#[cfg(test)]
mod relay;
#[cfg(test)]
mod sdk;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod stock;

/// A program that the environment names.
fn needed(variable: &str) -> std::path::PathBuf {
    let Some(path) = std::env::var_os(variable) else {
        panic!("`{variable}` is not set; run these tests with `cargo xtask interop`");
    };
    path.into()
}
