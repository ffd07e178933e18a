//! The platform's own signature over an offer's digest, where its "secure update" is switched on: an offer without it, or with a bad one, is
//! refused before anything is fetched.
//!
//! The keys in `keys` were made with OpenSSL for these tests and open nothing: `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`.

use cloud_emulator::{Carrier, Package, SignMethod, Transport};
use e2e::{Image, Programs, Stand};
use serde_json::json;

use crate::telltale::{Served, Site, telltale};

const SECRET: &str = include_str!("keys/platform-of-the-tests.secret.pem");
const PUBLIC: &str = include_str!("keys/platform-of-the-tests.public.pem");
const SOMEBODY_ELSE: &str = include_str!("keys/somebody-else.public.pem");

const SHORT: &str = include_str!("keys/too-short.public.pem");

const METHODS: [SignMethod; 2] = [SignMethod::Md5, SignMethod::Sha256];

const DOES_NOT_HOLD: &str = "the platform's signature over the digest does not hold";

/// A stand whose device has the platform's key.
fn stand(key: &str) -> Stand {
    let mut stand = Stand::new();
    std::fs::write(stand.path("platform.pem"), key).unwrap();
    stand.set_text("update.digest_sign_key", "platform.pem");
    stand
}

/// A package signed by the publisher and, over this digest, by the platform.
fn vouched(stand: &Stand, image: &Image, method: SignMethod) -> Package {
    Package {
        digest_key: Some(SECRET.to_owned()),
        ..stand.package(image).sign_method(method)
    }
}

#[test]
fn an_offer_the_platform_signed_is_taken_and_any_other_is_refused() {
    let stand = stand(PUBLIC);
    let mut site = Site::with(&stand, "1.0.0");
    for (version, method) in ["1.0.1", "1.0.2"].into_iter().zip(METHODS) {
        let image = telltale(&stand, version);
        let name = |name: &str| format!("{name}, {}", method.name());
        let unsigned = stand.package(&image).sign_method(method);
        let words = "the platform's signature over the digest is missing";
        let served = site.refuses(&name("missing"), unsigned.carrier(Carrier::Url), -3, words);
        assert_eq!(
            served,
            Served::NOTHING,
            "not even the publisher's signature"
        );

        let firmware = stand.upload_as(vouched(&stand, &image, method));
        let good = stand.cloud.offer(&firmware, Transport::Http);
        let text = good["digestsign"].as_str().unwrap();
        let other = stand.upload_as(vouched(&stand, &telltale(&stand, "2.0.0"), method));
        let flipped = if text.starts_with('A') { "B" } else { "A" }.to_owned() + &text[1..];
        for (what, sign, words) in [
            (
                "of another image",
                json!(other.files[0].digest_sign),
                DOES_NOT_HOLD,
            ),
            ("one letter changed", json!(flipped), DOES_NOT_HOLD),
            (
                "cut in its middle",
                json!(text[..text.len() / 8 * 4]),
                DOES_NOT_HOLD,
            ),
            (
                "no Base64",
                json!("!"),
                "the platform's signature over the digest is not Base64",
            ),
            (
                "nothing",
                json!(""),
                "the platform's signature over the digest",
            ),
            ("a number", json!(7), "`digestsign` is 7, not a text"),
        ] {
            let mut offer = good.clone();
            offer["digestsign"] = sign;
            let step = if what == "a number" { -1 } else { -3 };
            let served = site.refuses_offer(&name(what), &offer, step, words);
            assert_eq!(served, Served::NOTHING, "{what}");
        }
        let package = vouched(&stand, &image, method);
        site.takes(&name("good"), package);
    }
}

#[test]
fn it_is_over_the_digest_that_the_offer_announces_first() {
    let stand = stand(PUBLIC);
    let site = Site::with(&stand, "1.0.0");
    let image = telltale(&stand, "1.0.7");
    // With SHA256 announced, an offer may also carry the MD5, and a signature over that says nothing.
    let [by_md5, by_sha256] = METHODS.map(|method| {
        let firmware = stand.upload_as(vouched(&stand, &image, method));
        stand.cloud.offer(&firmware, Transport::Http)
    });
    let mut offer = by_sha256;
    offer["md5"] = by_md5["md5"].clone();
    let good = std::mem::replace(&mut offer["digestsign"], by_md5["digestsign"].clone());
    let served = site.refuses_offer("over the MD5", &offer, -3, DOES_NOT_HOLD);
    assert_eq!(served, Served::NOTHING);
    offer["digestsign"] = good;
    assert!(stand.cloud.push_offer(&stand.device, &offer));
    site.supervisor.await_rest("1.0.7");
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let stand = stand(SOMEBODY_ELSE);
    let site = Site::with(&stand, "1.0.0");
    for method in METHODS {
        let package = vouched(&stand, &telltale(&stand, "1.0.7"), method);
        let served = site.refuses(method.name(), package, -3, DOES_NOT_HOLD);
        assert_eq!(served, Served::NOTHING);
    }
}

#[test]
fn the_platforms_signature_does_not_stand_for_the_publishers() {
    let stand = stand(PUBLIC);
    let site = Site::with(&stand, "1.0.0");
    let package = Package {
        minisig: None,
        ..vouched(&stand, &telltale(&stand, "1.0.7"), SignMethod::Md5)
    };
    let words = "the image has no publisher's signature";
    let served = site.refuses("only the platform's", package, -3, words);
    assert_eq!(served, Served::ONE_SIGNATURE);
}

#[test]
fn a_file_an_operator_brings_has_not_come_from_the_platform_and_needs_none() {
    let stand = stand(PUBLIC);
    let site = Site::with(&stand, "1.0.0");
    let image = telltale(&stand, "1.0.7");
    let text = stand.upload(&image).minisig().unwrap().to_owned();
    std::fs::write(image.path.with_extension("minisig"), text).unwrap();
    let ended = stand.cli(&["update", &Programs::under_test().see(&image.path)]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    site.supervisor.await_rest("1.0.7");
}

#[test]
fn a_key_that_is_none_is_told_when_the_configuration_is_read() {
    for (name, text, words) in [
        ("its secret half", SECRET, "is not a public key in PEM form"),
        ("nothing", "", "is not a public key in PEM form"),
        ("a short one", SHORT, "is not an RSA key of 2048 bits"),
    ] {
        let stand = stand(text);
        let ended = stand.cli(&["check-config"]);
        assert_eq!(ended.code, Some(2), "{name}: {ended:?}");
        assert!(ended.stderr.contains(words), "{name}: {ended:?}");
    }
}
