//! Every fault there is, in words for people who choose one: where it strikes, what it does, and what its number means.
//!
//! The meaning of each number also stands with the names, for those who write tests; here it is for a console. A name that is
//! missing here does not compile, one that is missing in the list fails a test.

use serde::Serialize;

use crate::faults::FaultName;

/// One fault in words.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Kind {
    name: FaultName,
    /// Which part of the platform misbehaves.
    place: &'static str,
    /// What it does.
    about: &'static str,
    /// What `n` means, and what holds without it; none if it has no number.
    n: Option<&'static str>,
    /// What `to` means; none if it leads nowhere.
    to: Option<&'static str>,
}

/// All of them, in the order in which people look for them.
pub(crate) fn all() -> impl Iterator<Item = Kind> {
    ALL.iter().map(|name| kind(*name))
}

const ALL: [FaultName; 28] = [
    FaultName::DropAfterBytes,
    FaultName::Slow,
    FaultName::Stall,
    FaultName::WrongLength,
    FaultName::LongerThanPromised,
    FaultName::FlipOneBit,
    FaultName::RangeIgnored,
    FaultName::FileChanged,
    FaultName::UrlExpired,
    FaultName::ServerErrorThenOk,
    FaultName::Redirect,
    FaultName::MinisigMissing,
    FaultName::MinisigGarbled,
    FaultName::MinisigLonger,
    FaultName::MinisigStall,
    FaultName::MinisigErrorThenOk,
    FaultName::WithholdPuback,
    FaultName::KickSameDevice,
    FaultName::RefuseLogin,
    FaultName::DropConnection,
    FaultName::DuplicatePush,
    FaultName::PushWhileUpdating,
    FaultName::PushRunningVersion,
    FaultName::WrongCrc,
    FaultName::WrongOffset,
    FaultName::DuplicateReply,
    FaultName::LostReply,
    FaultName::ErrorHeader,
];

const DOWNLOAD: &str = "Download";
const SIGNATURE: &str = "Signature beside the file";
const SESSION: &str = "MQTT session";
const OFFERS: &str = "Offers";
const BLOCKS: &str = "Blocks over MQTT";

fn kind(name: FaultName) -> Kind {
    use FaultName as F;
    let (place, about, n) = match name {
        F::DropAfterBytes => (
            DOWNLOAD,
            "the connection is cut in the middle of the file",
            Some("bytes before the cut; drawn if empty"),
        ),
        F::Slow => (
            DOWNLOAD,
            "the file comes slowly",
            Some("bytes per second; 16,384 if empty"),
        ),
        F::Stall => (
            DOWNLOAD,
            "the file stops coming, and goes on when this is off",
            Some("bytes before it stops; half of it if empty"),
        ),
        F::WrongLength => (
            DOWNLOAD,
            "more bytes are promised than come",
            Some("bytes promised too much; 1 if empty"),
        ),
        F::LongerThanPromised => (
            DOWNLOAD,
            "the file is longer than the offer said",
            Some("bytes more; 1 if empty"),
        ),
        F::FlipOneBit => (
            DOWNLOAD,
            "one bit of the file is flipped",
            Some("in which byte; drawn if empty"),
        ),
        F::RangeIgnored => (
            DOWNLOAD,
            "the whole file comes, whatever range was asked for",
            None,
        ),
        F::FileChanged => (
            DOWNLOAD,
            "a request that goes on finds another file behind the URL",
            None,
        ),
        F::UrlExpired => (DOWNLOAD, "the URL's time is over", None),
        F::ServerErrorThenOk => (
            DOWNLOAD,
            "an error instead of the file, once",
            Some("the status; 503 if empty"),
        ),
        F::Redirect => (DOWNLOAD, "the file is said to be elsewhere", None),
        F::MinisigMissing => (SIGNATURE, "it is not there", None),
        F::MinisigGarbled => (SIGNATURE, "one of its letters is wrong", None),
        F::MinisigLonger => (
            SIGNATURE,
            "it goes on after its end",
            Some("bytes more; 1,048,576 if empty"),
        ),
        F::MinisigStall => (
            SIGNATURE,
            "only its head comes, the rest when this is off",
            None,
        ),
        F::MinisigErrorThenOk => (
            SIGNATURE,
            "an error instead of it, once",
            Some("the status; 503 if empty"),
        ),
        F::WithholdPuback => (SESSION, "what the device tells is not acknowledged", None),
        F::KickSameDevice => (
            SESSION,
            "a twin with the same identity logs in",
            Some("ms after the login; 0 if empty"),
        ),
        F::RefuseLogin => (
            SESSION,
            "logins are refused",
            Some("the code, 2 to 5; 3 if empty"),
        ),
        F::DropConnection => (
            SESSION,
            "the connection is closed when the device tells something",
            None,
        ),
        F::DuplicatePush => (
            OFFERS,
            "an offer comes several times",
            Some("how many times; 2 if empty"),
        ),
        F::PushWhileUpdating => (OFFERS, "each progress is answered with the offer", None),
        F::PushRunningVersion => (OFFERS, "the version that runs already is offered", None),
        F::WrongCrc => (BLOCKS, "a block has a wrong checksum", None),
        F::WrongOffset => (
            BLOCKS,
            "a block is from another place of the file",
            Some("how far above; 1 if empty"),
        ),
        F::DuplicateReply => (BLOCKS, "a block comes twice", None),
        F::LostReply => (BLOCKS, "a block does not come", None),
        F::ErrorHeader => (
            BLOCKS,
            "an error instead of a block",
            Some("the code; 500 if empty"),
        ),
    };
    Kind {
        name,
        place,
        about,
        n,
        to: (name == F::Redirect).then_some("`path`, `scheme` or a URL; `path` if empty"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_in_the_list_once() {
        let listed: Vec<String> = ALL.iter().map(|name| format!("`{name}`")).collect();
        // The reader of names knows them all, and says them when it is given none of them.
        let unknown = serde_json::from_str::<FaultName>("\"?\"").unwrap_err();
        let known = unknown.to_string();
        let known = known.split_once("expected one of ").unwrap().1;
        let known = known.split(" at line").next().unwrap();
        let mut known: Vec<&str> = known.split(", ").collect();
        let mut listed: Vec<&str> = listed.iter().map(String::as_str).collect();
        known.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, known);
    }
}
