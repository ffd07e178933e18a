//! Misbehaviour by name: what the emulator does wrong on purpose, how often, and how often it has.
//!
//! Each fault has one place in the code that asks whether it strikes now; nothing else in the emulator knows about faults.
//! A fault that is set starts with its own generator from its seed, so that a run can be had again.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// What can go wrong on demand. `n` below is [`Fault::n`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultName {
    /// A firmware response is cut after `n` body bytes (drawn from the seed if absent); its `Content-Length` is right.
    DropAfterBytes,
    /// A firmware response comes at `n` bytes per second (16,384 if absent).
    Slow,
    /// A firmware response stops after `n` bytes (half of it if absent) and goes on when the fault is cleared.
    Stall,
    /// `Content-Length` promises `n` (1 if absent) bytes more than are sent before the connection closes.
    WrongLength,
    /// The file has `n` (1 if absent) bytes more than the offer said, and `Content-Length` counts them.
    LongerThanPromised,
    /// One bit of the file is flipped, in byte `n` (drawn from the seed if absent).
    FlipOneBit,
    /// `Range` is ignored: the whole file comes with status 200.
    RangeIgnored,
    /// A request with a range above 0 finds another file behind the URL: other bytes, other `ETag`.
    FileChanged,
    /// The URL's time is over: status 403 with the storage's XML.
    UrlExpired,
    /// Status `n` (503 if absent) instead of the file; strikes once unless a count is given.
    #[serde(rename = "5xx-then-ok")]
    ServerErrorThenOk,
    /// Status 302 to `to`: `path` (another path, the default), `scheme` (from http to https or back) or a whole URL.
    Redirect,
    /// A signature at `<url>.minisig` is not there: status 404. Only this and the next four touch such requests.
    MinisigMissing,
    /// It has one wrong letter (drawn from the seed) where the file is signed; it stays well-formed and names the same key.
    MinisigGarbled,
    /// It goes on for `n` (1 MiB if absent) bytes after its end.
    MinisigLonger,
    /// Its head comes, and nothing more until the fault is cleared.
    MinisigStall,
    /// Status `n` (503 if absent) instead of it; strikes once unless a count is given.
    #[serde(rename = "minisig-5xx-then-ok")]
    MinisigErrorThenOk,
    /// A QoS 1 publish of the device is taken but not acknowledged.
    WithholdPuback,
    /// `n` ms (0 if absent) after its login another session with its identity closes the device's connection.
    KickSameDevice,
    /// An offer is pushed `n` times (2 if absent).
    DuplicatePush,
    /// Each progress report is answered by pushing the offer once more.
    PushWhileUpdating,
    /// Each version report is answered by offering the version that was just reported.
    PushRunningVersion,
    /// CONNECT is refused with code `n` (2 to 5; 3 if absent).
    RefuseLogin,
    /// The connection is closed when the device publishes.
    DropConnection,
    /// A file block sent over MQTT carries a wrong checksum.
    WrongCrc,
    /// A file block's header names an offset `n` (1 if absent) above the requested one.
    WrongOffset,
    /// A file block is sent twice.
    DuplicateReply,
    /// A request for a file block is not answered.
    LostReply,
    /// A request for a file block is answered with a header of code `n` (500 if absent) and no block.
    ErrorHeader,
}

impl FaultName {
    /// Whether it is over after one strike unless told otherwise.
    fn passes(self) -> bool {
        matches!(self, Self::ServerErrorThenOk | Self::MinisigErrorThenOk)
    }
}

impl fmt::Display for FaultName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// No fault has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no fault is called `{0}`")]
pub struct UnknownFault(pub String);

impl FromStr for FaultName {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_value(serde_json::Value::String(text.to_owned()))
            .map_err(|_| UnknownFault(text.to_owned()))
    }
}

/// A fault as it is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which one.
    pub name: FaultName,
    /// Its number, whose meaning stands with the name.
    #[serde(default)]
    pub n: Option<u64>,
    /// After how many strikes it is over; never if absent (except [`FaultName::ServerErrorThenOk`] and
    /// [`FaultName::MinisigErrorThenOk`]: once).
    #[serde(default)]
    pub count: Option<u64>,
    /// With which chance, 0 to 1, an occasion becomes a strike.
    #[serde(default = "always")]
    pub chance: f64,
    /// Seeds the chance and whatever else is drawn.
    #[serde(default)]
    pub seed: u64,
    /// Where [`FaultName::Redirect`] leads.
    #[serde(default)]
    pub to: Option<String>,
}

fn always() -> f64 {
    1.0
}

impl Fault {
    /// The fault with its defaults, striking at every occasion.
    #[must_use]
    pub fn new(name: FaultName) -> Self {
        let count = name.passes().then_some(1);
        Self {
            name,
            n: None,
            count,
            chance: 1.0,
            seed: 0,
            to: None,
        }
    }

    /// The same with its number.
    #[must_use]
    pub fn n(mut self, n: u64) -> Self {
        self.n = Some(n);
        self
    }

    /// The same, over after this many strikes.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// The same, leading there (see [`FaultName::Redirect`]).
    #[must_use]
    pub fn to(mut self, target: impl Into<String>) -> Self {
        self.to = Some(target.into());
        self
    }
}

/// A fault that was set at some time, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultState {
    /// How it is set.
    #[serde(flatten)]
    pub fault: Fault,
    /// Whether it was not cleared since; it may still have no strikes left.
    pub set: bool,
    /// How often it has struck since the emulator started.
    pub struck: u64,
}

/// One strike: what the place where it happens needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) n: Option<u64>,
    pub(crate) to: Option<String>,
    /// A number drawn from the fault's seed.
    pub(crate) draw: u64,
}

#[derive(Debug)]
struct Armed {
    state: FaultState,
    left: Option<u64>,
    random: Random,
}

/// All faults that were ever set.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: BTreeMap<FaultName, Armed>,
    /// What struck and has not been told yet.
    fresh: Vec<FaultName>,
}

impl Faults {
    pub(crate) fn set(&mut self, fault: Fault) {
        let struck = self.struck(fault.name);
        let once = fault.name.passes().then_some(1);
        self.armed.insert(
            fault.name,
            Armed {
                left: fault.count.or(once),
                random: Random::seeded(fault.seed),
                state: FaultState {
                    fault,
                    set: true,
                    struck,
                },
            },
        );
    }

    pub(crate) fn clear(&mut self, name: FaultName) {
        if let Some(armed) = self.armed.get_mut(&name) {
            armed.state.set = false;
        }
    }

    pub(crate) fn is_set(&self, name: FaultName) -> bool {
        self.armed.get(&name).is_some_and(|armed| armed.state.set)
    }

    pub(crate) fn struck(&self, name: FaultName) -> u64 {
        self.armed.get(&name).map_or(0, |armed| armed.state.struck)
    }

    pub(crate) fn states(&self) -> Vec<FaultState> {
        self.armed
            .values()
            .map(|armed| armed.state.clone())
            .collect()
    }

    /// Which faults struck since this was asked last, in order.
    pub(crate) fn fresh_strikes(&mut self) -> Vec<FaultName> {
        std::mem::take(&mut self.fresh)
    }

    /// Asks, at an occasion, whether the fault strikes; counts it if so.
    pub(crate) fn strike(&mut self, name: FaultName) -> Option<Strike> {
        let armed = self.armed.get_mut(&name)?;
        if !armed.state.set
            || armed.left == Some(0)
            || !armed.random.chance(armed.state.fault.chance)
        {
            return None;
        }
        armed.left = armed.left.map(|left| left - 1);
        armed.state.struck += 1;
        self.fresh.push(name);
        Some(Strike {
            n: armed.state.fault.n,
            to: armed.state.fault.to.clone(),
            draw: armed.random.next(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_ones_people_type() {
        for name in [
            "drop-after-bytes",
            "5xx-then-ok",
            "kick-same-device",
            "wrong-crc",
            "minisig-garbled",
            "minisig-5xx-then-ok",
        ] {
            let parsed: FaultName = name.parse().unwrap();
            assert_eq!(parsed.to_string(), name);
        }
        assert!("no-such-fault".parse::<FaultName>().is_err());
    }

    #[test]
    fn a_fault_strikes_as_often_as_it_was_told_and_counts() {
        let mut faults = Faults::default();
        assert_eq!(faults.strike(FaultName::Slow), None);
        faults.set(Fault::new(FaultName::Slow).n(5).times(2));
        assert_eq!(faults.strike(FaultName::Slow).unwrap().n, Some(5));
        assert!(faults.strike(FaultName::Slow).is_some());
        assert!(faults.strike(FaultName::Slow).is_none());
        assert_eq!(faults.struck(FaultName::Slow), 2);
    }

    #[test]
    fn a_cleared_fault_keeps_its_counter() {
        let mut faults = Faults::default();
        faults.set(Fault::new(FaultName::Stall));
        faults.strike(FaultName::Stall);
        faults.clear(FaultName::Stall);
        assert!(faults.strike(FaultName::Stall).is_none());
        faults.set(Fault::new(FaultName::Stall));
        assert_eq!(faults.struck(FaultName::Stall), 1);
    }

    #[test]
    fn a_server_error_is_over_after_one_strike_even_when_set_from_json() {
        for name in [FaultName::ServerErrorThenOk, FaultName::MinisigErrorThenOk] {
            let mut faults = Faults::default();
            faults.set(serde_json::from_str(&format!(r#"{{"name":"{name}"}}"#)).unwrap());
            assert!(faults.strike(name).is_some());
            assert!(faults.strike(name).is_none());
        }
    }

    #[test]
    fn the_same_seed_strikes_at_the_same_occasions() {
        let run = || {
            let mut faults = Faults::default();
            faults.set(Fault {
                chance: 0.5,
                seed: 9,
                ..Fault::new(FaultName::LostReply)
            });
            (0..64)
                .map(|_| faults.strike(FaultName::LostReply).is_some())
                .collect::<Vec<_>>()
        };
        let first = run();
        assert_eq!(first, run());
        assert!(first.contains(&true) && first.contains(&false));
    }
}
