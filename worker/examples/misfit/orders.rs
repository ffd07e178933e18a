//! What a misfit is told to do: JSON behind its own executable.
//!
//! The last bytes of the file are `<json><u32 little-endian length of the json>HOTMISFIT`. Operating systems ignore what
//! follows an executable's last section, so a stamped copy runs like the original.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// How to use this program.
pub(crate) const USAGE: &str = "\
this worker misbehaves as its image says; make an image with
  misfit --stamp <this program> <out> '{\"version\":\"1.0.8\",\"do\":\"never-hello\"}'
keys: version, do, and if wanted: says (the version its hello names), after_ms, times, instead, reason, journal, ticks,
      hands_over (JSON to say instead of where it stands), farewell (raise an event when it hands over),
      raises (so many events in each turn), scans (a folder whose files it holds in turn, as virus scanners do)
do:   behave, never-hello, outstay, connect-and-be-silent, exit-at-once, unfit, never-ready, fail-activate,
      hang-activate, die-while-proving, hang-while-proving, unwell-while-proving, other-version, keep-handover,
      later, stay, garbage-frame, too-long-frame, truncated-frame, stale-token";

const MARK: &[u8; 9] = b"HOTMISFIT";
const TAIL: usize = 4 + MARK.len();
/// The longest orders, in bytes.
const LONGEST: usize = 4096;

/// What to do, and under which name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Orders {
    /// The version of this image.
    pub(crate) version: String,
    /// What to do.
    #[serde(rename = "do", default)]
    pub(crate) deed: Deed,
    /// The version the hello names, when it is not `version`.
    #[serde(default)]
    pub(crate) says: Option<String>,
    /// `die-`, `hang-` and `unwell-while-proving`: how long after activation. `later`: when to ask again. In milliseconds.
    #[serde(default)]
    pub(crate) after_ms: u64,
    /// `later`: how often, before it consents; without it, always.
    #[serde(default)]
    pub(crate) times: Option<u32>,
    /// The three bad frames: instead of the hello, not after the welcome.
    #[serde(default)]
    pub(crate) instead: bool,
    /// The sentence of `unfit`, `fail-activate`, `unwell-while-proving` and `later`.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// Where to append one line of JSON per event of its life.
    #[serde(default)]
    pub(crate) journal: Option<PathBuf>,
    /// Note each turn of the control loop too.
    #[serde(default)]
    pub(crate) ticks: bool,
    /// What it says instead of where it stands, as another version of its format would.
    #[serde(default)]
    pub(crate) hands_over: Option<serde_json::Value>,
    /// Raise an event when it hands over.
    #[serde(default)]
    pub(crate) farewell: bool,
    /// Raise so many numbered events in each turn of the control loop.
    #[serde(default)]
    pub(crate) raises: i64,
    /// Hold each file of this folder in turn, as virus scanners do.
    #[serde(default)]
    pub(crate) scans: Option<PathBuf>,
}

impl Orders {
    /// The reason it was told to give.
    pub(crate) fn why(&self) -> String {
        self.reason
            .clone()
            .unwrap_or_else(|| "it was told so".to_owned())
    }
}

/// How to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Deed {
    /// Not at all: a small good device that counts.
    #[default]
    Behave,
    /// Run, and never connect.
    NeverHello,
    /// The same, and stay when the supervisor has gone, for at most ten minutes.
    Outstay,
    /// Connect, and say nothing.
    ConnectAndBeSilent,
    /// Exit with code 3 before anything else.
    ExitAtOnce,
    /// Fail the warm-up.
    Unfit,
    /// Never finish the warm-up.
    NeverReady,
    /// Answer activation with an error.
    FailActivate,
    /// Never answer activation.
    HangActivate,
    /// Exit with code 4 after activation.
    DieWhileProving,
    /// Block the thread after activation, heartbeats and all.
    HangWhileProving,
    /// Report bad health after activation.
    UnwellWhileProving,
    /// Behave, under the version in `says`.
    OtherVersion,
    /// Never answer a request to hand over.
    KeepHandover,
    /// Ask for a later switch.
    Later,
    /// Send a frame of bytes that mean nothing.
    GarbageFrame,
    /// Announce a frame longer than allowed.
    TooLongFrame,
    /// Announce a frame, send half of it and leave.
    TruncatedFrame,
    /// Say hello with a token that is not the leash's.
    StaleToken,
    /// Hand over, and do not end.
    Stay,
}

/// The orders behind the running executable, if there are any.
pub(crate) fn own() -> io::Result<Option<Orders>> {
    let mut file = running()?;
    Ok(match trailer(&mut file)? {
        Some((_, json)) => Some(parse(&json)?),
        None => None,
    })
}

/// The executable that runs.
fn running() -> io::Result<File> {
    if !cfg!(target_os = "linux") {
        return File::open(std::env::current_exe()?);
    }
    // The very file: it may have been started while it was open, and its path may lead elsewhere by now. An emulator that was handed the
    // open file does not know its name any more; whoever started it so has named it by its path.
    File::open("/proc/self/exe").or_else(|why| match std::env::args_os().next() {
        Some(path) => File::open(path),
        None => Err(why),
    })
}

/// Copies the executable `from` to `to`, with `json` instead of the orders it may have had.
pub(crate) fn stamp(from: &Path, to: &Path, json: &str) -> io::Result<()> {
    parse(json.as_bytes())?;
    let length = u32::try_from(json.len())
        .ok()
        .filter(|length| *length as usize <= LONGEST)
        .ok_or_else(|| invalid(format!("the orders are longer than {LONGEST} bytes")))?;
    let image = match trailer(&mut File::open(from)?)? {
        Some((image, _)) => image,
        None => std::fs::metadata(from)?.len(),
    };
    std::fs::copy(from, to)?; // Keeps the permission to execute.
    let mut file = OpenOptions::new().write(true).open(to)?;
    file.set_len(image)?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(&[json.as_bytes(), &length.to_le_bytes(), MARK].concat())?;
    file.sync_all()
}

/// Where the image ends and its trailer begins, and the orders in between.
fn trailer(file: &mut File) -> io::Result<Option<(u64, Vec<u8>)>> {
    let total = file.seek(SeekFrom::End(0))?;
    let Some(before_tail) = total.checked_sub(TAIL as u64) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(before_tail))?;
    let mut tail = [0; TAIL];
    file.read_exact(&mut tail)?;
    let Some(length) = tail.strip_suffix(MARK) else {
        return Ok(None);
    };
    let length = length
        .iter()
        .rev()
        .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
    if length > LONGEST {
        return Err(invalid(format!("orders of {length} bytes")));
    }
    let image = before_tail
        .checked_sub(length as u64)
        .ok_or_else(|| invalid("orders longer than the file".to_owned()))?;
    file.seek(SeekFrom::Start(image))?;
    let mut json = vec![0; length];
    file.read_exact(&mut json)?;
    Ok(Some((image, json)))
}

fn parse(json: &[u8]) -> io::Result<Orders> {
    serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
