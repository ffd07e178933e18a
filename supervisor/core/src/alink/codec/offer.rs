//! The offer: what the cloud wants installed.
//!
//! It comes as a push, or as the answer to our question; both carry the same fields (platform documents 89307 and 302377).
//! Here it is only understood, not judged: an offer for another module, over a way we cannot fetch by, or of several files
//! is read like any other. One that cannot be understood is refused as a whole, because half an offer is worse than none.
//! The module and version are read before anything else is complained about, so that a device can keep quiet about a
//! damaged offer that was never meant for it.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use thiserror::Error;

use super::read::{Fields, ReadFault, id, object};
use super::{Digest, DigestFault, DigestMethod, Id, Url, UrlFault, named};
use crate::alink::shown;
use crate::alink::version::{Version, VersionFault};

/// The most files in one offer (the platform's own limit).
const MOST_FILES: usize = 20;
/// The longest short text (names, methods, digests), in bytes.
const LONGEST_NAME: usize = 256;
/// The longest signature, in bytes of its Base64 text; one of RSA-4096 has 684.
const LONGEST_SIGNATURE: usize = 1024;
/// What a size must be.
const SIZE: &str = "a whole number of bytes above 0";

/// How an offer reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferFrom {
    /// The platform sent it unasked.
    Push,
    /// It answers our question; its address is fresh, even if the offer is known.
    Reply,
}

/// What the cloud wants installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// How it reached us.
    pub from: OfferFrom,
    /// The message's id. Nothing is ever answered to it, so that one which is missing or odd does no harm.
    pub id: Option<Id>,
    /// The version offered.
    pub version: Version,
    /// The module it is for; none is the default module, the whole device.
    pub module: Option<String>,
    /// The size in bytes, at least 1; of several files, their sum.
    pub size: u64,
    /// Where to get it.
    pub source: Source,
    /// The digests the file must have, all of them: at least one of one file; none here if there are several files.
    pub digests: Vec<Digest>,
    /// The platform's signature over the digest, Base64, unverified.
    pub digest_sign: Option<String>,
    /// It is a patch for the running version, not a whole program.
    pub is_diff: bool,
    /// The tags of the batch, without the package's own text. A tag that is no text is kept as its JSON.
    pub ext_data: BTreeMap<String, String>,
    /// The package's own text, whatever its maker put there.
    pub package_udi: Option<String>,
}

/// Where an offer's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One file on a web server.
    Http {
        /// Its address.
        url: Url,
    },
    /// One file, asked for block by block over the MQTT session.
    Mqtt {
        /// The stream's number.
        stream_id: u64,
        /// The file's number in the stream.
        file_id: u64,
    },
    /// Several files on web servers, 1 to 20, all needed for the one version.
    Files(Vec<FileOffer>),
}

/// One of several files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOffer {
    /// The file's name as the platform gives it: never to be used as a path.
    pub name: String,
    /// Its size in bytes, at least 1.
    pub size: u64,
    /// Its address.
    pub url: Url,
    /// Its digests, at least one.
    pub digests: Vec<Digest>,
    /// The platform's signature over the digest, Base64, unverified.
    pub digest_sign: Option<String>,
}

/// An offer that cannot be understood, and for whom it was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct OfferFault {
    /// What is wrong with it.
    pub kind: OfferFaultKind,
    subject: Option<Subject>,
}

/// What a damaged offer was about, as far as that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The module; none is the default module.
    pub module: Option<String>,
    /// The version, if it is one.
    pub version: Option<Version>,
}

impl OfferFault {
    /// For which module and version the offer was. `None` means that not even the module could be told, or that there was
    /// no offer in the message: then nobody is to be told that an update failed.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        self.subject.as_ref()
    }
}

/// What is wrong with an offer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OfferFaultKind {
    /// A field, or the whole payload, cannot be read.
    #[error(transparent)]
    Read(#[from] ReadFault),
    /// The platform reports an error instead of an offer.
    #[error("`code` is {code}: {message}")]
    Code {
        /// The platform's code.
        code: i64,
        /// The beginning of its message; perhaps empty.
        message: String,
    },
    /// The version is not one.
    #[error("`version` cannot be used: {0}")]
    Version(VersionFault),
    /// An address cannot be fetched from.
    #[error("`{field}` {fault}")]
    Url {
        /// The field's name and place.
        field: String,
        /// What is wrong with it.
        fault: UrlFault,
    },
    /// A digest is damaged, or made by an unknown method.
    #[error("`{field}` {fault}")]
    Digest {
        /// The field's name and place.
        field: String,
        /// What is wrong with it.
        fault: DigestFault,
    },
    /// Two fields give the same digest differently.
    #[error("`{sign}` and `{md5}` give different MD5 digests")]
    Disagree {
        /// The first field's name and place.
        sign: String,
        /// The second field's name and place.
        md5: String,
    },
    /// The way to fetch it is unknown.
    #[error("`dProtocol` is `{found}`, neither http, https nor mqtt")]
    Protocol {
        /// The way found.
        found: String,
    },
    /// There are no files, or too many.
    #[error("`files` has {count} entries, not 1 to {MOST_FILES}")]
    Files {
        /// How many there are.
        count: usize,
    },
}

/// Understands a pushed offer, or the answer to our question for one. Nothing to do (`data` empty or missing) is `None`.
///
/// Fields may come in any order. A success is the code 1000 or 200, as text or number.
///
/// # Errors
/// The platform reports an error, or the offer is incomplete, contradicts itself, or holds something of the wrong kind.
pub fn parse_offer(payload: &[u8], from: OfferFrom) -> Result<Option<Offer>, OfferFault> {
    let stranger = |fault: ReadFault| OfferFault {
        kind: fault.into(),
        subject: None,
    };
    let message = object(payload).map_err(stranger)?;
    let message = Fields::new(&message);
    let data = match message.find("data") {
        None => None,
        Some(Json::Object(data)) => Some(Fields::new(data)).filter(|_| !data.is_empty()),
        Some(other) => return Err(stranger(message.wrong("data", "an object", other))),
    };
    let Some(data) = data else {
        return succeeded(message)
            .map(|()| None)
            .map_err(|kind| OfferFault {
                kind,
                subject: None,
            });
    };
    let module = module(data).map_err(stranger)?;
    let version = version(data);
    let subject = Subject {
        module: module.clone(),
        version: version.as_ref().ok().cloned(),
    };
    succeeded(message)
        .and(version)
        .and_then(|version| offer(data, from, message.find("id").and_then(id), module, version))
        .map(Some)
        .map_err(|kind| OfferFault {
            kind,
            subject: Some(subject),
        })
}

fn succeeded(message: Fields<'_>) -> Result<(), OfferFaultKind> {
    match message.need_code()? {
        1000 | 200 => Ok(()),
        code => {
            let text = message
                .find("message")
                .and_then(Json::as_str)
                .unwrap_or_default();
            Err(OfferFaultKind::Code {
                code,
                message: shown(text),
            })
        }
    }
}

fn module(data: Fields<'_>) -> Result<Option<String>, ReadFault> {
    Ok(named(data.text("module", LONGEST_NAME)?).map(str::to_owned))
}

fn version(data: Fields<'_>) -> Result<Version, OfferFaultKind> {
    // The version's own bound comes first in its fault, therefore any length is taken here.
    data.need_text("version", usize::MAX)?
        .parse()
        .map_err(OfferFaultKind::Version)
}

fn offer(
    data: Fields<'_>,
    from: OfferFrom,
    id: Option<Id>,
    module: Option<String>,
    version: Version,
) -> Result<Offer, OfferFaultKind> {
    let method = method(data)?;
    let (size, source, digests) = match data.find("files") {
        Some(files) => {
            let files = self::files(data, files, method)?;
            (total(data, &files)?, Source::Files(files), Vec::new())
        }
        None => (
            data.need_whole("size", 1, SIZE)?,
            source(data)?,
            digests(data, "sign", "md5", method)?,
        ),
    };
    let mut ext_data = ext_data(data)?;
    Ok(Offer {
        from,
        id,
        version,
        module,
        size,
        source,
        digests,
        digest_sign: digest_sign(data)?,
        is_diff: is_diff(data)?,
        package_udi: ext_data.remove("_package_udi"),
        ext_data,
    })
}

fn source(data: Fields<'_>) -> Result<Source, OfferFaultKind> {
    match data
        .text("dProtocol", LONGEST_NAME)?
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        Some("mqtt") => Ok(Source::Mqtt {
            stream_id: data.need_whole("streamId", 0, "a whole number")?,
            file_id: data.need_whole("streamFileId", 0, "a whole number")?,
        }),
        None | Some("https" | "http") => Ok(Source::Http {
            url: url(data, "url")?,
        }),
        Some(other) => Err(OfferFaultKind::Protocol {
            found: shown(other),
        }),
    }
}

fn url(fields: Fields<'_>, name: &str) -> Result<Url, OfferFaultKind> {
    // The address has its own bound and its own fault for it.
    let text = fields.need_text(name, usize::MAX)?;
    text.to_owned()
        .try_into()
        .map_err(|fault| OfferFaultKind::Url {
            field: fields.place(name),
            fault,
        })
}

fn files(
    data: Fields<'_>,
    json: &Json,
    method: Option<DigestMethod>,
) -> Result<Vec<FileOffer>, OfferFaultKind> {
    let Json::Array(entries) = json else {
        return Err(data.wrong("files", "a list", json).into());
    };
    if entries.is_empty() || entries.len() > MOST_FILES {
        return Err(OfferFaultKind::Files {
            count: entries.len(),
        });
    }
    let file = |(index, json)| {
        let fields = Fields::of_file(index, json)?;
        Ok(FileOffer {
            name: fields.need_text("fileName", LONGEST_NAME)?.to_owned(),
            size: fields.need_whole("fileSize", 1, SIZE)?,
            url: url(fields, "fileUrl")?,
            digests: digests(fields, "fileSign", "fileMd5", method)?,
            digest_sign: digest_sign(fields)?,
        })
    };
    entries.iter().enumerate().map(file).collect()
}

fn total(data: Fields<'_>, files: &[FileOffer]) -> Result<u64, ReadFault> {
    let sum = files
        .iter()
        .try_fold(0_u64, |sum, file| sum.checked_add(file.size));
    sum.ok_or_else(|| ReadFault::Wrong {
        field: data.place("files"),
        wanted: "a list of sizes with a sum below 2^64",
        found: "a list".into(),
    })
}

fn method(data: Fields<'_>) -> Result<Option<DigestMethod>, OfferFaultKind> {
    let damaged = |fault| OfferFaultKind::Digest {
        field: data.place("signMethod"),
        fault,
    };
    data.text("signMethod", LONGEST_NAME)?
        .map(|text| text.parse().map_err(damaged))
        .transpose()
}

/// The digests of one file. `md5` alone serves if no other method is announced, as older senders have it.
fn digests(
    fields: Fields<'_>,
    sign: &str,
    md5: &str,
    method: Option<DigestMethod>,
) -> Result<Vec<Digest>, OfferFaultKind> {
    let read = |name: &str, method| {
        let parse = |text| {
            Digest::from_hex(method, text).map_err(|fault| OfferFaultKind::Digest {
                field: fields.place(name),
                fault,
            })
        };
        fields.text(name, usize::MAX)?.map(parse).transpose()
    };
    let second = read(md5, DigestMethod::Md5)?;
    let first = match (fields.find(sign), method) {
        (Some(_), None) => {
            return Err(ReadFault::Missing {
                field: "signMethod".into(),
            }
            .into());
        }
        (_, Some(method)) => read(sign, method)?,
        (None, None) => None,
    };
    match (first, second) {
        (Some(first @ Digest::Md5(_)), Some(second)) if first != second => {
            Err(OfferFaultKind::Disagree {
                sign: fields.place(sign),
                md5: fields.place(md5),
            })
        }
        (Some(first @ Digest::Sha256(_)), Some(second)) => Ok(vec![first, second]),
        (Some(first), _) => Ok(vec![first]),
        (None, Some(second)) if method != Some(DigestMethod::Sha256) => Ok(vec![second]),
        (None, _) => Err(ReadFault::Missing {
            field: fields.place(sign),
        }
        .into()),
    }
}

/// Of several files each has its own, under the same name as that of one file.
fn digest_sign(fields: Fields<'_>) -> Result<Option<String>, ReadFault> {
    let text = fields.text("digestsign", LONGEST_SIGNATURE)?;
    Ok(text.map(str::to_owned))
}

fn is_diff(data: Fields<'_>) -> Result<bool, ReadFault> {
    match data.find("isDiff") {
        None => Ok(false),
        Some(Json::Bool(it)) => Ok(*it),
        Some(other) => match other.as_u64() {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(data.wrong("isDiff", "0 or 1", other)),
        },
    }
}

fn ext_data(data: Fields<'_>) -> Result<BTreeMap<String, String>, ReadFault> {
    let text = |json: &Json| match json {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    match data.find("extData") {
        None => Ok(BTreeMap::new()),
        Some(Json::Object(tags)) => Ok(tags
            .iter()
            .filter(|(_, json)| !json.is_null())
            .map(|(name, json)| (name.clone(), text(json)))
            .collect()),
        Some(other) => Err(data.wrong("extData", "an object", other)),
    }
}

#[cfg(test)]
#[path = "offer_tests.rs"]
mod tests;
