use std::time::Duration;

use cloud_emulator::{Fault, FaultName, Options, What};
use rumqttc::{ConnectReturnCode, ConnectionError};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Device, LIMIT, PASSWORD, automatic, emulator, explicit, options, oven};

async fn refusal(options: rumqttc::MqttOptions) -> ConnectReturnCode {
    match Device::connect(options).await {
        Err(ConnectionError::ConnectionRefused(code)) => code,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the login was accepted"),
    }
}

#[tokio::test]
async fn a_signed_login_is_accepted_and_seen_as_online() {
    let emulator = emulator(Options::default());
    let _device = Device::connect(automatic(&emulator)).await.unwrap();
    let state = emulator
        .wait_until(&oven(), LIMIT, "online", |state| state.online)
        .await
        .unwrap();
    assert_eq!(state.counters.connects, 1);
}

#[tokio::test]
async fn each_bad_login_gets_its_code() {
    let emulator = emulator(Options::default());
    let mut wrong = automatic(&emulator);
    wrong.set_credentials("oven001&a1Sample001", "00");
    assert_eq!(refusal(wrong).await, ConnectReturnCode::BadUserNamePassword);
    let mut stranger = automatic(&emulator);
    stranger.set_credentials("nobody&a1Sample001", PASSWORD);
    assert_eq!(refusal(stranger).await, ConnectReturnCode::NotAuthorized);
    assert_eq!(
        refusal(options(&emulator, "no bars at all")).await,
        ConnectReturnCode::BadClientId
    );
    let mut hasty = automatic(&emulator);
    hasty.set_keep_alive(Duration::from_secs(5));
    assert_eq!(refusal(hasty).await, ConnectReturnCode::ServiceUnavailable);
    let mut lazy = automatic(&emulator);
    lazy.set_keep_alive(Duration::from_secs(1201));
    assert_eq!(refusal(lazy).await, ConnectReturnCode::ServiceUnavailable);
    emulator.enable_device(&oven(), false);
    assert_eq!(
        refusal(automatic(&emulator)).await,
        ConnectReturnCode::NotAuthorized
    );
    let refused = emulator
        .journal()
        .iter()
        .filter(|entry| matches!(entry.what, What::Refuse { .. }))
        .count();
    assert_eq!(refused, 6);
}

#[tokio::test]
async fn a_long_keepalive_can_be_lowered_instead_of_refused() {
    let emulator = emulator(Options {
        clamp_long_keepalive: true,
        ..Options::default()
    });
    let mut lazy = automatic(&emulator);
    lazy.set_keep_alive(Duration::from_secs(2000));
    let _device = Device::connect(lazy).await.unwrap();
    assert!(emulator.journal().iter().any(|entry| matches!(
        entry.what,
        What::Connect {
            keepalive: 1200,
            ..
        }
    )));
}

#[tokio::test]
async fn a_login_can_be_refused_on_demand_with_any_code() {
    let emulator = emulator(Options::default());
    emulator.fault(Fault::new(FaultName::RefuseLogin).n(5).times(1));
    assert_eq!(
        refusal(automatic(&emulator)).await,
        ConnectReturnCode::NotAuthorized
    );
    Device::connect(automatic(&emulator)).await.unwrap();
    assert_eq!(emulator.struck(FaultName::RefuseLogin), 1);
}

#[tokio::test]
async fn another_protocol_is_told_so() {
    let emulator = emulator(Options::default());
    let mut socket = tokio::net::TcpStream::connect(emulator.mqtt_address())
        .await
        .unwrap();
    // A CONNECT of MQTT 3.1, whose protocol name is MQIsdp.
    socket
        .write_all(b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01x")
        .await
        .unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, [0x20, 2, 0, 1]);
}

#[tokio::test]
async fn garbage_instead_of_a_connect_closes_the_socket() {
    let emulator = emulator(Options::default());
    for garbage in [
        &[b'G'; 200][..],
        b"\x00\x00",
        b"\x30\x03\x00\x01x",
        b"\x10\xff\xff\xff\xff\x7f",
    ] {
        let mut socket = tokio::net::TcpStream::connect(emulator.mqtt_address())
            .await
            .unwrap();
        socket.write_all(garbage).await.unwrap();
        let mut answer = Vec::new();
        // Closed with or without a reset: unread bytes make the difference.
        let _ = tokio::time::timeout(LIMIT, socket.read_to_end(&mut answer))
            .await
            .expect("the socket stayed open");
        assert!(
            answer.is_empty(),
            "{garbage:?} was answered with {answer:?}"
        );
    }
}

#[tokio::test]
async fn tls_works_with_the_emulators_authority() {
    let emulator = emulator(Options::with_tls());
    let mut roots = rustls::RootCertStore::empty();
    let pem = emulator.ca_pem().unwrap();
    roots
        .add(rustls_pki_types::pem::PemObject::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    let config = rustls::ClientConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(roots)
    .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    for name in ["localhost", "127.0.0.1"] {
        let socket = tokio::net::TcpStream::connect(emulator.mqtts_address().unwrap())
            .await
            .unwrap();
        let mut stream = connector
            .connect(name.try_into().unwrap(), socket)
            .await
            .unwrap();
        let mut connect = rumqttc::Connect::new(
            "a1Sample001.oven001|timestamp=2524608000000,signmethod=hmacsha256|",
        );
        connect.keep_alive = 60;
        connect.set_login("oven001&a1Sample001", PASSWORD);
        let mut bytes = bytes::BytesMut::new();
        connect.write(&mut bytes).unwrap();
        stream.write_all(&bytes).await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, [0x20, 2, 0, 0]);
    }
    assert!(
        emulator
            .journal()
            .iter()
            .any(|entry| matches!(entry.what, What::Connect { tls: true, .. }))
    );
}

/// Signed with `productSecret0001` over `deviceNameoven001productKeya1Sample001random123456`.
const REGISTRATION: &str = "7b13bfee063728e525c9cba458355fc01cc993095ecd864c5012f3995f3232c5";

async fn register(
    emulator: &cloud_emulator::Emulator,
    how: &str,
) -> Result<Value, ConnectionError> {
    let id = format!(
        "oven001.a1Sample001|random=123456,authType={how},securemode=2,signmethod=hmacsha256|"
    );
    let mut options = options(emulator, &id);
    options.set_credentials("oven001&a1Sample001", REGISTRATION);
    let mut visitor = Device::connect(options).await?;
    let topic = if how == "register" {
        "/ext/register"
    } else {
        "/ext/regnwl"
    };
    Ok(visitor.json(topic).await)
}

#[tokio::test]
async fn a_device_is_told_its_secret_for_the_products() {
    let emulator = emulator(Options::default());
    assert!(
        register(&emulator, "register").await.is_err(),
        "registration is off until the product has a secret"
    );
    emulator.add_product("a1Sample001", Some("productSecret0001"));
    let answer = register(&emulator, "register").await.unwrap();
    assert_eq!(answer["deviceSecret"], crate::client::SECRET);
    assert_eq!(answer["deviceName"], "oven001");
    emulator.add_product("a1Sample001", Some("another"));
    let refused = register(&emulator, "register").await;
    assert!(matches!(
        refused,
        Err(ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword
        ))
    ));
}

#[tokio::test]
async fn an_unlisted_device_gets_a_token_and_logs_in_with_it() {
    let emulator = cloud_emulator::Emulator::start(Options::default()).unwrap();
    emulator.add_product("a1Sample001", Some("productSecret0001"));
    let answer = register(&emulator, "regnwl").await.unwrap();
    let client = answer["clientId"].as_str().unwrap();
    let id = format!("{client}|authType=connwl,securemode=-2,_ss=1,ext=3|");
    let mut login = options(&emulator, &id);
    login.set_credentials(
        "oven001&a1Sample001",
        answer["deviceToken"].as_str().unwrap(),
    );
    Device::connect(login.clone()).await.unwrap();
    login.set_credentials("oven001&a1Sample001", "another token");
    assert_eq!(refusal(login).await, ConnectReturnCode::BadUserNamePassword);
}

#[tokio::test]
async fn dropping_the_emulator_closes_the_connections() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(explicit(&emulator)).await.unwrap();
    let address = emulator.mqtt_address();
    emulator
        .add_firmware(cloud_emulator::Package::from_bytes("1", "x"))
        .unwrap();
    let folder = emulator.folder().to_owned();
    assert!(folder.exists());
    drop(emulator);
    device.closed().await;
    assert!(!folder.exists());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
