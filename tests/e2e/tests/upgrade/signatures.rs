//! Who may make this device run something: only whose key is pinned, and only what exactly that key has signed. Whatever else is offered is
//! refused with its reason, and nothing of it is ever executed.

mod beside;

use cloud_emulator::{Carrier, Claims, Package, Rollout, SignMethod, SigningKey};
use e2e::{Image, Programs, Stand};
use serde_json::json;

use crate::telltale::{STARTS, Served, Site, telltale};

/// Bits of a signature's second line: two bytes of algorithm and eight of key come before the signature of 64 bytes.
const ALGORITHM_CASE: usize = 10;
const KEY: std::ops::Range<usize> = 16..80;
const SIGNATURE: std::ops::Range<usize> = 80..592;
/// Bits of its fourth line, the signature over the first one and the words.
const GLOBAL: std::ops::Range<usize> = 0..512;

/// The text with one bit of a line, counted from 1, flipped in what its Base64 stands for.
fn flipped(text: &str, line: usize, bit: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut lines: Vec<Vec<u8>> = text.lines().map(|it| it.as_bytes().to_vec()).collect();
    let letter = &mut lines[line - 1][bit / 6];
    let value = LETTERS.iter().position(|it| it == letter).unwrap();
    *letter = LETTERS[value ^ (0x20 >> (bit % 6))];
    String::from_utf8(lines.join(&b'\n')).unwrap()
}

/// The text with another line, counted from 1.
fn with_line(text: &str, line: usize, other: &str) -> String {
    let mut lines: Vec<_> = text.lines().collect();
    lines[line - 1] = other;
    lines.join("\n")
}

fn plain(image: &Image) -> Package {
    Package::from_path(&image.version, &image.path)
}

fn target() -> &'static str {
    Programs::under_test().target()
}

/// An image and the publisher's signature of it.
fn signed(stand: &Stand, version: &str) -> (Image, String) {
    let image = telltale(stand, version);
    let text = stand.upload(&image).minisig().unwrap().to_owned();
    (image, text)
}

/// What a signature must say of this image, as the trusted comment.
fn comment(image: &Image) -> String {
    let (version, size) = (&image.version, image.size());
    format!(
        "version:{version} target:{} module:default size:{size}",
        target()
    )
}

#[test]
fn an_image_without_a_signature_is_not_even_fetched() {
    let stand = Stand::new();
    let mut site = Site::with(&stand, "1.0.0");
    let (image, text) = signed(&stand, "1.0.7");
    let unsigned = "the image has no publisher's signature";
    // It is looked for beside the image.
    let served = site.refuses("no signature at all", plain(&image), -3, unsigned);
    assert_eq!(served, Served::ONE_SIGNATURE);
    for (name, custom) in [
        ("a custom text that is none", "spring release"),
        ("JSON without one", r#"{"notes":"spring release"}"#),
        ("JSON with a number", r#"{"minisig":5}"#),
        ("a list", r#"["minisig"]"#),
    ] {
        let served = site.refuses(name, plain(&image).custom(custom), -3, unsigned);
        assert_eq!(served, Served::ONE_SIGNATURE, "{name}");
    }
    site.takes("its signature", plain(&image).minisig(text));
}

#[test]
fn a_text_that_is_changed_anywhere_is_refused_before_the_image_is_fetched() {
    let stand = Stand::new();
    let mut site = Site::with(&stand, "1.0.0");
    let (image, text) = signed(&stand, "1.0.7");
    let (other_key, changed) = ("is not pinned here", "its words were changed");
    let bits = [
        (
            "the form's case",
            2,
            ALGORITHM_CASE,
            "of the legacy form `Ed`",
        ),
        ("the key's first bit", 2, KEY.start, other_key),
        ("the key's last bit", 2, KEY.end - 1, other_key),
        ("the signature's first bit", 2, SIGNATURE.start, changed),
        ("a bit of the signature", 2, 300, changed),
        ("the signature's last bit", 2, SIGNATURE.end - 1, changed),
        ("the words' signature's first bit", 4, GLOBAL.start, changed),
        ("a bit of the words' signature", 4, 300, changed),
        (
            "the words' signature's last bit",
            4,
            GLOBAL.end - 1,
            changed,
        ),
    ];
    let words = text.lines().nth(2).unwrap();
    let other_words = words.replace("1.0.7", "1.0.8");
    let blank = format!("{words} ");
    let mut cases: Vec<_> = bits
        .into_iter()
        .map(|(name, line, bit, told)| (name, flipped(&text, line, bit), told))
        .collect();
    for (name, line, other, told) in [
        ("another version in its words", 3, &*other_words, changed),
        ("a blank behind its words", 3, &blank, changed),
        ("no words", 3, "trusted comment: ", changed),
        (
            "garbage",
            2,
            "nonsense",
            "line 2 of the signature is not 74 bytes of Base64",
        ),
        (
            "no line of words",
            3,
            "",
            "line 3 of the signature is not `trusted comment: …`",
        ),
        (
            "a short end",
            4,
            "AAAA",
            "line 4 of the signature is not 64 bytes of Base64",
        ),
        (
            "two of them",
            4,
            &format!("{}\n{text}", text.lines().nth(3).unwrap()),
            "the signature goes on after its fourth line",
        ),
    ] {
        cases.push((name, with_line(&text, line, other), told));
    }
    // The platform's console takes no text that is too long; somebody who speaks for the platform may send one all the same.
    let long = format!("untrusted comment: {}", "x".repeat(4096));
    cases.push((
        "too long",
        with_line(&text, 1, &long),
        "at most 4096 are read",
    ));
    let firmware = stand.upload_as(plain(&image));
    for (name, text, told) in cases {
        stand.cloud.set_minisig(firmware.id, 0, Some(&text));
        let served = site.refuses_after(name, -3, told, || {
            stand.start(Rollout::new(firmware.id, &stand.device));
        });
        assert_eq!(served, Served::NOTHING, "{name}");
    }
    // Its first line nobody vouches for, and it may end as lines do elsewhere.
    let text = with_line(&text, 1, "untrusted comment: anything").replace('\n', "\r\n");
    site.takes(
        "the same with other ends of lines",
        plain(&image).minisig(text),
    );
}

#[test]
fn a_signature_for_something_else_is_refused_before_the_image_is_fetched() {
    let stand = Stand::new();
    let mut site = Site::with(&stand, "1.0.0");
    let image = telltale(&stand, "1.0.7");
    let size = image.size();
    let truth = || Claims::of(target());
    let misfit = |claim: &str, says: &str| {
        format!("the publisher signed something else: the seal is for {claim} `{says}`, not `")
    };
    let no = |claim: &str| format!("the trusted comment claims no `{claim}`");
    let twice = |claim: &str| format!("the trusted comment claims `{claim}` more than once");
    let less = (size - 1).to_string();
    let mut cases: Vec<_> = [
        ("version", "1.0.8"),
        ("version", "1.0.07"),
        ("target", "z80-sinclair-basic"),
        ("module", "mcu"),
        ("size", &*less),
        ("files", "2"),
    ]
    .into_iter()
    .map(|(claim, says)| (truth().saying(claim, says), misfit(claim, says)))
    .collect();
    for (claim, says, words) in [
        ("version", "../../x".to_owned(), "`version` is not one"),
        ("size", format!("+{size}"), "not a whole number in range"),
        ("mood", "x".repeat(1024), "at most 1024 are read"),
    ] {
        cases.push((truth().saying(claim, says), words.to_owned()));
    }
    for claim in ["version", "target", "module", "size"] {
        cases.push((truth().without(claim), no(claim)));
        cases.push((truth().saying(claim, ""), no(claim)));
    }
    for (claim, value) in [
        ("version", "1.0.7".to_owned()),
        ("target", target().to_owned()),
        ("module", "default".to_owned()),
        ("size", size.to_string()),
    ] {
        // Two readers could each believe another one, so that not even the same may be said twice.
        for other in [&*value, "other"] {
            let both = format!("{value} {claim}:{other}");
            cases.push((truth().saying(claim, both), twice(claim)));
        }
    }
    for (claims, words) in cases {
        let name = format!("{claims:?}");
        let package = plain(&image).claimed(&stand.publisher, claims);
        let served = site.refuses(&name, package, -3, &words);
        assert_eq!(served, Served::NOTHING, "{name}");
    }
    let more = truth().saying("file", "anything").saying("mood", "good");
    site.takes(
        "words of others beside the truth",
        plain(&image).claimed(&stand.publisher, more),
    );
}

#[test]
fn an_image_that_is_not_the_signed_one_is_refused_when_its_digest_is_right() {
    let stand = Stand::new();
    let mut site = Site::with(&stand, "1.0.0");
    // Its orders are the same but for the name of the journal: it would run, and tell.
    let elsewhere = "shelve";
    assert_eq!(elsewhere.len(), STARTS.len());
    let orders = json!({ "version": "1.0.7", "journal": stand.misfit_journal_path(elsewhere) });
    let (first, second) = (stand.misfit(&orders), telltale(&stand, "1.0.7"));
    let text = stand.upload(&first).minisig().unwrap().to_owned();
    let mut bytes = std::fs::read(&second.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let flipped = stand.image("1.0.7", &bytes);
    let words = "the publisher's signature does not hold: it is not over this image";
    for (name, image) in [
        ("changed after it was signed", &second),
        ("and with a flipped bit", &flipped),
    ] {
        assert_eq!(image.size(), first.size());
        for method in [SignMethod::Md5, SignMethod::Sha256] {
            for carrier in [Carrier::Udi, Carrier::Url] {
                let name = format!("{name}, {} and {carrier:?}", method.name());
                let package = plain(image).sign_method(method).minisig(&text);
                let served = site.refuses(&name, package.carrier(carrier), -3, words);
                let signatures = usize::from(carrier == Carrier::Url);
                let all = Served {
                    signatures,
                    ..Served::all_of(image)
                };
                assert_eq!(served, all, "{name}: only its bytes can tell");
            }
        }
    }
    // The publisher's own words about another build of the same version and length.
    let replayed = stand
        .publisher
        .sign(&b"another build"[..], &comment(&second));
    let package = plain(&second).minisig(replayed.unwrap());
    let served = site.refuses("another build's signature", package, -3, words);
    assert_eq!(served, Served::all_of(&second));
    assert_eq!(
        stand.misfit_journal(elsewhere),
        [] as [serde_json::Value; 0]
    );
    site.takes("the signed one", stand.package(&second));
}

#[test]
fn a_key_counts_from_when_it_is_pinned_until_it_is_taken_off() {
    let mut stand = Stand::new();
    let next = SigningKey::generate();
    let pinned = stand.publisher.public();
    let by = |image: &Image, key: &SigningKey| plain(image).signed(key, target());
    let stranger = "which is not pinned here";
    {
        let site = Site::with(&stand, "1.0.0");
        let package = by(&telltale(&stand, "1.0.1"), &next);
        let served = site.refuses("a key nobody pinned", package, -3, stranger);
        assert_eq!(served, Served::NOTHING);
    }
    // Two are pinned while the publisher changes from the one to the other.
    stand.set("update.keys", format!("[{pinned:?}, {:?}]", next.public()));
    {
        let mut site = Site::again(&stand, "1.0.0");
        site.takes("the first key", stand.package(&telltale(&stand, "1.0.1")));
        site.takes("the next key", by(&telltale(&stand, "1.0.2"), &next));
    }
    stand.set("update.keys", format!("[{:?}]", next.public()));
    let mut site = Site::again(&stand, "1.0.2");
    let package = stand.package(&telltale(&stand, "1.0.3"));
    let served = site.refuses("the key that was taken off", package, -3, stranger);
    assert_eq!(served, Served::NOTHING);
    site.takes("the key that stayed", by(&telltale(&stand, "1.0.4"), &next));
}

#[test]
fn a_signature_in_the_offers_json_counts_like_the_text_itself() {
    let stand = Stand::new();
    let mut site = Site::with(&stand, "1.0.0");
    let (image, text) = signed(&stand, "1.0.7");
    let custom = || {
        let package = plain(&image).carrier(Carrier::UdiJson);
        package.custom(r#"{"notes":"spring release","minisig":"another"}"#)
    };
    let bad = flipped(&text, 4, 300);
    let served = site.refuses(
        "a bad one",
        custom().minisig(bad),
        -3,
        "its words were changed",
    );
    assert_eq!(served, Served::NOTHING);
    let served = site.takes("a good one", custom().minisig(&text));
    assert_eq!(served, Served::all_of(&image));
}

/// What is said where digests are enough.
const WARNING: &str = "WARNING: `update.require` is \"digest\"";

#[test]
fn where_digests_are_enough_that_is_said_loudly_and_a_bad_signature_is_refused_all_the_same() {
    let mut stand = Stand::new();
    stand.set_text("update.require", "digest");
    let checked = stand.cli(&["check-config"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stderr.starts_with(WARNING), "{checked:?}");
    let mut site = Site::with(&stand, "1.0.0");
    site.supervisor.log.await_line(WARNING);
    let (image, text) = signed(&stand, "1.0.2");
    for (name, package, words) in [
        (
            "a flipped bit",
            plain(&image).minisig(flipped(&text, 2, 300)),
            "its words were changed",
        ),
        (
            "for another version",
            stand.claiming(&image, "version", "1.0.1"),
            "the seal is for version `1.0.1`, not `1.0.2`",
        ),
        (
            "another key's",
            plain(&image).signed(&SigningKey::generate(), target()),
            "which is not pinned here",
        ),
    ] {
        let served = site.refuses(name, package, -3, words);
        assert_eq!(served, Served::NOTHING, "{name}");
    }
    let replayed = stand
        .publisher
        .sign(&b"another build"[..], &comment(&image));
    let package = plain(&image).minisig(replayed.unwrap());
    let served = site.refuses("another build's", package, -3, "it is not over this image");
    assert_eq!(served, Served::all_of(&image));
    let unsigned = telltale(&stand, "1.0.1");
    let served = site.takes("no signature", plain(&unsigned));
    assert_eq!(served, Served::all_of(&unsigned), "nobody asks for one");
    site.takes("a good one", plain(&image).minisig(text));
}

#[test]
fn a_device_that_pins_nobodys_key_does_not_start_unless_it_says_that_digests_are_enough() {
    let mut stand = Stand::new();
    stand.set("update.keys", "[]");
    for action in ["run", "check-config"] {
        let ended = stand.cli(&[action]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(
            ended.stderr.contains("`update.keys` is missing"),
            "{ended:?}"
        );
        assert!(ended.stderr.contains("pin the publisher's"), "{ended:?}");
    }
    assert!(!stand.path("state").exists(), "nothing was touched");
    stand.set_text("update.require", "digest");
    let mut site = Site::with(&stand, "1.0.0");
    // Whose signature that is nobody here can tell.
    let image = telltale(&stand, "1.0.7");
    let package = plain(&image).signed(&SigningKey::generate(), target());
    site.takes("a signature by anybody", package);
}
