//! Who vouches for a file: looked at before its first byte is fetched, as far as that is possible without the bytes.
//!
//! The publisher's signature is two: one over the image, which is checked when the last byte has passed ([`super::verify`]), and one over its
//! words, which is checked here. So a signature by an unknown key, or for another version, system, module or size, costs no byte
//! of the image. The platform's signature is over the digest of the offer, so that it is checked here as a whole.

use std::path::PathBuf;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use supervisor_core::{
    alink::codec::Digest,
    event::{FetchFault, FetchOrder},
    record::{Source, WantedFile},
    seal::{Claims, Expected, Seal, SealKey},
};

use super::{allowance::Allowance, http, local};
use crate::config::{Fetching, Vouching};

/// The module that stands for the whole device (platform document 89307).
const DEFAULT_MODULE: &str = "default";

/// A publisher's signature whose words hold and fit; what is left to check is the image itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    key: SealKey,
    signature: [u8; 64],
}

impl Sealed {
    /// Does it hold for an image with this BLAKE2b-512 digest?
    pub(crate) fn holds(&self, digest: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.key.key);
        key.verify(digest, &self.signature).is_ok()
    }
}

/// Looks at what vouches for a file; `None` if nothing but its digests has to.
pub(super) async fn look(
    settings: &Fetching,
    order: &FetchOrder,
    file: &WantedFile,
    allowance: &mut Allowance,
) -> Result<Option<Sealed>, FetchFault> {
    let vouching = &settings.vouching;
    if let Some(key) = &vouching.digest_key
        && !matches!(file.source, Source::Path(_))
    {
        platform_vouches(key, file)?;
    }
    let text = match &file.seal {
        Some(text) if vouching.keys.is_empty() && !vouching.require_signature => {
            tracing::debug!(
                "a signature of {} bytes is left alone: no key is pinned",
                text.len()
            );
            return Ok(None);
        }
        Some(text) => text.clone(),
        None if vouching.require_signature => beside(settings, file, allowance).await?,
        None => return Ok(None),
    };
    publisher_vouches(vouching, &text, order, file).map(Some)
}

/// The signature that lies beside the file under its name with `.minisig` behind.
async fn beside(
    settings: &Fetching,
    file: &WantedFile,
    allowance: &mut Allowance,
) -> Result<String, FetchFault> {
    let found = match &file.source {
        Source::Url(url) => {
            http::small(
                settings,
                &with_ending(url, ".minisig"),
                Seal::LONGEST_TEXT,
                allowance,
            )
            .await
        }
        Source::Path(path) => {
            local::small(PathBuf::from(format!("{path}.minisig")), Seal::LONGEST_TEXT).await
        }
        Source::Blocks { .. } => Ok(None),
    };
    let found = found.map_err(|fault| match fault {
        FetchFault::Long { promised } => bad(format!("it has more than {promised} bytes")),
        other => other,
    });
    let bytes = found?.ok_or(FetchFault::Unsigned)?;
    String::from_utf8(bytes).map_err(|_| bad("it is not text".to_owned()))
}

/// An ending goes behind the path, before what may follow it.
pub(crate) fn with_ending(url: &str, ending: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (path, rest) = url.split_at(end);
    format!("{path}{ending}{rest}")
}

/// The publisher's signature: by a pinned key, over words that hold, for exactly what is wanted.
fn publisher_vouches(
    vouching: &Vouching,
    text: &str,
    order: &FetchOrder,
    file: &WantedFile,
) -> Result<Sealed, FetchFault> {
    let seal = Seal::parse(text).map_err(|fault| bad(fault.to_string()))?;
    let key = vouching.keys.iter().find(|key| key.id == seal.key_id);
    let Some(key) = key else {
        let key = seal.key_id.to_string();
        return Err(FetchFault::OtherKey { key });
    };
    UnparsedPublicKey::new(&ED25519, key.key)
        .verify(&seal.global_message(), &seal.global_signature)
        .map_err(|_| bad("its words were changed".to_owned()))?;
    let claims = Claims::read(&seal.trusted_comment).map_err(|fault| bad(fault.to_string()))?;
    let expected = Expected {
        version: &order.version,
        target: &vouching.target,
        module: order.module.as_deref().unwrap_or(DEFAULT_MODULE),
        size: file.size,
        package: file
            .name
            .as_ref()
            .map(|name| (name.as_str(), order.files.len())),
    };
    claims
        .fit(&expected)
        .map_err(|misfit| FetchFault::SignedFor {
            what: misfit.to_string(),
        })?;
    Ok(Sealed {
        key: *key,
        signature: seal.signature,
    })
}

/// The platform's signature over the bytes of the first digest: RSA-2048, PKCS #1 v1.5, SHA-256 (AliOS Things,
/// `ota_verify_rsa.c`).
fn platform_vouches(key: &[u8], file: &WantedFile) -> Result<(), FetchFault> {
    let told = |why: &str| FetchFault::BadDigestSign {
        why: why.to_owned(),
    };
    let text = file
        .digest_sign
        .as_deref()
        .ok_or_else(|| told("is missing"))?;
    let signature = BASE64_STANDARD
        .decode(text.trim())
        .map_err(|_| told("is not Base64"))?;
    let digest: &[u8] = match file.digests.first() {
        Some(Digest::Md5(bytes)) => bytes,
        Some(Digest::Sha256(bytes)) => bytes,
        None => return Err(told("is over no digest")),
    };
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
        .verify(digest, &signature)
        .map_err(|_| told("does not hold"))
}

fn bad(why: String) -> FetchFault {
    FetchFault::BadSignature { why }
}

#[cfg(test)]
mod tests {
    use super::with_ending;

    #[test]
    fn the_ending_goes_behind_the_path_and_before_the_query() {
        for (url, expected) in [
            ("https://h/a/oven", "https://h/a/oven.minisig"),
            (
                "https://h/oven?Expires=1&Signature=a?b",
                "https://h/oven.minisig?Expires=1&Signature=a?b",
            ),
            ("https://h/oven#x", "https://h/oven.minisig#x"),
        ] {
            assert_eq!(with_ending(url, ".minisig"), expected);
        }
    }
}
