//! Verification as a stage of the byte stream.

use std::fmt;

use blake2::Blake2b512;
use fast_md5::Md5;
use sha2::{Digest as _, Sha256};
use supervisor_core::{
    alink::{
        codec::{Digest, DigestMethod},
        hex,
    },
    event::FetchFault,
};

use super::vouch::Sealed;

/// What must hold of a file.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    digests: Vec<Digest>,
    sealed: Option<Sealed>,
}

/// The hashes of what has passed: by every method that will be asked for at the end, and always by SHA-256, unless one of them was
/// divided off.
pub(crate) struct Hashes {
    md5: Option<Md5>,
    sha256: Option<Sha256>,
    blake2b: Option<Blake2b512>,
}

impl Wanted {
    pub(crate) fn new(digests: &[Digest], sealed: Option<Sealed>) -> Self {
        Self {
            digests: digests.to_vec(),
            sealed,
        }
    }

    pub(crate) fn is_sealed_by(&self, sealed: Option<&Sealed>) -> bool {
        self.sealed.as_ref() == sealed
    }

    /// Hashes of nothing, by the methods this needs.
    pub(crate) fn begin(&self) -> Hashes {
        let md5 = self
            .digests
            .iter()
            .any(|digest| digest.method() == DigestMethod::Md5);
        Hashes {
            md5: md5.then(Md5::new),
            sha256: Some(Sha256::new()),
            blake2b: self.sealed.as_ref().map(|_| Blake2b512::new()),
        }
    }

    /// The SHA-256 in lower-case hex, or what does not hold: the first digest that is another, else the publisher's signature.
    pub(crate) fn judge(&self, hashes: Hashes) -> Result<String, FetchFault> {
        let other = |method: DigestMethod| FetchFault::OtherDigest {
            method: method.to_string(),
        };
        let sha256 = hashes.sha256.map(Sha256::finalize);
        let md5 = hashes.md5.map(Md5::finalize);
        for wanted in &self.digests {
            let holds = match wanted {
                Digest::Md5(bytes) => md5.as_ref() == Some(bytes),
                Digest::Sha256(bytes) => sha256.as_deref() == Some(bytes.as_slice()),
            };
            if !holds {
                return Err(other(wanted.method()));
            }
        }
        if let Some(sealed) = &self.sealed {
            let digest = hashes.blake2b.map(Blake2b512::finalize);
            if !digest.is_some_and(|digest| sealed.holds(&digest)) {
                let why = "it is not over this image".to_owned();
                return Err(FetchFault::BadSignature { why });
            }
        }
        sha256
            .map(|sha256| hex::encode(&sha256))
            .ok_or_else(|| other(DigestMethod::Sha256))
    }
}

impl Hashes {
    /// Divides off the one that takes longest, if it is asked for, so that it can go on elsewhere.
    pub(crate) fn divide(&mut self) -> Option<Self> {
        let md5 = self.md5.take()?;
        Some(Self {
            md5: Some(md5),
            sha256: None,
            blake2b: None,
        })
    }

    /// Takes back what was divided off.
    pub(crate) fn rejoin(&mut self, divided: Self) {
        self.md5 = divided.md5;
    }

    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(blake2b) = &mut self.blake2b {
            blake2b.update(bytes);
        }
    }
}

impl fmt::Debug for Hashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hashes").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one used for downloads is the quicker of two, and the other one is the judge of it.
    #[test]
    fn both_implementations_of_md5_agree_on_every_length_and_every_division() {
        let bytes: Vec<u8> = (0..4099_u32)
            .map(|it| (it.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let judge = |bytes: &[u8]| <[u8; 16]>::from(<md5::Md5 as md5::Digest>::digest(bytes));
        for length in (0..300).chain([4095, 4096, 4099]) {
            let bytes = &bytes[..length];
            let mut whole = Md5::new();
            whole.update(bytes);
            assert_eq!(whole.finalize(), judge(bytes), "{length}");
        }
        for piece in (1..200).chain([1000, 4096]) {
            let mut pieces = Md5::new();
            for part in bytes.chunks(piece) {
                pieces.update(part);
            }
            assert_eq!(pieces.finalize(), judge(&bytes), "{piece}");
        }
    }

    #[test]
    fn a_digest_that_was_not_made_does_not_hold() {
        let wanted = Wanted::new(&[Digest::Md5([0; 16])], None);
        let mut hashes = wanted.begin();
        assert!(hashes.divide().is_some());
        assert!(matches!(
            wanted.judge(hashes),
            Err(FetchFault::OtherDigest { .. })
        ));
    }
}
