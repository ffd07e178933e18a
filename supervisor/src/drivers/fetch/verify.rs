//! Verification as a stage of the byte stream.

use md5::Md5;
use sha2::{Digest as _, Sha256};
use supervisor_core::alink::codec::{Digest, DigestMethod};

/// Hashes what passes, by every method that will be asked for at the end, and always by SHA-256.
#[derive(Debug, Clone)]
pub(crate) struct Verifier {
    wanted: Vec<Digest>,
    md5: Option<Md5>,
    sha256: Sha256,
}

impl Verifier {
    pub(crate) fn new(wanted: &[Digest]) -> Self {
        let md5 = wanted
            .iter()
            .any(|digest| digest.method() == DigestMethod::Md5);
        Self {
            wanted: wanted.to_vec(),
            md5: md5.then(Md5::new),
            sha256: Sha256::new(),
        }
    }

    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        self.sha256.update(bytes);
    }

    /// The SHA-256 in lower-case hex, or the first method whose digest is another than wanted.
    pub(crate) fn end(self) -> Result<String, DigestMethod> {
        let sha256 = self.sha256.finalize();
        let md5 = self.md5.map(|md5| <[u8; 16]>::from(md5.finalize()));
        for wanted in &self.wanted {
            let holds = match wanted {
                Digest::Md5(bytes) => md5.as_ref() == Some(bytes),
                Digest::Sha256(bytes) => sha256.as_slice() == bytes,
            };
            if !holds {
                return Err(wanted.method());
            }
        }
        Ok(sha256.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
