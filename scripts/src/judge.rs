//! The laws no history may break, judged from outside: from what workers wrote down of their lives (`lives`), and from what the platform
//! was told (`told`).
//!
//! A judge sees witnesses only, never the product's own word, and no clock: what came before what is told by the order in which it was
//! written down. The names of the laws are those of the simulated world in `supervisor-core`.

mod lives;
mod told;

pub(crate) use lives::{Line, misbehaved_late, one_active};
// What only the crash sweep asks, where it is.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) use lives::{old_state_kept, read_lives, starts};
pub(crate) use told::{Told, told_truth};

/// A law that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Its name.
    pub(crate) law: &'static str,
    /// How.
    pub(crate) what: String,
}

impl Violation {
    /// This law was broken thus.
    pub(crate) fn of(law: &'static str, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { law, what }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.law, self.what)
    }
}
