//! Makes images and what a publisher says of them, true or not.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cloud_emulator::SigningKey;
use serde_json::{Value, json};

use super::dice::Dice;
use super::plan::{Build, Content, Seal};

/// What marks the orders behind a misfit's executable.
const MARK: &[u8] = b"HOTMISFIT";

/// The system the programs are built for.
const TARGET: &str = env!("HOTPLATE_TARGET");

/// How many bytes are no program.
const NOISE: usize = 200_000;

/// Where images are made.
#[derive(Debug)]
pub(super) struct Forge {
    /// The folder for them.
    pub(super) folder: PathBuf,
    /// The publisher the device trusts.
    pub(super) publisher: SigningKey,
    /// Another one.
    pub(super) stranger: SigningKey,
}

/// An image that lies in its file.
#[derive(Debug, Clone)]
pub(super) struct Image {
    /// The version it is offered as.
    pub(super) version: String,
    /// The file.
    pub(super) path: PathBuf,
    /// Its length in bytes.
    pub(super) size: u64,
    /// The signature, if there is one.
    pub(super) minisig: Option<String>,
}

impl Forge {
    /// Makes an image. Where it draws, it draws from these dice.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn make(
        &self,
        build: &Build,
        version: &str,
        misfit: &[u8],
        journal: &Path,
        dice: &mut Dice,
    ) -> io::Result<Image> {
        let bytes = match &build.content {
            Content::Misfit(orders) => {
                let mut orders = orders.clone();
                orders["version"] = version.into();
                orders["journal"] = json!(journal);
                orders["ticks"] = true.into();
                stamped(misfit, &orders)
            }
            Content::Half => misfit[..misfit.len() / 2].to_vec(),
            Content::Noise => (0..NOISE / 8)
                .flat_map(|_| dice.next().to_le_bytes())
                .collect(),
        };
        let path = self.folder.join(format!("{version}.img"));
        std::fs::write(&path, &bytes)?;
        Ok(Image {
            version: version.to_owned(),
            size: bytes.len() as u64,
            minisig: self.seal(build.seal, version, &bytes, dice)?,
            path,
        })
    }

    fn seal(
        &self,
        seal: Seal,
        version: &str,
        bytes: &[u8],
        dice: &mut Dice,
    ) -> io::Result<Option<String>> {
        let said = |version: &str, target: &str, size: usize| {
            format!("timestamp:1\tversion:{version}\ttarget:{target}\tmodule:default\tsize:{size}")
        };
        let truth = said(version, TARGET, bytes.len());
        let sign =
            |key: &SigningKey, comment: &str| key.sign(&mut { bytes } as &mut dyn Read, comment);
        Ok(Some(match seal {
            Seal::None => return Ok(None),
            Seal::True => sign(&self.publisher, &truth)?,
            Seal::Stranger => sign(&self.stranger, &truth)?,
            Seal::Garbled => garbled(&sign(&self.publisher, &truth)?, dice),
            Seal::OtherVersion => sign(&self.publisher, &said("0.0.1", TARGET, bytes.len()))?,
            Seal::OtherTarget => sign(
                &self.publisher,
                &said(version, "riscv64gc-unknown-none", bytes.len()),
            )?,
            Seal::OtherSize => sign(&self.publisher, &said(version, TARGET, bytes.len() + 1))?,
        }))
    }
}

/// The executable with orders behind it, as `misfit --stamp` makes it.
fn stamped(misfit: &[u8], orders: &Value) -> Vec<u8> {
    let json = orders.to_string();
    let length = u32::try_from(json.len()).expect("orders are short");
    [misfit, json.as_bytes(), &length.to_le_bytes(), MARK].concat()
}

/// The signature with another letter somewhere where the file is signed; it stays well-formed.
fn garbled(text: &str, dice: &mut Dice) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = usize::try_from(dice.between(20, 60)).expect("it is small");
    let other = if lines[1].as_bytes()[at] == b'A' {
        "B"
    } else {
        "A"
    };
    lines[1].replace_range(at..=at, other);
    lines.join("\n") + "\n"
}
