//! An image on a web server: what must be known of it before the supervisor can be asked to fetch it.
//!
//! Beside the image lie its publisher's signature (`.minisig` behind the name), whose words say version and length, and its digest
//! (`.sha256`, or given by the operator). Only these are read here, from a server that the configuration trusts; the image itself is fetched by the
//! running supervisor, with all its limits, and goes on where it broke off.

use std::time::Duration;

use reqwest::{Client, Method, Response, StatusCode, Url, redirect};
use supervisor_core::{
    alink::{
        codec::{Digest, DigestMethod},
        version::Version,
    },
    event::Brought,
    record::Source,
    seal::{Claims, Seal},
};

use super::{UpdateError, agreed};
use crate::{
    config::Config,
    drivers::{
        chain,
        fetch::{MOST_REDIRECTS, may_lead, with_ending},
        tls,
    },
};

/// No digest's file is longer, in bytes: the digits, and a name.
const LONGEST_DIGEST: usize = 4096;

/// How long each answer may take, all of it.
const LIMIT: Duration = Duration::from_secs(30);

/// Why an image at an address cannot be asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    /// It is none that images may come from.
    #[error(
        "`{0}` is no address of an image; it begins with https://, or where `update.allow_http` is true with http://"
    )]
    Address(String),
    /// The server cannot be asked.
    #[error("`{0}` cannot be had: {1}; `supervisor doctor` looks at the way there")]
    Unreached(String, String),
    /// Nobody says what the image must hash to.
    #[error(
        "nothing says what `{0}` must hash to; put its SHA-256 beside it as `{0}.sha256`, or give it with `--sha256`"
    )]
    NoDigest(String),
    /// The digest cannot be read.
    #[error("the SHA-256 of `{0}` cannot be read: {1}")]
    BadDigest(String, String),
    /// Nobody says how long the image is.
    #[error(
        "neither a signature nor the server says how long `{0}` is; put its signature beside it as `{0}.minisig`"
    )]
    NoLength(String),
}

/// Is this an address, and no file?
pub(crate) fn is_address(text: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| {
        text.get(..scheme.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
    })
}

/// What the image there is.
pub(crate) async fn look(
    address: &str,
    said: Option<Version>,
    sha256: Option<&str>,
    allow_downgrade: bool,
    config: &Config,
) -> Result<Brought, UpdateError> {
    let url = Url::parse(address).ok().filter(|url| {
        url.scheme() == "https" || (url.scheme() == "http" && config.policy.allow_http)
    });
    let url = url.ok_or_else(|| RemoteError::Address(address.to_owned()))?;
    let client = client(&url, config).map_err(|why| unreached(address, why))?;
    let claims = claims(&client, address).await?;
    let version = agreed(
        address.as_ref(),
        said,
        claims.as_ref().map(|it| it.version.clone()),
    )?;
    let digest = match sha256 {
        Some(digits) => digits.to_owned(),
        None => small(&client, &with_ending(address, ".sha256"), LONGEST_DIGEST)
            .await?
            .and_then(|text| text.split_whitespace().next().map(str::to_owned))
            .ok_or_else(|| RemoteError::NoDigest(address.to_owned()))?,
    };
    let digest = Digest::from_hex(DigestMethod::Sha256, &digest)
        .map_err(|fault| RemoteError::BadDigest(address.to_owned(), fault.to_string()))?;
    let size = match claims {
        Some(claims) => claims.size,
        None => length(&client, address).await?,
    };
    Ok(Brought {
        source: Source::Url(url.into()),
        version,
        size,
        digest,
        allow_downgrade,
    })
}

fn client(url: &Url, config: &Config) -> Result<Client, String> {
    let trust = match url.scheme() {
        "https" => tls::client(&config.fetch.trust),
        _ => tls::nobody(),
    };
    let redirects = redirect::Policy::custom(|attempt| {
        let from = attempt.previous().last();
        let leads = from.is_some_and(|from| may_lead(from, attempt.url()));
        if leads && attempt.previous().len() <= MOST_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    });
    Client::builder()
        .tls_backend_preconfigured(trust.map_err(|why| chain(&why))?)
        .no_proxy()
        .redirect(redirects)
        .connect_timeout(config.fetch.connect_limit)
        .timeout(LIMIT)
        .user_agent(concat!("hotplate/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|why| chain(&why))
}

/// The words of the signature beside the image, if there is one. Whether they hold is checked by the supervisor.
async fn claims(client: &Client, address: &str) -> Result<Option<Claims>, UpdateError> {
    let beside = with_ending(address, ".minisig");
    let text = small(client, &beside, Seal::LONGEST_TEXT).await?;
    let seal = text.and_then(|text| Seal::parse(&text).ok());
    Ok(seal.and_then(|seal| Claims::read(&seal.trusted_comment).ok()))
}

/// A small file as text; `None` if the server has none.
async fn small(client: &Client, address: &str, most: usize) -> Result<Option<String>, UpdateError> {
    let failed = |why: reqwest::Error| unreached(address, chain(&why.without_url()));
    let asked = client.get(address).send().await.map_err(failed)?;
    let Some(mut response) = there(asked, address)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if bytes.len() + piece.len() > most {
            return Err(unreached(address, format!("it has more than {most} bytes")));
        }
        bytes.extend_from_slice(&piece);
    }
    let text = String::from_utf8(bytes);
    text.map(Some)
        .map_err(|_| unreached(address, "it is no text".to_owned()))
}

/// How long the image is, by the server's word.
async fn length(client: &Client, address: &str) -> Result<u64, UpdateError> {
    let asked = client.request(Method::HEAD, address).send().await;
    let asked = asked.map_err(|why| unreached(address, chain(&why.without_url())))?;
    let response = there(asked, address)?;
    let length = response.and_then(|response| {
        let length = response.headers().get(reqwest::header::CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    });
    let length: Option<u64> = length.filter(|length| *length > 0);
    length.ok_or_else(|| RemoteError::NoLength(address.to_owned()).into())
}

fn there(response: Response, address: &str) -> Result<Option<Response>, UpdateError> {
    match response.status() {
        StatusCode::OK => Ok(Some(response)),
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
        status => Err(unreached(address, format!("the server answered {status}"))),
    }
}

fn unreached(address: &str, why: String) -> UpdateError {
    RemoteError::Unreached(address.to_owned(), why).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_a_file_by_its_scheme() {
        assert!(is_address("https://example.com/oven-1.0.7"));
        assert!(is_address("HTTP://example.com/oven"));
        for file in [
            "oven-1.0.7",
            "/media/usb/oven",
            "https",
            "httpsé://x",
            "C:\\oven.exe",
        ] {
            assert!(!is_address(file), "{file}");
        }
    }
}
