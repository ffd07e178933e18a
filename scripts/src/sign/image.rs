//! `cargo xtask sign image`: one image's signature, with what a device must know about the image in its trusted comment.
//!
//! The image is read once and in pieces. It refuses words a reader could take apart differently.

use super::{key_name, secret};
use crate::paint::{self, Live};
use minisign::{PError, PublicKey, SecretKey, SignatureBox};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The longest word of a claim, in characters.
const LONGEST: usize = 64;
/// From which size on a bar shows how far it is, in bytes.
const WORTH_A_BAR: u64 = 256 * 1024 * 1024;

/// What to sign, and what to say about it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
What is signed stands in the trusted comment as words parted by tabs; a device looks for `version`, `target`, `module` and
`size`, for a file of several also `file` and `files`, and passes over all others:

  timestamp:<unix seconds>  version:<V>  target:<T>  module:<M>  size:<bytes>  file:<its name>  files:<N>

The device finds the signature at the image's URL with `.minisig` behind the path (before the `?`), or in the offer as the
package's custom text, `extData._package_udi`: either the text itself or a JSON object that has it as `minisig`.

A key's password is taken from HOTPLATE_KEY_PASSWORD, or asked for at the terminal.

Stock minisign does the same, if it is told what to say:

  minisign -S -s hotplate.key -m FILE -t \"version:1.0.7 target:x86_64-unknown-linux-gnu module:default size:123\"

and verifies it: minisign -V -p hotplate.pub -m FILE")]
pub(super) struct Args {
    /// The image: the file that will be published, byte for byte
    file: PathBuf,
    /// The publisher's secret key, as `cargo xtask sign keys` or stock minisign wrote it
    #[arg(long, value_name = "SECRET")]
    key: PathBuf,
    /// The version the device shall report afterwards
    #[arg(long, value_parser = word)]
    version: String,
    /// The system the image runs on, as Rust calls it
    #[arg(long, default_value = env!("HOTPLATE_TARGET"), value_parser = word)]
    target: String,
    /// The module it is for
    #[arg(long, default_value = "default", value_parser = word)]
    module: String,
    /// For a package of several files: how many it has, 1 to 20. Each is signed on its own, under its own name
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=20))]
    file_of: Option<u8>,
    /// Where to write the signature instead of `<FILE>.minisig`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// There is no signature.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    /// The image could not be read to its end.
    #[error("read the image `{path}`")]
    Read {
        /// The image.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing to sign.
    #[error(
        "sign `{0}`: it is not a file with something in it; name the image that will be published"
    )]
    Empty(PathBuf),
    /// Its name cannot be a word of the claims.
    #[error(
        "sign `{0}` as one of several files: its name has blanks or controls; rename it as it shall be called in the package"
    )]
    Name(PathBuf),
    /// The signature would take the place of something that is needed.
    #[error(
        "write the signature to `{0}`: that is the image or the key; name another file with `--out`"
    )]
    Out(PathBuf),
    /// The key cannot be used.
    #[error(transparent)]
    Secret(#[from] secret::SecretError),
    /// The image's length is not what it was a moment ago.
    #[error(
        "sign `{path}`: it had {expected} bytes at first and {found} at the end; sign it when nobody writes to it"
    )]
    Changed {
        /// The image.
        path: PathBuf,
        /// Its length before.
        expected: u64,
        /// How many bytes were read.
        found: u64,
    },
    /// The signature could not be made.
    #[error("sign `{path}`")]
    Sign {
        /// The image.
        path: PathBuf,
        /// Why.
        source: PError,
    },
    /// The signature could not be written.
    #[error("write the signature to `{path}` (`--out` names another file)")]
    Write {
        /// The signature's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Signs an image and tells what to do with the signature.
///
/// # Errors
/// When the image or the key cannot be read, or the signature cannot be written.
pub(super) fn image(args: &Args) -> Result<(), ImageError> {
    let done = signed(args, secret::password())?;
    let tick = paint::green("✓");
    println!("{tick} {}", done.out.display());
    println!(
        "  signed with key {}: {}",
        done.key,
        done.comment.replace('\t', "  ")
    );
    println!();
    if args.file_of.is_some() {
        println!("Serve it beside the file, at the file's URL with `.minisig` behind the path.");
        return Ok(());
    }
    println!(
        "Serve it beside the image, at the image's URL with `.minisig` behind the path. Or let the offer carry it: give the"
    );
    println!("package this custom text (`extData._package_udi`):");
    println!();
    println!("{}", serde_json::json!({ "minisig": done.text }));
    Ok(())
}

/// A signature that lies where it was wanted.
#[derive(Debug)]
pub(super) struct Signed {
    /// Where it lies.
    pub(super) out: PathBuf,
    /// Its four lines.
    pub(super) text: String,
    /// What it says.
    comment: String,
    /// The name of the key.
    key: String,
}

/// Signs an image; `password` opens the key, and is asked for if it is needed and not there.
///
/// # Errors
/// When the image or the key cannot be read, or the signature cannot be written.
pub(super) fn signed(args: &Args, password: Option<String>) -> Result<Signed, ImageError> {
    let read = |source| ImageError::Read {
        path: args.file.clone(),
        source,
    };
    let out = args.out.clone().unwrap_or_else(|| beside(&args.file));
    if [&args.file, &args.key]
        .into_iter()
        .any(|taken| same(taken, &out))
    {
        return Err(ImageError::Out(out));
    }
    let file = File::open(&args.file).map_err(read)?;
    let about = file.metadata().map_err(read)?;
    if !about.is_file() || about.len() == 0 {
        return Err(ImageError::Empty(args.file.clone()));
    }
    let comment = comment(args, about.len())?;
    let secret = secret::open(&args.key, password)?;
    let text = sign(args, &secret, Watched::new(file, about.len()), &comment)?;
    std::fs::write(&out, &text).map_err(|source| ImageError::Write {
        path: out.clone(),
        source,
    })?;
    Ok(Signed {
        out,
        text,
        comment,
        key: key_name(secret.keynum()),
    })
}

fn sign(
    args: &Args,
    secret: &SecretKey,
    mut image: Watched,
    comment: &str,
) -> Result<String, ImageError> {
    let failed = |source| ImageError::Sign {
        path: args.file.clone(),
        source,
    };
    let public = PublicKey::from_secret_key(secret).map_err(failed)?;
    // With the public half at hand it also proves that both halves of the key belong together.
    let made = minisign::sign(
        Some(&public),
        secret,
        &mut image,
        Some(comment),
        Some(UNTRUSTED),
    );
    let (expected, found) = (image.size, image.read);
    image.end();
    let made: SignatureBox = made.map_err(failed)?;
    if expected == found {
        return Ok(made.to_string());
    }
    Err(ImageError::Changed {
        path: args.file.clone(),
        expected,
        found,
    })
}

/// The first line of each signature, which nobody may rely on.
const UNTRUSTED: &str = "signature from cargo xtask sign";

/// What is said about the image.
fn comment(args: &Args, size: u64) -> Result<String, ImageError> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut words = vec![
        format!("timestamp:{}", now.as_secs()),
        format!("version:{}", args.version),
        format!("target:{}", args.target),
        format!("module:{}", args.module),
        format!("size:{size}"),
    ];
    if let Some(files) = args.file_of {
        let name = args.file.file_name().and_then(|name| name.to_str());
        let name = name
            .filter(|name| !name.contains(|it: char| it.is_whitespace() || it.is_control()))
            .ok_or_else(|| ImageError::Name(args.file.clone()))?;
        words.push(format!("file:{name}"));
        words.push(format!("files:{files}"));
    }
    Ok(words.join("\t"))
}

/// A word of the claims: what the platform allows in versions, which also suits modules and targets.
fn word(text: &str) -> Result<String, String> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    if (1..=LONGEST).contains(&text.len()) && text.chars().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("it is not 1 to 64 letters, digits, `.`, `-` or `_`".to_owned())
    }
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}

/// Whether both paths lead to one file that is there.
fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// An image that counts what is read of it, and shows it where that takes a while and somebody watches.
struct Watched {
    file: File,
    size: u64,
    read: u64,
    bar: Option<Live>,
}

impl Watched {
    fn new(file: File, size: u64) -> Self {
        let bar = (size >= WORTH_A_BAR && paint::moves()).then(Live::new);
        Self {
            file,
            size,
            read: 0,
            bar,
        }
    }

    fn end(self) {
        if let Some(bar) = self.bar {
            bar.end();
        }
    }
}

impl Read for Watched {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.read += read as u64;
        if let Some(bar) = &mut self.bar {
            // An image that has grown shows no more than all of it.
            let percent = u8::try_from(self.read / (self.size / 100).max(1))
                .unwrap_or(100)
                .min(100);
            bar.show(&format!("{} {percent} %", paint::bar(percent, 30)));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_changes_under_way_is_not_signed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("oven");
        std::fs::write(&file, "the new firmware").unwrap();
        let args = Args {
            file: file.clone(),
            key: PathBuf::new(),
            version: "1.0.7".to_owned(),
            target: "t".to_owned(),
            module: "default".to_owned(),
            file_of: None,
            out: None,
        };
        let secret = minisign::KeyPair::generate_unencrypted_keypair()
            .unwrap()
            .sk;
        let signed = |size| {
            sign(
                &args,
                &secret,
                Watched::new(File::open(&file).unwrap(), size),
                "c",
            )
        };
        signed(16).unwrap();
        for before in [15, 17] {
            let refused = signed(before);
            assert!(
                matches!(refused, Err(ImageError::Changed { expected, found: 16, .. }) if expected == before),
                "{refused:?}"
            );
        }
    }
}
