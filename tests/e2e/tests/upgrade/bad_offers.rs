//! Offers that must not be taken: each is refused with plain words, and the old worker never stops.

use cloud_emulator::Transport;
use e2e::{Stand, Supervisor};
use serde_json::{Value, json};

/// The longest description of a step that the platform takes, in characters (document 89307).
const LONGEST_DESCRIPTION: usize = 128;

/// Pushes what `spoil` made of a good offer. It must be refused with a failed step and these words: the whole sentence stands in `status`,
/// the cloud is told as much of it as it takes.
#[track_caller]
fn refused(supervisor: &Supervisor<'_>, stand: &Stand, name: &str, offer: &Value, words: &str) {
    let state = stand.cloud.device_state(&stand.device).unwrap();
    let before = state.progress.len();
    assert!(stand.cloud.push_offer(&stand.device, offer), "{name}");
    let what = format!("{name} is refused");
    let device = stand.await_device(&what, |device| device.progress.len() > before);
    let report = &device.progress[before];
    assert_eq!(report.step, "-1", "{name}: {report:?}");
    let status = supervisor.status();
    let whole = status["last_refusal"].as_str().unwrap_or_default();
    assert!(whole.contains(words), "{name}: no `{words}` in `{whole}`");
    let told: String = whole
        .trim_start_matches("an offer was refused: ")
        .chars()
        .take(LONGEST_DESCRIPTION)
        .collect();
    assert_eq!(report.description, told, "{name}");
}

#[test]
fn an_offer_that_cannot_be_taken_is_refused_with_the_reason_and_the_worker_goes_on() {
    let mut stand = Stand::new();
    stand.set("update.largest_image_bytes", 100_000_000_000_u64);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    let firmware = stand.upload(&stand.good("1.0.7"));
    let good = stand.cloud.offer(&firmware, Transport::Http);
    let with = |name: &str, field: &str, value: Value, words: &str| {
        let mut offer = good.clone();
        offer[field] = value;
        refused(&supervisor, &stand, name, &offer, words);
    };
    let without = |field: &str| {
        let mut offer = good.clone();
        offer.as_object_mut().unwrap().remove(field);
        let words = format!("`{field}` is missing");
        refused(&supervisor, &stand, &format!("no {field}"), &offer, &words);
    };

    for field in ["version", "size", "url", "signMethod"] {
        without(field);
    }
    with(
        "a size that is a text",
        "size",
        json!("12"),
        "`size` is the text `12`",
    );
    with(
        "a size that is a list",
        "size",
        json!([1]),
        "`size` is a list",
    );
    with(
        "a size with a fraction",
        "size",
        json!(1.5),
        "`size` is 1.5",
    );
    with(
        "a version that is a number",
        "version",
        json!(1.0),
        "`version` is 1.0, not a text",
    );
    with(
        "an address that is a number",
        "url",
        json!(7),
        "`url` is 7, not a text",
    );
    with("a digest that is a number", "sign", json!(7), "`sign` is 7");
    with(
        "size 0",
        "size",
        json!(0),
        "`size` is 0, not a whole number of bytes above 0",
    );
    with(
        "a negative size",
        "size",
        json!(-1),
        "`size` is -1, not a whole number of bytes above 0",
    );
    with(
        "a digest that is too short",
        "sign",
        json!("abc123"),
        "not the 32 hexadecimal digits of Md5",
    );
    with(
        "a digest that is no hexadecimal",
        "sign",
        json!("z".repeat(32)),
        "not the 32 hexadecimal digits of Md5",
    );
    with(
        "MD5 said to be SHA256",
        "signMethod",
        json!("SHA256"),
        "not the 64 hexadecimal digits of SHA256",
    );
    with(
        "an unknown method",
        "signMethod",
        json!("CRC32"),
        "`signMethod` is `CRC32`, neither Md5 nor SHA256",
    );
    with(
        "a file",
        "url",
        json!("file:///etc/passwd"),
        "`url` has the scheme `file`, neither http nor https",
    );
    with(
        "FTP",
        "url",
        json!("ftp://127.0.0.1/x"),
        "`url` has the scheme `ftp`, neither http nor https",
    );
    with(
        "a relative address",
        "url",
        json!("/firmware.bin"),
        "not an absolute address",
    );
    with(
        "an empty version",
        "version",
        json!(""),
        "the version is empty",
    );
    with(
        "a version of 65 characters",
        "version",
        json!("1".repeat(65)),
        "has 65 characters, at most 64 are allowed",
    );
    with(
        "a version that leads elsewhere",
        "version",
        json!("../../x"),
        "the version `../../x` holds `/`",
    );
    with(
        "a version of dots",
        "version",
        json!(".."),
        "the version `..` is nothing but dots",
    );
    with(
        "a version with a backslash",
        "version",
        json!("1\\2"),
        "holds `\\`",
    );
    with("a delta", "isDiff", json!(1), "it is a delta package");

    let status = supervisor.await_rest("1.0.0");
    assert_eq!(status["workers"][0]["pid"], worker);
    assert!(
        status["last_refusal"].as_str().unwrap().contains("delta"),
        "{status}"
    );
    assert!(!stand.path("x").exists() && !stand.path("state/x").exists());
    assert_eq!(
        stand
            .cloud
            .device_state(&stand.device)
            .unwrap()
            .counters
            .connects,
        1
    );
}

#[test]
fn a_message_that_is_no_offer_at_all_is_told_in_status_and_blames_nobody() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    for (name, payload, words) in [
        (
            "not JSON",
            "not json".to_owned(),
            "the payload is not readable JSON",
        ),
        ("nothing", String::new(), "the payload is not readable JSON"),
        (
            "cut JSON",
            r#"{"code":"1000","data":{"size":1"#.to_owned(),
            "the payload is not readable JSON",
        ),
        (
            "a list",
            "[1]".to_owned(),
            "the payload is a list, not an object",
        ),
        ("no code", "{}".to_owned(), "`code` is missing"),
        (
            "data that is a text",
            r#"{"code":"1000","data":"x"}"#.to_owned(),
            "`data` is the text `x`",
        ),
        (
            "a deep nest",
            "[".repeat(100_000),
            "the payload is not readable JSON",
        ),
    ] {
        let mark = supervisor.log.position();
        assert!(stand.cloud.push_raw(&stand.device, payload), "{name}");
        supervisor.log.await_line_after(mark, words);
        let status = supervisor.status();
        assert!(
            status["last_refusal"].as_str().unwrap().contains(words),
            "{name}: {status}"
        );
    }
    assert_eq!(supervisor.await_rest("1.0.0")["workers"][0]["pid"], worker);
    assert_eq!(stand.steps(), [0; 0]);
}

#[test]
fn a_size_beyond_32_bits_is_a_size_and_one_over_the_limit_is_refused() {
    let mut stand = Stand::new();
    stand.set("update.largest_image_bytes", 10_000_000_000_u64);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    let beyond = image.size() + (1_u64 << 32);
    let firmware = stand.upload_as(stand.claiming(&image, "size", beyond));
    let good = stand.cloud.offer(&firmware, Transport::Http);
    let mut offer = good;
    offer["size"] = json!(10_000_000_001_u64);
    let words = "at most 10000000000 bytes are allowed";
    refused(&supervisor, &stand, "over the limit", &offer, words);
    // Below the limit it is taken up, and found to be shorter than that on the server: 2^32 is no border.
    offer["size"] = json!(beyond);
    stand.cloud.push_offer(&stand.device, &offer);
    let device = stand.await_device("it fails as a download", |device| {
        device.progress.iter().any(|report| report.step == "-2")
    });
    let words = &device.progress.last().unwrap().description;
    assert_eq!(
        *words,
        format!(
            "the image ended after {} of {} bytes",
            firmware.files[0].size, offer["size"]
        )
    );
    supervisor.await_rest("1.0.0");
}

#[test]
fn plain_http_is_refused_unless_the_configuration_allows_it() {
    let mut stand = Stand::new();
    stand.set("update.allow_http", false);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    stand.offer(&stand.good("1.0.7"));
    let device = stand.await_task(cloud_emulator::TaskState::Failed);
    let task = device.task().unwrap();
    assert_eq!(task.step, Some(-1));
    assert!(
        task.description
            .contains("`url` is plain http, and only https is allowed"),
        "{task:?}"
    );
    assert_eq!(supervisor.await_rest("1.0.0")["workers"][0]["pid"], worker);
}
