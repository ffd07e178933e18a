//! What a download may cost this device: speed, bytes, room.

use super::reading::{Form, Section};

/// What a download may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes a second from the network.
    pub(crate) bandwidth: Option<u64>,
    /// Bytes one update may take from the network, in all its tries.
    pub(crate) budget: Option<u64>,
    /// Bytes all updates together may take from the network in a day (UTC).
    pub(crate) budget_per_day: Option<u64>,
    /// Bytes that stay free on the disk of the state folder.
    pub(crate) keep_free: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bandwidth: None,
            budget: None,
            budget_per_day: None,
            keep_free: 16 << 20,
        }
    }
}

pub(super) fn read(section: &mut Section<'_, '_>) -> Limits {
    Limits {
        bandwidth: at_most(section, "bandwidth_bytes_per_s"),
        budget: at_most(section, "budget_bytes"),
        budget_per_day: at_most(section, "budget_bytes_per_day"),
        keep_free: section.or("keep_free_bytes", Limits::default().keep_free),
    }
}

/// A limit that holds only where it is set.
fn at_most(section: &mut Section<'_, '_>, key: &'static str) -> Option<u64> {
    let found = section.may(key, |value| {
        let number = u64::read(value).filter(|number| *number > 0);
        number.ok_or_else(|| "a whole number above 0".to_owned())
    });
    let (shown, origin) = match &found {
        Some(found) => (found.value.shown(), format!("line {}", found.line)),
        None => ("without limit".to_owned(), "default".to_owned()),
    };
    section.list(key, shown, origin);
    found.map(|found| found.value)
}
