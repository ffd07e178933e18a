//! The way to the broker, and who is let in.

use std::net::TcpListener;

use e2e::{SECRET, Stand};

use super::has;

/// The supervisor must log these words, and `doctor` must say them too, as the same sentence is told everywhere.
#[track_caller]
fn tells(stand: &Stand, words: &[&str]) {
    let supervisor = stand.run();
    let line = supervisor.log.await_line(words[0]);
    has(&line, words);
    let status = supervisor.await_status("it stands in the status", |status| {
        status["cloud_word"]
            .as_str()
            .is_some_and(|word| word.contains(words[0]))
    });
    assert_eq!(status["cloud_up"], false);
    drop(supervisor);
    let doctor = stand.cli(&["doctor"]);
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    has(&doctor.stdout, words);
    assert!(!doctor.stdout.contains(SECRET));
}

#[test]
fn a_wrong_secret_product_key_or_device_name() {
    let mut stand = Stand::new();
    stand.cloud.add_device(&stand.device, "another secret");
    tells(
        &stand,
        &[
            "refused the signature",
            "check product key, device name and secret",
        ],
    );
    stand.set_text("cloud.device_name", "oven002");
    let supervisor = stand.run();
    supervisor.log.await_line("check ");
}

#[test]
fn a_host_that_nobody_knows() {
    let mut stand = Stand::new();
    stand.set_text("cloud.host", "no-such-host.invalid");
    let words = [
        "no such host is known",
        "check `cloud.instance`, `cloud.region` or `cloud.host`",
    ];
    tells(&stand, &words);
}

#[test]
fn a_port_on_which_nothing_listens() {
    let mut stand = Stand::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    stand.set("cloud.port", listener.local_addr().unwrap().port());
    drop(listener);
    tells(
        &stand,
        &["nothing listens on that port", "check `cloud.port`"],
    );
}

#[test]
fn tls_to_a_port_that_does_not_speak_it() {
    let mut stand = Stand::with_tls();
    stand.set("cloud.port", stand.cloud.mqtt_address().port());
    let words = [
        "what answers on that port does not speak TLS",
        "usually 8883",
        "`cloud.tls = \"off\"`",
    ];
    tells(&stand, &words);
}

#[test]
fn plain_words_to_a_port_that_speaks_tls() {
    let mut stand = Stand::with_tls();
    stand.set_text("cloud.tls", "off");
    tells(
        &stand,
        &[
            "does not speak plain MQTT",
            "set `cloud.tls = \"system\"`",
            "usually 1883",
        ],
    );
}

#[test]
fn a_certificate_that_nobody_vouches_for() {
    let stand = Stand::with_tls();
    // The authority of another cloud.
    let other = Stand::with_tls();
    std::fs::copy(other.path("ca.pem"), stand.path("ca.pem")).unwrap();
    let words = [
        "nobody this device trusts vouches",
        "name the authority that made it",
    ];
    tells(&stand, &words);
}

#[test]
fn a_twin_with_the_same_identity() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    for count in 2..=3 {
        assert!(stand.cloud.kick(&stand.device));
        if count == 2 {
            stand.await_device("it is back", |device| device.counters.connects == count);
        }
    }
    let line = supervisor
        .log
        .await_line("another session uses the same device identity");
    has(&line, &["end it, or give each device a name of its own"]);
}
