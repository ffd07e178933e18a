//! A publisher's key pair in minisign's format, in memory.
//!
//! It signs and tells its public half; it never prints the secret one. Keys with a password are refused: a test has nobody to
//! ask for it.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use ct_codecs::{Base64, Decoder};
use minisign::{KeyPair, PError, PublicKey, SecretKey, SecretKeyBox};

/// Says that a key has no password, in the third and fourth byte of its box.
const NO_PASSWORD: [u8; 2] = [0, 0];
/// Where a key's checksum begins in its box; it is the last there.
const CHECKSUM: usize = 126;

/// An Ed25519 key pair that signs images for tests.
#[derive(Clone)]
pub struct SigningKey(Arc<KeyPair>);

/// Why a text is no secret key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It has not two lines, or the second is not base64.
    #[error("text is no minisign secret key")]
    Shape,
    /// It needs a password.
    #[error("secret key has a password, and nobody can be asked for it")]
    Password,
    /// It is too short, or its checksum is wrong.
    #[error("secret key is damaged")]
    Damaged(#[source] PError),
}

impl SigningKey {
    /// A new one, which nobody has seen.
    ///
    /// # Panics
    /// When the system has no randomness to give.
    #[must_use]
    pub fn generate() -> Self {
        let pair = KeyPair::generate_unencrypted_keypair().expect("the system gives randomness");
        Self(Arc::new(pair))
    }

    /// The one whose secret file holds this text, made with `minisign -G -W` or `cargo xtask sign keys --no-password`.
    ///
    /// # Errors
    /// When it is none, is damaged, or has a password.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let line = text.lines().nth(1).ok_or(KeyError::Shape)?;
        let bytes = Base64::decode_to_vec(line.trim(), None).map_err(|_| KeyError::Shape)?;
        if bytes.get(2..4) != Some(&NO_PASSWORD) {
            return Err(KeyError::Password);
        }
        // Stock minisign leaves out the checksum of a key without a password, and the library would call that damaged.
        let unchecked = bytes
            .get(CHECKSUM..)
            .is_some_and(|sum| sum.iter().all(|byte| *byte == 0));
        let secret = if unchecked {
            SecretKey::from_bytes(&bytes)
        } else {
            SecretKeyBox::from(text.to_owned()).into_unencrypted_secret_key()
        };
        let sk = secret.map_err(KeyError::Damaged)?;
        let pk = PublicKey::from_secret_key(&sk).map_err(KeyError::Damaged)?;
        Ok(Self(Arc::new(KeyPair { pk, sk })))
    }

    /// The public key as one line of base64, as `minisign -P` and a device's configuration take it.
    #[must_use]
    pub fn public(&self) -> String {
        self.0.pk.to_base64()
    }

    /// Signs what is read, prehashed, together with this trusted comment, and returns minisign's four lines. The image is
    /// read in pieces.
    ///
    /// # Errors
    /// When it cannot be read, or the comment has more than one line.
    pub fn sign(&self, image: impl Read, comment: &str) -> io::Result<String> {
        if comment.contains(['\n', '\r']) {
            let error = "a trusted comment has only one line";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
        let KeyPair { pk, sk } = &*self.0;
        minisign::sign(Some(pk), sk, image, Some(comment), Some(UNTRUSTED))
            .map(|signature| signature.to_string())
            .map_err(io::Error::other)
    }
}

/// The first line of each signature, which nobody may rely on.
const UNTRUSTED: &str = "signature from the emulator";

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `minisign -G -W` of version 0.11, for this test only.
    const STOCK: &str = "untrusted comment: minisign encrypted secret key\nRWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAX0U+5Fij5eY/sL4mndwRsKySf/6XABlcM2UoFON+q4fNFWe4qkdmrfDO16/qqS7Jos+rdopn0e97WDCqm6/brgbLTt+l4bpjAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    /// What it printed as the public key.
    const STOCK_PUBLIC: &str = "RWRfRT7kWKPl5vDO16/qqS7Jos+rdopn0e97WDCqm6/brgbLTt+l4bpj";

    #[test]
    fn a_key_of_stock_minisign_is_taken_with_its_public_half() {
        let key = SigningKey::from_text(STOCK).unwrap();
        assert_eq!(key.public(), STOCK_PUBLIC);
        key.sign(&b"image"[..], "size:5").unwrap();
        let other_lines = SigningKey::from_text(&STOCK.replace('\n', "\r\n")).unwrap();
        assert_eq!(other_lines.public(), STOCK_PUBLIC);
    }

    #[test]
    fn a_key_comes_back_from_its_own_text() {
        let key = SigningKey::generate();
        let text = key.0.sk.to_box(None).unwrap().to_string();
        assert_eq!(SigningKey::from_text(&text).unwrap().public(), key.public());
    }

    #[test]
    fn what_is_no_key_without_a_password_is_refused() {
        for none in ["", "one line", "comment\nnot base64!"] {
            let refused = SigningKey::from_text(none);
            assert!(matches!(refused, Err(KeyError::Shape)), "{none}");
        }
        // The letters `Sc` in the place of the two zeros.
        let protected = STOCK.replacen("RWQAAEIy", "RWRTY0Iy", 1);
        let refused = SigningKey::from_text(&protected);
        assert!(matches!(refused, Err(KeyError::Password)), "{refused:?}");
        let short = SigningKey::from_text("comment\nRWQAAEIy");
        assert!(matches!(short, Err(KeyError::Damaged(_))), "{short:?}");
    }

    #[test]
    fn the_secret_half_is_never_printed() {
        let key = SigningKey::from_text(STOCK).unwrap();
        assert_eq!(
            format!("{key:?}"),
            format!("SigningKey(\"{STOCK_PUBLIC}\")")
        );
    }

    #[test]
    fn a_comment_of_two_lines_is_refused() {
        let refused = SigningKey::generate().sign(&b""[..], "a\nb");
        assert_eq!(
            refused.map_err(|error| error.kind()),
            Err(io::ErrorKind::InvalidInput)
        );
    }
}
