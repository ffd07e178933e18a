//! How a request for a file's signature, at `<url>.minisig`, is answered: with the text, unless a fault of its own strikes.
//!
//! The faults of files leave it alone, so that a test of the one is not a test of the other.

use super::Request;
use super::plan::{Answer, Body, Plan, Refused, expired, head};
use crate::faults::FaultName;
use crate::firmware::Firmware;
use crate::minisig::{Carrier, SUFFIX};
use crate::platform::{Millis, World};

/// The most that [`FaultName::MinisigLonger`] adds, in bytes.
const LONGEST_TAIL: u64 = 64 * 1024 * 1024;

impl World {
    /// The path of the file whose signature is asked for; `None` if it is a file that is.
    pub(super) fn signed_path<'a>(&self, path: &'a str) -> Option<&'a str> {
        let signed = path.strip_suffix(SUFFIX)?;
        // A file may itself be called so.
        let itself = self
            .stored_file(path)
            .is_some_and(|(_, file)| path.ends_with(&format!("/{}", file.name)));
        (!itself).then_some(signed)
    }

    /// Decides how to answer a request for the signature of the file at `path`.
    pub(super) fn plan_minisig(&mut self, now: Millis, request: &Request, path: &str) -> Answer {
        if request.method != "GET" && request.method != "HEAD" {
            return Err(Refused::plain(405, "only GET and HEAD are offered"));
        }
        if let Some(strike) = self.faults.strike(FaultName::MinisigErrorThenOk) {
            let status = strike.n.and_then(|n| u16::try_from(n).ok()).unwrap_or(503);
            return Err(Refused::plain(status, "fault minisig-5xx-then-ok"));
        }
        if !self.url_key.allows(path, &request.query, now) {
            return Err(expired());
        }
        let missing = self.faults.strike(FaultName::MinisigMissing).is_some();
        let text = self.served_minisig(path).filter(|_| !missing);
        let mut text = text.ok_or_else(|| Refused::plain(404, "no such signature"))?;
        if let Some(strike) = self.faults.strike(FaultName::MinisigGarbled) {
            text = garbled(&text, strike.draw);
        }
        if let Some(strike) = self.faults.strike(FaultName::MinisigLonger) {
            let more = strike.n.unwrap_or(1024 * 1024).min(LONGEST_TAIL);
            text.extend((0..more).map(|_| 'x'));
        }
        let stalls = self.faults.strike(FaultName::MinisigStall).is_some();
        let promised = text.len() as u64;
        let plan = Plan {
            head: head(200, "Content-Type: text/plain; charset=utf-8\r\n", promised),
            body: if stalls {
                Body::HeldText(text, FaultName::MinisigStall)
            } else {
                Body::Text(text)
            },
            promised,
        };
        Ok((200, plan))
    }

    fn served_minisig(&self, path: &str) -> Option<String> {
        let at_url = |firmware: &Firmware| firmware.carrier == Carrier::Url;
        let (firmware, file) = self.stored_file(path)?;
        file.minisig.clone().filter(|_| at_url(firmware))
    }
}

/// One letter behind algorithm and key in the signature's line becomes another one; other texts become none at all.
fn garbled(text: &str, draw: u64) -> String {
    let begin = text.find('\n').map_or(text.len(), |end| end + 1);
    let line = text[begin..].lines().next().unwrap_or_default();
    // 14 letters hold the first 10 bytes; the last letter of 74 bytes is one of few, and padding follows it.
    if line.len() != 100 || !line.is_ascii() {
        return "garbled\n".to_owned();
    }
    let place = begin + 14 + (draw % 84) as usize;
    let other = if text.as_bytes()[place] == b'A' {
        "B"
    } else {
        "A"
    };
    let mut text = text.to_owned();
    text.replace_range(place..=place, other);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbling_changes_one_letter_of_the_signature_and_keeps_its_form() {
        let text = crate::SigningKey::generate()
            .sign(&b"x"[..], "size:1")
            .unwrap();
        for draw in 0..84 {
            let garbled = garbled(&text, draw);
            let differing: Vec<usize> = (0..text.len())
                .filter(|at| text.as_bytes()[*at] != garbled.as_bytes()[*at])
                .collect();
            let begin = text.find('\n').unwrap() + 1;
            assert!(
                matches!(differing[..], [at] if (begin + 14..begin + 98).contains(&at)),
                "{differing:?}"
            );
            assert_eq!(text.len(), garbled.len());
            minisign::SignatureBox::from_string(&garbled).unwrap();
        }
    }

    #[test]
    fn what_is_no_signature_is_garbled_too() {
        for text in ["", "one line", "two\nlines", "°\n°°°°"] {
            assert_eq!(garbled(text, 5), "garbled\n");
        }
    }
}
