//! Who vouches for a file, bit by bit, against what stock minisign and OpenSSL have signed.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use blake2::Blake2b512;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use supervisor_core::seal::SealKey;

use super::*;
use crate::drivers::fetch::{
    allowance::Allowance,
    vouch::{Sealed, look},
};

/// The image that minisign 0.11 and OpenSSL 3 have signed.
const HELLO: &[u8] = b"hello\n";

const KEY: &str = "RWRXS+h+ZVXK7T2MVgq27EM5NCWw2mWmEVB3MugH0QBcWHlrMV28UHHB";
/// `minisign -S -H -t "version:1.2.3 …"`.
const SEAL: &str = "untrusted comment: signature from minisign secret key\n\
    RURXS+h+ZVXK7fjiAHpbebDNP5hW79ekakxV9kYeba7NFHmdh3/0cjn5yRZtIToJ3svgX8sj6CZu7czjtbi8H1UUugEqsEtp4gw=\n\
    trusted comment: version:1.2.3 target:x86_64-unknown-linux-gnu module:default size:6\n\
    jZp3++WDuU+Gw4G4EQzID8e2/7oCiI8U98DASPUzoVJW6zdl6OD2oEtqb8lVcH4DvOcbjOgH++mPGqob77SzCA==\n";

/// An RSA public key of 2048 bits, without the form that names its kind.
const PLATFORM: &str = concat!(
    "MIIBCgKCAQEAm0B/CWQpNMp/F807Qhcl+wxSL+bi6J16JAYPDRreq6sPkSVAOmrOGybfpM87zMUCXK5AJMsOfMEqxVxYjIil6/ynl7kUI6Km",
    "TPkh75JvdcpeMYvVtww0iafCvTWRkK4qoBcii9FpM/X8KMAM3Ro3eLuarb5qr3sKs1wrR96fPrFVTHQjkAadspzbapC9GwNdG2QeQvfCxsrj",
    "CWwlmeeWCkpXxwO4ZjK1Gohn9yPTCKrJRW6MiuIAdOHYquA1cHmkH0Lu4F9IxOZtBbP2Qd1Bn75A7G77FwjUm68PWTI19Mv+R+zRwc1PE+nK",
    "OvfUC0QWOU6/c/VpWTNGdl3HxCqDtQIDAQAB",
);
/// `openssl md5 -binary | openssl dgst -sha256 -sign`.
const OVER_MD5: &str = concat!(
    "iY17myLl1oUVutCeK3TjE99N8XOLY3DeMKxyvpxX5GSqcXFNqZhg9YvT55GBCl35bugugqoEx9+07U6m4RZLQo5wjyicbpgzopBCGmD8m+62",
    "7gA0VcZJNvIFg23k8hTZbX76+RhGiQToKURcY0DhY22oMpbr5xH9hsjzZcwLmCu2NdkBtgsLZHImI0MVMp6tutZ9DmIgDU/e8hsszLvkG0T0",
    "7unIVcucqVEBORnb6ABb+Y20/OKHqMmE5VFTY2lMtQA5Zc8OqptZ701+sRw9ryS6MLc2bkd7OWKbCy7RfGQVSQt+Eekm7Sgz9txBYWkNj1G0",
    "3yGFtbhpt7SQOOQCiQ==",
);
/// The same with `openssl sha256 -binary`.
const OVER_SHA256: &str = concat!(
    "TD5Gi2OX6iwz8FpY3Rn4HJcNqJIe7SK1cSUGXaEQ5xsipAoFNT9ZycS7TtdEaHPKQof3nSWxJT6AaCqt2tpy0+Pz1Jenp8LggVR2eJnWdEQE",
    "lU1vT/ItiVcHZ3xmSzY65OANBEoyF1EJSx5YBLR1mYeR7ia/NeXxMpyiCYG2PuG6WbQRBHwsN+OAafbWu3m3pE7Pqia44vSbHI2z0UvPzxAc",
    "AZ6M5p+WRboaBg6+AzYL/EOcf9NVQG0XgAq0eSjiueQzrssjU7moZCQTDX1ruJOg2Ok3Gxl1ibCZFJ179koXvyZhgPfAOYOf/6ty2oagi+0T",
    "fYJ43DxjBggzdtmDJg==",
);

/// What is wanted from whom, and who must vouch for it.
struct Wish {
    settings: Fetching,
    order: FetchOrder,
    file: WantedFile,
}

impl Wish {
    /// The image of six bytes, from this address, vouched for by the stock tool's key.
    fn of(url: &str) -> Self {
        let mut settings = settings(Duration::from_secs(20));
        settings.vouching.require_signature = true;
        settings.vouching.keys = vec![SealKey::parse(KEY).unwrap()];
        let file = wanted(url.to_owned(), HELLO);
        let order = FetchOrder {
            job: JOB,
            slot: SlotId(2),
            version: "1.2.3".parse().unwrap(),
            module: None,
            files: vec![file.clone()],
            entry: None,
        };
        Self {
            settings,
            order,
            file,
        }
    }

    /// The same, the offer carrying this.
    fn sealed(text: &str) -> Self {
        let mut wish = Self::of("http://127.0.0.1:1/nowhere");
        wish.file.seal = Some(text.to_owned());
        wish
    }

    async fn look(&self) -> Result<Option<Sealed>, FetchFault> {
        // Without a budget nothing is written down.
        let account = Account::at("nowhere".into());
        let mut allowance = Allowance::new(account, Limits::default(), &self.order);
        look(&self.settings, &self.order, &self.file, &mut allowance).await
    }

    async fn refused(&self) -> String {
        self.look().await.unwrap_err().to_string()
    }
}

fn blake2b(image: &[u8]) -> Vec<u8> {
    use blake2::Digest as _;
    Blake2b512::digest(image).to_vec()
}

/// A line's Base64, counted from 1, with one bit of what it stands for flipped.
fn flipped(text: &str, line: usize, bit: usize) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut bytes = BASE64_STANDARD.decode(&lines[line - 1]).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    lines[line - 1] = BASE64_STANDARD.encode(bytes);
    lines.join("\n")
}

#[tokio::test]
async fn what_the_stock_tool_signed_holds_for_that_image_and_no_other() {
    let sealed = Wish::sealed(SEAL).look().await.unwrap().unwrap();
    assert!(sealed.holds(&blake2b(HELLO)));
    for bit in 0..HELLO.len() * 8 {
        let mut other = HELLO.to_vec();
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(!sealed.holds(&blake2b(&other)), "bit {bit}");
    }
    assert!(!sealed.holds(HELLO) && !sealed.holds(b""));
}

#[tokio::test]
async fn no_bit_of_a_signature_may_differ() {
    // Two bytes of algorithm, eight of key, 64 of signature; and 64 of the one over the words.
    for (line, bits) in [(2, 74 * 8), (4, 64 * 8)] {
        for bit in 0..bits {
            let told = Wish::sealed(&flipped(SEAL, line, bit)).refused().await;
            let wanted = match (line, bit) {
                (2, 0..16) => "the signature",
                (2, 16..80) => "is not pinned here",
                _ => "its words were changed",
            };
            assert!(told.contains(wanted), "line {line}, bit {bit}: {told}");
        }
    }
    let words = SEAL.find("trusted comment: version").unwrap() + "trusted comment: ".len();
    let end = words + SEAL[words..].find('\n').unwrap();
    for bit in words * 8..end * 8 {
        let mut bytes = SEAL.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        let refused = Wish::sealed(&text).look().await;
        assert!(
            matches!(refused, Err(FetchFault::BadSignature { .. })),
            "{text}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn an_id_alone_makes_no_key() {
    // The pinned key is somebody else's and has the id that the signature names.
    let mut wish = Wish::sealed(SEAL);
    wish.settings.vouching.keys[0].key = [7; 32];
    assert!(wish.refused().await.contains("its words were changed"));
    wish.settings.vouching.keys.clear();
    assert!(wish.refused().await.contains("EDCA55657EE84B57"));
}

#[tokio::test]
async fn it_must_be_for_exactly_what_is_wanted() {
    let wish = |change: fn(&mut Wish)| {
        let mut wish = Wish::sealed(SEAL);
        change(&mut wish);
        wish
    };
    assert!(
        wish(|it| it.order.module = Some("default".into()))
            .look()
            .await
            .is_ok()
    );
    for (wish, what) in [
        (
            wish(|it| it.order.version = "1.2.4".parse().unwrap()),
            "version",
        ),
        (wish(|it| it.order.module = Some("mcu".into())), "module"),
        (wish(|it| it.file.size = 7), "size"),
        (
            wish(|it| it.settings.vouching.target = "oven-v2".into()),
            "target",
        ),
        (
            wish(|it| it.file.name = Some("oven".parse().unwrap())),
            "files",
        ),
    ] {
        let told = wish.refused().await;
        let wanted = format!("the publisher signed something else: the seal is for {what} ");
        let none = format!("the publisher signed something else: the seal is for no {what}");
        assert!(
            told.starts_with(&wanted) || told.starts_with(&none),
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_signature_beside_a_file_is_asked_for_with_the_files_query_and_has_a_bound() {
    let padded = |length: usize| {
        let from = "signature from minisign secret key";
        SEAL.replace(from, &"x".repeat(length - (SEAL.len() - from.len())))
    };
    let says = |text: &str| Act::Say(answer(text.len(), text.as_bytes()));
    let unsigned = "the image has no publisher's signature";
    let status = |status: u16| {
        let bytes = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        Act::Say(bytes.into_bytes())
    };
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n", padded(4097).as_bytes()].concat();
    for (name, act, refused) in [
        ("there", says(SEAL), None),
        ("as long as may be", says(&padded(4096)), None),
        (
            "longer",
            says(&padded(4097)),
            Some("it has more than 4096 bytes"),
        ),
        (
            "longer without a length",
            Act::Hang(endless),
            Some("it has more than 4096 bytes"),
        ),
        ("not there", status(404), Some(unsigned)),
        ("gone", status(410), Some(unsigned)),
        ("too old an address", status(403), Some("answered 403")),
        ("broken", status(500), Some("answered 500")),
        ("in part", status(206), Some("answered 206")),
        ("empty", says(""), Some("line 1 of the signature")),
        (
            "no text",
            Act::Say(answer(2, b"\xff\xfe")),
            Some("it is not text"),
        ),
        (
            "cut",
            Act::Say(answer(SEAL.len(), &SEAL.as_bytes()[..99])),
            Some("cannot be reached"),
        ),
        (
            "elsewhere",
            Act::Say(redirect_to("file:///etc/passwd")),
            Some("redirects to `file:"),
        ),
    ] {
        let (address, mut requests) = serve_noting(vec![act]).await;
        let looked = Wish::of(&format!("http://{address}/a/oven?Expires=1&s=a%2Fb"))
            .look()
            .await;
        let request = requests.recv().await.unwrap();
        assert!(
            request.starts_with("get /a/oven.minisig?expires=1&s=a%2fb http/1.1\r\n"),
            "{name}: {request}"
        );
        match refused {
            None => assert!(looked.unwrap().unwrap().holds(&blake2b(HELLO)), "{name}"),
            Some(words) => {
                let told = looked.unwrap_err().to_string();
                assert!(told.contains(words), "{name}: {told}");
            }
        }
    }
}

#[tokio::test]
async fn a_signature_follows_redirects_and_a_server_that_falls_silent_is_left() {
    let there = serve(vec![Act::Say(answer(SEAL.len(), SEAL.as_bytes()))]).await;
    let here = serve(vec![
        Act::Say(redirect_to("/elsewhere.minisig")),
        Act::Say(redirect_to(&format!("http://{there}/x"))),
    ])
    .await;
    assert!(
        Wish::of(&format!("http://{here}/oven"))
            .look()
            .await
            .is_ok()
    );
    let some = answer(SEAL.len(), &SEAL.as_bytes()[..99]);
    for act in [Act::Hang(Vec::new()), Act::Hang(some)] {
        let address = serve(vec![act]).await;
        let mut wish = Wish::of(&format!("http://{address}/oven"));
        wish.settings.stall_limit = Duration::from_millis(300);
        let fault = wish.look().await.unwrap_err();
        assert_eq!(fault, FetchFault::Stalled { seconds: 1 });
    }
}

#[tokio::test]
async fn a_signature_beside_a_file_on_this_machine_has_the_same_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oven");
    let beside = folder.path().join("oven.minisig");
    let mut wish = Wish::of("");
    wish.file.source = Source::Path(path.to_str().unwrap().to_owned());
    assert_eq!(wish.look().await, Err(FetchFault::Unsigned));
    fs::write(&beside, SEAL).unwrap();
    assert!(wish.look().await.unwrap().unwrap().holds(&blake2b(HELLO)));
    // What is behind the bound is not merely left out.
    fs::write(&beside, format!("{SEAL}{}", "x".repeat(4097 - SEAL.len()))).unwrap();
    assert!(wish.refused().await.contains("it has more than 4096 bytes"));
    fs::write(&beside, b"\xff").unwrap();
    assert!(wish.refused().await.contains("it is not text"));
    fs::remove_file(&beside).unwrap();
    fs::create_dir(&beside).unwrap();
    assert!(wish.refused().await.contains("cannot be read"));
}

#[tokio::test]
async fn where_digests_are_enough_nothing_is_asked_for_and_what_comes_is_checked_with_the_keys_there_are()
 {
    let mut wish = Wish::of("http://127.0.0.1:1/nowhere");
    wish.settings.vouching.require_signature = false;
    assert_eq!(wish.look().await, Ok(None));
    wish.file.seal = Some(flipped(SEAL, 4, 0));
    assert!(wish.refused().await.contains("its words were changed"));
    wish.settings.vouching.keys.clear();
    assert_eq!(wish.look().await, Ok(None), "nobody here can tell");
}

#[tokio::test]
async fn blocks_have_no_place_beside_them() {
    let mut wish = Wish::of("");
    wish.file.source = Source::Blocks {
        stream_id: 1,
        file_id: 1,
    };
    assert_eq!(wish.look().await, Err(FetchFault::Unsigned));
    wish.file.seal = Some(SEAL.to_owned());
    assert!(wish.look().await.is_ok());
}

#[tokio::test]
async fn what_openssl_signed_for_the_platform_holds_for_that_digest_and_no_other() {
    let wish = |over: usize, sign: &str| {
        let mut wish = Wish::sealed(SEAL);
        wish.settings.vouching.digest_key = Some(BASE64_STANDARD.decode(PLATFORM).unwrap());
        // The first digest of an offer is the one it announces.
        wish.file.digests.swap(0, over);
        wish.file.digest_sign = Some(sign.to_owned());
        wish
    };
    for (over, sign, other) in [(0, OVER_MD5, OVER_SHA256), (1, OVER_SHA256, OVER_MD5)] {
        assert!(wish(over, sign).look().await.is_ok());
        assert!(wish(over, &format!("{sign}\r\n")).look().await.is_ok());
        assert!(wish(over, other).refused().await.ends_with("does not hold"));
        assert!(
            wish(over, &sign[..64])
                .refused()
                .await
                .ends_with("does not hold")
        );
        assert!(wish(over, "!").refused().await.ends_with("is not Base64"));
        for bit in (0..256 * 8).step_by(61) {
            let sign = flipped(sign, 1, bit);
            assert!(
                wish(over, &sign).refused().await.ends_with("does not hold"),
                "{bit}"
            );
        }
        let mut none = wish(over, sign);
        none.file.digest_sign = None;
        assert!(none.refused().await.ends_with("is missing"));
        none.file.source = Source::Path("/nowhere".into());
        assert!(none.look().await.is_ok(), "an operator's file has none");
        let mut bare = wish(over, sign);
        bare.file.digests.clear();
        assert!(bare.refused().await.ends_with("is over no digest"));
        bare.settings.vouching.digest_key = None;
        assert!(bare.look().await.is_ok(), "it is not asked for");
    }
}

/// The publisher's signature of this image, offered as 1.0.7 by [`Case`].
fn seal_of(key: &Ed25519KeyPair, image: &[u8], size: usize) -> String {
    let signature = key.sign(&blake2b(image));
    let words = format!("version:1.0.7 target:x86_64-unknown-linux-gnu module:default size:{size}");
    let global = key.sign(&[signature.as_ref(), words.as_bytes()].concat());
    let [signature, global] = [
        &[b"EDhotplate".as_slice(), signature.as_ref()].concat(),
        global.as_ref(),
    ]
    .map(|bytes| BASE64_STANDARD.encode(bytes));
    format!("untrusted comment: x\n{signature}\ntrusted comment: {words}\n{global}\n")
}

#[tokio::test]
async fn a_part_begun_under_one_signature_is_judged_by_the_one_it_ends_under() {
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let public =
        BASE64_STANDARD.encode([b"Edhotplate".as_slice(), key.public_key().as_ref()].concat());
    let image = image();
    let good = seal_of(&key, &image, image.len());
    let bad = seal_of(&key, b"another image", image.len());
    for (first, then) in [(&bad, &good), (&good, &bad)] {
        let mut case = case();
        case.fetch.settings.vouching.require_signature = true;
        case.fetch.settings.vouching.keys = vec![SealKey::parse(&public).unwrap()];
        let range = format!(
            "HTTP/1.1 206 X\r\nContent-Range: bytes 100000-{}/{}\r\nContent-Length: {}\r\n\r\n",
            image.len() - 1,
            image.len(),
            image.len() - 100_000
        );
        let (address, mut requests) = serve_noting(vec![
            Act::Say(answer(image.len(), &image[..100_000])),
            Act::Say([range.as_bytes(), &image[100_000..]].concat()),
        ])
        .await;
        let mut file = wanted(format!("http://{address}/worker"), &image);
        file.seal = Some(first.clone());
        case.order_file(file.clone());
        assert!(matches!(case.end().await.0, Err(FetchFault::Short { .. })));
        file.seal = Some(then.clone());
        case.order_file(file);
        let ended = case.end().await.0;
        assert!(!requests.recv().await.unwrap().contains("range:"));
        assert!(
            requests
                .recv()
                .await
                .unwrap()
                .contains("range: bytes=100000-")
        );
        if then == &good {
            assert!(ended.is_ok(), "{ended:?}");
        } else {
            let why = "it is not over this image".to_owned();
            assert_eq!(ended, Err(FetchFault::BadSignature { why }));
            assert_eq!(case.left(), Vec::<String>::new());
        }
    }
}
