use std::error::Error;

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::alink::version::Version;

// Made with minisign 0.11 over the six bytes `hello\n`.
const KEY: &str = "RWRXS+h+ZVXK7T2MVgq27EM5NCWw2mWmEVB3MugH0QBcWHlrMV28UHHB";
const SEAL: &str = "untrusted comment: signature from minisign secret key\n\
    RURXS+h+ZVXK7fjiAHpbebDNP5hW79ekakxV9kYeba7NFHmdh3/0cjn5yRZtIToJ3svgX8sj6CZu7czjtbi8H1UUugEqsEtp4gw=\n\
    trusted comment: version:1.2.3 target:x86_64-unknown-linux-gnu module:default size:6\n\
    jZp3++WDuU+Gw4G4EQzID8e2/7oCiI8U98DASPUzoVJW6zdl6OD2oEtqb8lVcH4DvOcbjOgH++mPGqob77SzCA==\n";
/// With `-S` and nothing else.
const BY_DEFAULT: &str = "untrusted comment: signature from minisign secret key\n\
    RURXS+h+ZVXK7fjiAHpbebDNP5hW79ekakxV9kYeba7NFHmdh3/0cjn5yRZtIToJ3svgX8sj6CZu7czjtbi8H1UUugEqsEtp4gw=\n\
    trusted comment: timestamp:1795462570\tfile:image.bin\thashed\n\
    +dzk9msiHP/O8PqK+IimbWmQDIgwdxGluY51u+wHUtlmKabu7OmyR4oZhGcmD4lE8ItNkmxb/isbzt1hHkzhBg==\n";
/// With `-l`.
const LEGACY: &str = "untrusted comment: signature from minisign secret key\n\
    RWRXS+h+ZVXK7U/kCqn3/pOZDzPsFDwXoIGv4ehv3TuEWFx32OTy99OG+SUAyAJDWssMdMy5iyFBzgStfB2kLawXwOvAbWI7sAE=\n\
    trusted comment: timestamp:1795462570\tfile:image.bin\n\
    MUkcEG69Fh3aYpmYnZbTfO/0FkfKtb4Quvr4n7f9+oZrt32pWhg4aKs5D5iap5QDggvrbVacCWJjwdfeghjBAQ==\n";

fn refused(text: &str) -> String {
    Seal::parse(text).unwrap_err().to_string()
}

fn with_line(line: usize, text: &str) -> String {
    let mut lines: Vec<_> = SEAL.lines().collect();
    lines[line - 1] = text;
    lines.join("\n")
}

#[test]
fn a_seal_made_with_the_stock_tool_is_read() {
    let seal = Seal::parse(SEAL).unwrap();
    assert_eq!(
        seal.key_id,
        KeyId([0x57, 0x4b, 0xe8, 0x7e, 0x65, 0x55, 0xca, 0xed])
    );
    assert_eq!(seal.signature[..4], [0xf8, 0xe2, 0x00, 0x7a]);
    assert_eq!(seal.signature[62..], [0xe2, 0x0c]);
    assert_eq!(
        seal.trusted_comment,
        "version:1.2.3 target:x86_64-unknown-linux-gnu module:default size:6"
    );
    assert_eq!(seal.global_signature[..4], [0x8d, 0x9a, 0x77, 0xfb]);
    let message = seal.global_message();
    assert_eq!(message[..64], seal.signature);
    assert_eq!(message[64..], *seal.trusted_comment.as_bytes());
}

#[test]
fn the_ends_of_lines_make_no_difference() {
    let seal = Seal::parse(SEAL);
    assert!(seal.is_ok());
    assert_eq!(Seal::parse(SEAL.trim_end()), seal);
    let windows = SEAL.replace('\n', "\r\n");
    assert_eq!(Seal::parse(&windows), seal);
    assert_eq!(Seal::parse(windows.trim_end()), seal);
}

#[test]
fn blanks_of_the_trusted_comment_are_under_its_signature_and_are_kept() {
    for comment in ["", " ", "a:b  ", "\t", "a\r"] {
        let text = with_line(3, &format!("trusted comment: {comment}"));
        let text = text.replace('\n', "\r\n");
        assert_eq!(Seal::parse(&text).unwrap().trusted_comment, comment);
    }
}

#[test]
fn nothing_may_follow_the_fourth_line() {
    for further in ["\n", "\r\n", "x", " ", SEAL] {
        assert_eq!(
            refused(&format!("{SEAL}{further}")),
            "the signature goes on after its fourth line"
        );
    }
}

#[test]
fn a_legacy_signature_is_refused_with_its_cure() {
    assert_eq!(
        refused(LEGACY),
        "the signature is of the legacy form `Ed`; sign with `-H` or with a newer minisign"
    );
}

#[test]
fn each_line_that_is_something_else_is_named() {
    let signed = SEAL.lines().nth(1).unwrap();
    let fault = |line, text: &str| refused(&with_line(line, text));
    let first = "line 1 of the signature is not `untrusted comment: …`";
    for text in [
        "",
        "untrusted comment:",
        "comment: x",
        " untrusted comment: x",
    ] {
        assert_eq!(fault(1, text), first, "{text}");
    }
    assert_eq!(refused(""), first);
    let second = "line 2 of the signature is not 74 bytes of Base64";
    let no_padding = signed.trim_end_matches('=');
    // The last character's low bits stand for nothing and must be zero, or one signature had several spellings.
    let stray_bits = format!("{}x=", &signed[..98]);
    for text in [
        "",
        "!",
        &signed[4..],
        no_padding,
        &stray_bits,
        &format!("{signed} "),
        &format!("{signed}\r"),
    ] {
        assert_eq!(
            refused(&with_line(2, text).replace('\n', "\r\n")),
            second,
            "{text}"
        );
    }
    assert_eq!(
        fault(3, "untrusted comment: x"),
        "line 3 of the signature is not `trusted comment: …`"
    );
    assert_eq!(
        fault(4, signed),
        "line 4 of the signature is not 64 bytes of Base64"
    );
    assert_eq!(
        fault(2, &signed.replacen("RUR", "RVR", 1)),
        "the signature's algorithm is [45, 54], not `ED`"
    );
}

#[test]
fn a_seal_cut_anywhere_is_refused() {
    let whole = SEAL.trim_end();
    for length in 0..whole.len() {
        assert!(Seal::parse(&whole[..length]).is_err(), "cut at {length}");
    }
}

#[test]
fn both_bounds_hold_to_the_byte() {
    let comment = |length: usize| {
        let comment = "é".repeat(length / 2) + &"x".repeat(length % 2);
        Seal::parse(&with_line(3, &format!("trusted comment: {comment}")))
    };
    assert_eq!(comment(1024).unwrap().trusted_comment.len(), 1024);
    assert_eq!(comment(1025), Err(SealFault::LongComment { length: 1025 }));
    let padded = |length: usize| {
        let fill = length - (SEAL.len() - "signature from minisign secret key".len());
        Seal::parse(&SEAL.replace("signature from minisign secret key", &"x".repeat(fill)))
    };
    assert!(padded(4096).is_ok());
    assert_eq!(padded(4097), Err(SealFault::TooLong { length: 4097 }));
}

#[test]
fn a_key_and_its_seals_name_each_other_as_the_stock_tool_prints_it() {
    let key = SealKey::parse(KEY).unwrap();
    assert_eq!(key.id, Seal::parse(SEAL).unwrap().key_id);
    assert_eq!(key.to_string(), "EDCA55657EE84B57");
    assert_eq!(key.key[..3], [0x3d, 0x8c, 0x56]);
    assert_eq!(key.key[30..], [0x71, 0xc1]);
    // The stock tool's words about this one: `the key id in the public key is 20F1842B4E81F`.
    let low = "RWQf6LRCGA8CAD2MVgq27EM5NCWw2mWmEVB3MugH0QBcWHlrMV28UHHB";
    assert_eq!(SealKey::parse(low).unwrap().to_string(), "20F1842B4E81F");
    assert_eq!(KeyId([0; 8]).to_string(), "0");
}

#[test]
fn what_is_not_exactly_one_public_key_is_refused_and_not_shown() {
    let file = format!("untrusted comment: minisign public key EDCA55657EE84B57\n{KEY}\n");
    let with_end = format!("{KEY}\n");
    let longer = format!("{KEY}AAAA");
    let twice = KEY.repeat(2);
    for text in [
        "",
        "RWQ",
        &KEY[4..],
        &longer,
        &twice,
        &with_end,
        &file,
        "Ed25519",
    ] {
        let fault = SealKey::parse(text).unwrap_err();
        assert_eq!(fault, SealKeyFault::Form, "{text}");
        assert!(!fault.to_string().contains("RWRX"));
    }
    assert_eq!(
        SealKey::parse(&KEY.replacen("RWR", "RUR", 1))
            .unwrap_err()
            .to_string(),
        "the public key's algorithm is [45, 44], not `Ed`"
    );
}

const CLAIMS: &str = "version:1.2.3 target:oven-v2 module:default size:6";

fn claims(text: &str) -> Claims {
    Claims::read(text).unwrap()
}

fn misread(text: &str) -> String {
    Claims::read(text).unwrap_err().to_string()
}

#[test]
fn claims_are_read_in_any_order_among_words_of_others() {
    let wanted = Claims {
        version: "1.2.3".parse().unwrap(),
        target: "oven-v2".into(),
        module: "default".into(),
        size: 6,
        file: None,
        files: None,
    };
    assert_eq!(claims(CLAIMS), wanted);
    assert_eq!(
        claims(
            "  size:6\t\tbuilt by hand: on:monday hashed target:oven-v2 module:default Size:9 :x version:1.2.3 "
        ),
        wanted
    );
    let package = claims(&format!("timestamp:1\tfile:fonts.bin\tfiles:3 {CLAIMS}"));
    assert_eq!(
        (package.file.as_deref(), package.files),
        (Some("fonts.bin"), Some(3))
    );
    assert_eq!(
        claims(&CLAIMS.replace("oven-v2", "a:b")).target,
        "a:b",
        "only the first colon parts"
    );
}

#[test]
fn a_seal_made_without_claims_has_none() {
    let seal = Seal::parse(BY_DEFAULT).unwrap();
    assert_eq!(
        misread(&seal.trusted_comment),
        "the trusted comment claims no `version`"
    );
}

#[test]
fn each_claim_that_is_needed_is_missed_by_its_name() {
    for (place, claim) in ["version", "target", "module", "size"].iter().enumerate() {
        let words: Vec<_> = CLAIMS.split(' ').collect();
        let left: Vec<_> = (0..4)
            .filter(|it| *it != place)
            .map(|it| words[it])
            .collect();
        let fault = format!("the trusted comment claims no `{claim}`");
        assert_eq!(misread(&left.join(" ")), fault);
        assert_eq!(misread(&format!("{} {claim}:", left.join(" "))), fault);
    }
}

#[test]
fn no_known_claim_is_made_twice_not_even_alike() {
    for word in [
        "version:1.2.3",
        "target:oven-v1",
        "module:default",
        "size:6",
        "size:",
    ] {
        let claim = word.split(':').next().unwrap();
        assert_eq!(
            misread(&format!("{CLAIMS} {word}")),
            format!("the trusted comment claims `{claim}` more than once")
        );
    }
    for twice in ["file:a file:b", "files:2\tfiles:2"] {
        assert!(misread(&format!("{twice} {CLAIMS}")).ends_with("more than once"));
    }
    assert!(Claims::read(&format!("{CLAIMS} mood:good mood:bad")).is_ok());
}

#[test]
fn a_claim_that_cannot_be_what_it_says_is_refused() {
    for size in [
        "+6",
        "-6",
        "6.0",
        "0x6",
        "six",
        "18446744073709551616",
        "６",
    ] {
        assert_eq!(
            misread(&CLAIMS.replace("size:6", &format!("size:{size}"))),
            format!("the trusted comment's `size` is `{size}`, not a whole number in range")
        );
    }
    assert_eq!(
        misread(&format!("{CLAIMS} files:")),
        "the trusted comment's `files` is ``, not a whole number in range"
    );
    let fault = Claims::read(&CLAIMS.replace("1.2.3", "../3")).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the trusted comment's `version` is not one"
    );
    assert!(fault.source().unwrap().to_string().contains("`../3`"));
}

/// Are the claims about this image of six bytes, version 1.2.3, for this device?
fn misfit(text: &str, package: Option<(&str, usize)>) -> Option<String> {
    let version: Version = "1.2.3".parse().unwrap();
    let expected = Expected {
        version: &version,
        target: "oven-v2",
        module: "default",
        size: 6,
        package,
    };
    claims(text).fit(&expected).err().map(|it| it.to_string())
}

#[test]
fn claims_about_this_very_image_fit_and_any_that_differs_is_told() {
    assert_eq!(misfit(CLAIMS, None), None);
    for (from, to, told) in [
        ("1.2.3", "1.2.2", "version `1.2.2`, not `1.2.3`"),
        ("1.2.3", "1.2.03", "version `1.2.03`, not `1.2.3`"),
        ("oven-v2", "OVEN-v2", "target `OVEN-v2`, not `oven-v2`"),
        ("default", "mcu", "module `mcu`, not `default`"),
        ("size:6", "size:7", "size `7`, not `6`"),
    ] {
        assert_eq!(
            misfit(&CLAIMS.replace(from, to), None),
            Some(format!("the seal is for {told}"))
        );
    }
}

#[test]
fn one_of_several_files_is_known_by_its_name_and_their_number() {
    let wanted = Some(("fonts.bin", 2));
    let with = |further| misfit(&format!("{CLAIMS} {further}"), wanted);
    assert_eq!(with("file:fonts.bin files:2"), None);
    for (further, told) in [
        ("", "for no files, not for `2`"),
        ("file:fonts.bin", "for no files, not for `2`"),
        ("files:2", "for no file, not for `fonts.bin`"),
        ("file:oven files:2", "for file `oven`, not `fonts.bin`"),
        ("file:fonts.bin files:3", "for files `3`, not `2`"),
    ] {
        assert_eq!(with(further), Some(format!("the seal is {told}")));
    }
}

#[test]
fn a_lone_image_may_be_called_anything_but_not_be_one_of_several() {
    let with = |further| misfit(&format!("{further} {CLAIMS}"), None);
    assert_eq!(with("timestamp:1795462570\tfile:image.bin\thashed"), None);
    assert_eq!(with("file:image.bin files:1"), None);
    assert_eq!(
        with("file:image.bin files:2"),
        Some("the seal is for files `2`, not `1`".into())
    );
}

#[test]
fn a_long_misfit_keeps_both_ends_of_what_differs() {
    let version = |end| format!("{}{end}", "1.".repeat(31));
    let told = Misfit {
        claim: "version",
        says: Some(version("12")),
        wanted: version("13"),
    };
    assert_eq!(
        told.to_string(),
        "the seal is for version `1.1.1.1.1.1.1.1…1.1.1.1.1.1.12`, not `1.1.1.1.1.1.1.1…1.1.1.1.1.1.13`"
    );
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(text in "\\PC{0,200}|[a-z: \t\r\n=+/]{0,200}") {
        let _ = Seal::parse(&text);
        let _ = SealKey::parse(&text);
        let _ = Claims::read(&text);
    }

    #[test]
    fn a_key_of_any_bytes_is_read_back(id in any::<[u8; 8]>(), key in any::<[u8; 32]>()) {
        let text = STANDARD.encode([&b"Ed"[..], &id, &key].concat());
        let read = SealKey::parse(&text).unwrap();
        prop_assert_eq!(read, SealKey { id: KeyId(id), key });
        let number = u64::from_str_radix(&read.to_string(), 16).unwrap();
        prop_assert_eq!(number.to_le_bytes(), id);
    }

    #[test]
    fn a_seal_of_any_bytes_is_read_back(
        signed in any::<[u8; 8]>().prop_flat_map(|id| (proptest::strategy::Just(id), any::<[u8; 32]>(), any::<[u8; 32]>())),
        comment in "[^\r\n]{0,200}",
        untrusted in "[^\r\n]{0,200}",
        end in "(\r?\n)?",
    ) {
        let (id, left, right) = signed;
        let signature = [left, right].concat();
        let text = format!(
            "untrusted comment: {untrusted}\n{}\ntrusted comment: {comment}\r\n{}{end}",
            STANDARD.encode([&b"ED"[..], &id, &signature].concat()),
            STANDARD.encode(&signature),
        );
        let seal = Seal::parse(&text).unwrap();
        prop_assert_eq!(seal.key_id, KeyId(id));
        prop_assert_eq!(&seal.signature[..], &signature[..]);
        prop_assert_eq!(&seal.global_signature[..], &signature[..]);
        prop_assert_eq!(seal.trusted_comment, comment);
    }

    #[test]
    fn no_misfit_is_longer_than_the_cloud_reads(
        says in proptest::option::of("\\PC{0,90}"),
        wanted in "\\PC{0,90}|`{0,90}",
        claim in proptest::sample::select(&["version", "target", "module", "size", "file", "files"][..]),
    ) {
        let text = Misfit { claim, says, wanted }.to_string();
        prop_assert!(text.chars().count() <= 100, "{}", text);
        prop_assert!(!text.contains(char::is_control), "{}", text);
    }
}
