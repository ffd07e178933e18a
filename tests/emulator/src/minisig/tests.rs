use super::*;

const TARGET: &str = "aarch64-unknown-linux-gnu";

fn file(name: &str) -> StoredFile {
    StoredFile {
        name: name.to_owned(),
        size: 123,
        sign: String::new(),
        digest_sign: None,
        minisig: None,
        path: "nowhere".into(),
    }
}

/// The words behind the time, which is another one each day.
fn words(claims: &Claims, of: usize) -> String {
    let comment = claims.comment("1.0.7", "default", &file("a.bin"), of);
    let (time, rest) = comment.split_once('\t').unwrap();
    let seconds: u64 = time.strip_prefix("timestamp:").unwrap().parse().unwrap();
    assert!(seconds > 1_700_000_000, "{time} is seconds since 1970");
    rest.to_owned()
}

#[test]
fn claims_say_the_truth_in_words_parted_by_tabs() {
    let claims = Claims::of(TARGET);
    let one = "version:1.0.7\ttarget:aarch64-unknown-linux-gnu\tmodule:default\tsize:123";
    assert_eq!(words(&claims, 1), one);
    assert_eq!(words(&claims, 3), format!("{one}\tfile:a.bin\tfiles:3"));
}

#[test]
fn a_word_can_be_made_untrue_be_left_out_or_be_added() {
    let claims = Claims::of(TARGET)
        .saying("version", "9.9.9")
        .without("module")
        .saying("size", 5)
        .saying("colour", "blue")
        .without("scent");
    let expected = "version:9.9.9\ttarget:aarch64-unknown-linux-gnu\tsize:5\tcolour:blue";
    assert_eq!(words(&claims, 1), expected);
}

fn firmware(carrier: Carrier, custom: Option<&str>, minisig: Option<&str>) -> Firmware {
    Firmware {
        id: 1,
        version: "1.0.7".to_owned(),
        module: "default".to_owned(),
        sign_method: crate::SignMethod::Md5,
        source_version: None,
        custom: custom.map(str::to_owned),
        carrier,
        files: vec![StoredFile {
            minisig: minisig.map(str::to_owned),
            ..file("a.bin")
        }],
    }
}

#[test]
fn the_custom_text_carries_the_signature_only_when_it_is_to() {
    for (carrier, custom, minisig, fits, udi) in [
        (
            Carrier::Udi,
            None,
            Some("four\nlines"),
            true,
            Some("four\nlines"),
        ),
        (Carrier::Udi, Some("mine"), None, true, Some("mine")),
        (
            Carrier::Udi,
            Some("mine"),
            Some("text"),
            false,
            Some("text"),
        ),
        (
            Carrier::UdiJson,
            None,
            Some("a\tb"),
            true,
            Some(r#"{"minisig":"a\tb"}"#),
        ),
        (
            Carrier::UdiJson,
            Some(r#"{"k":1}"#),
            Some("text"),
            true,
            Some(r#"{"k":1,"minisig":"text"}"#),
        ),
        (
            Carrier::UdiJson,
            Some("[1]"),
            Some("text"),
            false,
            Some(r#"{"minisig":"text"}"#),
        ),
        (Carrier::UdiJson, Some("mine"), None, true, Some("mine")),
        (Carrier::Url, Some("mine"), Some("text"), true, Some("mine")),
        (Carrier::Url, None, Some("text"), true, None),
    ] {
        let firmware = firmware(carrier, custom, minisig);
        let told = (firmware.custom_fits(), firmware.package_udi());
        assert_eq!(
            told,
            (fits, udi.map(str::to_owned)),
            "{carrier:?} {custom:?} {minisig:?}"
        );
    }
}
