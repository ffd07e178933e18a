//! Who is it that connects? The identity in a CONNECT, and whether its signature holds (document 73742).
//!
//! This is the platform's half, written from the documents alone: it must not share a line with any device's half.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use rumqttc::ConnectReturnCode;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::Sha256;

use crate::wire::hex;

/// The longest `{cid}` text, in characters (document 73742).
const LONGEST_CID: usize = 64;

/// A device's identity: product key and device name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceId {
    /// The product's key, `{pk}`.
    pub product_key: String,
    /// The device's name within the product, `{dn}`.
    pub device_name: String,
}

impl DeviceId {
    /// The identity made of these two names.
    pub fn new(product_key: impl Into<String>, device_name: impl Into<String>) -> Self {
        Self {
            product_key: product_key.into(),
            device_name: device_name.into(),
        }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.product_key, self.device_name)
    }
}

/// Why a CONNECT is refused: the return code and the reason for the journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Refusal {
    pub(crate) code: ConnectReturnCode,
    pub(crate) reason: String,
}

impl Refusal {
    pub(crate) fn new(code: ConnectReturnCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    fn client_id(reason: impl Into<String>) -> Self {
        Self::new(ConnectReturnCode::BadClientId, reason)
    }
}

/// By which of the platform's ways a client proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Signed with the device's secret: the ordinary login.
    DeviceSecret,
    /// Signed with the product's secret, asking for the device's (`authType=register`, document 132111).
    Register,
    /// The same for a device nobody announced (`authType=regnwl`); asks for a token instead.
    RegisterUnlisted,
    /// The token from [`Proof::RegisterUnlisted`] as password (`authType=connwl`).
    Token,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Md5,
    Sha1,
    Sha256,
}

/// What a CONNECT claims, before it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) device: DeviceId,
    pub(crate) cid: String,
    pub(crate) proof: Proof,
    /// `_ss=1`: deliver the standard topics without SUBSCRIBE (document 197770).
    pub(crate) automatic: bool,
    /// `ext`: bit 0 asks for custom-topic RRPC, bit 1 for error notices.
    pub(crate) ext: u32,
    method: Method,
    timestamp: Option<String>,
    random: String,
    password: String,
}

impl Claim {
    /// Reads the three strings of a CONNECT.
    ///
    /// # Errors
    /// Code 2 for a malformed client id, 4 for a missing or malformed user name or password.
    pub(crate) fn read(client_id: &str, login: Option<(&str, &str)>) -> Result<Self, Refusal> {
        let (cid, parameters) = split_client_id(client_id)?;
        let credentials =
            |reason: &str| Refusal::new(ConnectReturnCode::BadUserNamePassword, reason);
        let (user, password) = login.ok_or_else(|| credentials("no user name and password"))?;
        let (name, key) = user
            .split_once('&')
            .filter(|(name, key)| !name.is_empty() && !key.is_empty())
            .ok_or_else(|| credentials("the user name is not `{device name}&{product key}`"))?;
        let mut claim = Self {
            device: DeviceId::new(key, name),
            cid: cid.to_owned(),
            proof: Proof::DeviceSecret,
            automatic: false,
            ext: 0,
            method: Method::Md5,
            timestamp: None,
            random: String::new(),
            password: password.trim().to_owned(),
        };
        for (key, value) in parameters {
            claim.take(key, value)?;
        }
        Ok(claim)
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), Refusal> {
        match key {
            "signmethod" => {
                self.method = match value {
                    "hmacmd5" => Method::Md5,
                    "hmacsha1" => Method::Sha1,
                    "hmacsha256" => Method::Sha256,
                    other => {
                        return Err(Refusal::client_id(format!("unknown signmethod `{other}`")));
                    }
                }
            }
            "authType" => {
                self.proof = match value {
                    "register" => Proof::Register,
                    "regnwl" => Proof::RegisterUnlisted,
                    "connwl" => Proof::Token,
                    other => return Err(Refusal::client_id(format!("unknown authType `{other}`"))),
                }
            }
            "timestamp" => self.timestamp = Some(value.to_owned()),
            "random" => value.clone_into(&mut self.random),
            "_ss" => self.automatic = value == "1",
            "ext" => self.ext = value.parse().unwrap_or(0),
            // The platform ignores what it does not know; SDKs send their language and version here.
            _ => {}
        }
        Ok(())
    }

    /// Whether the password proves knowledge of `secret`: the device's, the product's or the token, as [`Claim::proof`] says.
    pub(crate) fn holds(&self, secret: &str) -> bool {
        if self.proof == Proof::Token {
            return self.password == secret;
        }
        // Some SDKs write the digest in capitals.
        self.password.eq_ignore_ascii_case(&self.signature(secret))
    }

    fn content(&self) -> String {
        let DeviceId {
            product_key,
            device_name,
        } = &self.device;
        match self.proof {
            Proof::Register | Proof::RegisterUnlisted => {
                format!(
                    "deviceName{device_name}productKey{product_key}random{}",
                    self.random
                )
            }
            Proof::DeviceSecret | Proof::Token => {
                let mut content = format!(
                    "clientId{}deviceName{device_name}productKey{product_key}",
                    self.cid
                );
                if let Some(timestamp) = &self.timestamp {
                    content.push_str("timestamp");
                    content.push_str(timestamp);
                }
                content
            }
        }
    }

    fn signature(&self, secret: &str) -> String {
        let (key, content) = (secret.as_bytes(), self.content());
        match self.method {
            Method::Md5 => hex(&mac::<Hmac<Md5>>(key, &content)),
            Method::Sha1 => hex(&mac::<Hmac<Sha1>>(key, &content)),
            Method::Sha256 => hex(&mac::<Hmac<Sha256>>(key, &content)),
        }
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], content: &str) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("an HMAC takes a key of any length");
    mac.update(content.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// An HMAC-SHA256 in hexadecimal, for the tokens in firmware URLs.
pub(crate) fn keyed_digest(key: &str, content: &str) -> String {
    hex(&mac::<Hmac<Sha256>>(key.as_bytes(), content))
}

type Parameters<'a> = Vec<(&'a str, &'a str)>;

/// `{cid}|k=v,k=v|`, with blanks and newlines allowed round everything: one SDK sends a newline and eight blanks inside.
fn split_client_id(text: &str) -> Result<(&str, Parameters<'_>), Refusal> {
    let text = text.trim();
    let (cid, rest) = text
        .split_once('|')
        .ok_or_else(|| Refusal::client_id("the client id has no `|...|` part"))?;
    let (inner, after) = rest
        .rsplit_once('|')
        .ok_or_else(|| Refusal::client_id("the client id's parameters have no closing bar"))?;
    if !after.trim().is_empty() {
        return Err(Refusal::client_id(
            "the client id goes on after its closing bar",
        ));
    }
    if cid.is_empty() || cid.chars().count() > LONGEST_CID {
        return Err(Refusal::client_id(
            "the client id's first part is not 1 to 64 characters long",
        ));
    }
    let mut parameters = Vec::new();
    for item in inner
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        let (key, value) = item.split_once('=').ok_or_else(|| {
            Refusal::client_id(format!("the client id's `{item}` is not `key=value`"))
        })?;
        parameters.push((key.trim(), value.trim()));
    }
    Ok((cid, parameters))
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
