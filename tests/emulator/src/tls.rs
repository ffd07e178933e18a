//! A certificate authority that lives as long as the emulator or its state folder, and a server certificate for loopback.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;

/// What the TLS listeners use, and what clients must trust.
pub(crate) struct Identity {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) ca_pem: String,
}

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The certificate itself.
    #[error("certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
    /// One that was kept.
    #[error("certificate cannot be read")]
    Kept(#[from] rustls_pki_types::pem::Error),
    /// Its use in TLS.
    #[error("certificate cannot be used")]
    Tls(#[from] rustls::Error),
}

/// A certificate authority and what it has certified, as PEM texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Certificates {
    ca: String,
    server: String,
    server_key: String,
}

impl Certificates {
    /// Makes a new authority, and a server's certificate for `localhost` and this address.
    pub(crate) fn make(host: IpAddr) -> Result<Self, CertificateError> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority
            .distinguished_name
            .push(DnType::CommonName, "cloud-emulator authority");
        let authority_key = KeyPair::generate()?;
        let root = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);

        let mut server = CertificateParams::new(vec![
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            host.to_string(),
        ])?;
        server
            .distinguished_name
            .push(DnType::CommonName, "cloud-emulator");
        server.use_authority_key_identifier_extension = true;
        let server_key = KeyPair::generate()?;
        let certificate = server.signed_by(&server_key, &issuer)?;
        Ok(Self {
            ca: root.pem(),
            server: certificate.pem(),
            server_key: server_key.serialize_pem(),
        })
    }
}

impl Identity {
    /// What the TLS listeners use, with these certificates.
    pub(crate) fn of(certificates: &Certificates) -> Result<Self, CertificateError> {
        let read = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes());
        let chain = vec![read(&certificates.server)?, read(&certificates.ca)?];
        let key = PrivateKeyDer::from_pem_slice(certificates.server_key.as_bytes())?;
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(chain, key)?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            ca_pem: certificates.ca.clone(),
        })
    }
}
