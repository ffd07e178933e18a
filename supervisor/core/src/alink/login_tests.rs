use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn oven() -> Identity {
    Identity::new("a1Sample001", "oven001").unwrap()
}

fn login(method: SignMethod, client: &str, timestamp: Option<u64>) -> Login {
    let client = ClientName::new(client).unwrap();
    Login::sign(
        &oven(),
        &Secret::new(SECRET).unwrap(),
        method,
        SecureMode::Tcp,
        &client,
        timestamp,
    )
}

fn signed_content(client: &str, timestamp: Option<u64>) -> String {
    content(&oven(), &ClientName::new(client).unwrap(), timestamp)
}

#[test]
fn the_sha256_login_is_the_one_the_official_c_sdk_sends() {
    let login = login(
        SignMethod::HmacSha256,
        "a1Sample001.oven001",
        Some(2_524_608_000_000),
    );
    assert_eq!(
        login.password,
        "eb231b560b0a55d591706e9bb618a3808098cf1cc6c13b747f2673d2c2bdbfe6"
    );
    assert_eq!(login.username, "oven001&a1Sample001");
    assert_eq!(
        login.client_id,
        "a1Sample001.oven001|securemode=3,signmethod=hmacsha256,timestamp=2524608000000,ext=1|"
    );
    assert_eq!(
        signed_content("a1Sample001.oven001", Some(2_524_608_000_000)),
        "clientIda1Sample001.oven001deviceNameoven001productKeya1Sample001timestamp2524608000000"
    );
}

#[test]
fn the_sha1_login_is_the_one_the_official_python_sdk_sends() {
    let login = login(
        SignMethod::HmacSha1,
        "a1Sample001&oven001",
        Some(1_700_000_000),
    );
    assert_eq!(login.password, "9995c87d13260cfc12b1b34f0a2a15c1d90fa1b4");
    assert_eq!(
        signed_content("a1Sample001&oven001", Some(1_700_000_000)),
        "clientIda1Sample001&oven001deviceNameoven001productKeya1Sample001timestamp1700000000"
    );
}

#[test]
fn the_sha1_and_sha256_logins_are_those_the_javascript_sdks_send() {
    let of = |method| login(method, "a1Sample001&oven001", Some(1_700_000_000_000)).password;
    assert_eq!(
        of(SignMethod::HmacSha1),
        "6510c05184f45de0a7c6886a587c13c4cf9d799a"
    );
    assert_eq!(
        of(SignMethod::HmacSha256),
        "3b0c13ff5b38a9428e94f230a33531532b7440c7ea12f2f0d9908864e3c11183"
    );
    assert_eq!(
        signed_content("a1Sample001&oven001", Some(1_700_000_000_000)),
        "clientIda1Sample001&oven001deviceNameoven001productKeya1Sample001timestamp1700000000000"
    );
}

#[test]
fn the_md5_login_is_the_one_of_the_javascript_signer() {
    assert_eq!(
        login(SignMethod::HmacMd5, "12345", Some(789)).password,
        "e3e5f1a4b7d585ac1e7551c98b719f74"
    );
    assert_eq!(
        signed_content("12345", Some(789)),
        "clientId12345deviceNameoven001productKeya1Sample001timestamp789"
    );
}

#[test]
fn a_login_without_a_timestamp_leaves_it_out_of_the_content_and_the_client_id() {
    let login = login(SignMethod::HmacSha256, "12345", None);
    assert_eq!(
        login.password,
        "1e89090a587b583243747c51ef4258c37efe91c45829f5837184cf9f8c772594"
    );
    assert_eq!(
        login.client_id,
        "12345|securemode=3,signmethod=hmacsha256,ext=1|"
    );
    assert_eq!(
        signed_content("12345", None),
        "clientId12345deviceNameoven001productKeya1Sample001"
    );
}

#[test]
fn the_login_agrees_with_the_go_client() {
    let identity = Identity::new("testProduct", "testDevice").unwrap();
    let login = Login::sign(
        &identity,
        &Secret::new("testSecret").unwrap(),
        SignMethod::default(),
        SecureMode::Tls,
        &ClientName::of(&identity),
        Some(1_700_000_000_000),
    );
    assert_eq!(
        login.password,
        "cf010f6c3258ec9917e7cee0dad88c964d0fd125343140b6a78e715e87da3040"
    );
    assert!(
        login
            .client_id
            .starts_with("testProduct.testDevice|securemode=2,"),
        "{}",
        login.client_id
    );
}

#[test]
fn methods_are_read_by_the_names_they_are_written_with() {
    for method in [
        SignMethod::HmacSha256,
        SignMethod::HmacSha1,
        SignMethod::HmacMd5,
    ] {
        assert_eq!(method.to_string().parse(), Ok(method));
    }
    assert_eq!(
        "sha256".parse::<SignMethod>().unwrap_err().to_string(),
        "the signing method `sha256` is none of hmacsha256, hmacsha1 and hmacmd5"
    );
}

#[test]
fn neither_secret_nor_password_can_be_printed() {
    let secret = Secret::new(SECRET).unwrap();
    assert_eq!(format!("{secret:?}"), "Secret(..)");
    let login = login(SignMethod::HmacSha256, "12345", None);
    assert!(!format!("{login:?}").contains(&login.password));
    let fault = Secret::new(format!("{SECRET}\n")).unwrap_err().to_string();
    assert!(!fault.contains(SECRET), "{fault}");
}

#[test]
fn parts_that_would_break_a_topic_or_the_client_id_are_refused() {
    for bad in [
        "",
        "a/b",
        "a+",
        "#",
        "a b",
        "a&b",
        "a|b",
        "a\0",
        "烤箱",
        &"a".repeat(65),
    ] {
        assert!(Identity::new(bad, "oven001").is_err(), "{bad}");
        assert!(Identity::new("a1Sample001", bad).is_err(), "{bad}");
    }
    for bad in ["", "a|b", "a b", "a\n", "é", &"a".repeat(65)] {
        assert!(ClientName::new(bad).is_err(), "{bad}");
    }
    for bad in ["", " ", "a\n", "a b", &"a".repeat(257)] {
        assert!(Secret::new(bad).is_err(), "{bad}");
    }
    assert_eq!(
        Identity::new("a1Sample001", "a/b").unwrap_err().to_string(),
        "the device name `a/b` holds `/`"
    );
}

#[test]
fn the_usual_client_name_stays_within_its_bound() {
    let identity = Identity::new("p".repeat(64), "d".repeat(64)).unwrap();
    assert_eq!(ClientName::of(&identity).0.len(), ClientName::LONGEST);
}
