//! What an accepted offer wants, in a form that survives a power cut and knows nothing of the cloud's spelling.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{FileName, lenient, lenient_list};
use crate::alink::{codec::Digest, hex, version::Version};

/// What an accepted offer wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Wanted {
    /// The target version.
    pub version: Version,
    /// Its files, 1 to 20: one without a name, or several with names, in the order of the names.
    pub files: Vec<WantedFile>,
    /// Who wants it.
    pub by: Origin,
    /// Was it an operator who brought it, also where the platform has come to want it meanwhile?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub brought: bool,
}

/// It as it is stored; older records know only one file, from a web server, and have its fields here.
#[derive(Deserialize)]
struct Stored {
    version: Version,
    #[serde(default)]
    files: Vec<WantedFile>,
    #[serde(default)]
    by: Origin,
    #[serde(default)]
    brought: bool,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    digests: Vec<Digest>,
}

impl From<Stored> for Wanted {
    fn from(stored: Stored) -> Self {
        let mut files = stored.files;
        files.extend(stored.url.map(|url| WantedFile {
            name: None,
            size: stored.size,
            source: Source::Url(url),
            digests: stored.digests,
            digest_sign: None,
            seal: None,
        }));
        // Before addresses could be given, an operator brought files and nobody else did.
        let is_file = |file: &WantedFile| matches!(file.source, Source::Path(_));
        let brought = stored.brought || files.iter().any(is_file);
        Self {
            version: stored.version,
            files,
            brought,
            by: stored.by,
        }
    }
}

/// One file to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedFile {
    /// Its name in a package of several files; the one image of an ordinary offer has none.
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<FileName>,
    /// Its exact length in bytes.
    pub size: u64,
    /// Where its bytes are.
    pub source: Source,
    /// What it must hash to: every one of them; at least one.
    pub digests: Vec<Digest>,
    /// The platform's signature over the first digest, Base64, unverified.
    #[serde(default)]
    pub digest_sign: Option<String>,
    /// The publisher's signature in minisign's text, unverified, if it came with the offer.
    #[serde(default)]
    pub seal: Option<String>,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// On a web server, at this address; used verbatim.
    Url(String),
    /// With the platform, asked for block by block over the MQTT session.
    Blocks {
        /// The stream's number.
        stream_id: u64,
        /// The file's number in the stream.
        file_id: u64,
    },
    /// On this machine or a medium in it; an absolute path.
    Path(String),
}

/// Who wants an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Origin {
    /// The platform: it hears of progress and outcome.
    #[default]
    Cloud,
    /// An operator at the device: the platform only hears which version runs in the end.
    Operator {
        /// May it be older than what runs?
        allow_downgrade: bool,
    },
}

impl Wanted {
    /// Bytes of all files together.
    #[must_use]
    pub fn size(&self) -> u64 {
        let sizes = self.files.iter().map(|file| file.size);
        sizes.fold(0, u64::saturating_add)
    }

    /// By what the build is known before it is fetched: the digests of its one file, or one over the list of its files.
    #[must_use]
    pub fn digests(&self) -> Vec<Digest> {
        if let [file] = self.files.as_slice()
            && file.name.is_none()
        {
            return file.digests.clone();
        }
        let mut list = Sha256::new();
        for file in &self.files {
            let name = file.name.as_ref().map_or("", FileName::as_str);
            list.update(format!("{name} {}", file.size));
            for digest in &file.digests {
                list.update(format!(" {digest}"));
            }
            list.update("\n");
        }
        vec![Digest::Sha256(list.finalize().into())]
    }

    /// Is it what this other offer wants?
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.version == other.version && super::same(&self.digests(), &other.digests())
    }

    /// Takes over where another offer of the same has it, and by what that vouches for it. Is any of it new? What an operator brought
    /// stays where it is, and once the platform offers the same it hears how that goes.
    pub fn renew(&mut self, other: Self) -> bool {
        if self.by != other.by {
            if other.by == Origin::Cloud {
                self.by = Origin::Cloud;
            }
            return false;
        }
        let mut newer = false;
        for (file, other) in self.files.iter_mut().zip(other.files) {
            newer |= file.source != other.source;
            (file.source, file.digest_sign) = (other.source, other.digest_sign);
            file.seal = other.seal;
        }
        newer
    }

    /// Does the platform hear how it goes?
    #[must_use]
    pub fn is_reported(&self) -> bool {
        self.by == Origin::Cloud
    }
}

/// A package of several files in a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// The file that is started.
    pub entry: FileName,
    /// All files, in the order of their names.
    #[serde(deserialize_with = "lenient_list")]
    pub files: Vec<SlotFile>,
}

/// One file of a package in a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotFile {
    /// Its name in the slot's folder.
    pub name: FileName,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256, in lower-case hex.
    pub sha256: String,
}

impl Package {
    /// Of so many bytes in all, and known by this digest over its list, as lower-case hex.
    #[must_use]
    pub fn identity(&self) -> (u64, String) {
        let mut list = Sha256::new();
        let mut size: u64 = 0;
        for file in &self.files {
            size = size.saturating_add(file.size);
            list.update(format!("{} {} {}\n", file.name, file.size, file.sha256));
        }
        let hash = list.finalize();
        (size, hex::encode(&hash))
    }
}
