//! Firmware packages: where their bytes lie, their digests, and the URLs that lead to them.
//!
//! Bytes stay on disk; they are read in pieces for the digest and in pieces for each download, so that an image of several
//! GiB costs no memory.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::login::keyed_digest;
use crate::minisig::{Carrier, Minisig};
use crate::platform::Changed;
use crate::shared::Shared;
use crate::wire::{base64, hex};

/// How many files one package may have (document of CreateOTAFirmware).
pub(crate) const MOST_FILES: usize = 20;
/// The largest file that can be offered over MQTT, in bytes (document 302377).
pub(crate) const LARGEST_OVER_MQTT: u64 = 16 * 1024 * 1024;
/// The longest custom text of a package, in characters (document 147311).
const LONGEST_CUSTOM: usize = 4096;
/// How much is read at once for a digest.
const PIECE: usize = 256 * 1024;

/// The digest an offer carries, in the spelling of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SignMethod {
    /// MD5, written `Md5`.
    #[default]
    Md5,
    /// SHA-256, written `SHA256`.
    #[serde(rename = "SHA256")]
    Sha256,
}

impl SignMethod {
    /// As it stands in an offer.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "Md5",
            Self::Sha256 => "SHA256",
        }
    }
}

/// Where a package's file comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// These bytes, copied into the emulator's folder under this name.
    Bytes(String, Vec<u8>),
    /// This file, used where it lies; it must not change.
    Path(PathBuf),
}

/// A firmware package to be added.
#[derive(Debug, Clone)]
pub struct Package {
    /// The version the device shall report afterwards.
    pub version: String,
    /// The module; `None` is the default one.
    pub module: Option<String>,
    /// Which digest the offer carries.
    pub sign_method: SignMethod,
    /// 1 to 20 files.
    pub files: Vec<Source>,
    /// For a delta package: the only version it may be applied to.
    pub source_version: Option<String>,
    /// The package's custom text, sent as `_package_udi`; at most 4096 characters.
    pub custom: Option<String>,
    /// An RSA-2048 private key in PKCS #8 PEM: each file's digest is then signed and sent as `digestsign`.
    pub digest_key: Option<String>,
    /// The publisher's signatures, if it is signed.
    pub minisig: Option<Minisig>,
    /// How the signature of the one file reaches the device; several files have theirs at their URLs in any case.
    pub carrier: Carrier,
}

impl Package {
    /// A full package of one file with these bytes, for the default module, signed with MD5.
    pub fn from_bytes(version: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(
            version.into(),
            Source::Bytes("firmware.bin".to_owned(), bytes.into()),
        )
    }

    /// The same of a file on disk, which is used where it lies.
    pub fn from_path(version: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self::of(version.into(), Source::Path(path.into()))
    }

    fn of(version: String, source: Source) -> Self {
        Self {
            version,
            module: None,
            sign_method: SignMethod::Md5,
            files: vec![source],
            source_version: None,
            custom: None,
            digest_key: None,
            minisig: None,
            carrier: Carrier::default(),
        }
    }

    /// The same for another module.
    #[must_use]
    pub fn module(mut self, module: impl Into<String>) -> Self {
        self.module = Some(module.into());
        self
    }

    /// The same with another digest.
    #[must_use]
    pub fn sign_method(mut self, method: SignMethod) -> Self {
        self.sign_method = method;
        self
    }

    /// The same with this custom text.
    #[must_use]
    pub fn custom(mut self, text: impl Into<String>) -> Self {
        self.custom = Some(text.into());
        self
    }
}

/// A package the emulator has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firmware {
    /// Its number, used in jobs and URLs.
    pub id: u64,
    /// The version it brings.
    pub version: String,
    /// The module; `default` unless given.
    pub module: String,
    /// Which digest its offers carry.
    pub sign_method: SignMethod,
    /// For a delta package, the version it starts from.
    pub source_version: Option<String>,
    /// The custom text.
    pub custom: Option<String>,
    /// How its signatures reach the device, if it has any.
    pub carrier: Carrier,
    /// Its files in order.
    pub files: Vec<StoredFile>,
}

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Its name in URLs and offers.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its digest by the package's method, in lower-case hexadecimal.
    pub sign: String,
    /// The signed digest, in base64.
    pub digest_sign: Option<String>,
    /// The publisher's signature, or what was put in its place.
    pub minisig: Option<String>,
    /// Where it lies.
    pub path: PathBuf,
}

/// Why a package was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The version has a form the platform's console refuses (document 147311).
    #[error("version `{0}` is not 1 to 64 letters, digits, `.`, `-` or `_`")]
    Version(String),
    /// No file, or more than 20.
    #[error("package with {0} files, but 1 to 20 are allowed")]
    FileCount(usize),
    /// The custom text, with the signature if it carries that, is too long.
    #[error("custom text of {0} characters, but 4096 are allowed")]
    Custom(usize),
    /// The custom text cannot also carry the signature.
    #[error(
        "custom text leaves no room for the signature: carry it as `udi-json` beside a JSON object, or at the `url`"
    )]
    CustomTaken,
    /// Not one signature, or the lack of one, for each file.
    #[error("{texts} signatures for {files} files")]
    Minisigs {
        /// How many signatures there are.
        texts: usize,
        /// How many files.
        files: usize,
    },
    /// A file could not be read or written.
    #[error("file `{path}` cannot be taken")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The key for `digestsign` is none.
    #[error("digest key is unusable")]
    DigestKey(#[source] rcgen::Error),
}

impl Package {
    /// Stores the files and computes their digests. Blocks while it reads them.
    pub(crate) fn store(self, id: u64, folder: &Path) -> Result<Firmware, PackageError> {
        let letters = |text: &str| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
        };
        if self.version.is_empty() || self.version.len() > 64 || !letters(&self.version) {
            return Err(PackageError::Version(self.version));
        }
        if self.files.is_empty() || self.files.len() > MOST_FILES {
            return Err(PackageError::FileCount(self.files.len()));
        }
        let mut files = Vec::new();
        for (index, source) in self.files.into_iter().enumerate() {
            files.push(store_file(
                source,
                &folder.join(format!("{id}-{index}")),
                self.sign_method,
                self.digest_key.as_deref(),
            )?);
        }
        let module = self.module.unwrap_or_else(|| DEFAULT_MODULE.to_owned());
        if let Some(minisig) = self.minisig {
            minisig.put(&self.version, &module, &mut files)?;
        }
        let carrier = if files.len() > 1 {
            Carrier::Url
        } else {
            self.carrier
        };
        let firmware = Firmware {
            id,
            version: self.version,
            module,
            sign_method: self.sign_method,
            source_version: self.source_version,
            custom: self.custom,
            carrier,
            files,
        };
        if !firmware.custom_fits() {
            return Err(PackageError::CustomTaken);
        }
        match firmware
            .package_udi()
            .map_or(0, |text| text.chars().count())
        {
            length if length > LONGEST_CUSTOM => Err(PackageError::Custom(length)),
            _ => Ok(firmware),
        }
    }
}

/// The module that stands for the whole device and is left out of messages (document 89307).
pub(crate) const DEFAULT_MODULE: &str = "default";

fn store_file(
    source: Source,
    place: &Path,
    method: SignMethod,
    key: Option<&str>,
) -> Result<StoredFile, PackageError> {
    let (path, name) = match source {
        Source::Bytes(name, bytes) => {
            write_file(place, &bytes).map_err(|source| PackageError::File {
                path: place.to_owned(),
                source,
            })?;
            (place.to_owned(), name)
        }
        Source::Path(path) => {
            let name = path.file_name().map_or_else(
                || "firmware.bin".to_owned(),
                |name| name.to_string_lossy().into_owned(),
            );
            (path, name)
        }
    };
    let (size, digest) = digest(&path, method).map_err(|source| PackageError::File {
        path: path.clone(),
        source,
    })?;
    let digest_sign = key.map(|key| sign_digest(key, &digest)).transpose()?;
    Ok(StoredFile {
        name: url_safe(&name),
        size,
        sign: hex(&digest),
        digest_sign,
        minisig: None,
        path,
    })
}

/// Writes a file, and before it its folder if this is the first one there.
fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, bytes)
}

/// RSA, PKCS #1 v1.5, SHA-256 over the raw digest bytes, as the AliOS Things verifier expects it.
fn sign_digest(key: &str, digest: &[u8]) -> Result<String, PackageError> {
    use rcgen::SigningKey as _;
    let key = rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(key, &rcgen::PKCS_RSA_SHA256)
        .map_err(PackageError::DigestKey)?;
    Ok(base64(&key.sign(digest).map_err(PackageError::DigestKey)?))
}

fn url_safe(name: &str) -> String {
    name.chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || ".-_".contains(letter) {
                letter
            } else {
                '_'
            }
        })
        .collect()
}

fn digest(path: &Path, method: SignMethod) -> std::io::Result<(u64, Vec<u8>)> {
    match method {
        SignMethod::Md5 => digest_with::<Md5>(path),
        SignMethod::Sha256 => digest_with::<Sha256>(path),
    }
}

fn digest_with<D: Digest>(path: &Path) -> std::io::Result<(u64, Vec<u8>)> {
    let mut file = File::open(path)?;
    let (mut sum, mut size) = (D::new(), 0u64);
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok((size, sum.finalize().to_vec()));
        }
        sum.update(&piece[..read]);
        size += read as u64;
    }
}

/// Makes and checks the tokens which let a URL expire.
#[derive(Debug)]
pub(crate) struct UrlKey(pub(crate) String);

impl UrlKey {
    /// The path and query that lead to a file until then (ms since 1970).
    pub(crate) fn target(&self, path: &str, expires: u64) -> String {
        format!(
            "{path}?Expires={expires}&Signature={}",
            self.token(path, expires)
        )
    }

    /// Whether the query was made here for this path and is not over.
    pub(crate) fn allows(&self, path: &str, query: &str, now: u64) -> bool {
        let field = |name: &str| {
            query.split('&').find_map(|pair| {
                pair.split_once('=')
                    .filter(|(key, _)| *key == name)
                    .map(|(_, value)| value)
            })
        };
        let (Some(expires), Some(token)) = (field("Expires"), field("Signature")) else {
            return false;
        };
        let Ok(expires) = expires.parse::<u64>() else {
            return false;
        };
        expires > now && token == self.token(path, expires)
    }

    fn token(&self, path: &str, expires: u64) -> String {
        keyed_digest(&self.0, &format!("{path}\n{expires}"))
    }
}

impl Shared {
    /// Stores a package outside of the lock, since a large one takes seconds to read.
    pub(crate) fn add_firmware(&self, package: Package) -> Result<Firmware, PackageError> {
        let (id, folder) = self.act(|world, _| (world.number(), world.folder.clone()));
        let firmware = package.store(id, &folder)?;
        self.act(|world, _| {
            world.firmware.insert(id, firmware.clone());
            world.keep(Changed::Firmware(id));
        });
        Ok(firmware)
    }

    /// Puts a text, or none, in the place of a file's signature; the changed package, if there are such a package and file.
    pub(crate) fn set_minisig(&self, id: u64, file: usize, text: Option<&str>) -> Option<Firmware> {
        self.act(|world, _| {
            let firmware = world.firmware.get_mut(&id)?;
            firmware.files.get_mut(file)?.minisig = text.map(str::to_owned);
            let changed = firmware.clone();
            world.keep(Changed::Firmware(id));
            Some(changed)
        })
    }

    pub(crate) fn set_config(&self, product_key: &str, content: &[u8]) -> Result<(), PackageError> {
        let path = self.act(|world, _| {
            let number = world.number();
            world.folder.join(format!("config-{number}"))
        });
        let stored = write_file(&path, content).and_then(|()| digest_with::<Sha256>(&path));
        let (size, digest) = stored.map_err(|source| PackageError::File {
            path: path.clone(),
            source,
        })?;
        self.act(|world, _| world.set_config(product_key, path, size, hex(&digest)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_knows_size_and_digest_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let md5 = Package::from_bytes("1.0.1", "hello")
            .store(1, folder.path())
            .unwrap();
        assert_eq!(
            (md5.files[0].size, md5.files[0].sign.as_str()),
            (5, "5d41402abc4b2a76b9719d911017c592")
        );
        let sha = Package::from_bytes("1.0.1", "hello")
            .sign_method(SignMethod::Sha256)
            .store(2, folder.path())
            .unwrap();
        assert_eq!(
            sha.files[0].sign,
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        assert_eq!(sha.module, "default");
    }

    #[test]
    fn what_the_console_would_refuse_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for bad in ["", "../../x", "1 0", &"1".repeat(65)] {
            let refused = Package::from_bytes(bad, "x").store(1, folder.path());
            assert!(matches!(refused, Err(PackageError::Version(_))), "{bad}");
        }
        let many = Package {
            files: vec![Source::Bytes("f".into(), vec![]); 21],
            ..Package::from_bytes("1", "")
        };
        assert!(matches!(
            many.store(1, folder.path()),
            Err(PackageError::FileCount(21))
        ));
        let missing = Package::from_path("1", "/no/such/file").store(1, folder.path());
        assert!(matches!(missing, Err(PackageError::File { .. })));
    }

    #[test]
    fn a_url_works_until_it_expires_and_only_for_its_path() {
        let key = UrlKey("k".to_owned());
        let target = key.target("/firmware/1/0/f", 1000);
        let (path, query) = target.split_once('?').unwrap();
        assert!(key.allows(path, query, 999));
        assert!(!key.allows(path, query, 1000));
        assert!(!key.allows("/firmware/2/0/f", query, 999));
        assert!(!key.allows(path, &query.replace("1000", "2000"), 999));
        assert!(!key.allows(path, "", 0));
    }
}
