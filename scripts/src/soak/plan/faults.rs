//! The emulator's faults, with the numbers they may have here and what they excuse.

use crate::soak::dice::Dice;

/// A fault as it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The emulator's name for it.
    pub(crate) name: &'static str,
    /// Its number.
    pub(crate) n: Option<u64>,
    /// How often it strikes.
    pub(crate) count: u64,
    /// Where it strikes, if it draws that.
    pub(crate) seed: u64,
    /// Does a good build arrive in spite of it?
    pub(crate) spares_good: bool,
}

/// Name, least and most of its number, most strikes, and whether it spares a good build.
type Row = (&'static str, Option<(u64, u64)>, u64, bool);

/// From the firmware server.
const DOWNLOADS: [Row; 11] = [
    ("drop-after-bytes", None, 4, true),
    ("drop-after-bytes", Some((1, 3_000_000)), 3, true),
    ("stall", Some((0, 2_500_000)), 1, true),
    ("5xx-then-ok", Some((500, 504)), 3, true),
    ("url-expired", None, 1, true),
    ("range-ignored", None, 2, true),
    ("redirect", None, 1, true),
    ("file-changed", None, 1, false),
    ("wrong-length", Some((1, 5000)), 1, false),
    ("longer-than-promised", Some((1, 5000)), 1, false),
    ("flip-one-bit", None, 1, false),
];

/// For signatures that lie at the file's URL.
const SIGNATURES: [Row; 5] = [
    ("minisig-5xx-then-ok", Some((500, 504)), 2, true),
    ("minisig-stall", None, 1, true),
    ("minisig-missing", None, 1, false),
    ("minisig-garbled", None, 1, false),
    ("minisig-longer", None, 1, false),
];

/// For blocks over MQTT.
const BLOCKS: [Row; 5] = [
    ("wrong-crc", None, 3, true),
    ("wrong-offset", Some((1, 70_000)), 2, true),
    ("duplicate-reply", None, 5, true),
    ("lost-reply", None, 2, true),
    ("error-header", Some((400, 500)), 2, true),
];

/// For the session.
const SESSIONS: [Row; 7] = [
    ("withhold-puback", None, 3, true),
    ("drop-connection", None, 2, true),
    ("kick-same-device", Some((0, 1500)), 1, true),
    ("refuse-login", Some((2, 5)), 2, true),
    ("duplicate-push", Some((2, 4)), 2, true),
    ("push-while-updating", None, 3, true),
    ("push-running-version", None, 2, true),
];

/// How many bytes an image has at most, in round numbers; a misfit has 3 to 14 million.
const IMAGE: u64 = 3_000_000;

impl Fault {
    /// Does a device have to ask for another address each time it strikes?
    pub(super) fn refuses_the_address(&self) -> bool {
        matches!(self.name, "error-header" | "url-expired")
    }

    /// One that can strike an update which travels like this.
    pub(super) fn drawn(dice: &mut Dice, blocks: bool, carrier: &str) -> Self {
        let rows: &[Row] = match dice.between(1, 100) {
            1..=40 => &SESSIONS,
            41..=55 if carrier == "url" => &SIGNATURES,
            _ if blocks => &BLOCKS,
            _ => &DOWNLOADS,
        };
        let (name, number, most, spares_good) = *dice.one(rows);
        Self {
            name,
            n: number.map(|(least, most)| dice.between(least, most)),
            count: dice.between(1, most),
            seed: dice.next() % 1_000_000,
            spares_good,
        }
    }
}

/// A download that takes long enough to be met by something, in half of the rounds: the fault, and how long it lasts, in ms.
pub(super) fn slowed(dice: &mut Dice, blocks: bool) -> Option<(Fault, u64)> {
    if blocks || dice.percent(45) {
        return None;
    }
    let lasts = dice.between(300, 2500);
    let fault = Fault {
        name: "slow",
        n: Some(IMAGE * 1000 / lasts),
        count: 100,
        seed: 0,
        spares_good: true,
    };
    Some((fault, lasts))
}

/// The names of all faults.
#[cfg(test)]
pub(super) fn all() -> Vec<&'static str> {
    let rows = [
        DOWNLOADS.as_slice(),
        SIGNATURES.as_slice(),
        BLOCKS.as_slice(),
        SESSIONS.as_slice(),
    ];
    let names = rows.into_iter().flatten().map(|(name, ..)| *name);
    names.chain(["slow"]).collect()
}
