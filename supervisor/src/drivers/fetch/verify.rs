//! Verification as a stage of the byte stream.

use blake2::Blake2b512;
use md5::Md5;
use sha2::{Digest as _, Sha256};
use supervisor_core::{
    alink::{
        codec::{Digest, DigestMethod},
        hex,
    },
    event::FetchFault,
};

use super::vouch::Sealed;

/// Hashes what passes, by every method that will be asked for at the end, and always by SHA-256.
#[derive(Debug, Clone)]
pub(crate) struct Verifier {
    wanted: Vec<Digest>,
    md5: Option<Md5>,
    sha256: Sha256,
    sealed: Option<(Sealed, Blake2b512)>,
}

impl Verifier {
    pub(crate) fn new(wanted: &[Digest], sealed: Option<Sealed>) -> Self {
        let md5 = wanted
            .iter()
            .any(|digest| digest.method() == DigestMethod::Md5);
        Self {
            wanted: wanted.to_vec(),
            md5: md5.then(Md5::new),
            sha256: Sha256::new(),
            sealed: sealed.map(|sealed| (sealed, Blake2b512::new())),
        }
    }

    pub(crate) fn is_sealed_by(&self, sealed: Option<&Sealed>) -> bool {
        self.sealed.as_ref().map(|(sealed, _)| sealed) == sealed
    }

    /// Lends the one that takes longest, if it is asked for, so that it can go on elsewhere. Until it is back the others are alone.
    pub(crate) fn lend_md5(&mut self) -> Option<Md5> {
        self.md5.take()
    }

    /// Takes back what was lent.
    pub(crate) fn take_back(&mut self, md5: Option<Md5>) {
        self.md5 = md5;
    }

    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        self.sha256.update(bytes);
        if let Some((_, blake2b)) = &mut self.sealed {
            blake2b.update(bytes);
        }
    }

    /// The SHA-256 in lower-case hex, or what does not hold: the first digest that is another, else the publisher's signature.
    pub(crate) fn end(self) -> Result<String, FetchFault> {
        let sha256 = self.sha256.finalize();
        let md5 = self.md5.map(|md5| <[u8; 16]>::from(md5.finalize()));
        for wanted in &self.wanted {
            let holds = match wanted {
                Digest::Md5(bytes) => md5.as_ref() == Some(bytes),
                Digest::Sha256(bytes) => sha256.as_slice() == bytes,
            };
            if !holds {
                let method = wanted.method().to_string();
                return Err(FetchFault::OtherDigest { method });
            }
        }
        if let Some((sealed, blake2b)) = self.sealed
            && !sealed.holds(&blake2b.finalize())
        {
            let why = "it is not over this image".to_owned();
            return Err(FetchFault::BadSignature { why });
        }
        Ok(hex::encode(&sha256))
    }
}
