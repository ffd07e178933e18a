use cloud_emulator::{Emulator, Options, SigningKey};
use serde_json::{Value, json};

use crate::client::{emulator, request};
use crate::signatures::{IMAGE, beside, offered, text_at};

fn api(emulator: &Emulator, path: &str) -> String {
    format!("http://{}/api/firmware{path}", emulator.http_address())
}

/// The text as it is written into a query; a `+` may stay, as many clients leave it.
fn in_query(text: &str, plus: &str) -> String {
    text.replace('%', "%25")
        .replace('+', plus)
        .replace(' ', "%20")
        .replace('\n', "%0A")
        .replace('\t', "%09")
}

#[tokio::test]
async fn an_uploader_hands_over_the_signature() {
    let emulator = emulator(Options::default());
    let key = SigningKey::generate();
    // Only a signature that has a `+` shows what becomes of it.
    let text = std::iter::repeat_with(|| key.sign(IMAGE, "version:1.1.0\tsize:16").unwrap())
        .find(|text| text.contains('+'))
        .unwrap();
    for plus in ["%2B", "+"] {
        for (carrier, udi) in [
            ("", json!(text)),
            (
                "&carrier=udi-json",
                json!(json!({"minisig": text}).to_string()),
            ),
            ("&carrier=url", Value::Null),
        ] {
            let minisig = in_query(&text, plus);
            let upload = api(
                &emulator,
                &format!("?version=1.1.0&minisig={minisig}{carrier}"),
            );
            let stored = request("POST", &upload, &[], IMAGE).await.json();
            assert_eq!(stored["files"][0]["minisig"], text, "{stored}");
            let data = push_of(&emulator, &stored);
            assert_eq!(data["extData"]["_package_udi"], udi, "{carrier}");
            if udi.is_null() {
                assert_eq!(text_at(&beside(&data["url"])).await, text);
            }
        }
    }
    let wrong = api(&emulator, "?version=1.1.0&carrier=pigeon");
    assert_eq!(request("POST", &wrong, &[], IMAGE).await.status, 400);
}

/// The offer of what the API said it has stored.
fn push_of(emulator: &Emulator, stored: &Value) -> Value {
    let minisig = stored["files"][0]["minisig"].as_str();
    let firmware = emulator
        .set_minisig(stored["id"].as_u64().unwrap(), 0, minisig)
        .unwrap();
    offered(emulator, &firmware)
}

#[tokio::test]
async fn a_signature_beside_a_file_used_where_it_lies_is_found() {
    let emulator = emulator(Options::default());
    let folder = tempfile::tempdir().unwrap();
    let [signed, unsigned] = ["a.bin", "b.bin"].map(|name| folder.path().join(name));
    std::fs::write(&signed, IMAGE).unwrap();
    std::fs::write(&unsigned, IMAGE).unwrap();
    std::fs::write(folder.path().join("a.bin.minisig"), "the text").unwrap();
    let add = async |new: Value| {
        let body = new.to_string();
        request("POST", &api(&emulator, "/by-path"), &[], body.as_bytes()).await
    };
    let found = add(json!({"version": "1.1.0", "paths": [signed]}))
        .await
        .json();
    assert_eq!(found["carrier"], "url");
    let data = push_of(&emulator, &found);
    assert_eq!(text_at(&beside(&data["url"])).await, "the text");

    let both = add(json!({"version": "1.1.0", "paths": [signed, unsigned]}))
        .await
        .json();
    let texts = (&both["files"][0]["minisig"], &both["files"][1]["minisig"]);
    assert_eq!(texts, (&json!("the text"), &Value::Null));

    let carried = json!({"version": "1.1.0", "paths": [signed], "carrier": "udi"});
    let carried = add(carried).await.json();
    assert_eq!(
        push_of(&emulator, &carried)["extData"]["_package_udi"],
        "the text"
    );

    let given = json!({"version": "1.1.0", "paths": [signed], "minisig": "mine"});
    let given = add(given).await.json();
    assert_eq!(
        push_of(&emulator, &given)["extData"]["_package_udi"],
        "mine"
    );

    let none = add(json!({"version": "1.1.0", "paths": [unsigned]}))
        .await
        .json();
    assert_eq!(push_of(&emulator, &none).get("extData"), None);

    std::fs::write(folder.path().join("b.bin.minisig"), b"\xff").unwrap();
    let unreadable = add(json!({"version": "1.1.0", "paths": [unsigned]})).await;
    let error = unreadable.json()["error"].as_str().unwrap().to_owned();
    assert!(
        unreadable.status == 400 && error.contains("b.bin.minisig"),
        "{error}"
    );
}
