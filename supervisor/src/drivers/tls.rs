//! Who is trusted: one explicit TLS configuration for both clients, with the `ring` provider.
//!
//! The system's certificates are read only when a TLS connection is about to be made, as they are some two hundred kilobytes which a
//! device on a plain network should not pay for.

use std::{fs, io, path::PathBuf, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::config::Trust;

/// Why there is nobody to trust.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// The file cannot be read.
    #[error("the certificate file `{0}` cannot be read")]
    File(PathBuf, #[source] io::Error),
    /// The file holds no certificate.
    #[error("the certificate file `{0}` holds no PEM certificate that can be used")]
    Empty(PathBuf),
    /// The system has none.
    #[error("the system has no certificates it trusts; install them or name a file with `ca`")]
    System,
    /// The library refuses.
    #[error("TLS cannot be set up")]
    Library(#[from] rustls::Error),
}

/// What the clients need to check a server that this trust vouches for.
pub(crate) fn client(trust: &Trust) -> Result<ClientConfig, TrustError> {
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::System => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(TrustError::System);
            }
        }
        Trust::File(path) => {
            let pem = fs::read(path).map_err(|why| TrustError::File(path.clone(), why))?;
            roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
            if roots.is_empty() {
                return Err(TrustError::Empty(path.clone()));
            }
        }
    }
    with(roots)
}

/// What a client needs that will never speak TLS: it trusts nobody.
pub(crate) fn nobody() -> Result<ClientConfig, TrustError> {
    with(RootCertStore::empty())
}

fn with(roots: RootCertStore) -> Result<ClientConfig, TrustError> {
    Ok(
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_file_that_is_missing_or_holds_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let missing = client(&Trust::File(path.clone())).unwrap_err();
        assert!(missing.to_string().contains("ca.pem"), "{missing}");
        fs::write(&path, "no certificate\n").unwrap();
        let empty = client(&Trust::File(path)).unwrap_err();
        assert!(matches!(empty, TrustError::Empty(_)), "{empty}");
    }
}
