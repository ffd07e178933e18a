//! What goes wrong most often when a device is new, as one table: each mistake with a sentence that says what is the matter and one that says
//! what to do about it.
//!
//! Whoever meets an error asks here which mistake it shows. The driver of the cloud link, `doctor`, the configuration and `install` all tell it in
//! these words, so that a person finds the same sentence in the log, in `status` and in the guide.

use std::{error::Error, fmt, io};

use rustls::{CertificateError, InvalidMessage};
use supervisor_core::outcome::{FetchFault, Outcome};

/// A mistake of those that are made most often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// A name that nobody knows.
    NoSuchHost,
    /// Nothing listens there.
    PortClosed,
    /// The way there is closed.
    Unreachable,
    /// TLS is spoken to a port that does not speak it.
    NotTls,
    /// A port that speaks TLS is spoken to without it.
    OnlyTls,
    /// Nobody who is trusted vouches for the server.
    Untrusted,
    /// The certificate is another server's.
    OtherServer,
    /// The certificate's time has not come, which mostly says that the clock is behind.
    NotYetValid,
    /// The certificate's time is over.
    Expired,
    /// There is no configuration.
    NoConfiguration,
    /// It is no TOML.
    NotToml,
    /// The value that the example has in this place.
    Placeholder,
    /// The file with the secret is not there.
    NoSecretFile,
    /// The worker's file is not there.
    NoWorkerFile,
    /// It is a program for another system, or none.
    OtherSystem,
    /// The text names no version.
    NoVersion,
    /// The program never speaks to its supervisor.
    NeverSpeaks,
    /// The image has no signature.
    Unsigned,
    /// The image is signed by somebody else.
    OtherKey,
    /// The image is signed as something else.
    OtherImage,
    /// The image is older than what runs.
    Older,
    /// The disk has no room.
    DiskFull,
}

use Mistake::*;

/// The table: what is the matter, and what to do.
const TABLE: [(Mistake, &str, &str); 22] = [
    (
        NoSuchHost,
        "no such host is known",
        "check `cloud.instance`, `cloud.region` or `cloud.host`, and that this device has a network and a name server",
    ),
    (
        PortClosed,
        "nothing listens on that port",
        "check `cloud.port` and `cloud.host`, and that the broker runs",
    ),
    (
        Unreachable,
        "there is no way to that address",
        "check this device's network, and whether a firewall is in between",
    ),
    (
        NotTls,
        "what answers on that port does not speak TLS, or hangs up on it",
        "set `cloud.port` to the port for TLS, usually 8883, or for a broker on a network of your own `cloud.tls = \"off\"`",
    ),
    (
        OnlyTls,
        "what answers there does not speak plain MQTT, most likely because it expects TLS",
        "set `cloud.tls = \"system\"` or name a file of certificates, or set `cloud.port` to the plain port, usually 1883",
    ),
    (
        Untrusted,
        "nobody this device trusts vouches for the server's certificate",
        "name the authority that made it, `cloud.tls = { ca = \"file.pem\" }`, or install the system's certificates",
    ),
    (
        OtherServer,
        "the server's certificate is for another name",
        "use the name that the certificate is for in `cloud.host`",
    ),
    (
        NotYetValid,
        "the server's certificate is not valid yet by this device's clock",
        "set the clock, and have the system keep it right (NTP)",
    ),
    (
        Expired,
        "the server's certificate is no longer valid by this device's clock",
        "check the clock; if it is right, the server needs a new certificate",
    ),
    (
        NoConfiguration,
        "there is no configuration to be read",
        "`supervisor init` writes one, `hotplate.example.toml` explains every setting, and `--config` names another",
    ),
    (
        NotToml,
        "not TOML",
        "compare the line with `hotplate.example.toml`: texts stand in quotes, sections in brackets",
    ),
    (
        Placeholder,
        "is still the example's own value",
        "put this device's own in its place, or have `supervisor init` ask for it",
    ),
    (
        NoSecretFile,
        "the file with the device's secret is not there",
        "write the secret from the platform's console into it, readable by its owner alone (chmod 600)",
    ),
    (
        NoWorkerFile,
        "the worker's file is not there",
        "check the path; it is relative to the folder the command is given in",
    ),
    (
        OtherSystem,
        "that file is not a program for this system",
        "build the worker for this device's processor and system, and install that",
    ),
    (NoVersion, "that is no version", "name one such as `1.0.7`"),
    (
        NeverSpeaks,
        "the program never spoke to its supervisor",
        "build the worker with the sdk, so that it takes the leash from its standard input; `supervisor run` shows what it prints",
    ),
    (
        Unsigned,
        "the image has no publisher's signature",
        "sign it (`cargo xtask sign image`, or `minisign`), and put the signature into the package or beside the file",
    ),
    (
        OtherKey,
        "the image is signed with a key that is not pinned here",
        "sign it with the key whose public half stands in `update.keys`, or pin that key as well",
    ),
    (
        OtherImage,
        "the signature is for another image, version or system",
        "sign this very file again, for its version and this device's system",
    ),
    (
        Older,
        "the version is older than what runs",
        "`supervisor rollback` goes back, `--allow-downgrade` and `update.allow_downgrade` let older versions in",
    ),
    (
        DiskFull,
        "the disk has too little room",
        "make room on the disk of the state folder, or lower `update.keep_free_bytes`",
    ),
];

impl Mistake {
    /// What is the matter, as a part of a sentence.
    pub(crate) fn cause(self) -> &'static str {
        self.row().1
    }

    /// What to do about it, as a sentence without its end.
    pub(crate) fn cure(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> &'static (Self, &'static str, &'static str) {
        let row = TABLE.iter().find(|(mistake, ..)| *mistake == self);
        row.expect("the table has every mistake, as a test sees to")
    }

    /// The mistake an error of a connection shows, if it is one of these.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut error = Some(error);
        while let Some(inner) = error {
            if let Some(fault) = inner.downcast_ref() {
                return Self::of_tls(fault);
            }
            if let Some(fault) = inner.downcast_ref::<io::Error>() {
                if let Some(found) = Self::of_io(fault) {
                    return Some(found);
                }
                // What such an error wraps is not its source, but is part of its text.
                if let Some(fault) = fault.get_ref().and_then(|it| it.downcast_ref()) {
                    return Self::of_tls(fault);
                }
            }
            error = inner.source();
        }
        None
    }

    /// The mistake behind the end of an update, if it is one of these.
    pub(crate) fn behind(outcome: &Outcome) -> Option<Self> {
        Some(match outcome {
            Outcome::Fetch(FetchFault::Unsigned) => Unsigned,
            Outcome::Fetch(FetchFault::OtherKey { .. }) => OtherKey,
            Outcome::Fetch(FetchFault::SignedFor { .. } | FetchFault::BadSignature { .. }) => {
                OtherImage
            }
            Outcome::Fetch(FetchFault::NoSpace { .. }) => DiskFull,
            Outcome::AgainstPolicy { why } => return Self::behind_refusal(why),
            Outcome::NeverHello => NeverSpeaks,
            Outcome::NotReady { why } if why.contains("before its hello") => NeverSpeaks,
            Outcome::NotStartable { .. } => OtherSystem,
            _ => return None,
        })
    }

    /// The mistake behind the refusal of an offer: the core has one reason for all rules, and tells them apart in its words.
    pub(crate) fn behind_refusal(why: &str) -> Option<Self> {
        why.contains("is older than").then_some(Older)
    }

    fn of_io(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(PortClosed),
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::TimedOut => Some(Unreachable),
            _ if is_unknown_name(error) => Some(NoSuchHost),
            _ => None,
        }
    }

    fn of_tls(error: &rustls::Error) -> Option<Self> {
        match error {
            rustls::Error::InvalidCertificate(fault) => Some(match fault {
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    NotYetValid
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => Expired,
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => OtherServer,
                _ => Untrusted,
            }),
            rustls::Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Some(NotTls),
            _ => None,
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}; {}", self.cause(), self.cure())
    }
}

/// Could a name not be looked up? The system's own numbers are lost on Unix, and only its words are left.
fn is_unknown_name(error: &io::Error) -> bool {
    /// WSAHOST_NOT_FOUND, WSATRY_AGAIN, WSANO_RECOVERY and WSANO_DATA.
    const WINDOWS: std::ops::RangeInclusive<i32> = 11001..=11004;

    let number = error.raw_os_error();
    (cfg!(windows) && number.is_some_and(|it| WINDOWS.contains(&it)))
        || error.to_string().contains("lookup address information")
}

/// Which of these words was most likely meant by another, if any is like it: one letter of three may be wrong.
pub(crate) fn meant<'w>(said: &str, words: &[&'w str]) -> Option<&'w str> {
    let near = words.iter().map(|word| (distance(said, word), *word));
    let (distance, word) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= word.len().min(said.len()).div_ceil(3)).then_some(word)
}

/// How many letters have to be put in, taken out or changed to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], at + 1);
        for (place, found) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != *found);
            corner = row[place + 1];
            row[place + 1] = changed.min(corner + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_has_a_cause_and_a_cure_of_its_own() {
        for (at, (mistake, cause, cure)) in TABLE.iter().enumerate() {
            assert_eq!((mistake.cause(), mistake.cure()), (*cause, *cure));
            assert!(TABLE[..at].iter().all(|(other, ..)| other != mistake));
            assert!(!cure.ends_with('.') && !cause.ends_with('.'), "{mistake:?}");
        }
    }

    #[test]
    fn the_mistake_is_found_however_deep_its_error_lies() {
        let fault = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, fault);
        assert_eq!(Mistake::of(&wrapped), Some(Untrusted));
        let twice = io::Error::other(wrapped);
        assert_eq!(Mistake::of(&twice), None, "nobody wraps it twice");
        let closed = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(Mistake::of(&closed), Some(PortClosed));
        assert_eq!(Mistake::of(&io::Error::other("?")), None);
    }

    #[test]
    fn a_word_with_a_slip_is_known_again_and_another_is_not() {
        let words = ["proving_s", "keys", "tries"];
        for (said, meant_word) in [
            ("prooving_s", Some("proving_s")),
            ("provings", Some("proving_s")),
            ("key", Some("keys")),
            ("retries", Some("tries")),
            ("colour", None),
        ] {
            assert_eq!(meant(said, &words), meant_word, "{said}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(meant("x", &[]), None);
    }
}
