//! Firmware images: the oven in its versions, and misfits with their orders.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::Programs;

/// What marks the orders behind a misfit's executable.
const MARK: &[u8] = b"HOTMISFIT";

/// A program file and the version it is offered as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The version.
    pub version: String,
    /// Where it lies.
    pub path: PathBuf,
}

impl Image {
    /// The electric oven, 1.0.0 or 1.0.7.
    #[must_use]
    pub fn oven(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            path: Programs::under_test().path(&format!("worker-{version}")),
        }
    }

    /// A misfit with these orders, which name its version; made in `folder`.
    pub(crate) fn misfit(folder: &Path, name: &str, orders: &Value) -> Self {
        Self::padded_misfit(folder, name, orders, 0)
    }

    /// The same, at least so many bytes long, by zeros between the executable and its orders.
    pub(crate) fn padded_misfit(folder: &Path, name: &str, orders: &Value, size: usize) -> Self {
        let mut bytes = fs::read(Programs::under_test().path("misfit"))
            .expect("a program that is there can be read");
        // Behind the executable: the orders, their length, the mark.
        let json = orders.to_string();
        let behind = json.len() + size_of::<u32>() + MARK.len();
        bytes.resize(bytes.len().max(size.saturating_sub(behind)), 0);
        let length = u32::try_from(json.len()).expect("orders are short");
        bytes.extend_from_slice(json.as_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(MARK);
        let version = orders["version"].as_str().expect("orders name a version");
        Self::of_bytes(folder, name, version, &bytes)
    }

    /// Any bytes, offered as this version.
    pub(crate) fn of_bytes(folder: &Path, name: &str, version: &str, bytes: &[u8]) -> Self {
        let path = folder.join(name);
        fs::write(&path, bytes).expect("a stand's folder can be written");
        Self {
            version: version.to_owned(),
            path,
        }
    }

    /// How long it is, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        fs::metadata(&self.path).expect("an image is there").len()
    }
}
