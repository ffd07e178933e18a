use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn claim(client_id: &str, password: &str) -> Claim {
    Claim::read(client_id, Some(("oven001&a1Sample001", password))).unwrap()
}

#[test]
fn every_published_signature_is_accepted() {
    let vectors = [
        (
            "a1Sample001.oven001|timestamp=2524608000000,_ss=1,_v=sdk-c-4.2.0,securemode=3,signmethod=hmacsha256,ext=3,_conn=tcp_4|",
            "EB231B560B0A55D591706E9BB618A3808098CF1CC6C13B747F2673D2C2BDBFE6",
        ),
        (
            "a1Sample001&oven001|securemode=3,signmethod=hmacsha1,timestamp=1700000000|",
            "9995c87d13260cfc12b1b34f0a2a15c1d90fa1b4",
        ),
        (
            "a1Sample001&oven001|signmethod=hmacsha1,timestamp=1700000000000|",
            "6510c05184f45de0a7c6886a587c13c4cf9d799a",
        ),
        (
            "a1Sample001&oven001|signmethod=hmacsha256,timestamp=1700000000000|",
            "3b0c13ff5b38a9428e94f230a33531532b7440c7ea12f2f0d9908864e3c11183",
        ),
        ("12345|timestamp=789|", "e3e5f1a4b7d585ac1e7551c98b719f74"),
        (
            "12345|signmethod=hmacsha256|",
            "1e89090a587b583243747c51ef4258c37efe91c45829f5837184cf9f8c772594",
        ),
    ];
    for (client_id, password) in vectors {
        let claim = claim(client_id, password);
        assert!(claim.holds(SECRET), "{client_id}");
        assert!(!claim.holds("another secret"), "{client_id}");
    }
}

#[test]
fn the_independent_vector_is_accepted() {
    let claim = Claim::read(
        "testProduct.testDevice|signmethod=hmacsha256,timestamp=1700000000000|",
        Some((
            "testDevice&testProduct",
            "cf010f6c3258ec9917e7cee0dad88c964d0fd125343140b6a78e715e87da3040",
        )),
    )
    .unwrap();
    assert!(claim.holds("testSecret"));
}

#[test]
fn the_registration_vectors_are_accepted_with_the_products_secret() {
    for (method, password) in [
        (
            "hmacsha256",
            "7b13bfee063728e525c9cba458355fc01cc993095ecd864c5012f3995f3232c5",
        ),
        ("hmacsha1", "b9009e1a47d6405fdb81b4b0424c88016bdb0fa0"),
    ] {
        let client_id = format!(
            "oven001.a1Sample001|random=123456,authType=register,securemode=2,signmethod={method}|"
        );
        let claim = claim(&client_id, password);
        assert_eq!(claim.proof, Proof::Register);
        assert!(claim.holds("productSecret0001"));
        assert!(!claim.holds(SECRET));
    }
}

#[test]
fn blanks_and_newlines_inside_the_client_id_are_trimmed() {
    let claim = claim(
        " a1Sample001&oven001|securemode=3,\n        signmethod=hmacsha1,\n        timestamp=1700000000000| \n",
        "6510c05184f45de0a7c6886a587c13c4cf9d799a",
    );
    assert!(claim.holds(SECRET));
}

#[test]
fn switches_in_the_client_id_are_understood_and_unknown_ones_ignored() {
    let claim = claim("x|_ss=1,ext=3,lan=C,mystery=4|", "");
    assert!(claim.automatic);
    assert_eq!((claim.ext, claim.proof), (3, Proof::DeviceSecret));
    let plain = self::claim("x|securemode=3|", "");
    assert!(!plain.automatic);
}

#[test]
fn malformed_client_ids_get_code_2() {
    let long = format!("{}||", "x".repeat(65));
    for bad in [
        "",
        "plain",
        "x|a=1",
        "|a=1|",
        "x|nonsense|",
        "x|a=1|tail",
        "x|signmethod=sha512|",
        "x|authType=other|",
        &long,
    ] {
        let refusal = Claim::read(bad, Some(("d&p", "0"))).unwrap_err();
        assert_eq!(refusal.code, ConnectReturnCode::BadClientId, "{bad}");
    }
}

#[test]
fn missing_or_malformed_credentials_get_code_4() {
    for login in [
        None,
        Some(("", "0")),
        Some(("onlyname", "0")),
        Some(("&p", "0")),
        Some(("d&", "0")),
    ] {
        let refusal = Claim::read("x||", login).unwrap_err();
        assert_eq!(
            refusal.code,
            ConnectReturnCode::BadUserNamePassword,
            "{login:?}"
        );
    }
}
