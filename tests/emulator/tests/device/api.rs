use cloud_emulator::{Emulator, Options};
use serde_json::{Value, json};

use crate::client::{Device, Got, automatic, emulator, get, oven, request, sys};

const OVEN: &str = "/api/devices/a1Sample001/oven001";

fn url(emulator: &Emulator, path: &str) -> String {
    format!("http://{}{path}", emulator.http_address())
}

async fn ask(emulator: &Emulator, method: &str, path: &str, body: Value) -> Got {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    request(method, &url(emulator, path), &[], body.as_bytes()).await
}

#[tokio::test]
async fn a_device_is_created_watched_and_shut_out_over_http() {
    let emulator = emulator(Options::default());
    let made = ask(&emulator, "PUT", "/api/devices/p2/d2", Value::Null)
        .await
        .json();
    assert_eq!(made["secret"].as_str().unwrap().len(), 32);
    assert_eq!(
        get(&url(&emulator, "/api/devices"), &[])
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let index = get(&url(&emulator, "/api"), &[]).await.json();
    assert_eq!(index["mqtt"], emulator.mqtt_address().to_string());
    let wait = url(
        &emulator,
        &format!("{OVEN}?pointer=/online&equals=true&wait_ms=20000"),
    );
    let options = automatic(&emulator);
    let (online, device) = tokio::join!(get(&wait, &[]), Device::connect(options));
    let mut device = device.unwrap();
    assert_eq!(
        (online.status, &online.json()["online"]),
        (200, &json!(true))
    );
    ask(&emulator, "PATCH", OVEN, json!({"enabled": false})).await;
    device.closed().await;
    let late = get(
        &url(
            &emulator,
            &format!("{OVEN}?pointer=/online&equals=true&wait_ms=10"),
        ),
        &[],
    )
    .await;
    assert_eq!(
        (late.status, &late.json()["last"]["online"]),
        (408, &json!(false))
    );
}

#[tokio::test]
async fn an_upgrade_is_run_over_http() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let image = vec![7u8; 3_000_000];
    let upload = url(
        &emulator,
        "/api/firmware?version=1.1.0&sign_method=SHA256&name=worker.bin",
    );
    let firmware = request("POST", &upload, &[], &image).await.json();
    assert_eq!(
        (&firmware["files"][0]["size"], &firmware["files"][0]["name"]),
        (&json!(3_000_000), &json!("worker.bin"))
    );
    let job = json!({"firmware": firmware["id"], "devices": [{"product_key": "a1Sample001", "device_name": "oven001"}],
        "time_limit_ms": 60000, "retries": 1, "retry_interval_ms": 1000, "tags": {"k": "v"}});
    let job = ask(&emulator, "POST", "/api/jobs", job).await.json();
    assert_eq!(job["tasks"][0]["state"], "NOTIFIED");
    let data = device.json("/ota/device/upgrade/a1Sample001/oven001").await["data"].take();
    assert_eq!(data["extData"], json!({"k": "v"}));
    assert_eq!(get(data["url"].as_str().unwrap(), &[]).await.body, image);
    let path = format!("/api/jobs/{}", job["id"]);
    let wait = url(
        &emulator,
        &format!("{path}?pointer=/tasks/0/state&equals=CANCELED&wait_ms=20000"),
    );
    let cancel = format!("{path}/cancel");
    let (cancelled, _) = tokio::join!(
        get(&wait, &[]),
        ask(&emulator, "POST", &cancel, Value::Null)
    );
    assert_eq!(cancelled.json()["tasks"][0]["state"], "CANCELED");
}

#[tokio::test]
async fn firmware_by_path_is_not_copied() {
    let emulator = emulator(Options::default());
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = ["a.bin", "b.bin"]
        .map(|name| folder.path().join(name))
        .into();
    for path in &paths {
        std::fs::write(path, "x").unwrap();
    }
    let new = json!({"version": "2.0", "paths": paths});
    let firmware = ask(&emulator, "POST", "/api/firmware/by-path", new)
        .await
        .json();
    assert_eq!(
        (&firmware["files"][1]["name"], &firmware["files"][1]["path"]),
        (&json!("b.bin"), &json!(paths[1]))
    );
    assert_eq!(
        get(&url(&emulator, "/api/firmware"), &[])
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn calls_over_http_return_the_devices_answer() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    let answering = async {
        for _ in 0..4 {
            let publish = device.message().await;
            let asked: Value = serde_json::from_slice(&publish.payload).unwrap();
            let topic = match publish.topic.as_str() {
                call if call.contains("rrpc") => call.replace("/rrpc/request/", "/rrpc/response/"),
                other => format!("{other}_reply"),
            };
            device
                .publish(
                    &topic,
                    json!({"id": asked["id"], "code": 200, "data": {"got": asked["params"]}})
                        .to_string(),
                )
                .await;
        }
    };
    let asking = async {
        for path in [
            "properties",
            "services/x",
            "services/x?form=system",
            "services/x?form=custom",
        ] {
            let answer = ask(
                &emulator,
                "POST",
                &format!("{OVEN}/{path}"),
                json!({"a": 1}),
            )
            .await;
            assert_eq!(
                (answer.status, &answer.json()["data"]),
                (200, &json!({"got": {"a": 1}})),
                "{path}"
            );
        }
    };
    tokio::join!(answering, asking);
    let push = ask(&emulator, "POST", &format!("{OVEN}/push"), json!("hostile")).await;
    assert_eq!(push.status, 200);
    assert_eq!(&device.message().await.payload[..], b"\"hostile\"");
    let topic = sys("thing/service/y");
    ask(
        &emulator,
        "POST",
        &format!("{OVEN}/publish?topic={topic}&qos=1"),
        json!({}),
    )
    .await;
    assert_eq!(device.message().await.qos, rumqttc::QoS::AtLeastOnce);
    ask(&emulator, "POST", &format!("{OVEN}/kick"), Value::Null).await;
    device.closed().await;
}

#[tokio::test]
async fn the_journal_can_be_filtered_and_waited_for() {
    let emulator = emulator(Options::default());
    let device = Device::connect(automatic(&emulator)).await.unwrap();
    let wait = url(
        &emulator,
        "/api/journal?topic=/ota/%23&device=oven001&wait_ms=20000",
    );
    let inform = device.publish(
        "/ota/device/inform/a1Sample001/oven001",
        r#"{"id":"1","params":{"version":"1.0.0"}}"#,
    );
    let (journal, ()) = tokio::join!(get(&wait, &[]), inform);
    let journal = journal.json();
    let entry = &journal["entries"][0];
    assert_eq!((&entry["kind"], &entry["qos"]), (&json!("in"), &json!(0)));
    assert!(entry["payload"]["text"].as_str().unwrap().contains("1.0.0"));
    assert!(journal["last"].as_u64() >= entry["seq"].as_u64());
}

#[tokio::test]
async fn faults_are_switched_over_http() {
    let emulator = emulator(Options::default());
    let set = ask(
        &emulator,
        "POST",
        "/api/faults",
        json!({"name": "refuse-login", "n": 5, "count": 1}),
    )
    .await;
    assert_eq!(set.json()[0]["set"], true);
    assert!(Device::connect(automatic(&emulator)).await.is_err());
    let cleared = ask(&emulator, "DELETE", "/api/faults/refuse-login", Value::Null)
        .await
        .json();
    assert_eq!(
        (&cleared[0]["set"], &cleared[0]["struck"]),
        (&json!(false), &json!(1))
    );
}

#[tokio::test]
async fn errors_name_the_thing() {
    let emulator = emulator(Options::default());
    let bad = json!({"firmware": 99, "devices": []});
    for (method, path, body, status, named) in [
        ("GET", "/api/devices/p/nobody", Value::Null, 404, "device"),
        ("GET", "/api/jobs/7", Value::Null, 404, "`7`"),
        ("POST", "/api/jobs", bad, 404, "`99`"),
        (
            "POST",
            "/api/jobs",
            json!({"firmware": 1, "devices": [], "colour": 1}),
            400,
            "colour",
        ),
        (
            "POST",
            "/api/faults",
            json!({"name": "no-such"}),
            400,
            "no-such",
        ),
        ("DELETE", "/api/faults/no-such", Value::Null, 404, "no-such"),
        (
            "POST",
            "/api/firmware?version=../x",
            json!("x"),
            400,
            "../x",
        ),
        (
            "POST",
            "/api/firmware/by-path",
            json!({"version": "1", "paths": ["/no/file"]}),
            400,
            "/no/file",
        ),
        (
            "POST",
            &format!("{OVEN}/properties"),
            json!({"a": 1}),
            409,
            "offline",
        ),
        (
            "POST",
            &format!("{OVEN}/config/push"),
            Value::Null,
            404,
            "a1Sample001",
        ),
        ("GET", "/no/such", Value::Null, 404, "path"),
    ] {
        let got = ask(&emulator, method, path, body).await;
        let error = got.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(
            got.status == status && error.contains(named),
            "{path}: {} {error}",
            got.status
        );
    }
    assert_eq!(emulator.devices(), [oven()]);
}
