//! The signed login: what goes into the client id, the user name and the password of an MQTT CONNECT.
//!
//! The device's secret never leaves this module in a form that could be printed. The rules and the parameters' names are
//! those of platform document 73742.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use thiserror::Error;

use super::{hex, shown};

/// Who the device is: its product's key and its own name.
///
/// Both become levels of topics and parts of the user name, so neither may hold a separator, a wildcard or a blank.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    product_key: String,
    device_name: String,
}

impl Identity {
    /// The longest product key and the longest device name, in characters. The platform's own are shorter (11 and 32).
    pub const LONGEST: usize = 64;

    /// Takes 1 to 64 ASCII letters, digits, `-`, `_`, `.`, `:` and `@` each.
    ///
    /// # Errors
    /// Names the part that is empty, too long, or holds another character.
    pub fn new(
        product_key: impl Into<String>,
        device_name: impl Into<String>,
    ) -> Result<Self, LoginFault> {
        let allowed =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@');
        Ok(Self {
            product_key: checked("product key", product_key.into(), allowed)?,
            device_name: checked("device name", device_name.into(), allowed)?,
        })
    }

    /// The key of the product the device belongs to.
    #[must_use]
    pub fn product_key(&self) -> &str {
        &self.product_key
    }

    /// The device's name within its product.
    #[must_use]
    pub fn device_name(&self) -> &str {
        &self.device_name
    }
}

/// The free part of the client id: 1 to 64 visible ASCII characters other than `|`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientName(String);

impl ClientName {
    /// The longest client name the platform takes, in characters.
    pub const LONGEST: usize = 64;

    /// Takes a text of one's own.
    ///
    /// # Errors
    /// The text is empty, too long, or holds a character that would end this part of the client id.
    pub fn new(text: impl Into<String>) -> Result<Self, LoginFault> {
        checked("client name", text.into(), |c| {
            c.is_ascii_graphic() && c != '|'
        })
        .map(Self)
    }

    /// The usual choice, `{product key}.{device name}`, cut at the bound: the platform identifies a device by its user
    /// name, never by this text.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        let mut text = format!("{}.{}", identity.product_key, identity.device_name);
        text.truncate(Self::LONGEST);
        Self(text)
    }
}

/// The device's secret. It can sign, and cannot be printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes the secret's text, which is itself the key: it is not decoded, though it often looks like hexadecimal.
    ///
    /// # Errors
    /// The text is empty or longer than 256 characters, or holds a blank or a control character, as one that was read
    /// from a file with its line end would.
    pub fn new(text: impl Into<String>) -> Result<Self, LoginFault> {
        let text = text.into();
        match text.len() {
            0 => Err(LoginFault::Empty {
                part: "device secret",
            }),
            1..=256 if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Self(text)),
            _ => Err(LoginFault::Secret),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a part of the login cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoginFault {
    /// The part has no text.
    #[error("the {part} is empty")]
    Empty {
        /// Which part.
        part: &'static str,
    },
    /// The part has too many characters.
    #[error("the {part} `{text}` is longer than 64 characters")]
    TooLong {
        /// Which part.
        part: &'static str,
        /// The beginning of its text.
        text: String,
    },
    /// The part holds a character that may not be there.
    #[error("the {part} `{text}` holds `{}`", shown(&.found.to_string()))]
    Character {
        /// Which part.
        part: &'static str,
        /// The beginning of its text.
        text: String,
        /// The first character that is not allowed.
        found: char,
    },
    /// The secret is unusable; its text is not shown.
    #[error(
        "the device secret holds a blank, a line end or another unusual character, or is longer than 256 characters"
    )]
    Secret,
    /// The signing method is none of those the platform knows.
    #[error("the signing method `{text}` is none of hmacsha256, hmacsha1 and hmacmd5")]
    Method {
        /// The beginning of its text.
        text: String,
    },
}

fn checked(
    part: &'static str,
    text: String,
    allowed: impl Fn(char) -> bool,
) -> Result<String, LoginFault> {
    if text.is_empty() {
        return Err(LoginFault::Empty { part });
    }
    if let Some(found) = text.chars().find(|&c| !allowed(c)) {
        return Err(LoginFault::Character {
            part,
            text: shown(&text),
            found,
        });
    }
    if text.len() > 64 {
        return Err(LoginFault::TooLong {
            part,
            text: shown(&text),
        });
    }
    Ok(text)
}

/// How the password is made. The platform itself assumes `hmacmd5` when a client names none; we always name ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignMethod {
    /// HMAC with SHA-256, the strongest of the three.
    #[default]
    HmacSha256,
    /// HMAC with SHA-1.
    HmacSha1,
    /// HMAC with MD5.
    HmacMd5,
}

impl SignMethod {
    fn sign(self, secret: &Secret, content: &str) -> String {
        fn mac<M: Mac + KeyInit>(secret: &Secret, content: &str) -> String {
            let mut mac = <M as KeyInit>::new_from_slice(secret.0.as_bytes())
                .expect("HMAC takes keys of any length");
            mac.update(content.as_bytes());
            hex::encode(&mac.finalize().into_bytes())
        }
        match self {
            Self::HmacSha256 => mac::<Hmac<Sha256>>(secret, content),
            Self::HmacSha1 => mac::<Hmac<Sha1>>(secret, content),
            Self::HmacMd5 => mac::<Hmac<Md5>>(secret, content),
        }
    }
}

impl fmt::Display for SignMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HmacSha256 => "hmacsha256",
            Self::HmacSha1 => "hmacsha1",
            Self::HmacMd5 => "hmacmd5",
        })
    }
}

impl FromStr for SignMethod {
    type Err = LoginFault;

    fn from_str(text: &str) -> Result<Self, LoginFault> {
        [Self::HmacSha256, Self::HmacSha1, Self::HmacMd5]
            .into_iter()
            .find(|method| method.to_string() == text)
            .ok_or_else(|| LoginFault::Method { text: shown(text) })
    }
}

/// What lies under the session. The number is the platform's `securemode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecureMode {
    /// MQTT over TLS.
    Tls = 2,
    /// MQTT over plain TCP.
    Tcp = 3,
}

/// The three texts of a CONNECT that carry the identity.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The client id with its parameters.
    pub client_id: String,
    /// The user name, device name first.
    pub username: String,
    /// The signature, lower-case hexadecimal.
    pub password: String,
}

impl Login {
    /// Signs a login.
    ///
    /// `timestamp` is any number; the platform does not compare it with a clock, so a device without one leaves it out.
    ///
    /// Two parameters deserve a word. `ext=1` asks for the synchronous calls that travel on `/ext/rrpc/...`; without it
    /// the platform does not deliver them. `_ss=1`, which asks the platform to deliver without a SUBSCRIBE, is not sent: we
    /// subscribe explicitly, so that an ordinary broker, which knows no such parameter, serves us just as well.
    #[must_use]
    pub fn sign(
        identity: &Identity,
        secret: &Secret,
        method: SignMethod,
        mode: SecureMode,
        client: &ClientName,
        timestamp: Option<u64>,
    ) -> Self {
        let stamp = timestamp
            .map(|at| format!(",timestamp={at}"))
            .unwrap_or_default();
        Self {
            client_id: format!(
                "{}|securemode={},signmethod={method}{stamp},ext=1|",
                client.0, mode as u8
            ),
            username: format!("{}&{}", identity.device_name, identity.product_key),
            password: method.sign(secret, &content(identity, client, timestamp)),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("client_id", &self.client_id)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// The text that is signed: names and values without separators, sorted by name.
fn content(identity: &Identity, client: &ClientName, timestamp: Option<u64>) -> String {
    let stamp = timestamp
        .map(|at| format!("timestamp{at}"))
        .unwrap_or_default();
    format!(
        "clientId{}deviceName{}productKey{}{stamp}",
        client.0, identity.device_name, identity.product_key
    )
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
