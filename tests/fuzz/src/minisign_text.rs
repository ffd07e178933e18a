//! A publisher's signature and public key, as text from a cloud, a web server or a configuration.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use supervisor_core::{
    alink::version::Version,
    seal::{Claims, Expected, Seal, SealKey},
};

use crate::{Understood, in_few_words, understood};

/// Hands the text to every reader of what a publisher writes.
///
/// # Panics
/// A reader breaks a promise.
#[must_use]
pub fn minisign_text(bytes: &[u8]) -> Understood {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Understood::new();
    };
    understood([
        ("claims", claims(text)),
        ("key", key(text)),
        ("seal", seal(text)),
    ])
}

/// A seal written anew is the same seal, and no longer: there is one spelling but for the comment and the ends of lines.
fn seal(text: &str) -> bool {
    let seal = match Seal::parse(text) {
        Ok(seal) => seal,
        Err(fault) => {
            in_few_words(&fault);
            return false;
        }
    };
    assert!(text.len() <= Seal::LONGEST_TEXT);
    assert!(seal.trusted_comment.len() <= Seal::LONGEST_COMMENT);
    assert!(!seal.trusted_comment.contains('\n'));
    let message = seal.global_message();
    assert_eq!(message.len(), 64 + seal.trusted_comment.len());
    assert!(message.starts_with(&seal.signature));

    let signed = [&b"ED"[..], &seal.key_id.0, &seal.signature].concat();
    // A comment may end in what would be taken for a part of the line's end, therefore that is written out.
    let plainly = format!(
        "untrusted comment: \r\n{}\r\ntrusted comment: {}\r\n{}\r\n",
        STANDARD.encode(signed),
        seal.trusted_comment,
        STANDARD.encode(seal.global_signature)
    );
    assert!(plainly.len() <= text.len() + "\r\n".len() * 4);
    if plainly.len() <= Seal::LONGEST_TEXT {
        assert_eq!(Seal::parse(&plainly).as_ref(), Ok(&seal));
    }
    claims(&seal.trusted_comment);
    true
}

/// A key has one spelling only, and the name people compare is its number.
fn key(text: &str) -> bool {
    match SealKey::parse(text) {
        Ok(key) => {
            let bytes = [&b"Ed"[..], &key.id.0, &key.key].concat();
            assert_eq!(STANDARD.encode(bytes), text);
            let number = u64::from_str_radix(&key.to_string(), 16);
            assert_eq!(number.map(u64::to_le_bytes), Ok(key.id.0));
            true
        }
        Err(fault) => {
            in_few_words(&fault);
            let shown = fault.to_string();
            assert!(text.len() < 43 || !shown.contains(text), "it may be secret");
            false
        }
    }
}

/// Claims written anew are the same, are about the very image they name, and about no other.
fn claims(comment: &str) -> bool {
    let claims = match Claims::read(comment) {
        Ok(claims) => claims,
        Err(fault) => {
            in_few_words(&fault);
            return false;
        }
    };
    assert!(!claims.target.is_empty() && !claims.module.is_empty());
    let plainly = plain(&claims);
    assert_eq!(Claims::read(&plainly).as_ref(), Ok(&claims), "{plainly}");
    let own = Expected {
        version: &claims.version,
        target: &claims.target,
        module: &claims.module,
        size: claims.size,
        package: claims.file.as_deref().zip(claims.files),
    };
    let alone = matches!(claims.files, None | Some(1));
    assert_eq!(claims.fit(&own).is_ok(), own.package.is_some() || alone);
    let zero = claims.version.as_str() == "0";
    let other: Version = if zero { "1" } else { "0" }
        .parse()
        .expect("a digit is a version");
    for expected in [
        Expected {
            version: &other,
            ..own
        },
        Expected { target: "", ..own },
        Expected { module: "", ..own },
        Expected {
            size: claims.size ^ 1,
            ..own
        },
    ] {
        let misfit = claims.fit(&expected).expect_err("it is another image");
        in_few_words(&misfit);
        assert!(misfit.to_string().chars().count() <= 100, "{misfit}");
    }
    true
}

/// The claims as a publisher's tool writes them.
fn plain(claims: &Claims) -> String {
    let mut text = format!(
        "version:{} target:{} module:{} size:{}",
        claims.version, claims.target, claims.module, claims.size
    );
    for (key, value) in [
        ("file", claims.file.clone()),
        ("files", claims.files.map(|it| it.to_string())),
    ] {
        if let Some(value) = value {
            text.push_str(&format!("\t{key}:{value}"));
        }
    }
    text
}
