//! The messages we send.
//!
//! They carry what the documents ask for and nothing else; a module that is the default one stays unnamed. Every message
//! fits into the platform's payload bound, whatever is put in: texts for people are cut, values beyond it are left out and
//! named, so that one bad value never costs the others.

use worker_protocol::ValueMap;

use super::value::{Members, Omitted, write_values};
use super::{Id, LONGEST_PAYLOAD, named};
use crate::alink::topics::Identifier;
use crate::alink::version::Version;
use crate::time::Wall;

/// The longest description of a step, in characters (platform document 89307).
const LONGEST_DESCRIPTION: usize = 128;
/// The longest message of a refusal, in characters.
const LONGEST_MESSAGE: usize = 256;
/// The longest text of a line of the log, in bytes.
const LONGEST_LOG_LINE: usize = 4096;
/// What is kept free for everything but the values: an id of escapes only, names and braces.
const ENVELOPE: usize = 2048;

/// A message with values, and those it could not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The message.
    pub payload: Vec<u8>,
    /// The values that were left out, and why; those without room may go into a further message.
    pub omitted: Vec<Omitted>,
}

/// What a progress message tells: per cent from 1 to 100, or that the update failed (platform document 89307).
///
/// There is no 0: a document says it ends the task. 100 means only that the file is there and verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step(i8);

impl Step {
    /// The update failed.
    pub const FAILED: Self = Self(-1);
    /// The download failed.
    pub const DOWNLOAD_FAILED: Self = Self(-2);
    /// The file is not the one that was offered.
    pub const VERIFY_FAILED: Self = Self(-3);
    /// The file could not be installed.
    pub const INSTALL_FAILED: Self = Self(-4);

    /// A percentage; less than 1 is 1 and more than 100 is 100.
    #[must_use]
    pub fn percent(percent: u8) -> Self {
        Self(i8::try_from(percent.clamp(1, 100)).expect("1 to 100 fit into an i8"))
    }

    /// The number on the wire: -4 to -1 or 1 to 100.
    #[must_use]
    pub fn number(self) -> i8 {
        self.0
    }
}

/// Tells which version of the module runs. For the target of an update this closes the platform's task as a success.
#[must_use]
pub fn inform(id: &Id, version: &Version, module: Option<&str>) -> Vec<u8> {
    let params = with_module(Members::new().text("version", version.as_str()), module);
    Members::new()
        .text("id", id.as_str())
        .json("params", &params)
        .close()
}

/// Asks whether there is an offer for the module.
#[must_use]
pub fn firmware_get(id: &Id, module: Option<&str>) -> Vec<u8> {
    let params = with_module(Members::new(), module);
    request(id)
        .json("params", &params)
        .text("method", "thing.ota.firmware.get")
        .close()
}

/// Tells how far an update is, or why it failed; the description is cut at 128 characters.
#[must_use]
pub fn progress(id: &Id, step: Step, description: &str, module: Option<&str>) -> Vec<u8> {
    let params = Members::new()
        .text("step", &step.0.to_string())
        .text("desc", cut(description, LONGEST_DESCRIPTION));
    Members::new()
        .text("id", id.as_str())
        .json("params", &with_module(params, module))
        .close()
}

/// Posts values of properties, all of the same time (ms since 1970) if one is given. At most 200 properties go into one
/// message; the platform wants an answer to be asked for, and will send it on the post's reply topic.
#[must_use]
pub fn property_post(id: &Id, properties: &ValueMap, time_ms: Option<u64>) -> Written {
    let (params, omitted) = write_values(properties, time_ms, LONGEST_PAYLOAD - ENVELOPE);
    let payload = post(id, "thing.event.property.post", &params);
    Written { payload, omitted }
}

/// Posts an event with its outputs and the time it happened (ms since 1970).
#[must_use]
pub fn event_post(id: &Id, event: &Identifier, outputs: &ValueMap, time_ms: u64) -> Written {
    let (value, omitted) = write_values(outputs, None, LONGEST_PAYLOAD - ENVELOPE);
    let params = Members::new()
        .json("value", &value)
        .json("time", time_ms.to_string().as_bytes())
        .close();
    let payload = post(id, &format!("thing.event.{event}.post"), &params);
    Written { payload, omitted }
}

/// One line of the device's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When, in milliseconds since 1970 UTC.
    pub at: Wall,
    /// `ERROR`, `WARN`, `INFO` or `DEBUG`; the platform also knows `FATAL`.
    pub level: &'static str,
    /// Which part of the device says it, in a word.
    pub module: &'static str,
    /// What belongs together has the same number: the job, say.
    pub trace: Option<String>,
    /// What; at most 4096 bytes of it are sent (C device SDK, `aiot_logpost_api.c`).
    pub text: String,
}

/// Posts lines of the device's log. No code of the platform's fits them, so each has 0.
#[must_use]
pub fn log_post(id: &Id, lines: &[LogLine]) -> Vec<u8> {
    let mut params = b"[".to_vec();
    for line in lines {
        if params.len() > 1 {
            params.push(b',');
        }
        let members = Members::new()
            .text("utcTime", &line.at.with_millis())
            .text("logLevel", line.level)
            .text("module", line.module)
            .text("code", "0")
            .text("traceContext", line.trace.as_deref().unwrap_or_default())
            .text("logContent", cut_bytes(&line.text, LONGEST_LOG_LINE));
        params.extend(members.close());
    }
    params.push(b']');
    request(id)
        .json("params", &params)
        .text("method", "thing.log.post")
        .close()
}

/// Answers a request that was carried out, with its outputs.
#[must_use]
pub fn reply_ok(id: &Id, data: &ValueMap) -> Written {
    let (data, omitted) = write_values(data, None, LONGEST_PAYLOAD - ENVELOPE);
    let payload = Members::new()
        .text("id", id.as_str())
        .json("code", b"200")
        .json("data", &data)
        .close();
    Written { payload, omitted }
}

/// Answers a request that was refused, with a code other than 200 and a message of at most 256 characters.
#[must_use]
pub fn reply_refused(id: &Id, code: u32, message: &str) -> Vec<u8> {
    Members::new()
        .text("id", id.as_str())
        .json("code", code.to_string().as_bytes())
        .json("data", b"{}")
        .text("message", cut(message, LONGEST_MESSAGE))
        .close()
}

pub(super) fn request(id: &Id) -> Members {
    Members::new()
        .text("id", id.as_str())
        .text("version", "1.0")
}

fn post(id: &Id, method: &str, params: &[u8]) -> Vec<u8> {
    request(id)
        .json("sys", br#"{"ack":1}"#)
        .text("method", method)
        .json("params", params)
        .close()
}

fn with_module(members: Members, module: Option<&str>) -> Vec<u8> {
    match named(module) {
        Some(module) => members.text("module", module).close(),
        None => members.close(),
    }
}

/// The longest beginning of a text that has no more bytes.
fn cut_bytes(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

fn cut(text: &str, characters: usize) -> &str {
    text.char_indices()
        .nth(characters)
        .map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
#[path = "outgoing_tests.rs"]
mod tests;
