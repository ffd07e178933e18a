use super::*;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use serde_json::json;

#[path = "offer_refusals.rs"]
mod refusals;

const MD5: &str = "d5557a93ccd28294c1929410a8bcd1af";
const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn md5() -> Digest {
    Digest::from_hex(DigestMethod::Md5, MD5).unwrap()
}

fn sha256() -> Digest {
    Digest::from_hex(DigestMethod::Sha256, SHA256).unwrap()
}

/// The data of a sound offer, as the origin of the project publishes it by hand.
fn sound() -> Json {
    json!({"size": 9_879_858, "version": "1.0.7", "url": "https://ota.server/firmware.bin", "sign": MD5, "signMethod": "Md5"})
}

/// The data of a sound offer with one field replaced, or removed by null.
fn with(field: &str, value: Json) -> Json {
    let mut data = sound();
    data[field] = value;
    data
}

fn pushed(data: &Json) -> Result<Option<Offer>, OfferFault> {
    let payload = json!({"code": "1000", "data": data, "id": 1_507_707_025, "message": "success"});
    parse_offer(payload.to_string().as_bytes(), OfferFrom::Push)
}

fn accepted(data: &Json) -> Offer {
    pushed(data).unwrap().unwrap()
}

fn refused(data: &Json) -> String {
    pushed(data).unwrap_err().to_string()
}

fn url(text: &str) -> Url {
    text.to_owned().try_into().unwrap()
}

#[test]
fn a_push_without_an_id_is_understood() {
    let payload = json!({"code": "1000", "data": sound()}).to_string();
    let offer = parse_offer(payload.as_bytes(), OfferFrom::Push)
        .unwrap()
        .unwrap();
    assert_eq!(
        offer,
        Offer {
            from: OfferFrom::Push,
            id: None,
            version: "1.0.7".parse().unwrap(),
            module: None,
            size: 9_879_858,
            source: Source::Http {
                url: url("https://ota.server/firmware.bin")
            },
            digests: vec![md5()],
            digest_sign: None,
            is_diff: false,
            ext_data: BTreeMap::new(),
            package_udi: None,
        }
    );
}

#[test]
fn every_field_of_a_single_file_is_read() {
    let offer = accepted(&json!({
        "extData": {"key1": "value1", "n": 7, "none": null, "_package_udi": "{\"a\":1}"}, "module": "MCU",
        "digestsign": "c2ln", "isDiff": 1, "md5": MD5.to_uppercase(), "sign": SHA256, "signMethod": "SHA256",
        "url": "http://h/x?Expires=1&Signature=a%2Bb%3D", "version": "VER-1.0.1-x_y", "size": 1, "unknown": [[]],
    }));
    assert_eq!(offer.id, Some(Id::from(1_507_707_025)));
    assert_eq!(offer.module.as_deref(), Some("MCU"));
    assert_eq!(offer.digests, [sha256(), md5()]);
    assert_eq!(offer.digest_sign.as_deref(), Some("c2ln"));
    assert!(offer.is_diff);
    assert_eq!(offer.package_udi.as_deref(), Some("{\"a\":1}"));
    assert_eq!(
        offer.ext_data.into_iter().collect::<Vec<_>>(),
        [
            ("key1".to_owned(), "value1".to_owned()),
            ("n".to_owned(), "7".to_owned())
        ]
    );
    let Source::Http { url } = offer.source else {
        panic!("one file over http")
    };
    assert_eq!(url.as_str(), "http://h/x?Expires=1&Signature=a%2Bb%3D");
}

#[test]
fn the_capture_of_an_offer_over_mqtt_is_understood() {
    let payload = format!(
        r#"{{"code":"1000","data":{{"size":3612,"streamId":25914,"sign":"{MD5}","dProtocol":"mqtt","version":"VER-1.0.1-a","signMethod":"Md5","streamFileId":1,"md5":"{MD5}"}},"id":1757232295633,"message":"success"}}"#
    );
    let offer = parse_offer(payload.as_bytes(), OfferFrom::Push)
        .unwrap()
        .unwrap();
    assert_eq!(
        offer.source,
        Source::Mqtt {
            stream_id: 25_914,
            file_id: 1
        }
    );
    assert_eq!(offer.digests, [md5()]);
    assert_eq!(offer.id.unwrap().as_str(), "1757232295633");
}

#[test]
fn several_files_are_understood_and_their_sizes_added() {
    let file = |name: &str, size: u64| json!({"fileSize": size, "fileName": name, "fileUrl": "https://h/f", "fileMd5": MD5, "fileSign": MD5});
    let data = |files: Json| json!({"version": "2.0.0", "isDiff": 1, "signMethod": "Md5", "module": "MCU", "files": files});
    let offer = accepted(&data(json!([file("a", 432_944), file("b", 432_945)])));
    assert_eq!((offer.size, offer.digests.len()), (865_889, 0));
    let Source::Files(files) = offer.source else {
        panic!("several files")
    };
    assert_eq!(
        files[1],
        FileOffer {
            name: "b".into(),
            size: 432_945,
            url: url("https://h/f"),
            digests: vec![md5()],
            digest_sign: None,
        }
    );

    assert_eq!(
        refused(&data(json!([]))),
        "`files` has 0 entries, not 1 to 20"
    );
    assert_eq!(
        refused(&data(json!(vec![file("a", 1); 21]))),
        "`files` has 21 entries, not 1 to 20"
    );
    assert_eq!(
        refused(&data(json!({}))),
        "`files` is an object, not a list"
    );
    assert_eq!(
        refused(&data(json!([file("a", 1), 5]))),
        "`files[1]` is 5, not an object"
    );
    assert_eq!(
        refused(&data(json!([file("a", 0)]))),
        "`files[0].fileSize` is 0, not a whole number of bytes above 0"
    );
    assert_eq!(
        refused(&data(json!([file("a", u64::MAX), file("b", 1)]))),
        "`files` is a list, not a list of sizes with a sum below 2^64"
    );
    let mut ftp = file("a", 1);
    ftp["fileUrl"] = json!("ftp://h/f");
    assert_eq!(
        refused(&data(json!([ftp]))),
        "`files[0].fileUrl` has the scheme `ftp`, neither http nor https"
    );
}

#[test]
fn success_is_1000_or_200_as_text_or_number() {
    for code in [json!("1000"), json!(1000), json!("200"), json!(200)] {
        let payload = json!({"code": code, "data": sound()}).to_string();
        assert!(
            parse_offer(payload.as_bytes(), OfferFrom::Reply)
                .unwrap()
                .is_some(),
            "{code}"
        );
    }
}

#[test]
fn an_answer_without_an_offer_means_that_there_is_nothing_to_do() {
    for data in [r#","data":{}"#, r#","data":null"#, ""] {
        let payload =
            format!(r#"{{"id":"123","code":200{data},"message":"success","version":"1.0"}}"#);
        assert_eq!(
            parse_offer(payload.as_bytes(), OfferFrom::Reply),
            Ok(None),
            "{payload}"
        );
    }
}

#[test]
fn an_error_of_the_platform_is_told_with_its_code_and_blames_no_update() {
    let fault = parse_offer(
        br#"{"id":"1","code":429,"data":{},"message":"throttled"}"#,
        OfferFrom::Reply,
    )
    .unwrap_err();
    assert_eq!(
        fault.kind,
        OfferFaultKind::Code {
            code: 429,
            message: "throttled".into()
        }
    );
    assert_eq!(fault.to_string(), "`code` is 429: throttled");
    assert_eq!(fault.subject(), None);
}

#[test]
fn nuls_after_the_end_are_ignored() {
    let mut payload = json!({"code": "1000", "data": sound()})
        .to_string()
        .into_bytes();
    payload.extend([0, 0]);
    assert!(parse_offer(&payload, OfferFrom::Push).unwrap().is_some());
}

#[test]
fn the_default_module_is_the_same_whether_named_or_not() {
    for module in [json!("default"), json!(""), Json::Null] {
        assert_eq!(accepted(&with("module", module)).module, None);
    }
}

#[test]
fn method_names_and_digests_are_taken_in_every_case() {
    for method in ["Md5", "MD5", "md5"] {
        let mut data = with("signMethod", json!(method));
        data["sign"] = json!(MD5.to_uppercase());
        assert_eq!(accepted(&data).digests, [md5()], "{method}");
    }
    for method in ["SHA256", "Sha256", "sha256"] {
        let mut data = with("signMethod", json!(method));
        data["sign"] = json!(SHA256);
        assert_eq!(accepted(&data).digests, [sha256()], "{method}");
    }
}

#[test]
fn the_older_field_for_md5_serves_alone_but_never_in_place_of_sha256() {
    let mut data = with("sign", Json::Null);
    data["md5"] = json!(MD5);
    assert_eq!(accepted(&data).digests, [md5()]);
    data["signMethod"] = Json::Null;
    assert_eq!(accepted(&data).digests, [md5()]);
    data["signMethod"] = json!("SHA256");
    assert_eq!(refused(&data), "`sign` is missing");
}

/// Any JSON of moderate size.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "\\PC{0,70}".prop_map(Json::from),
        Just(json!(MD5)),
        Just(json!("mqtt")),
        Just(json!("https://h/x")),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            proptest::collection::btree_map("[a-zA-Z0-9]{0,8}|fileUrl|fileSize", inner, 0..5)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(payload in any::<Vec<u8>>()) {
        let _ = parse_offer(&payload, OfferFrom::Push);
    }

    #[test]
    fn no_value_in_any_field_makes_the_parser_panic_or_talk_at_length(
        field in "size|version|url|sign|signMethod|md5|isDiff|digestsign|module|extData|dProtocol|files|streamId",
        value in any_json(),
    ) {
        match pushed(&with(&field, value)) {
            Ok(offer) => assert!(offer.unwrap().size > 0),
            Err(fault) => assert!(fault.to_string().chars().count() < 250, "{fault}"),
        }
    }

    #[test]
    fn no_cut_and_no_flipped_bit_of_a_sound_offer_makes_the_parser_panic(cut in 0_usize..300, bit in 0_u8..8) {
        let mut payload = json!({"code": "1000", "data": sound(), "id": 7}).to_string().into_bytes();
        let _ = parse_offer(&payload[..cut.min(payload.len())], OfferFrom::Push);
        let at = cut % payload.len();
        payload[at] ^= 1 << bit;
        let _ = parse_offer(&payload, OfferFrom::Push);
    }
}
