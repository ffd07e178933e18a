use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use cloud_emulator::{
    Carrier, Claims, Emulator, Fault, FaultName, Firmware, Minisig, Options, Package, PackageError,
    SigningKey, Source, Transport, What,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{LIMIT, emulator, get, request};

const TARGET: &str = "x86_64-unknown-linux-gnu";
pub(crate) const IMAGE: &[u8] = b"the new firmware";

/// What the signature says of this image, once it has proved right; read without the emulator's code.
fn claims(key: &SigningKey, text: &str, image: &[u8]) -> BTreeMap<String, String> {
    let signature = minisign::SignatureBox::from_string(text).unwrap();
    let public = minisign::PublicKey::from_base64(&key.public()).unwrap();
    let image = std::io::Cursor::new(image);
    minisign::verify(&public, &signature, image, true, false, false).unwrap();
    let comment = signature.trusted_comment().unwrap();
    let words = comment
        .split('\t')
        .map(|word| word.split_once(':').unwrap());
    words
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The words without the time.
fn timeless(mut claims: BTreeMap<String, String>) -> BTreeMap<String, String> {
    claims
        .remove("timestamp")
        .expect("each signature tells its time");
    claims
}

fn words<const N: usize>(words: [(&str, &str); N]) -> BTreeMap<String, String> {
    words
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn image() -> Package {
    Package::from_bytes("1.1.0", IMAGE)
}

pub(crate) fn offered(emulator: &Emulator, firmware: &Firmware) -> Value {
    emulator.offer(firmware, Transport::Http)
}

/// Where the signature of the file at this URL is.
pub(crate) fn beside(url: &Value) -> String {
    let (path, query) = url.as_str().unwrap().split_once('?').unwrap();
    format!("{path}.minisig?{query}")
}

/// A signed package at its URL, and where its signature is.
fn at_url(emulator: &Emulator, key: &SigningKey) -> (Firmware, String) {
    let package = image().signed(key, TARGET).carrier(Carrier::Url);
    let firmware = emulator.add_firmware(package).unwrap();
    let url = beside(&offered(emulator, &firmware)["url"]);
    (firmware, url)
}

pub(crate) async fn text_at(url: &str) -> String {
    let got = get(url, &[]).await;
    assert_eq!(got.status, 200, "{}", got.head);
    String::from_utf8(got.body).unwrap()
}

#[tokio::test]
async fn a_signed_package_says_the_truth_about_itself_on_each_way() {
    let emulator = emulator(Options::default());
    let key = SigningKey::generate();
    for carrier in [Carrier::Udi, Carrier::UdiJson, Carrier::Url] {
        let package = image().module("MCU").signed(&key, TARGET).carrier(carrier);
        let firmware = emulator.add_firmware(package).unwrap();
        let offer = offered(&emulator, &firmware);
        let udi = &offer["extData"]["_package_udi"];
        let text = match carrier {
            Carrier::Udi => udi.as_str().unwrap().to_owned(),
            Carrier::UdiJson => {
                let object: Value = serde_json::from_str(udi.as_str().unwrap()).unwrap();
                object["minisig"].as_str().unwrap().to_owned()
            }
            Carrier::Url => text_at(&beside(&offer["url"])).await,
        };
        assert_eq!(firmware.minisig(), Some(text.as_str()));
        assert_eq!(offer.get("extData").is_none(), carrier == Carrier::Url);
        let said = timeless(claims(&key, &text, IMAGE));
        let truth = [
            ("version", "1.1.0"),
            ("target", TARGET),
            ("module", "MCU"),
            ("size", "16"),
        ];
        assert_eq!(said, words(truth), "{carrier:?}");
    }
}

#[tokio::test]
async fn several_files_each_have_their_signature_at_their_url() {
    let emulator = emulator(Options::default());
    let key = SigningKey::generate();
    let package = Package {
        files: vec![
            Source::Bytes("one.bin".into(), b"1".to_vec()),
            Source::Bytes("two bin".into(), b"22".to_vec()),
        ],
        ..image().custom("mine").signed(&key, TARGET)
    };
    let firmware = emulator.add_firmware(package).unwrap();
    let offer = offered(&emulator, &firmware);
    assert_eq!(offer["extData"], json!({"_package_udi": "mine"}));
    for (at, name, bytes) in [(0, "one.bin", &b"1"[..]), (1, "two_bin", b"22")] {
        let file = &offer["files"][at];
        assert_eq!(file["fileName"], name);
        let text = text_at(&beside(&file["fileUrl"])).await;
        let said = timeless(claims(&key, &text, bytes));
        let size = bytes.len().to_string();
        let truth = [
            ("version", "1.1.0"),
            ("target", TARGET),
            ("module", "default"),
            ("size", size.as_str()),
            ("file", name),
            ("files", "2"),
        ];
        assert_eq!(said, words(truth));
    }
}

#[test]
fn a_key_can_sign_what_is_not_true() {
    let emulator = emulator(Options::default());
    let key = SigningKey::generate();
    let claimed = Claims::of("riscv64gc-unknown-linux-gnu")
        .saying("version", "9.9.9")
        .saying("size", 17)
        .saying("colour", "blue")
        .without("module");
    let firmware = emulator
        .add_firmware(image().claimed(&key, claimed))
        .unwrap();
    let said = timeless(claims(&key, firmware.minisig().unwrap(), IMAGE));
    let untruth = [
        ("version", "9.9.9"),
        ("target", "riscv64gc-unknown-linux-gnu"),
        ("size", "17"),
        ("colour", "blue"),
    ];
    assert_eq!(said, words(untruth));
}

#[tokio::test]
async fn the_query_that_opens_the_file_opens_its_signature_and_no_other_does() {
    let key = SigningKey::generate();
    let running = emulator(Options::default());
    let (_, url) = at_url(&running, &key);
    let (_, other) = at_url(&running, &key);
    let head = request("HEAD", &url, &[], b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(request("POST", &url, &[], b"").await.status, 405);
    let (path, query) = url.split_once('?').unwrap();
    let (other_path, _) = other.split_once('?').unwrap();
    let longer = query.replace("Expires=", "Expires=9");
    for closed in [
        path.to_owned(),
        format!("{path}?{longer}"),
        format!("{other_path}?{query}"),
    ] {
        assert_eq!(get(&closed, &[]).await.status, 403, "{closed}");
    }
    let over = emulator(Options {
        url_lifetime: std::time::Duration::ZERO,
        ..Options::default()
    });
    let (_, url) = at_url(&over, &key);
    assert_eq!(get(&url, &[]).await.status, 403);
}

#[tokio::test]
async fn a_signature_that_travels_in_the_offer_is_not_at_the_url() {
    let emulator = emulator(Options::default());
    let signed = image().signed(&SigningKey::generate(), TARGET);
    for package in [image(), signed.clone(), signed.carrier(Carrier::UdiJson)] {
        let firmware = emulator.add_firmware(package).unwrap();
        let url = beside(&offered(&emulator, &firmware)["url"]);
        assert_eq!(get(&url, &[]).await.status, 404);
    }
}

#[tokio::test]
async fn any_text_can_stand_in_for_a_signature_and_none_can() {
    let emulator = emulator(Options::default());
    let (firmware, url) = at_url(&emulator, &SigningKey::generate());
    let tampered = firmware.minisig().unwrap().replace("1.1.0", "1.1.1");
    let changed = emulator.set_minisig(firmware.id, 0, Some(&tampered));
    assert_eq!(changed.unwrap().minisig(), Some(tampered.as_str()));
    assert_eq!(text_at(&url).await, tampered);
    assert!(emulator.set_minisig(firmware.id, 0, None).is_some());
    assert_eq!(get(&url, &[]).await.status, 404);
    assert_eq!(emulator.set_minisig(firmware.id, 1, None), None);
    assert_eq!(emulator.set_minisig(99, 0, None), None);
    let given = emulator.add_firmware(image().minisig("hello")).unwrap();
    let udi = offered(&emulator, &given)["extData"]["_package_udi"].take();
    assert_eq!(udi, "hello");
    let changed = emulator.set_minisig(given.id, 0, Some("other")).unwrap();
    let udi = offered(&emulator, &changed)["extData"]["_package_udi"].take();
    assert_eq!(udi, "other");
}

#[test]
fn a_custom_text_that_cannot_carry_the_signature_is_refused() {
    let emulator = emulator(Options::default());
    let signed = |custom: &str| {
        image()
            .custom(custom)
            .signed(&SigningKey::generate(), TARGET)
    };
    let taken = emulator.add_firmware(signed("mine"));
    assert!(matches!(taken, Err(PackageError::CustomTaken)), "{taken:?}");
    let beside = emulator
        .add_firmware(signed(r#"{"k": 1}"#).carrier(Carrier::UdiJson))
        .unwrap();
    assert!(
        beside
            .package_udi()
            .unwrap()
            .starts_with(r#"{"k":1,"minisig":"#)
    );
    let long = emulator.add_firmware(image().minisig("x".repeat(4097)));
    assert!(matches!(long, Err(PackageError::Custom(4097))), "{long:?}");
    let too_many = Package {
        minisig: Some(Minisig::Given(vec![None, None])),
        ..image()
    };
    let too_many = emulator.add_firmware(too_many);
    assert!(
        matches!(too_many, Err(PackageError::Minisigs { texts: 2, files: 1 })),
        "{too_many:?}"
    );
}

#[tokio::test]
async fn the_journal_keeps_signatures_apart_from_files() {
    let emulator = emulator(Options::default());
    let (firmware, url) = at_url(&emulator, &SigningKey::generate());
    text_at(&url).await;
    get(offered(&emulator, &firmware)["url"].as_str().unwrap(), &[]).await;
    let sent = |entry: &cloud_emulator::Entry| matches!(entry.what, What::Sent { .. });
    emulator
        .wait_for_entry(0, LIMIT, "the end of the file", sent)
        .await
        .unwrap();
    let file = format!("/firmware/{}/0/firmware.bin", firmware.id);
    let told: Vec<What> = emulator
        .journal()
        .into_iter()
        .map(|entry| entry.what)
        .collect();
    let expected = [
        What::Minisig {
            path: format!("{file}.minisig"),
            status: 200,
            tls: false,
        },
        What::Request {
            path: file.clone(),
            range: None,
            status: 200,
            tls: false,
        },
        What::Sent {
            path: file,
            bytes: 16,
            whole: true,
        },
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_file_may_itself_be_called_a_signature() {
    let emulator = emulator(Options::default());
    let package = Package {
        files: vec![Source::Bytes("a.minisig".into(), IMAGE.to_vec())],
        ..image().minisig("its own").carrier(Carrier::Url)
    };
    let firmware = emulator.add_firmware(package).unwrap();
    let url = offered(&emulator, &firmware)["url"].take();
    assert_eq!(get(url.as_str().unwrap(), &[]).await.body, IMAGE);
    assert_eq!(text_at(&beside(&url)).await, "its own");
}

#[tokio::test]
async fn faults_of_signatures_strike_signatures_only() {
    let emulator = emulator(Options::default());
    let key = SigningKey::generate();
    let (firmware, url) = at_url(&emulator, &key);
    let text = firmware.minisig().unwrap();
    for name in [
        FaultName::MinisigMissing,
        FaultName::MinisigGarbled,
        FaultName::MinisigLonger,
        FaultName::MinisigErrorThenOk,
    ] {
        emulator.fault(Fault::new(name).times(1));
        let file = offered(&emulator, &firmware)["url"].take();
        assert_eq!(get(file.as_str().unwrap(), &[]).await.body, IMAGE);
        let got = get(&url, &[]).await;
        let body = String::from_utf8(got.body).unwrap();
        match name {
            FaultName::MinisigMissing => assert_eq!(got.status, 404),
            FaultName::MinisigErrorThenOk => assert_eq!(got.status, 503),
            FaultName::MinisigLonger => {
                assert_eq!(body.len(), text.len() + 1024 * 1024);
                assert!(body.starts_with(text));
            }
            _ => {
                let signature = minisign::SignatureBox::from_string(&body).unwrap();
                let public = minisign::PublicKey::from_base64(&key.public()).unwrap();
                assert_eq!(signature.keynum(), public.keynum());
                let image = std::io::Cursor::new(IMAGE);
                minisign::verify(&public, &signature, image, true, false, false).unwrap_err();
            }
        }
        assert_eq!(text_at(&url).await, text, "{name} has passed");
        assert_eq!(emulator.struck(name), 1);
    }
}

#[tokio::test]
async fn faults_of_files_leave_signatures_alone() {
    let emulator = emulator(Options::default());
    let (firmware, url) = at_url(&emulator, &SigningKey::generate());
    for name in [
        FaultName::ServerErrorThenOk,
        FaultName::UrlExpired,
        FaultName::Redirect,
        FaultName::DropAfterBytes,
        FaultName::FlipOneBit,
        FaultName::Stall,
    ] {
        emulator.fault(Fault::new(name).n(1));
    }
    assert_eq!(Some(text_at(&url).await.as_str()), firmware.minisig());
    assert!(emulator.faults().iter().all(|fault| fault.struck == 0));
}

#[tokio::test]
async fn a_stalled_signature_comes_when_the_fault_is_cleared() {
    let emulator = emulator(Options::default());
    let (firmware, url) = at_url(&emulator, &SigningKey::generate());
    emulator.fault(Fault::new(FaultName::MinisigStall));
    let target = url
        .strip_prefix(&format!("http://{}", emulator.firmware_address()))
        .unwrap();
    let mut socket = tokio::net::TcpStream::connect(emulator.firmware_address())
        .await
        .unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        assert_ne!(socket.read_buf(&mut answer).await.unwrap(), 0);
    }
    emulator.clear_fault(FaultName::MinisigStall);
    let mut body = String::new();
    socket.read_to_string(&mut body).await.unwrap();
    assert_eq!(Some(body.as_str()), firmware.minisig());
}

#[test]
fn stock_minisign_agrees_with_what_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate();
    let emulator = emulator(Options::default());
    let firmware = emulator.add_firmware(image().signed(&key, TARGET)).unwrap();
    let text = firmware.minisig().unwrap();
    let said = claims(&key, text, IMAGE);
    let (file, signature) = (folder.path().join("image"), folder.path().join("signature"));
    std::fs::write(&file, IMAGE).unwrap();
    std::fs::write(&signature, text).unwrap();
    let mut stock = Command::new("minisign");
    stock
        .args(["-V", "-Q", "-P", &key.public(), "-m"])
        .arg(&file)
        .arg("-x")
        .arg(&signature);
    match stock.stdin(Stdio::null()).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("there is no stock minisign here: only the `minisign` crate has verified it");
        }
        done => {
            let done = done.unwrap();
            let printed = String::from_utf8(done.stdout).unwrap();
            assert!(
                done.status.success(),
                "{printed}{}",
                String::from_utf8_lossy(&done.stderr)
            );
            let words = printed
                .trim_end()
                .split('\t')
                .map(|word| word.split_once(':').unwrap());
            let words = words.map(|(key, value)| (key.to_owned(), value.to_owned()));
            assert_eq!(words.collect::<BTreeMap<_, _>>(), said);
        }
    }
}
