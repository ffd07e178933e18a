//! What must hold of every reader of foreign bytes, whatever the bytes.
//!
//! There is one function for each format that comes from outside or lies on a disk. It hands the bytes to every reader of that
//! format and panics when one of them breaks a promise: what is refused is refused in few words, and what is understood
//! can be written down and is understood as the same again. A fuzzer calls these functions with bytes it makes up
//! (`cargo xtask fuzz`), an ordinary test with those in `corpus/`.
//!
//! | target | readers |
//! |---|---|
//! | [`cloud_json`] | offers, property sets, service calls, the platform's answers, and topics |
//! | [`block_reply`] | a block of a file over MQTT |
//! | [`link_frames`] | preface, handshake and messages between supervisor and worker, both ways |
//! | [`record_files`] | the two files of the record, and a slot's description; and the brain that wakes up with them |
//! | [`minisign_text`] | a publisher's signature, its claims, and a public key |
//!
//! A reader whose bytes end in a checksum would never be reached by made-up bytes; for those the target also puts the right
//! checksum there. Nothing here decides whether something ought to be understood: that is what the names of the files in
//! `corpus/` say.

mod block_reply;
mod cloud_json;
mod link_frames;
mod minisign_text;
mod record_files;

use std::error::Error;

pub use self::{
    block_reply::block_reply, cloud_json::cloud_json, link_frames::link_frames,
    minisign_text::minisign_text, record_files::record_files,
};

/// Which readers took the bytes for something of theirs, in the order of their names.
pub type Understood = Vec<&'static str>;

/// A format, and everything that reads it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of the folder in `corpus/`, and of the fuzzer's program.
    pub name: &'static str,
    /// Panics when a reader breaks a promise.
    pub run: fn(&[u8]) -> Understood,
}

/// All of them.
pub const TARGETS: [Target; 5] = [
    Target {
        name: "block_reply",
        run: block_reply,
    },
    Target {
        name: "cloud_json",
        run: cloud_json,
    },
    Target {
        name: "link_frames",
        run: link_frames,
    },
    Target {
        name: "minisign_text",
        run: minisign_text,
    },
    Target {
        name: "record_files",
        run: record_files,
    },
];

/// The most characters of a fault with all its sources. Some quote foreign text twice, at most 64 characters each time.
const LONGEST_FAULT: usize = 300;

/// The readers that understood something.
fn understood<const N: usize>(readers: [(&'static str, bool); N]) -> Understood {
    let took = readers.into_iter().filter(|(_, took)| *took);
    took.map(|(reader, _)| reader).collect()
}

/// A fault is told in one bounded line, whatever it is about.
fn in_few_words(fault: &dyn Error) {
    let mut text = fault.to_string();
    let mut source = fault.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    let length = text.chars().count();
    assert!(length <= LONGEST_FAULT, "{length} characters: {text}");
    assert!(!text.contains(char::is_control), "{text:?}");
}
