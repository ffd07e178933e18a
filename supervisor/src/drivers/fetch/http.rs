//! A web server as a source.
//!
//! Redirects are followed by hand, because where an image may come from is a matter of safety: never from `https:` to `http:`, never to
//! another kind of address, and at most five times. What is asked for is only what is missing. What the server answers then:
//!
//! | answer | what follows |
//! |---|---|
//! | 206 with the range asked for | the part grows |
//! | 200 | started over with this body |
//! | 206 with another range or of another content, 416 | started over with a further request |

use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use supervisor_core::event::FetchFault;
use tokio::time::timeout;

use super::{
    answer::{Body, from_the_start, judge, mark_of},
    intake::Intake,
};
use crate::{
    config::Fetching,
    drivers::{chain, tls},
};

/// How many redirects are followed.
pub(super) const MOST_REDIRECTS: usize = 5;

/// Fetches what is missing.
pub(super) async fn bring(url: &str, intake: &mut Intake<'_>) -> Result<(), FetchFault> {
    let server = Server {
        settings: &intake.errand().settings,
        url,
    };
    let response = server.ask(intake).await?;
    server.receive(response, intake).await
}

/// Fetches a small file, which must not be longer than this; `None` if the server has none.
pub(super) async fn small(
    settings: &Fetching,
    url: &str,
    most: usize,
) -> Result<Option<Vec<u8>>, FetchFault> {
    let server = Server { settings, url };
    let mut response = match server.follow(0, None).await {
        Err(FetchFault::Status(404 | 410)) => return Ok(None),
        answered => answered?,
    };
    let mut bytes = Vec::new();
    while let Some(chunk) = server.patiently(response.chunk()).await? {
        if bytes.len() + chunk.len() > most {
            let promised = most as u64;
            return Err(FetchFault::Long { promised });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

struct Server<'a> {
    settings: &'a Fetching,
    url: &'a str,
}

impl Server<'_> {
    /// Asks for what is missing; the answer's body goes on where the part ends.
    async fn ask(&self, intake: &mut Intake<'_>) -> Result<Response, FetchFault> {
        let source = self.url.split(['?', '#']).next().unwrap_or_default();
        let promised = intake.promised();
        loop {
            let from = intake.taken();
            let mark = intake.part().mark(source).map(str::to_owned);
            let response = self.follow(from, mark.as_deref()).await?;
            match judge(&response, from, promised, mark.as_deref())? {
                Body::Rest => return Ok(response),
                Body::Whole => {
                    if from > 0 {
                        intake.start_over(from_the_start(from)).await?;
                    }
                    let mark = mark_of(response.headers());
                    intake.part().begin(source, mark).await?;
                    return Ok(response);
                }
                // Ends, because that is done once.
                Body::Useless(why) => intake.start_over(why).await?,
            }
        }
    }

    /// Takes a body up to its end.
    async fn receive(
        &self,
        mut response: Response,
        intake: &mut Intake<'_>,
    ) -> Result<(), FetchFault> {
        loop {
            let chunk = self.patiently(response.chunk()).await;
            let chunk = chunk.map_err(|fault| match fault {
                // The answer had begun, so that the server can be reached: what counts is how far it came.
                FetchFault::Connection(_) => FetchFault::Short {
                    got: intake.taken(),
                    promised: intake.promised(),
                },
                other => other,
            })?;
            let Some(chunk) = chunk else { return Ok(()) };
            intake.take(&chunk).await?;
        }
    }

    /// Asks for the image from this byte on, following redirects by our own rules.
    async fn follow(&self, from: u64, mark: Option<&str>) -> Result<Response, FetchFault> {
        let mut url = Url::parse(self.url)
            .map_err(|why| FetchFault::Connection(format!("the address cannot be read: {why}")))?;
        for _ in 0..=MOST_REDIRECTS {
            let client = self.client(&url)?;
            let mut request = client
                .get(url.clone())
                .header(header::ACCEPT_ENCODING, "identity");
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
                if let Some(mark) = mark {
                    request = request.header(header::IF_RANGE, mark);
                }
            }
            let response = self.patiently(request.send()).await?;
            let status = response.status();
            let of_a_range = status == StatusCode::PARTIAL_CONTENT
                || status == StatusCode::RANGE_NOT_SATISFIABLE;
            if status == StatusCode::OK || (from > 0 && of_a_range) {
                return Ok(response);
            }
            let location = response.headers().get(header::LOCATION);
            let Some(location) = location.filter(|_| is_redirect(status)) else {
                return Err(FetchFault::Status(status.as_u16()));
            };
            let location = String::from_utf8_lossy(location.as_bytes());
            let refused = || FetchFault::Redirected {
                to: location.chars().take(64).collect(),
            };
            let next = url.join(&location).map_err(|_| refused())?;
            if !may_lead(&url, &next) {
                return Err(refused());
            }
            url = next;
        }
        Err(FetchFault::Redirected {
            to: url.as_str().chars().take(64).collect(),
        })
    }

    /// A client for one hop. It is made when needed and gone afterwards, so that an idle supervisor keeps none of it.
    fn client(&self, url: &Url) -> Result<Client, FetchFault> {
        let trust = match url.scheme() {
            "https" => tls::client(&self.settings.trust),
            _ => tls::nobody(),
        };
        let tls = trust.map_err(|why| FetchFault::Connection(chain(&why)))?;
        Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(self.settings.connect_limit)
            .pool_max_idle_per_host(0)
            .tcp_nodelay(true)
            .user_agent(concat!("hotplate/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|why| FetchFault::Connection(chain(&why)))
    }

    async fn patiently<T>(
        &self,
        step: impl Future<Output = reqwest::Result<T>>,
    ) -> Result<T, FetchFault> {
        let limit = self.settings.stall_limit;
        match timeout(limit, step).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(why)) => Err(FetchFault::Connection(chain(&why.without_url()))),
            Err(_) => Err(FetchFault::Stalled {
                seconds: limit.as_secs_f64().ceil() as u64,
            }),
        }
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The same scheme, or to the safer one.
pub(super) fn may_lead(from: &Url, to: &Url) -> bool {
    matches!(
        (from.scheme(), to.scheme()),
        ("https" | "http", "https") | ("http", "http")
    )
}
