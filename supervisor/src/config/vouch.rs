//! Who must vouch for an image before it may run, in `[update]`: `require`, `keys`, `target` and `digest_sign_key`.
//!
//! A device that pins nobody's key and does not say in so many words that digests are enough is not started: whoever can offer
//! it an update could make it run anything.

use std::{fs, path::Path};

use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};
use supervisor_core::seal::SealKey;

use super::{
    Section, example,
    reading::{Form, Found},
};
use crate::advice::Mistake;

/// The system this supervisor was built for, as Rust calls it.
const OWN_TARGET: &str = env!("HOTPLATE_TARGET");

/// How many publisher's keys may be pinned.
const MOST_KEYS: usize = 8;

/// How an RSA public key of 2048 bits begins in the form that names its kind; what follows is the key alone.
const RSA_2048: [u8; 24] = [
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x01, 0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00,
];

/// Who must vouch for an image.
#[derive(Debug, Clone)]
pub(crate) struct Vouching {
    /// Is a publisher's signature needed? Without it digests are enough.
    pub(crate) require_signature: bool,
    /// The publishers' keys.
    pub(crate) keys: Vec<SealKey>,
    /// The platform's key for the signature over the digest, as an RSA public key in DER; without one it is not asked for.
    pub(crate) digest_key: Option<Vec<u8>>,
    /// The system images must be signed for, as Rust calls it.
    pub(crate) target: String,
}

/// Reads the four settings.
pub(super) fn read(section: &mut Section<'_, '_>, folder: &Path) -> Vouching {
    let require = section.or_where(
        "require",
        "signature".to_owned(),
        "\"signature\" or \"digest\"",
        |require| ["signature", "digest"].contains(&require.as_str()),
    );
    let require_signature = require != "digest";
    let (keys, is_given) = keys(section);
    if require_signature && !is_given && !section.faulty(&["keys", "require"]) {
        section.fault(
            "keys",
            None,
            "is missing; pin the publisher's minisign public key, `keys = [\"RW…\"]`, \
             or let any image run that has the right digest, `require = \"digest\"`",
        );
    }
    let target = section.or_where(
        "target",
        OWN_TARGET.to_owned(),
        "a target triple such as \"aarch64-unknown-linux-gnu\"",
        |target| is_target(target),
    );
    Vouching {
        require_signature,
        keys,
        digest_key: digest_key(section, folder),
        target,
    }
}

fn is_target(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// The keys, and whether there are any, be they as they may.
fn keys(section: &mut Section<'_, '_>) -> (Vec<SealKey>, bool) {
    let texts = section.or_where(
        "keys",
        Vec::new(),
        "a list of at most 8 minisign public keys in quotes",
        |keys: &Vec<String>| keys.len() <= MOST_KEYS,
    );
    let is_given = !texts.is_empty();
    let mut keys: Vec<SealKey> = Vec::new();
    for text in texts {
        if example::is_placeholder("keys", &text) {
            section.fault("keys", None, Mistake::Placeholder);
            continue;
        }
        match SealKey::parse(&text) {
            Ok(key) if keys.iter().any(|other| other.id == key.id) => {
                section.fault("keys", None, format!("names key {} twice", key.id));
            }
            Ok(key) => keys.push(key),
            Err(fault) => section.fault(
                "keys",
                None,
                format!(
                    "has {}, which is no minisign public key: {fault}",
                    text.shown()
                ),
            ),
        }
    }
    (keys, is_given)
}

fn digest_key(section: &mut Section<'_, '_>, folder: &Path) -> Option<Vec<u8>> {
    let Some(Found { value, line }) = section.text("digest_sign_key") else {
        section.list("digest_sign_key", "none, it is not checked", "default");
        return None;
    };
    section.list("digest_sign_key", value.shown(), format!("line {line}"));
    let path = folder.join(&value);
    let told = match fs::read(&path) {
        Err(why) => format!("cannot be read: `{}`: {why}", path.display()),
        Ok(text) => match SubjectPublicKeyInfoDer::from_pem_slice(&text) {
            Ok(key) => match key.strip_prefix(&RSA_2048) {
                Some(key) => return Some(key.to_owned()),
                None => format!("`{}` is not an RSA key of 2048 bits", path.display()),
            },
            Err(_) => format!(
                "`{}` is not a public key in PEM form (`-----BEGIN PUBLIC KEY-----`)",
                path.display()
            ),
        },
    };
    section.fault("digest_sign_key", Some(line), told);
    None
}
