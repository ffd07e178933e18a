//! Where a firmware file is to be fetched from.
//!
//! The address is kept byte for byte: its query is part of the server's signature. For the same reason the query is left out
//! whenever the address is printed, since whoever reads it could fetch the file.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::alink::shown;

/// An absolute address with the scheme `http` or `https`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Url {
    scheme: Scheme,
    text: String,
}

/// The schemes a firmware file may be fetched by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Without protection of the way.
    Http,
    /// Over TLS.
    Https,
}

impl Url {
    /// The longest address, in bytes.
    pub const LONGEST: usize = 8 * 1024;

    /// The address, byte for byte as it came. It may hold a signature: never log it, use `Display` for that.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address's scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }
}

/// Why a text is not an address to fetch firmware from.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlFault {
    /// There is no scheme.
    #[error("is `{text}`, not an absolute address")]
    Relative {
        /// The beginning of the text.
        text: String,
    },
    /// The scheme is none we fetch by.
    #[error("has the scheme `{scheme}`, neither http nor https")]
    Scheme {
        /// The scheme found.
        scheme: String,
    },
    /// No host is named.
    #[error("is `{text}`, which names no host")]
    NoHost {
        /// The beginning of the text.
        text: String,
    },
    /// A blank, a control character or a backslash, which readers of addresses disagree about.
    #[error("is `{text}`, which holds a blank, a control character or a backslash")]
    Character {
        /// The beginning of the text.
        text: String,
    },
    /// The address is too long.
    #[error("has {length} bytes, at most {} are read", Url::LONGEST)]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
}

impl TryFrom<String> for Url {
    type Error = UrlFault;

    fn try_from(text: String) -> Result<Self, UrlFault> {
        if text.len() > Self::LONGEST {
            return Err(UrlFault::TooLong { length: text.len() });
        }
        if text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '\\')
        {
            return Err(UrlFault::Character {
                text: beginning(&text),
            });
        }
        let Some((name, rest)) = text.split_once(':').filter(|(name, _)| is_scheme(name)) else {
            return Err(UrlFault::Relative {
                text: beginning(&text),
            });
        };
        let scheme = match name.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => {
                return Err(UrlFault::Scheme {
                    scheme: shown(name),
                });
            }
        };
        let authority = rest
            .strip_prefix("//")
            .and_then(|rest| rest.split(['/', '?', '#']).next());
        let host = authority.and_then(|authority| authority.rsplit('@').next());
        match host {
            Some(host) if !host.is_empty() && !host.starts_with(':') => Ok(Self { scheme, text }),
            _ => Err(UrlFault::NoHost {
                text: beginning(&text),
            }),
        }
    }
}

/// What a fault may show of an address: nothing of its query.
fn beginning(text: &str) -> String {
    shown(text.split('?').next().unwrap_or_default())
}

/// A scheme as RFC 3986, section 3.1, has it.
fn is_scheme(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

impl From<Url> for String {
    fn from(url: Url) -> Self {
        url.text
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text.split_once('?') {
            Some((address, _)) => write!(f, "{address}?…"),
            None => f.write_str(&self.text),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    fn url(text: &str) -> Result<Url, UrlFault> {
        text.to_owned().try_into()
    }

    #[test]
    fn the_address_is_kept_byte_for_byte() {
        let text = "https://ota-cn-shanghai.iot-thing.aliyuncs.com/ota/a%2Fb.bin?Expires=1&Signature=x%2B%3d#f";
        let url = url(text).unwrap();
        assert_eq!((url.as_str(), url.scheme()), (text, Scheme::Https));
    }

    #[test]
    fn schemes_are_told_apart_whatever_their_case() {
        assert_eq!(url("HTTP://[::1]:8080/x").unwrap().scheme(), Scheme::Http);
        assert_eq!(url("hTTps://h").unwrap().scheme(), Scheme::Https);
    }

    #[test]
    fn other_schemes_and_relative_addresses_are_refused_by_name() {
        let fault = |text| url(text).unwrap_err().to_string();
        assert_eq!(
            fault("file:///etc/passwd"),
            "has the scheme `file`, neither http nor https"
        );
        assert_eq!(
            fault("ftp://h/x"),
            "has the scheme `ftp`, neither http nor https"
        );
        assert_eq!(
            fault("data:,x"),
            "has the scheme `data`, neither http nor https"
        );
        assert_eq!(fault("C:/x"), "has the scheme `C`, neither http nor https");
        assert_eq!(
            fault("/firmware.bin"),
            "is `/firmware.bin`, not an absolute address"
        );
        assert_eq!(fault("//host/x"), "is `//host/x`, not an absolute address");
        assert_eq!(
            fault("firmware.bin"),
            "is `firmware.bin`, not an absolute address"
        );
        assert_eq!(fault("./a:b"), "is `./a:b`, not an absolute address");
        assert_eq!(fault(""), "is ``, not an absolute address");
    }

    #[test]
    fn an_address_without_a_host_or_with_a_doubtful_character_is_refused() {
        for text in [
            "https://",
            "https:///x",
            "https:x",
            "https:/x",
            "https://?x",
            "https://u@/x",
            "http://:80/",
        ] {
            assert!(matches!(url(text), Err(UrlFault::NoHost { .. })), "{text}");
        }
        for text in [
            "https://h/a b",
            "https://h/\n",
            " https://h",
            "https://h\\@evil/",
            "https://h/\0",
        ] {
            assert!(
                matches!(url(text), Err(UrlFault::Character { .. })),
                "{text}"
            );
        }
        let long = format!("https://h/{}", "x".repeat(Url::LONGEST));
        assert!(matches!(url(&long), Err(UrlFault::TooLong { .. })));
    }

    #[test]
    fn a_printed_address_does_not_hold_the_signature() {
        let url = url("https://h/x.bin?auth_key=secret").unwrap();
        assert_eq!(
            format!("{url} {url:?}"),
            "https://h/x.bin?… Url(https://h/x.bin?…)"
        );
        let fault = Url::try_from("https:///x.bin?auth_key=secret".to_owned()).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "is `https:///x.bin`, which names no host"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_kept(text in "(https?|file|)(:|//|:///?)?\\PC{0,40}") {
            if let Ok(url) = url(&text) {
                assert_eq!(url.as_str(), text);
                assert!(text.to_ascii_lowercase().starts_with("http"));
            }
        }
    }
}
