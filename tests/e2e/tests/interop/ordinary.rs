//! The supervisor with an ordinary broker and an ordinary web server, neither of which knows the platform.

use e2e::{Image, Stand, Supervisor};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::servers::{Observer, Server};

const SIGN_METHOD: &str = "Md5";

/// A stand whose cloud is Mosquitto.
fn stand(broker: &Server) -> Stand {
    let mut stand = Stand::new();
    stand.set("cloud.port", broker.port);
    stand
}

/// The message an operator publishes by hand, with no more than it needs.
fn offer(image: &Image, url: &str) -> Value {
    let bytes = std::fs::read(&image.path).unwrap();
    let sign: String = Md5::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    json!({
        "code": "1000",
        "data": {
            "size": bytes.len(),
            "version": image.version,
            "url": url,
            "sign": sign,
            "signMethod": SIGN_METHOD,
        }
    })
}

/// Starts the supervisor and waits until the broker knows what it wants to hear.
fn run<'s>(stand: &'s Stand, broker: &Server, image: &Image) -> Supervisor<'s> {
    let supervisor = stand.run_with(image);
    broker.log.await_line(&stand.upgrade_topic());
    supervisor
}

/// Puts an image on the web server, and its publisher's signature beside it.
fn serve(folder: &tempfile::TempDir, stand: &Stand, image: &Image) {
    std::fs::copy(&image.path, folder.path().join("firmware.bin")).unwrap();
    let text = stand.upload(image).minisig().unwrap().to_owned();
    std::fs::write(folder.path().join("firmware.bin.minisig"), text).unwrap();
}

#[test]
fn a_message_on_mosquitto_and_a_file_on_nginx_give_the_oven_a_new_version() {
    let folder = tempfile::tempdir().unwrap();
    let (broker, web) = (
        Server::mosquitto(folder.path()),
        Server::nginx(folder.path()),
    );
    let observer = Observer::on(broker.port);
    let stand = stand(&broker);
    let supervisor = run(&stand, &broker, &Image::oven("1.0.0"));
    let informed =
        |version: &'static str| move |payload: &Value| payload["params"]["version"] == version;
    observer.await_on(&stand.inform_topic(), informed("1.0.0"));
    let image = Image::oven("1.0.7");
    serve(&folder, &stand, &image);
    let url = format!("http://127.0.0.1:{}/firmware.bin", web.port);
    observer.publish(&stand.upgrade_topic(), &offer(&image, &url));

    observer.await_on(&stand.inform_topic(), informed("1.0.7"));
    let status = supervisor.await_rest("1.0.7");
    assert_eq!(status["cloud_connections"], 1);
    let reports = observer.heard(&stand.progress_topic());
    let step = |report: &Value| {
        report["params"]["step"]
            .as_str()
            .and_then(|step| step.parse::<i64>().ok())
    };
    let steps: Vec<i64> = reports.iter().map(|report| step(report).unwrap()).collect();
    assert!(steps.is_sorted() && steps.last() == Some(&100), "{steps:?}");
    let posted = stand.sys_topic("thing/event/property/post");
    observer.await_on(&posted, |payload| {
        payload["params"]["firmware_version"]["value"] == "1.0.7"
    });
}

#[test]
fn a_property_is_set_and_a_service_called_through_mosquitto() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Server::mosquitto(folder.path());
    let observer = Observer::on(broker.port);
    let stand = stand(&broker);
    let _supervisor = run(&stand, &broker, &Image::oven("1.0.0"));
    for (topic, id, params) in [
        (
            "thing/service/property/set",
            "71",
            json!({ "target_temperature": 180 }),
        ),
        ("thing/service/start_timer", "72", json!({ "time": 12 })),
    ] {
        let request = json!({ "id": id, "version": "1.0", "params": params });
        observer.publish(&stand.sys_topic(topic), &request);
        let reply = observer.await_on(&stand.sys_topic(&format!("{topic}_reply")), |_| true);
        assert_eq!(
            (&reply["id"], &reply["code"]),
            (&json!(id), &json!(200)),
            "{topic}: {reply}"
        );
    }
}

#[test]
fn a_file_that_is_not_on_nginx_is_told_on_mosquitto() {
    let folder = tempfile::tempdir().unwrap();
    let (broker, web) = (
        Server::mosquitto(folder.path()),
        Server::nginx(folder.path()),
    );
    let observer = Observer::on(broker.port);
    let stand = stand(&broker);
    let supervisor = run(&stand, &broker, &stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    serve(&folder, &stand, &image);
    let file = |name: &str| folder.path().join(name);
    std::fs::rename(file("firmware.bin.minisig"), file("elsewhere.bin.minisig")).unwrap();
    // Nginx has the signature of the one and the image of the other.
    for (name, step, words) in [
        ("elsewhere.bin", "-2", "the firmware server answered 404"),
        (
            "firmware.bin",
            "-3",
            "the image has no publisher's signature",
        ),
    ] {
        let url = format!("http://127.0.0.1:{}/{name}", web.port);
        observer.publish(&stand.upgrade_topic(), &offer(&image, &url));
        let failed = observer.await_on(&stand.progress_topic(), |report| {
            report["params"]["step"] == step
        });
        assert_eq!(failed["params"]["desc"], words);
        supervisor.await_rest("1.0.0");
    }
}

#[test]
fn after_mosquitto_was_restarted_the_version_is_informed_again() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Server::mosquitto(folder.path());
    let port = broker.port;
    let stand = stand(&broker);
    let supervisor = run(&stand, &broker, &stand.good("1.0.0"));
    drop(broker);
    supervisor.await_status("the link is down", |status| status["cloud_up"] == false);
    let broker = Server::again(&mut Server::mosquitto_at(folder.path(), port), port);
    // The broker tells the order in which messages came; nobody could subscribe in time to hear the first.
    broker.log.await_line("Received PUBLISH");
    let log = broker.log.text();
    let first = log
        .lines()
        .find(|line| line.contains("Received PUBLISH"))
        .unwrap();
    assert!(first.contains(&stand.inform_topic()), "{first}");
    assert_eq!(supervisor.await_rest("1.0.0")["cloud_connections"], 2);
}
