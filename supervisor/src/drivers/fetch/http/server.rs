//! One web server, asked by our own rules.
//!
//! Redirects are followed by hand, because where an image may come from is a matter of safety: never from `https:` to `http:`, never to
//! another kind of address, and at most five times. Where bytes are counted, every single request has its own allowance, and asks for a
//! range that is not longer.

use std::{error::Error, io};

use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use supervisor_core::event::FetchFault;
use tokio::time::timeout;

use super::super::allowance::{Allowance, Ask};
use crate::{
    config::Fetching,
    drivers::{chain, tls},
};

/// How many redirects are followed.
pub(crate) const MOST_REDIRECTS: usize = 5;

/// What is wanted of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'m> {
    /// From which byte on.
    pub(super) from: u64,
    /// How much of it.
    pub(super) ask: Ask,
    /// What the server called the content that was begun.
    pub(super) mark: Option<&'m str>,
}

/// A server, for the time of one file.
pub(super) struct Server<'a> {
    settings: &'a Fetching,
    /// Where the redirects have led so far.
    url: Url,
    client: Option<(String, Client)>,
}

impl<'a> Server<'a> {
    pub(super) fn at(url: &str, settings: &'a Fetching) -> Result<Self, FetchFault> {
        let url = Url::parse(url)
            .map_err(|why| FetchFault::Connection(format!("the address cannot be read: {why}")))?;
        Ok(Self {
            settings,
            url,
            client: None,
        })
    }

    /// Asks, following redirects. The answer is 200, or if a range was asked for 206 or 416; with it, how many bytes were asked for.
    pub(super) async fn ask(
        &mut self,
        wish: &Wish<'_>,
        allowance: &mut Allowance,
    ) -> Result<(Response, u64), FetchFault> {
        for _ in 0..=MOST_REDIRECTS {
            let allowed = allowance.spend(wish.ask).await?;
            let response = self.request(wish, allowed, allowance).await?;
            let status = response.status();
            let of_a_range = status == StatusCode::PARTIAL_CONTENT
                || status == StatusCode::RANGE_NOT_SATISFIABLE;
            let ranged = wish.from > 0 || allowance.is_metered();
            if status == StatusCode::OK || (ranged && of_a_range) {
                return Ok((response, allowed));
            }
            allowance.settle(response.content_length().unwrap_or(u64::MAX));
            let location = response.headers().get(header::LOCATION);
            let Some(location) = location.filter(|_| is_redirect(status)) else {
                return Err(FetchFault::Status(status.as_u16()));
            };
            let location = String::from_utf8_lossy(location.as_bytes());
            let refused = || FetchFault::Redirected {
                to: location.chars().take(64).collect(),
            };
            let next = self.url.join(&location).map_err(|_| refused())?;
            if !may_lead(&self.url, &next) {
                return Err(refused());
            }
            self.url = next;
        }
        Err(FetchFault::Redirected {
            to: self.url.as_str().chars().take(64).collect(),
        })
    }

    async fn request(
        &mut self,
        wish: &Wish<'_>,
        allowed: u64,
        allowance: &mut Allowance,
    ) -> Result<Response, FetchFault> {
        let metered = allowance.is_metered();
        let (from, url) = (wish.from, self.url.clone());
        let client = self.client(metered)?;
        let mut request = client.get(url).header(header::ACCEPT_ENCODING, "identity");
        if metered {
            // Not with `If-Range`: content that changed would come whole.
            let last = from.saturating_add(allowed) - 1;
            request = request.header(header::RANGE, format!("bytes={from}-{last}"));
        } else if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
            if let Some(mark) = wish.mark {
                request = request.header(header::IF_RANGE, mark);
            }
        }
        let sent = self.patiently(request.send()).await?;
        sent.map_err(|why| {
            if why.is_connect() {
                allowance.settle(0);
            }
            FetchFault::Connection(chain(&why.without_url()))
        })
    }

    /// The next piece of a body; `None` at its end.
    pub(super) async fn chunk(
        &self,
        response: &mut Response,
        allowance: &mut Allowance,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, FetchFault> {
        let chunk = self.patiently(response.chunk()).await?;
        let chunk = chunk.map_err(|why| {
            // It was closed in order, so that all that was sent has come; a connection that was reset does not say so.
            if was_closed(&why) {
                allowance.settle(0);
            }
            FetchFault::Connection(chain(&why.without_url()))
        })?;
        if chunk.is_none() {
            allowance.settle(0);
        }
        Ok(chunk)
    }

    /// A client for where it stands. It is gone with the file, so that an idle supervisor keeps none of it. Where one file takes many
    /// requests they share a connection.
    fn client(&mut self, shares: bool) -> Result<&Client, FetchFault> {
        let scheme = self.url.scheme();
        let client = match self.client.take() {
            Some((of, client)) if of == scheme => client,
            _ => self.build(shares)?,
        };
        let (_, client) = self.client.insert((scheme.to_owned(), client));
        Ok(client)
    }

    fn build(&self, shares: bool) -> Result<Client, FetchFault> {
        let trust = match self.url.scheme() {
            "https" => tls::client(&self.settings.trust),
            _ => tls::nobody(),
        };
        let tls = trust.map_err(|why| FetchFault::Connection(chain(&why)))?;
        Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(self.settings.connect_limit)
            .pool_max_idle_per_host(usize::from(shares))
            .tcp_nodelay(true)
            .user_agent(concat!("hotplate/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|why| FetchFault::Connection(chain(&why)))
    }

    async fn patiently<T>(&self, step: impl Future<Output = T>) -> Result<T, FetchFault> {
        let limit = self.settings.stall_limit;
        timeout(limit, step).await.map_err(|_| FetchFault::Stalled {
            seconds: limit.as_secs_f64().ceil() as u64,
        })
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The same scheme, or to the safer one.
pub(crate) fn may_lead(from: &Url, to: &Url) -> bool {
    matches!(
        (from.scheme(), to.scheme()),
        ("https" | "http", "https") | ("http", "http")
    )
}

/// Did the server close the connection in the middle of an answer?
fn was_closed(why: &reqwest::Error) -> bool {
    let mut source = why.source();
    while let Some(inner) = source {
        if let Some(inner) = inner.downcast_ref::<io::Error>() {
            return inner.kind() == io::ErrorKind::UnexpectedEof;
        }
        source = inner.source();
    }
    false
}
