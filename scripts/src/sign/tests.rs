use super::image::{self, ImageError};
use super::keys::{self, KeysError, PUBLIC, SECRET};
use super::secret::SecretError;
use crate::{Cli, run};
use clap::Parser;
use minisign::{PublicKey, SignatureBox};
use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const IMAGE: &[u8] = b"the new firmware";

/// A publisher's desk: a key without a password, and an image.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        keys::make(folder.path(), true, None).unwrap();
        fs::write(folder.path().join("oven"), IMAGE).unwrap();
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn public(&self) -> PublicKey {
        PublicKey::from_file(self.at(PUBLIC)).unwrap()
    }

    /// Signs as the command line would with these further words.
    fn sign(&self, file: &str, more: &[&str]) -> Result<image::Signed, ImageError> {
        let (file, key) = (self.at(file), self.at(SECRET));
        let words = ["cargo xtask", "sign", "image", "--version", "1.0.7"].map(PathBuf::from);
        let words = words.into_iter().chain([file, "--key".into(), key]);
        let cli = Cli::try_parse_from(words.chain(more.iter().map(PathBuf::from))).unwrap();
        let crate::What::Sign(super::Args {
            what: super::What::Image(args),
        }) = cli.what
        else {
            panic!("an image was to be signed");
        };
        image::signed(&args, None)
    }
}

/// What a signature says, once the `minisign` crate, and stock minisign where there is one, have verified it.
fn verified(desk: &Desk, file: &Path, signature: &Path) -> BTreeMap<String, String> {
    let read = SignatureBox::from_file(signature).unwrap();
    let image = Cursor::new(fs::read(file).unwrap());
    minisign::verify(&desk.public(), &read, image, true, false, false).unwrap();
    let comment = read.trusted_comment().unwrap();
    if let Some(stock) = stock() {
        let mut verify = run::command(stock, ["-V", "-Q"]);
        verify
            .arg("-p")
            .arg(desk.at(PUBLIC))
            .arg("-m")
            .arg(file)
            .arg("-x")
            .arg(signature);
        assert_eq!(run::captured(&mut verify).unwrap().trim_end(), comment);
    }
    claims(&comment)
}

fn claims(comment: &str) -> BTreeMap<String, String> {
    let words = comment
        .split(['\t', ' '])
        .map(|word| word.split_once(':').unwrap());
    words
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn stock() -> Option<PathBuf> {
    let found = run::which("minisign");
    if found.is_none() {
        println!("there is no stock minisign here: only the `minisign` crate verifies");
    }
    found
}

fn said<const N: usize>(words: [(&str, &str); N]) -> BTreeMap<String, String> {
    words
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

#[test]
fn what_is_signed_is_verified_by_stock_minisign() {
    let desk = Desk::new();
    let done = desk.sign("oven", &[]).unwrap();
    assert_eq!(done.out, desk.at("oven.minisig"));
    let mut claims = verified(&desk, &desk.at("oven"), &done.out);
    let time = claims.remove("timestamp").unwrap();
    assert!(time.parse::<u64>().unwrap() > 1_700_000_000, "{time}");
    let host = run::captured(&mut run::command("rustc", ["-vV"])).unwrap();
    let host = host
        .lines()
        .find_map(|row| row.strip_prefix("host: "))
        .unwrap();
    let expected = [
        ("version", "1.0.7"),
        ("target", host),
        ("module", "default"),
        ("size", "16"),
    ];
    assert_eq!(claims, said(expected));
    assert_eq!(fs::read_to_string(&done.out).unwrap(), done.text);
}

#[test]
fn a_file_of_several_is_signed_under_its_name() {
    let desk = Desk::new();
    let out = desk.at("elsewhere");
    let more = [
        "--target",
        "riscv64gc-unknown-linux-gnu",
        "--module",
        "MCU",
        "--file-of",
        "3",
    ];
    let more = more
        .into_iter()
        .chain(["--out", out.to_str().unwrap()])
        .collect::<Vec<_>>();
    let done = desk.sign("oven", &more).unwrap();
    let mut claims = verified(&desk, &desk.at("oven"), &out);
    claims.remove("timestamp");
    let expected = [
        ("version", "1.0.7"),
        ("target", "riscv64gc-unknown-linux-gnu"),
        ("module", "MCU"),
        ("size", "16"),
        ("file", "oven"),
        ("files", "3"),
    ];
    assert_eq!((done.out, claims), (out, said(expected)));
    fs::write(desk.at("two words"), IMAGE).unwrap();
    let refused = desk.sign("two words", &["--file-of", "2"]);
    assert!(matches!(refused, Err(ImageError::Name(_))), "{refused:?}");
    desk.sign("two words", &[]).unwrap();
}

#[test]
fn another_image_is_not_what_was_signed() {
    let desk = Desk::new();
    let done = desk.sign("oven", &[]).unwrap();
    let read = SignatureBox::from_string(&done.text).unwrap();
    let other = Cursor::new(b"the new firmwarf");
    minisign::verify(&desk.public(), &read, other, true, false, false).unwrap_err();
}

#[test]
fn the_stock_command_of_the_help_says_the_same() {
    let help = Cli::try_parse_from(["cargo xtask", "sign", "image", "--help"]).unwrap_err();
    let help = help.to_string();
    let command = help
        .lines()
        .find(|row| row.contains("minisign -S"))
        .unwrap()
        .trim();
    let (options, comment) = command.split_once(" -t ").unwrap();
    assert_eq!(options, "minisign -S -s hotplate.key -m FILE");
    let comment = comment.trim_matches('"').replace("size:123", "size:16");
    let claimed = claims(&comment);
    let desk = Desk::new();
    let ours = desk
        .sign("oven", &["--target", &claimed["target"]])
        .unwrap();
    let mut ours = verified(&desk, &desk.at("oven"), &ours.out);
    ours.remove("timestamp");
    assert_eq!(claimed, ours);
    let Some(stock) = stock() else { return };
    let out = desk.at("stock");
    let mut sign = run::command(stock, ["-S", "-t", &comment]);
    sign.arg("-s")
        .arg(desk.at(SECRET))
        .arg("-m")
        .arg(desk.at("oven"))
        .arg("-x")
        .arg(&out);
    run::captured(&mut sign).unwrap();
    assert_eq!(verified(&desk, &desk.at("oven"), &out), ours);
}

/// Made with `minisign -G -W` of version 0.11, for this test only.
const STOCK: &str = "untrusted comment: minisign encrypted secret key\nRWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAX0U+5Fij5eY/sL4mndwRsKySf/6XABlcM2UoFON+q4fNFWe4qkdmrfDO16/qqS7Jos+rdopn0e97WDCqm6/brgbLTt+l4bpjAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
/// What it wrote as the public key.
const STOCK_PUBLIC: &str = "untrusted comment: minisign public key E6E5A358E43E455F\nRWRfRT7kWKPl5vDO16/qqS7Jos+rdopn0e97WDCqm6/brgbLTt+l4bpj\n";

#[test]
fn a_key_of_stock_minisign_signs_here() {
    let desk = Desk::new();
    fs::write(desk.at(SECRET), STOCK).unwrap();
    fs::write(desk.at(PUBLIC), STOCK_PUBLIC).unwrap();
    let done = desk.sign("oven", &[]).unwrap();
    assert_eq!(verified(&desk, &desk.at("oven"), &done.out)["size"], "16");
    assert_eq!(super::key_name(desk.public().keynum()), "E6E5A358E43E455F");
}

#[test]
fn a_protected_key_opens_with_its_password_only() {
    let desk = Desk::new();
    let folder = desk.at("protected");
    keys::make(&folder, false, Some("open sesame".to_owned())).unwrap();
    let secret = folder.join(SECRET);
    super::secret::open(&secret, Some("open sesame".to_owned())).unwrap();
    let wrong = super::secret::open(&secret, Some("open barley".to_owned()));
    assert!(
        matches!(wrong, Err(SecretError::Open { .. })),
        "it opens with another password"
    );
}

#[test]
fn a_key_is_never_overwritten() {
    for there in [SECRET, PUBLIC] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(there), "precious").unwrap();
        let refused = keys::make(folder.path(), true, None);
        assert!(matches!(refused, Err(KeysError::Exists(path)) if path.ends_with(there)));
        let kept = fs::read_to_string(folder.path().join(there)).unwrap();
        assert_eq!(kept, "precious");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[cfg(unix)]
#[test]
fn the_secret_file_belongs_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(Desk::new().at(SECRET))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn words_that_could_be_read_as_two_are_refused() {
    let long = "1".repeat(65);
    for flag in ["--version", "--target", "--module"] {
        for bad in ["", "1.0 7", "1.0\t7", "1:0", "1\n0", &long] {
            let mut words = vec!["cargo xtask", "sign", "image", "oven", "--key", "k"];
            if flag != "--version" {
                words.extend(["--version", "1"]);
            }
            words.extend([flag, bad]);
            assert!(Cli::try_parse_from(words).is_err(), "{flag} {bad:?}");
        }
    }
    for files in ["0", "21"] {
        let words = [
            "cargo xtask",
            "sign",
            "image",
            "oven",
            "--key",
            "k",
            "--version",
            "1",
        ];
        let words = words.into_iter().chain(["--file-of", files]);
        assert!(Cli::try_parse_from(words).is_err(), "{files} files");
    }
}

#[test]
fn what_cannot_be_signed_is_named_and_left_alone() {
    let desk = Desk::new();
    fs::write(desk.at("empty"), "").unwrap();
    fs::write(desk.at("no key"), "comment\nbase64!\n").unwrap();
    let [oven, no_key, public, missing] =
        ["oven", "no key", PUBLIC, "missing"].map(|name| desk.at(name).display().to_string());
    for (file, more, named) in [
        ("missing", vec![], "missing"),
        ("empty", vec![], "empty"),
        ("oven", vec!["--out", oven.as_str()], "oven"),
    ] {
        let error = desk.sign(file, &more).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
    for key in [&no_key, &public, &missing] {
        let refused = super::secret::open(Path::new(key), None);
        let error = refused.map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(key.as_str()), "{error}");
    }
    assert_eq!(fs::read(desk.at("oven")).unwrap(), IMAGE);
    let onto_key = desk.sign("oven", &["--out", desk.at(SECRET).to_str().unwrap()]);
    assert!(matches!(onto_key, Err(ImageError::Out(_))), "{onto_key:?}");
    assert!(!desk.at("oven.minisig").exists());
}
