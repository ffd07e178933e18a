//! Offers that must be refused, each with the words a person will read.

use super::*;

#[test]
fn sizes_beyond_32_bits_are_taken_and_all_that_are_no_size_are_refused() {
    for size in [
        1,
        u64::from(u32::MAX),
        1 << 32,
        (1 << 32) + 1,
        1 << 53,
        u64::MAX,
    ] {
        assert_eq!(accepted(&with("size", json!(size))).size, size);
    }
    let wanted = "not a whole number of bytes above 0";
    assert_eq!(
        refused(&with("size", json!(0))),
        format!("`size` is 0, {wanted}")
    );
    assert_eq!(
        refused(&with("size", json!(-1))),
        format!("`size` is -1, {wanted}")
    );
    assert_eq!(
        refused(&with("size", json!(1.5))),
        format!("`size` is 1.5, {wanted}")
    );
    assert_eq!(
        refused(&with("size", json!(1e300))),
        format!("`size` is 1e+300, {wanted}")
    );
    assert_eq!(
        refused(&with("size", json!("9879858"))),
        format!("`size` is the text `9879858`, {wanted}")
    );
    assert_eq!(
        refused(&with("size", json!([1]))),
        format!("`size` is a list, {wanted}")
    );
    assert_eq!(
        refused(&with("size", json!(true))),
        format!("`size` is true, {wanted}")
    );
    assert_eq!(refused(&with("size", Json::Null)), "`size` is missing");
}

#[test]
fn a_version_that_could_lead_a_path_astray_is_refused() {
    assert_eq!(
        refused(&with("version", json!("../../x"))),
        "`version` cannot be used: the version `../../x` holds `/`, allowed are letters, digits, `.`, `-` and `_`"
    );
    assert_eq!(
        refused(&with("version", json!(".."))),
        "`version` cannot be used: the version `..` is nothing but dots"
    );
    assert_eq!(
        refused(&with("version", json!(""))),
        "`version` cannot be used: the version is empty"
    );
    assert_eq!(
        refused(&with("version", json!("1".repeat(65)))),
        format!(
            "`version` cannot be used: the version has 65 characters, at most 64 are allowed: `{}…`",
            "1".repeat(63)
        )
    );
    assert_eq!(
        refused(&with("version", json!(1.0))),
        "`version` is 1.0, not a text"
    );
    assert_eq!(
        refused(&with("version", Json::Null)),
        "`version` is missing"
    );
    assert!(
        accepted(&with("version", json!("1".repeat(64))))
            .version
            .as_str()
            .len()
            == 64
    );
}

#[test]
fn addresses_we_do_not_fetch_from_are_refused() {
    assert_eq!(
        refused(&with("url", json!("file:///x"))),
        "`url` has the scheme `file`, neither http nor https"
    );
    assert_eq!(
        refused(&with("url", json!("ftp://h/x"))),
        "`url` has the scheme `ftp`, neither http nor https"
    );
    assert_eq!(
        refused(&with("url", json!("firmware.bin"))),
        "`url` is `firmware.bin`, not an absolute address"
    );
    assert_eq!(
        refused(&with("url", json!("/firmware.bin"))),
        "`url` is `/firmware.bin`, not an absolute address"
    );
    assert_eq!(
        refused(&with("url", json!("https:///x"))),
        "`url` is `https:///x`, which names no host"
    );
    assert_eq!(refused(&with("url", json!(7))), "`url` is 7, not a text");
    assert_eq!(refused(&with("url", Json::Null)), "`url` is missing");
}

#[test]
fn digests_that_prove_nothing_are_refused() {
    assert_eq!(
        refused(&with("sign", json!("abc"))),
        "`sign` is `abc` (3 bytes), not the 32 hexadecimal digits of Md5"
    );
    assert_eq!(
        refused(&with("signMethod", json!("SHA256"))),
        format!("`sign` is `{MD5}` (32 bytes), not the 64 hexadecimal digits of SHA256")
    );
    assert!(
        refused(&with("sign", json!(MD5.replace('d', "x")))).starts_with("`sign` is `x5557a93")
    );
    assert_eq!(
        refused(&with("signMethod", json!("CRC32"))),
        "`signMethod` is `CRC32`, neither Md5 nor SHA256"
    );
    assert_eq!(
        refused(&with("signMethod", json!(5))),
        "`signMethod` is 5, not a text"
    );
    assert_eq!(
        refused(&with("signMethod", Json::Null)),
        "`signMethod` is missing"
    );
    assert_eq!(refused(&with("sign", Json::Null)), "`sign` is missing");
    assert_eq!(
        refused(&with("md5", json!("00".repeat(16)))),
        "`sign` and `md5` give different MD5 digests"
    );
    assert_eq!(
        refused(&with("md5", json!("00"))),
        "`md5` is `00` (2 bytes), not the 32 hexadecimal digits of Md5"
    );
}

#[test]
fn a_way_we_do_not_know_is_refused() {
    assert_eq!(
        refused(&with("dProtocol", json!("coap"))),
        "`dProtocol` is `coap`, neither http, https nor mqtt"
    );
    assert_eq!(
        refused(&with("dProtocol", json!("mqtt"))),
        "`streamId` is missing"
    );
    assert!(matches!(
        accepted(&with("dProtocol", json!("https"))).source,
        Source::Http { .. }
    ));
    assert_eq!(
        refused(&with("isDiff", json!("yes"))),
        "`isDiff` is the text `yes`, not 0 or 1"
    );
    assert_eq!(
        refused(&with("extData", json!([]))),
        "`extData` is a list, not an object"
    );
    assert_eq!(
        refused(&with("digestsign", json!("A".repeat(1025)))),
        "`digestsign` has 1025 bytes, at most 1024 are read"
    );
}

#[test]
fn what_is_not_an_offer_at_all_is_refused_and_blames_nobody() {
    let huge = vec![b' '; 256 * 1024 + 1];
    let deep = b"[".repeat(100_000);
    for (payload, beginning) in [
        (&b""[..], "the payload is not readable JSON: EOF"),
        (
            b"not json",
            "the payload is not readable JSON: expected ident at line 1 column 2",
        ),
        (
            b"{\"code\":\"1000\",\"data\":{\"size\":1",
            "the payload is not readable JSON: EOF",
        ),
        (
            b"{} {}",
            "the payload is not readable JSON: trailing characters",
        ),
        (
            b"\xff\xfe",
            "the payload is not readable JSON: expected value",
        ),
        (
            b"{\"a\":\"\xff\"}",
            "the payload is not readable JSON: invalid unicode",
        ),
        (b"[1]", "the payload is a list, not an object"),
        (b"null", "the payload is null, not an object"),
        (b"{}", "`code` is missing"),
        (
            b"{\"code\":\"1000\",\"data\":[]}",
            "`data` is a list, not an object",
        ),
        (
            b"{\"code\":\"1000\",\"data\":\"x\"}",
            "`data` is the text `x`, not an object",
        ),
        (
            b"{\"code\":true,\"data\":{}}",
            "`code` is true, not a result code",
        ),
        (
            &huge,
            "the payload has 262145 bytes, at most 262144 are read",
        ),
        (
            &deep,
            "the payload is not readable JSON: recursion limit exceeded",
        ),
    ] {
        let fault = parse_offer(payload, OfferFrom::Push).unwrap_err();
        assert!(fault.to_string().starts_with(beginning), "{fault}");
        assert_eq!(fault.subject(), None, "{fault}");
    }
}

#[test]
fn a_damaged_offer_still_says_for_whom_it_was() {
    let subject = |data: Json| pushed(&data).unwrap_err().subject().cloned();
    let about = |module: Option<&str>, version: Option<&str>| {
        Some(Subject {
            module: module.map(str::to_owned),
            version: version.map(|it| it.parse().unwrap()),
        })
    };
    assert_eq!(subject(with("size", json!(0))), about(None, Some("1.0.7")));
    assert_eq!(
        subject(with("version", json!("../../x"))),
        about(None, None)
    );
    let mut other = with("module", json!("MCU"));
    other["url"] = json!("file:///x");
    assert_eq!(subject(other.clone()), about(Some("MCU"), Some("1.0.7")));
    other["version"] = Json::Null;
    assert_eq!(subject(other), about(Some("MCU"), None));
    assert_eq!(subject(with("module", json!(5))), None);

    let payload = json!({"code": 500, "data": with("module", json!("MCU"))}).to_string();
    let fault = parse_offer(payload.as_bytes(), OfferFrom::Push).unwrap_err();
    assert_eq!(fault.subject().cloned(), about(Some("MCU"), Some("1.0.7")));
}

#[test]
fn no_fault_repeats_more_than_a_little_of_hostile_text() {
    let long = json!("Ж".repeat(50_000));
    for field in [
        "version",
        "url",
        "sign",
        "signMethod",
        "md5",
        "dProtocol",
        "module",
        "digestsign",
        "size",
        "isDiff",
    ] {
        let text = refused(&with(field, long.clone()));
        assert!(text.chars().count() < 200, "{field}: {text}");
        assert!(text.matches('Ж').count() <= 64, "{field}: {text}");
    }
    let payload = json!({"code": "9".repeat(1000), "message": long}).to_string();
    let text = parse_offer(payload.as_bytes(), OfferFrom::Push)
        .unwrap_err()
        .to_string();
    assert!(text.chars().count() < 200, "{text}");
}
