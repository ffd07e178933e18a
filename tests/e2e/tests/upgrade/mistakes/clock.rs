//! A clock that is behind, as a certificate shows it.

use std::{net::TcpListener, sync::Arc};

use e2e::Stand;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, ServerConnection, crypto::ring};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::has;

/// A server for loopback with a certificate that is not valid before the next century: to whoever asks it, it is as if his clock were so far
/// behind. Returns its port, and who vouches for it; the thread ends with the test.
fn server() -> (u16, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&key).unwrap();
    let issuer = Issuer::new(authority, key);
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2100, 1, 1);
    params.not_after = rcgen::date_time_ymd(2200, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut line in listener.incoming().flatten() {
            let mut talk = ServerConnection::new(Arc::clone(&config)).unwrap();
            // Ends with the client's alert.
            let _ = talk.complete_io(&mut line);
        }
    });
    (port, root.pem())
}

#[test]
fn a_certificate_that_is_not_valid_yet() {
    let mut stand = Stand::with_tls();
    let (port, root) = server();
    std::fs::write(stand.path("ca.pem"), root).unwrap();
    stand.set("cloud.port", port);
    let supervisor = stand.run();
    let line = supervisor
        .log
        .await_line("is not valid yet by this device's clock");
    has(
        &line,
        &["set the clock, and have the system keep it right (NTP)"],
    );
    drop(supervisor);
    let doctor = stand.cli(&["doctor"]);
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    has(
        &doctor.stdout,
        &["failed     clock", "failed     tls", "next: set the clock"],
    );
}
