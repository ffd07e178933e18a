//! What happened on the wire, newest last, in a ring of bounded length: the witness for tests and people.
//!
//! It records; it never decides. Payloads are kept as text where they are text, otherwise as base64. With a state folder all of it
//! is also in a file, a line of JSON per entry, which is there before anything follows from what it tells.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Serialize, Serializer};

use crate::faults::FaultName;
use crate::login::DeviceId;
use crate::wire::base64;

/// How much of one payload is kept, in bytes; longer ones are cut and say so.
const KEPT_PAYLOAD: usize = 16 * 1024;
/// No entry is longer in the file, in bytes: each byte of a payload takes at most six letters, and a topic has at most 64 KiB.
const LONGEST_ENTRY: u64 = 32 * KEPT_PAYLOAD as u64;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Counts up by one; gaps at the beginning show what the ring has lost.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub time: u64,
    /// Whom it concerns, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What one journal line tells.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum What {
    /// A device logged in.
    Connect {
        /// The number of its connection, counted over all devices.
        connection: u64,
        /// The client id, as sent.
        client_id: String,
        /// The keepalive in force, in seconds.
        keepalive: u16,
        /// The clean-session flag.
        clean: bool,
        /// Whether `_ss=1` was asked for.
        automatic: bool,
        /// Whether it came over TLS.
        tls: bool,
    },
    /// A CONNECT was refused.
    Refuse {
        /// The CONNACK code.
        code: u8,
        /// Why.
        reason: String,
    },
    /// A device got its secret or token by dynamic registration.
    Register {
        /// `register` or `regnwl`.
        how: String,
    },
    /// An older connection was closed because the identity connected again.
    Kick {
        /// The number of the closed connection.
        connection: u64,
    },
    /// A connection ended.
    Disconnect {
        /// Its number.
        connection: u64,
        /// How it ended.
        reason: String,
    },
    /// A filter was subscribed or refused.
    Subscribe {
        /// The filter.
        filter: String,
        /// Whether it was granted.
        granted: bool,
    },
    /// A filter was unsubscribed.
    Unsubscribe {
        /// The filter.
        filter: String,
    },
    /// The device published.
    In(Message),
    /// The platform published, and the device's session takes it.
    Out(Message),
    /// The platform had something to publish that no session takes.
    Undelivered {
        /// Why.
        reason: String,
        /// The message.
        #[serde(flatten)]
        message: Message,
    },
    /// A firmware request was answered; its body begins.
    Request {
        /// Path without the token.
        path: String,
        /// The `Range` header, if any.
        range: Option<String>,
        /// The status of the answer.
        status: u16,
        /// Whether it came over TLS.
        tls: bool,
    },
    /// A firmware response ended.
    Sent {
        /// Path without the token.
        path: String,
        /// How many body bytes were handed to the socket.
        bytes: u64,
        /// Whether that was all that belonged to the response.
        whole: bool,
    },
    /// A publisher's signature was asked for at `<url>.minisig`. Neither a request for firmware nor sent bytes are told of it,
    /// so that those can be added up.
    Minisig {
        /// Path without the token.
        path: String,
        /// The status of the answer.
        status: u16,
        /// Whether it came over TLS.
        tls: bool,
    },
    /// A fault struck; what came of it stands before this.
    Strike {
        /// Which one.
        fault: FaultName,
    },
    /// Something that was seen elsewhere and belongs beside what is seen here, such as what a device measured of itself.
    Mark {
        /// A few words.
        text: String,
        /// When it was, in milliseconds since 1970.
        at: u64,
    },
    /// Something worth knowing that is none of the above, such as a message nobody can read.
    Note {
        /// One line.
        text: String,
    },
}

/// One MQTT message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// 0 or 1.
    pub qos: u8,
    /// Whether it is marked as sent again.
    pub dup: bool,
    /// The payload's full length in bytes.
    pub bytes: usize,
    /// The payload, at most its first 16 KiB.
    pub payload: Payload,
}

impl Message {
    pub(crate) fn new(publish: &rumqttc::Publish) -> Self {
        Self {
            topic: publish.topic.clone(),
            qos: publish.qos as u8,
            dup: publish.dup,
            bytes: publish.payload.len(),
            payload: Payload::keep(&publish.payload),
        }
    }

    /// The payload as JSON, or null if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        match &self.payload {
            Payload::Text(text) => serde_json::from_str(text).unwrap_or_default(),
            Payload::Binary(_) => serde_json::Value::Null,
        }
    }
}

/// A payload as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Payload {
    /// It is UTF-8.
    Text(String),
    /// It is not; shown as base64.
    #[serde(rename = "base64", serialize_with = "as_base64")]
    Binary(Vec<u8>),
}

fn as_base64<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&base64(bytes))
}

impl Payload {
    fn keep(bytes: &[u8]) -> Self {
        let kept = &bytes[..bytes.len().min(KEPT_PAYLOAD)];
        match std::str::from_utf8(kept) {
            Ok(text) => Self::Text(text.to_owned()),
            // A cut through the middle of a letter leaves text all the same.
            Err(error) if bytes.len() > kept.len() && kept.len() - error.valid_up_to() < 4 => {
                Self::Text(String::from_utf8_lossy(&kept[..error.valid_up_to()]).into_owned())
            }
            Err(_) => Self::Binary(kept.to_vec()),
        }
    }
}

/// The ring, and the file if there is one.
#[derive(Debug)]
pub(crate) struct Journal {
    entries: VecDeque<Entry>,
    capacity: usize,
    next: u64,
    file: Option<File>,
}

impl Journal {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            capacity: capacity.max(1),
            next: 1,
            file: None,
        }
    }

    /// One that is also written to this file, where its numbers go on after those that are there.
    pub(crate) fn kept(capacity: usize, path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).read(true).append(true).open(path)?;
        let last = last_number(&mut file)?;
        Ok(Self {
            next: last + 1,
            file: Some(file),
            ..Self::new(capacity)
        })
    }

    pub(crate) fn write(&mut self, time: u64, device: Option<&DeviceId>, what: What) {
        if self.entries.len() == self.capacity {
            self.entries.pop_front();
        }
        let entry = Entry {
            seq: self.next,
            time,
            device: device.cloned(),
            what,
        };
        tracing::debug!(?entry, "journal");
        if let Some(file) = &mut self.file {
            let line = serde_json::to_string(&entry).map_err(io::Error::other);
            let written = line.and_then(|line| file.write_all(format!("{line}\n").as_bytes()));
            if let Err(error) = written {
                tracing::error!(%error, seq = entry.seq, "an entry cannot be written to the journal");
            }
        }
        self.next += 1;
        self.entries.push_back(entry);
    }

    /// Leaves the file to whoever goes on with it.
    pub(crate) fn let_go(&mut self) {
        self.file = None;
    }

    pub(crate) fn note(&mut self, time: u64, device: Option<&DeviceId>, text: impl Into<String>) {
        self.write(time, device, What::Note { text: text.into() });
    }

    /// The newest number given out; 0 before the first entry.
    pub(crate) fn last(&self) -> u64 {
        self.next - 1
    }

    /// The oldest number that is kept; one above the newest if none is.
    pub(crate) fn oldest(&self) -> u64 {
        self.entries.front().map_or(self.next, |entry| entry.seq)
    }

    /// What is kept and newer than `after`, oldest first.
    pub(crate) fn after(&self, after: u64) -> impl Iterator<Item = &Entry> {
        let first = self.entries.partition_point(|entry| entry.seq <= after);
        self.entries.range(first..)
    }
}

/// The number of the last whole entry in a journal's file, 0 if there is none. What was being written when the emulator was killed
/// is taken away: nothing had followed from it yet.
fn last_number(file: &mut File) -> io::Result<u64> {
    let length = file.seek(SeekFrom::End(0))?;
    let begin = length.saturating_sub(LONGEST_ENTRY);
    file.seek(SeekFrom::Start(begin))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    let whole = end
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    if whole < end.len() {
        file.set_len(begin + whole as u64)?;
    }
    let Some(last) = end[..whole].split(|byte| *byte == b'\n').rev().nth(1) else {
        return Ok(0);
    };
    let last: serde_json::Value = serde_json::from_slice(last)?;
    Ok(last["seq"].as_u64().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_in_a_file_goes_on_with_its_numbers_and_without_what_was_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let written = || std::fs::read_to_string(&path).unwrap();
        let mut journal = Journal::kept(3, &path).unwrap();
        for number in 0..5 {
            journal.note(number, None, "x");
        }
        assert_eq!(written().lines().count(), 5);
        let mut file = journal.file.take().unwrap();
        file.write_all(b"{\"seq\":6,\"ti").unwrap();
        let mut journal = Journal::kept(3, &path).unwrap();
        assert_eq!(journal.last(), 5);
        journal.note(9, None, "y");
        let sixth: serde_json::Value =
            serde_json::from_str(written().lines().nth(5).unwrap()).unwrap();
        assert_eq!((&sixth["seq"], &sixth["text"]), (&6.into(), &"y".into()));
        assert_eq!(journal.after(0).count(), 1);
    }

    #[test]
    fn the_ring_forgets_the_oldest_and_numbers_go_on() {
        let mut journal = Journal::new(3);
        for number in 0..5 {
            journal.note(number, None, "x");
        }
        let kept: Vec<u64> = journal.after(0).map(|entry| entry.seq).collect();
        assert_eq!(kept, [3, 4, 5]);
        assert_eq!(journal.after(4).count(), 1);
        assert_eq!(journal.after(99).count(), 0);
    }

    #[test]
    fn text_stays_text_and_bytes_become_base64() {
        let text = serde_json::to_value(Payload::keep("180 °C".as_bytes())).unwrap();
        assert_eq!(text, serde_json::json!({"text": "180 °C"}));
        let bytes = serde_json::to_value(Payload::keep(&[0xff, 0, 1])).unwrap();
        assert_eq!(bytes, serde_json::json!({"base64": "/wAB"}));
    }

    #[test]
    fn a_long_text_cut_inside_a_letter_stays_text() {
        let long = "é".repeat(KEPT_PAYLOAD);
        let odd = format!("x{long}");
        assert!(
            matches!(Payload::keep(odd.as_bytes()), Payload::Text(text) if text.len() == KEPT_PAYLOAD - 1)
        );
    }
}
